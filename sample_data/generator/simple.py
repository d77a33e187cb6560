"""Patterns of one clause: what somebody does, is, wants, asks; each returns a Korean and an English sentence."""

from . import english, korean, lexicon
from .clause import Clause, Context, Misfit, article, counted, definite, finite, indefinite, located, sentence, stem_of
from .english import join
from .hangul import attach
from .korean import CASUAL, Stem
from .nouns import Noun
from .scene import Action

Pair = tuple[str, str]
# Classes one points at and judges: 이 사과는 달아요.
THINGS = (
    "fruit",
    "clothes",
    "shoes",
    "accessory",
    "furniture",
    "book",
    "device",
    "vehicle",
    "film",
    "software",
    "pet",
    "document",
    "household",
    "dish",
    "show",
)
PLACED = ("book", "stationery", "household", "accessory", "kitchenware", "pet", "fruit", "device", "gift")
SPOTS = lexicon.table("위=on, 아래=under, 옆=next to, 뒤=behind, 앞=in front of")
DEGREES = lexicon.table("아주=very, 정말=really, 조금=a little, 꽤=quite, 너무=too")
# Verbs with a short negation 안, and objects before them.
SHORT_NEGATION = {
    "먹다",
    "마시다",
    "읽다",
    "사다",
    "보다",
    "타다",
    "가다",
    "만들다",
    "쓰다",
    "하다",
    "입다",
    "듣다",
    "배우다",
    "굽다",
    "팔다",
}


def when(ctx: Context, tense: str) -> Pair:
    """Choose a time expression that fits a tense."""
    table = {"past": lexicon.PAST_TIMES, "future": lexicon.FUTURE_TIMES, "present": lexicon.REPEATED_TIMES}[tense]
    return ctx.rng.choice(table)


def speaker_allowed(action: Action, kinds: str = "speaker name role kin elder group pronoun") -> str:
    """Return the kinds of subjects an action suits: "my parents" belongs to a speaker."""
    return "me" if "my " in action.en else kinds


def somebody(
    ctx: Context,
    kinds: str = "speaker name name role kin elder group pronoun",
    stages: tuple[str, ...] = ("main", "main", "main", "before", "after"),
    manner: bool = True,
) -> Clause:
    """Choose a person and what they do, in more or less detail."""
    action = ctx.action(ctx.rng.choice(stages))
    person = ctx.person(speaker_allowed(action, kinds))
    phrase = ctx.phrase(action, ctx.detail, ctx.detail * manner, person.kind)
    return ctx.doing(person, phrase)


def event(ctx: Context) -> Pair:
    """어제 일: 민준 씨는 어제 도서관에서 책을 읽었어요."""
    tense = ctx.rng.choice(["past", "past", "present", "future"])
    clause = somebody(ctx)
    time_ko, time_en = when(ctx, tense) if tense == "present" or ctx.chance(0.75) else ("", "")
    ko = join(clause.ko("은"), time_ko, finite(clause.stem, tense, ctx.level))
    return sentence(ko, join(clause.english(tense), time_en))


def usually(ctx: Context) -> Pair:
    """A habit with an adverb of frequency: 저는 자주 음악을 들어요."""
    clause = somebody(ctx, stages=("main",))
    adverb_ko, adverb_en = ctx.rng.choice(lexicon.FREQUENCIES)
    ko = join(clause.ko("은"), adverb_ko, finite(clause.stem, "present", ctx.level))
    return sentence(ko, clause.english("present", adverb=adverb_en))


def progressive(ctx: Context) -> Pair:
    """Something in progress: 지금 책을 읽고 있어요."""
    clause = somebody(ctx, "speaker name role kin group pronoun", stages=("main",))
    if clause.stem.text.endswith(("도착하", "놓치", "있", "계시", "만들었")):
        raise Misfit
    past = ctx.chance(0.3)
    tense = "past progressive" if past else "progressive"
    time_ko, time_en = ("그때", "at that time") if past else ("지금", "now")
    ko = join(clause.ko("은"), time_ko, finite(clause.stem, tense, ctx.level))
    return sentence(ko, join(clause.english("past progressive" if past else "present progressive"), time_en))


def shortly_negated(stem: Stem) -> Stem:
    """Put 안 before a simple verb that follows its object, and use -지 않- elsewhere."""
    words = stem.text.split()
    simple = len(words) > 1 and words[-2][-1] in "을를에" and words[-1] + "다" in SHORT_NEGATION
    return Stem(" ".join([*words[:-1], "안", words[-1]]), stem.kind) if simple else korean.negative(stem)


def denial(ctx: Context) -> Pair:
    """Something not done, or not possible: 안, -지 않다, -지 못하다."""
    tense = ctx.rng.choice(["past", "present", "past"])
    clause = somebody(ctx, "speaker name role kin group pronoun", ("main", "main", "before"), manner=False)
    time_ko, time_en = when(ctx, "past") if tense == "past" and ctx.chance(0.7) else ("", "")
    if tense == "past" and ctx.chance(0.4):
        ko = finite(korean.unable(clause.stem), "past", ctx.level)
        return sentence(join(clause.ko("은"), time_ko, ko), join(clause.english("could", False), time_en))
    negated = shortly_negated(clause.stem) if ctx.chance(0.6) else korean.negative(clause.stem)
    ko = join(clause.ko("은"), time_ko, finite(negated, tense, ctx.level))
    return sentence(ko, join(clause.english(tense, False), time_en))


def modality(ctx: Context) -> Pair:
    """Wanting, being able, having to, planning to."""
    action = ctx.action(ctx.rng.choice(["main", "before"]))
    kinds = speaker_allowed(action, "speaker name role kin group pronoun")
    person = ctx.person(kinds)
    clause = ctx.doing(person, ctx.phrase(action, ctx.detail, ctx.detail / 2, person.kind))
    past = ctx.chance(0.25)
    tense = "past" if past else "present"
    time_ko, time_en = when(ctx, "future") if not past and ctx.chance(0.5) else ("", "")
    kind = ctx.rng.choice(["want", "want", "can", "cannot", "must", "must", "plan"])
    if kind in ("can", "cannot"):
        stem = korean.able(clause.stem, kind == "can")
        en = clause.english("could" if past else "can", kind == "can")
    else:
        stem = {"want": korean.wanting, "must": korean.obliged}.get(kind, planning)(clause.stem)
        if kind == "want" and person.agreement in ("he", "they"):
            stem = Stem(korean.plain(clause.stem, "고 싶어하"), "verb")
        lead = {"want": "want to", "must": "have to", "plan": "plan to"}[kind]
        en = join(clause.subject_en, english.predicate(f"{lead} {clause.en}", clause.agreement, tense))
    ko = finite(stem, tense, ctx.level)
    return sentence(join(clause.ko("은"), time_ko, ko), join(en, time_en))


def planning(stem: Stem) -> Stem:
    """Return -(으)려고 하-."""
    return Stem(korean.eu(stem, "려고 하"), "verb")


def listener(ctx: Context) -> str:
    """Address the listener now and then, by name."""
    if ctx.chance(0.6):
        return ""
    person = ctx.rng.choice(lexicon.NAMES)
    ctx.used.append(person.ko)
    return person.en + "|" + (vocative(person.ko) if ctx.level == CASUAL else person.ko + " 씨")


def vocative(name: str) -> str:
    """Call somebody by name in plain speech: 민준아, 미나야."""
    return name + ("아" if korean.last_tail(name) else "야")


def yes_no(ctx: Context) -> Pair:
    """A question to the listener, whose subject Korean leaves out, or about somebody else."""
    tense = ctx.rng.choice(["past", "past", "present", "future"])
    time_ko, time_en = when(ctx, tense) if ctx.chance(0.7) or tense == "present" else ("", "")
    if ctx.chance(0.35):
        clause = somebody(ctx, kinds="name name role group")
        ko = join(clause.ko("은"), time_ko, finite(clause.stem, tense, ctx.level, True))
        en = english.question(clause.en, clause.subject_en, clause.agreement, tense)
        return sentence(ko, join(en, time_en), "?")
    action = ctx.action(ctx.rng.choice(["main", "main", "before"]))
    phrase = ctx.phrase(action, ctx.detail, ctx.detail, "you")
    if "my " in phrase.en:
        raise Misfit
    called_en, _, called = listener(ctx).partition("|")
    ko = join(called + "," if called else "", time_ko, finite(phrase.stem, tense, ctx.level, True))
    en = join(called_en + "," if called_en else "", english.question(phrase.en, "you", "you", tense), time_en)
    return sentence(ko, en, "?")


def wh_question(ctx: Context) -> Pair:
    """Where, when, why, with whom: 어디에서 커피를 마셨어요?"""
    action = ctx.action("main")
    options = [("언제", "when"), ("왜", "why"), ("어떻게", "how")][: 2 if ctx.chance(0.8) else 3]
    if action.places:
        options += [("어디에서", "where")] * 2
    if action.social:
        options += [("누구와", "who")] * 2
    asked_ko, asked_en = ctx.rng.choice(options)
    tense = ctx.rng.choice(["past", "past", "future"])
    phrase = ctx.phrase(action, 0.4 if asked_en == "who" else 0, 0)
    if "my " in phrase.en or (asked_ko == "누구와" and "혼자" in phrase.stem.text):
        raise Misfit
    time_ko, time_en = when(ctx, tense) if asked_en != "when" and ctx.chance(0.5) else ("", "")
    if time_ko == "곧":
        raise Misfit
    third = ctx.chance(0.35)
    person = ctx.person("name role group" if third else "me")
    if third and person.kind != "speaker":
        subject_ko, subject, agreement = attach(ctx.named(person), "은"), person.en, person.agreement
    else:
        subject_ko, subject, agreement = "", "you", "you"
    ko = join(subject_ko, time_ko, asked_ko, finite(phrase.stem, tense, ctx.level, True))
    asked = english.question(phrase.en, subject, agreement, tense)
    return sentence(ko, join(asked_en, asked, "with" if asked_en == "who" else "", time_en), "?")


def what_question(ctx: Context) -> Pair:
    """What somebody does something to: 어제 뭘 먹었어요?"""
    verbs = lexicon.table("""먹다=eat, 마시다=drink, 읽다=read, 사다=buy, 만들다=make, 보다=watch, 배우다=learn
        그리다=draw, 팔다=sell, 찾다=look for, 듣다=listen to, 쓰다=write, 고치다=fix, 심다=plant, 빌리다=borrow
        주문하다=order, 준비하다=prepare, 추천하다=recommend, 잃어버리다=lose, 요리하다=cook""")
    lemma, verb = ctx.rng.choice(verbs)
    tense = ctx.rng.choice(["past", "past", "future"])
    time_ko, time_en = when(ctx, tense)
    third = ctx.chance(0.6)
    person = ctx.person("name name role group") if third else None
    stem = stem_of(lemma)
    subject_ko = attach(ctx.named(person), "은") if person else ""
    subject, agreement = (person.en, person.agreement) if person else ("you", "you")
    ko = join(subject_ko, time_ko, "무엇을", finite(stem, tense, ctx.level, True))
    return sentence(ko, join("what", english.question(verb, subject, agreement, tense), time_en), "?")


def asking(ctx: Context) -> Pair:
    """A request, a proposal or a prohibition."""
    action = ctx.action(ctx.rng.choice(["main", "main", "before"]))
    phrase = ctx.phrase(action, ctx.detail, ctx.detail)
    if "my " in phrase.en:
        raise Misfit
    time_ko, time_en = when(ctx, "future") if ctx.chance(0.4) else ("", "")
    if time_ko == "곧":
        raise Misfit
    called_en, _, called = listener(ctx).partition("|")
    head_ko, head_en = (called + "," if called else ""), (called_en + "," if called_en else "")
    kind = ctx.rng.choice(["please", "please", "let's", "don't"])
    if kind == "let's" and "혼자" not in phrase.stem.text:
        ko, en = korean.proposal(phrase.stem, ctx.level), f"let's {phrase.en}"
    elif kind == "don't":
        ko = korean.plain(phrase.stem, "지 " + {CASUAL: "마", korean.POLITE: "마세요"}.get(ctx.level, "마십시오"))
        en = "don't " + phrase.en
    else:
        ask = korean.favour if ctx.level == CASUAL else korean.request
        ko, en = ask(phrase.stem, ctx.level), f"please {phrase.en}"
    return sentence(join(head_ko, time_ko, ko), join(head_en, en, time_en))


def identity(ctx: Context) -> Pair:
    """Who somebody is, or is not: 제 여동생은 간호사예요."""
    person = ctx.person("name kin pronoun")
    role = ctx.rng.choice(lexicon.ROLES)
    name = role.en.removeprefix("the ")
    if person.agreement == "they":
        raise Misfit
    adjective = ctx.rng.choice(lexicon.describing("person")) if ctx.chance(0.5) else None
    role_ko = join(korean.adnominal(stem_of(adjective[0]), "present"), role.ko) if adjective else role.ko
    noun = article(join(adjective[1], name) if adjective else name)
    positive = adjective is not None or ctx.chance(0.75)
    stem = Stem(role_ko, "copula") if positive else Stem(attach(role_ko, "이") + " 아니", "adjective")
    tense = "present" if ctx.chance(0.7) else "past"
    ko = korean.statement(korean.past(stem) if tense == "past" else stem, ctx.level)
    en = join(person.en, english.predicate("be " + noun, "he", tense, positive))
    return sentence(join(attach(ctx.named(person), "은"), ko), en)


def thing(ctx: Context, classes: tuple[str, ...] = THINGS) -> tuple[Noun, str, Pair]:
    """Choose a thing, its class and a fitting adjective."""
    noun_class = ctx.rng.choice(classes)
    return ctx.noun(noun_class), noun_class, ctx.rng.choice(lexicon.describing(noun_class))


def pointed(noun: Noun, ko: str, en: str) -> Pair:
    """Point at a noun: 이 구두, "these dress shoes"."""
    return f"{ko} {noun.ko}", f"{ {'this': 'these', 'that': 'those'}[en] if noun.plural else en } {noun.en}"


def judgement(ctx: Context) -> Pair:
    """What something is like: 이 사과는 아주 달아요."""
    noun, noun_class, (lemma, adjective) = thing(ctx)
    ko, en = pointed(noun, *ctx.rng.choice([("이", "this"), ("그", "that")]))
    owner = ctx.rng.choice(lexicon.NAMES)
    if noun_class in ("clothes", "shoes", "accessory", "device", "vehicle", "furniture", "pet") and ctx.chance(0.5):
        ko, en = f"{ctx.named(owner)}의 {noun.ko}".replace("이의", "의"), f"{owner.en}'s {noun.en}"
    tense = "past" if ctx.chance(0.25) else "present"
    stem, agreement = stem_of(lemma), "they" if noun.plural else "he"
    if lemma == "붐비다":
        tense = "past"
    roll = ctx.rng.random()
    degrees = [degree for degree in DEGREES if degree[0] != "너무" or lemma not in lexicon.PRAISE]
    if lemma in ("오래되다", "낡다"):
        stem = korean.past(stem) if tense == "present" else stem
        tense, roll = "present", max(roll, 0.4)
        return sentence(
            join(attach(ko, "은"), korean.statement(stem if stem.kind == "past" else korean.past(stem), ctx.level)),
            join(en, english.predicate("be " + adjective, agreement, "present")),
        )
    if roll < 0.15:
        ko_end, en_end = (
            finite(korean.negative(stem), tense, ctx.level),
            english.predicate("be " + adjective, agreement, tense, False),
        )
    else:
        degree_ko, degree_en = ctx.rng.choice(degrees) if roll < 0.75 else ("", "")
        ko_end = join(degree_ko, finite(stem, tense, ctx.level))
        en_end = english.predicate(join("be", degree_en, adjective), agreement, tense)
    if 0.75 <= roll < 0.9:
        ko_end = finite(stem, tense, ctx.level, True)
        return sentence(join(attach(ko, "은"), ko_end), english.question("be " + adjective, en, agreement, tense), "?")
    return sentence(join(attach(ko, "은"), ko_end), join(en, en_end))


def comparative(adjective: str) -> str:
    """Return the comparative: faster, heavier, bigger, more expensive."""
    irregular = {"far away": "farther away", "worn-out": "more worn-out", "clean": "cleaner", "close": "closer"}
    if adjective in irregular:
        return irregular[adjective]
    if adjective.endswith("y") and len(adjective) < 7:
        return adjective[:-1] + "ier"
    if len(adjective) > 6 or adjective in ("unique", "useful", "boring", "famous", "comfortable"):
        return "more " + adjective
    if adjective in ("big", "hot", "sad", "red", "thin"):
        return adjective + adjective[-1] + "er"
    return adjective + ("r" if adjective.endswith("e") else "er")


def comparison(ctx: Context) -> Pair:
    """One thing against another of its class: 기차가 버스보다 더 편리해요."""
    noun, noun_class, (lemma, adjective) = thing(ctx, (*THINGS, "transport", "subject", "language", "station"))
    if lemma in ("낡다", "오래되다", "붐비다") or adjective in ("white", "red", "black", "yellow", "blue"):
        raise Misfit
    other, demonstrative = ctx.noun(noun_class), ("이", "this") if noun.article == "a" else ("", "")
    far = ("그", "that") if demonstrative[0] else ("", "")
    ko = join(demonstrative[0], noun.ko), join(far[0], other.ko)
    if demonstrative[0] and other.article == "a":
        en = f"this {noun.en}", f"that {other.en}"
    else:
        ko = noun.ko, other.ko
        en = definite(noun, noun_class), definite(other, noun_class)
    ko_end = finite(stem_of(lemma), "present", ctx.level)
    en_end = english.predicate(f"be {comparative(adjective)} than {en[1]}", "they" if noun.plural else "he", "present")
    return sentence(join(attach(ko[0], "이"), ko[1] + "보다 더", ko_end), join(en[0], en_end))


def superlative(ctx: Context) -> Pair:
    """The most of its kind: 이 가게에서 이 코트가 제일 비싸요."""
    shop = ctx.noun("shop")
    noun_class = {
        "옷 가게": "clothes",
        "백화점": "clothes",
        "신발 가게": "shoes",
        "가구점": "furniture",
        "서점": "book",
        "꽃집": "plant",
        "전자 상가": "device",
        "빵집": "snack",
        "시장": "fruit",
        "슈퍼마켓": "fruit",
    }.get(shop.ko)
    if not noun_class:
        raise Misfit
    noun = ctx.noun(noun_class)
    lemma, adjective = ctx.rng.choice(lexicon.describing(noun_class))
    most = "most " + adjective if comparative(adjective).startswith("more") else comparative(adjective)[:-2] + "est"
    if lemma in ("낡다", "오래되다") or adjective in ("white", "red", "black", "yellow", "blue"):
        raise Misfit
    ko, en = pointed(noun, "이", "this")
    ko = join(f"{shop.ko}에서", attach(ko, "이"), "제일", finite(stem_of(lemma), "present", ctx.level))
    end = english.predicate(f"be the {most}", "they" if noun.plural else "he", "present")
    return sentence(ko, join(en, end, "at", definite(shop)))


def existence(ctx: Context) -> Pair:
    """What is where: 책상 위에 책이 세 권 있어요."""
    noun_class = ctx.rng.choice(PLACED)
    noun = ctx.noun(noun_class)
    base = ctx.noun("furniture")
    spot_ko, spot_en = ctx.rng.choice(SPOTS)
    where_ko, where_en = f"{base.ko} {spot_ko}에", f"{spot_en} the {base.en}"
    if ctx.chance(0.3):
        room = ctx.noun("room")
        where_ko, where_en = f"{room.ko}에", located(room)
    tense = "past" if ctx.chance(0.25) else "present"
    stem = Stem("있", "exist")
    if noun.article != "a" or ctx.chance(0.4):
        thing_ko, thing_en, many = attach(noun.ko, "이"), indefinite(noun), noun.plural
    else:
        number = ctx.rng.randint(2, 9)
        group = counted(noun, noun_class, number)
        thing_ko, thing_en, many = attach(noun.ko, "이") + group.ko.removeprefix(noun.ko), group.en, True
    ko = join(where_ko, thing_ko, finite(stem, tense, ctx.level))
    return sentence(ko, join("there", english.predicate("be " + thing_en, "they" if many else "he", tense), where_en))


def position(ctx: Context) -> Pair:
    """Where a place or a thing is: 은행은 병원 옆에 있어요."""
    spot_ko, spot_en = ctx.rng.choice(SPOTS[2:])
    classes = ("clinic", "bureau", "eatery", "culture", "shop", "station", "lodging")
    first, second = (ctx.noun(ctx.rng.choice(classes)) for _ in range(2))
    if ctx.chance(0.45):
        noun_class = ctx.rng.choice(("book", "accessory", "household", "pet"))
        first, second = ctx.noun(noun_class), ctx.noun("furniture")
        spot_ko, spot_en = ctx.rng.choice(SPOTS)
    tense = "past" if ctx.chance(0.2) else "present"
    question = ctx.chance(0.2)
    end = finite(Stem("있", "exist"), tense, ctx.level, question)
    ko = join(attach(first.ko, "은"), f"{second.ko} {spot_ko}에", end)
    where = f"be {spot_en} {definite(second)}"
    if question:
        return sentence(ko, english.question(where, definite(first), "he", tense), "?")
    return sentence(ko, join(definite(first), english.predicate(where, "he", tense)))


def owning(ctx: Context) -> Pair:
    """What somebody has: 저는 고양이 두 마리가 있어요."""
    noun_class = ctx.rng.choice(("pet", "vehicle", "book", "device", "accessory", "clothes", "stationery"))
    noun = ctx.noun(noun_class)
    person = ctx.person("speaker name role kin")
    if noun.article != "a":
        raise Misfit
    number = ctx.rng.randint(1, 5)
    group = counted(noun, noun_class, number)
    positive = ctx.chance(0.85)
    if not positive:
        ko_thing, en_thing = noun.ko, "any " + english.plural(noun.en)
    else:
        ko_thing, en_thing = group.ko, group.en
    end = finite(Stem("있" if positive else "없", "exist"), "present", ctx.level)
    en = join(person.en, english.predicate("have " + en_thing, person.agreement, "present", positive))
    return sentence(join(attach(ctx.named(person), "은"), attach(ko_thing, "이"), end), en)


def pain(ctx: Context) -> Pair:
    """What hurts: 저는 머리가 아파요."""
    person = ctx.person("speaker name role kin elder")
    part = ctx.noun("bodypart")
    owner = {"I": "my", "we": "our"}.get(person.agreement, person.en + "'s")
    tense = ctx.rng.choice(["present", "past"])
    time_ko, time_en = when(ctx, "past") if tense == "past" else ("", "")
    if owner == "our":
        raise Misfit
    stem = korean.respectful(stem_of("아프다")) if person.kind == "elder" else stem_of("아프다")
    ko = join(attach(ctx.named(person), "은"), time_ko, attach(part.ko, "이"), finite(stem, tense, ctx.level))
    return sentence(ko, join(owner, part.en, english.predicate("hurt", "he", tense), time_en))


def belonging(ctx: Context) -> Pair:
    """Whose something is: 이것은 민준 씨의 우산이에요."""
    noun = ctx.noun(ctx.rng.choice(("accessory", "device", "clothes", "book", "stationery", "vehicle", "household")))
    person = ctx.person("name name role elder")
    if noun.plural:
        raise Misfit
    owner = ctx.named(person).removesuffix("이") if person.kind == "name" and ctx.level == CASUAL else ctx.named(person)
    if ctx.level == CASUAL and person.kind == "name":
        owner = person.ko
    ko_this, en_this = ctx.rng.choice([("이것", "this"), ("그것", "that")])
    positive, question = ctx.chance(0.8), ctx.chance(0.25)
    name = f"{owner}의 {noun.ko}"
    stem = Stem(name, "copula") if positive or question else Stem(attach(name, "이") + " 아니", "adjective")
    ko = join(attach(ko_this, "은"), korean.statement(stem, ctx.level, question))
    owned = f"{person.en}'s {noun.en}"
    if question:
        return sentence(ko, f"is {en_this} {owned}", "?")
    return sentence(ko, join(en_this, english.predicate("be " + owned, "he", "present", positive)))


SIMPLE = [
    (event, 14),
    (usually, 4),
    (progressive, 5),
    (denial, 6),
    (modality, 8),
    (yes_no, 6),
    (wh_question, 5),
    (what_question, 3),
    (asking, 6),
    (identity, 3),
    (judgement, 5),
    (comparison, 3),
    (superlative, 2),
    (existence, 4),
    (position, 3),
    (owning, 2),
    (pain, 1),
    (belonging, 2),
]
