"""Patterns of several clauses about one scene, from a single reason to a small story."""

import re

from . import korean, lexicon
from .clause import Context, Misfit, Phrase, finite, sentence, stem_of
from .english import gerund, join, listed, predicate
from .hangul import attach
from .korean import Stem, eu, infinitive, plain
from .lexicon import Person
from .scene import Action
from .simple import Pair, when

FULL = "speaker name name role kin elder group pronoun"
PRONOUNS = "speaker speaker group pronoun"
BACKGROUND = (
    Action("{music:을} 듣다", "listen to {music}"),
    Action("{hot_drink:을} 마시다", "drink {hot_drink}"),
    Action("친구와 이야기하다", "talk with a friend"),
    Action("노래를 부르다", "sing a song"),
)
QUIET_SCENES = ("cooking", "cleaning", "study", "garden", "work")


def and_then(stem: Stem) -> str:
    """Link an action to the next one of the same person: -고, but 가서 after going somewhere."""
    return infinitive(stem) + "서" if stem.text.endswith(("에 가", "에 가시")) else plain(stem, "고")


def steps(ctx: Context, kinds: str, *stages: str, manner: float = 0.35) -> tuple[Person, list[Phrase]]:
    """Choose a person and what they do in the given stages, in this order."""
    actions = [ctx.action(stage) for stage in stages]
    person = ctx.person("me" if any("my " in a.en for a in actions) else kinds)
    fixed = any(a.ko.endswith("에 가다") for a in actions)
    later = 0.0 if person.kind == "group" else manner
    phrases = [ctx.phrase(actions[0], 0.0 if fixed else 0.5, manner, person.kind)]
    phrases += [ctx.phrase(action, 0.0, later) for action in actions[1:]]
    if person.kind == "elder":
        phrases = [Phrase(korean.respectful(p.stem), p.en) for p in phrases]
    return person, phrases


def subject(ctx: Context, person: Person, particle: str = "은") -> str:
    """Return the Korean subject with its particle; 저/나 and 이/가 make 제가/내가."""
    name = ctx.named(person)
    if particle == "이" and person is lexicon.SPEAKER:
        return {"나": "내가", "저": "제가"}[name]
    return attach(name, particle)


def does(person: Person, phrases: list[Phrase], tense: str) -> str:
    """Return the coordinated English predicates of one person: "went home, ate, and slept"."""
    finite_phrases = [predicate(p.en, person.agreement, tense) for p in phrases]
    if tense in ("future", "would"):
        finite_phrases = [finite_phrases[0], *(p.en for p in phrases[1:])]
    return listed(finite_phrases)


def led(time_en: str, rest: str) -> str:
    """Put a time in front of a sentence of several clauses."""
    return f"{time_en}, {rest}" if time_en else rest


def maybe_when(ctx: Context, tense: str, probability: float = 0.5) -> Pair:
    """Choose a time expression, or none."""
    return when(ctx, tense) if ctx.chance(probability) else ("", "")


def some_tense(ctx: Context) -> str:
    """Choose past or future, mostly past."""
    return "past" if ctx.chance(0.7) else "future"


def told(ctx: Context, stem: Stem, tense: str) -> str:
    """Finish the last Korean clause."""
    return finite(stem, tense, ctx.level)


def sequence(ctx: Context) -> Pair:
    """Two or three actions in a row: 도서관에 가서 책을 읽었어요."""
    tense = some_tense(ctx)
    stages = ctx.rng.choice([("before", "main"), ("main", "after"), ("before", "main", "after")])
    person, phrases = steps(ctx, FULL, *stages)
    time_ko, time_en = maybe_when(ctx, tense)
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(time_ko, subject(ctx, person), *links, told(ctx, phrases[-1].stem, tense))
    return sentence(ko, led(time_en, join(person.en, does(person, phrases, tense))))


def after_doing(ctx: Context) -> Pair:
    """After one thing, another: 숙제를 끝낸 후에 영화를 봤어요."""
    tense = some_tense(ctx)
    orders = [("before", "main"), ("main", "after"), ("main", "after", "after"), ("before", "main", "after")]
    order = ctx.rng.choice(orders)
    person, phrases = steps(ctx, FULL, *order)
    time_ko, time_en = maybe_when(ctx, tense)
    first = eu(phrases[0].stem, "ㄴ 후에")
    middle = [and_then(p.stem) for p in phrases[1:-1]]
    ko = join(time_ko, subject(ctx, person), first, *middle, told(ctx, phrases[-1].stem, tense))
    en = f"after {gerund(phrases[0].en)}, {person.en} {does(person, phrases[1:], tense)}"
    return sentence(ko, led(time_en, en))


def before_doing(ctx: Context) -> Pair:
    """Before one thing, another: 요리하기 전에 손을 씻었어요."""
    tense = some_tense(ctx)
    order = ctx.rng.choice([("before", "main"), ("before", "before", "main")])
    person, phrases = steps(ctx, FULL, *order)
    time_ko, time_en = maybe_when(ctx, tense)
    *first, last = phrases
    links = [and_then(p.stem) for p in first[:-1]]
    ko = join(time_ko, subject(ctx, person), plain(last.stem, "기 전에"), *links, told(ctx, first[-1].stem, tense))
    en = f"before {gerund(last.en)}, {person.en} {does(person, first, tense)}"
    return sentence(ko, led(time_en, en))


def while_doing(ctx: Context) -> Pair:
    """Two things at once: 음악을 들으면서 청소했어요."""
    if ctx.scene.name not in QUIET_SCENES:
        raise Misfit
    tense = ctx.rng.choice(["past", "present", "future"])
    person, [phrase] = steps(ctx, FULL, "main")
    other = ctx.phrase(ctx.rng.choice(BACKGROUND))
    stem = korean.respectful(other.stem) if person.kind == "elder" else other.stem
    time_ko, time_en = maybe_when(ctx, tense, 1.0 if tense == "present" else 0.5)
    ko = join(time_ko, subject(ctx, person), eu(stem, "면서"), told(ctx, phrase.stem, tense))
    return sentence(ko, led(time_en, join(person.en, does(person, [phrase], tense), "while", gerund(other.en))))


def purpose(ctx: Context) -> Pair:
    """Doing something in order to do something else: 요리하려고 채소를 샀어요."""
    tense = "past" if ctx.chance(0.8) else "present"
    order = ctx.rng.choice([("before", "main"), ("before", "before", "main")])
    person, phrases = steps(ctx, FULL, *order)
    *first, last = phrases
    time_ko, time_en = maybe_when(ctx, tense, 1.0 if tense == "present" else 0.5)
    links = [and_then(p.stem) for p in first[:-1]]
    ko = join(time_ko, subject(ctx, person), eu(last.stem, "려고"), *links, told(ctx, first[-1].stem, tense))
    return sentence(ko, led(time_en, join(person.en, does(person, first, tense), "in order to", last.en)))


def cause(ctx: Context) -> Pair:
    """A reason with -아/어서 and what followed: 비가 와서 집에 있었어요."""
    fact = ctx.fact("why")
    order = ctx.rng.choice([("main",), ("before", "main"), ("main", "after"), ("before", "main", "after")])
    person, phrases = steps(ctx, FULL, *order)
    time_ko, time_en = maybe_when(ctx, "past")
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(time_ko, because(fact.stem), subject(ctx, person), *links, told(ctx, phrases[-1].stem, "past"))
    return sentence(ko, led(time_en, f"{fact.english('past')}, so {person.en} {does(person, phrases, 'past')}"))


def because(stem: Stem) -> str:
    """Return -아/어서; the copula says 이라서."""
    if stem.kind == "copula":
        return stem.text + ("이라서" if korean.last_tail(stem.text) else "라서")
    return infinitive(stem) + "서"


def explanation(ctx: Context) -> Pair:
    """A reason with -기 때문에, which English puts last."""
    tense = ctx.rng.choice(["past", "past", "present"])
    fact = ctx.fact("why")
    order = ctx.rng.choice([("main",), ("before", "main"), ("main", "after")])
    person, phrases = steps(ctx, FULL, *order)
    reason = korean.past(fact.stem) if tense == "past" else fact.stem
    links = [and_then(p.stem) for p in phrases[:-1]]
    if tense == "present":
        ko_end = finite(korean.obliged(phrases[-1].stem), "present", ctx.level)
        needed = [Phrase(p.stem, "have to " + p.en if n == 0 else p.en) for n, p in enumerate(phrases)]
        en = listed([predicate(needed[0].en, person.agreement, "present"), *(p.en for p in needed[1:])])
    else:
        ko_end, en = told(ctx, phrases[-1].stem, "past"), does(person, phrases, "past")
    ko = join(plain(reason, "기 때문에"), subject(ctx, person), *links, ko_end)
    return sentence(ko, join(person.en, en, "because", fact.reason() if tense == "present" else fact.english("past")))


def hindrance(ctx: Context) -> Pair:
    """What could not be done, and why: 비가 와서 축구를 하지 못했어요."""
    fact = ctx.fact("but")
    person, phrases = steps(ctx, "speaker name name role kin group pronoun", "main", manner=0.0)
    time_ko, time_en = maybe_when(ctx, "past")
    stem = korean.unable(phrases[0].stem)
    verb = predicate(phrases[0].en, person.agreement, "could", False)
    if ctx.chance(0.5):
        ko = join(time_ko, plain(korean.past(fact.stem), "기 때문에"), subject(ctx, person), told(ctx, stem, "past"))
        return sentence(ko, led(time_en, join(person.en, verb, "because", fact.english("past"))))
    ko = join(time_ko, because(fact.stem), subject(ctx, person), told(ctx, stem, "past"))
    return sentence(ko, led(time_en, f"{fact.english('past')}, so {person.en} {verb}"))


def persistence(ctx: Context) -> Pair:
    """An obstacle that did not stop anyone: 비가 왔지만 산책했어요."""
    fact = ctx.fact("but")
    order = ctx.rng.choice([("main",), ("main", "after"), ("before", "main")])
    person, phrases = steps(ctx, FULL, *order)
    time_ko, time_en = maybe_when(ctx, "past")
    link = ctx.rng.choice([plain(korean.past(fact.stem), "지만"), korean.background(korean.past(fact.stem)) + "도"])
    word = "but" if link.endswith("지만") else "although"
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(time_ko, link, subject(ctx, person), *links, told(ctx, phrases[-1].stem, "past"))
    done = f"{person.en} {does(person, phrases, 'past')}"
    en = f"{fact.english('past')}, but {done}" if word == "but" else f"although {fact.english('past')}, {done}"
    return sentence(ko, led(time_en, en))


def condition(ctx: Context) -> Pair:
    """If this, then that: 날씨가 좋으면 산책할 거예요."""
    fact = ctx.fact("why")
    order = ctx.rng.choice([("main",), ("before", "main"), ("main", "after")])
    person, phrases = steps(ctx, FULL, *order)
    time_ko, time_en = maybe_when(ctx, "future")
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(time_ko, eu(fact.stem, "면"), subject(ctx, person), *links, told(ctx, phrases[-1].stem, "future"))
    return sentence(ko, led(time_en, f"if {fact.english('present')}, {person.en} {does(person, phrases, 'future')}"))


def occasion(ctx: Context) -> Pair:
    """What somebody does whenever: 비가 올 때 저는 보통 책을 읽어요."""
    fact = ctx.fact("why")
    order = ctx.rng.choice([("main",), ("main", "after"), ("before", "main")])
    person, phrases = steps(ctx, FULL, *order)
    adverb_ko, adverb_en = ctx.rng.choice(lexicon.FREQUENCIES)
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(eu(fact.stem, "ㄹ 때"), subject(ctx, person), adverb_ko, *links, told(ctx, phrases[-1].stem, "present"))
    done = [predicate(phrases[0].en, person.agreement, "present", adverb=adverb_en)]
    done += [predicate(p.en, person.agreement, "present") for p in phrases[1:]]
    return sentence(ko, f"when {fact.english('present')}, {person.en} {listed(done)}")


def parallel(ctx: Context) -> Pair:
    """Two people, two things: 제 여동생은 피아노를 치고 저는 노래를 불렀어요."""
    tense = some_tense(ctx)
    first, [one] = steps(ctx, FULL, "main")
    second, [two] = steps(ctx, FULL, "main")
    time_ko, time_en = maybe_when(ctx, tense)
    contrast = tense == "past" and ctx.chance(0.5)
    link = plain(korean.past(one.stem), "지만") if contrast else plain(one.stem, "고")
    ko = join(time_ko, subject(ctx, first), link, subject(ctx, second), told(ctx, two.stem, tense))
    word = "but" if contrast else "and"
    en = f"{first.en} {does(first, [one], tense)}, {word} {second.en} {does(second, [two], tense)}"
    return sentence(ko, led(time_en, en))


def meanwhile(ctx: Context) -> Pair:
    """While one person was at it, another did something: 제가 요리하는 동안 친구는 식탁을 차렸어요."""
    first, [one] = steps(ctx, FULL, "main")
    order = ctx.rng.choice([("main",), ("main", "after"), ("after",), ("before", "main", "after")])
    second, rest = steps(ctx, FULL, *order)
    time_ko, time_en = maybe_when(ctx, "past")
    links = [and_then(p.stem) for p in rest[:-1]]
    ko = join(
        time_ko,
        subject(ctx, first, "이"),
        plain(one.stem, "는 동안"),
        subject(ctx, second),
        *links,
        told(ctx, rest[-1].stem, "past"),
    )
    during = join(first.en, predicate(one.en, first.agreement, "past progressive"))
    return sentence(ko, led(time_en, f"while {during}, {second.en} {does(second, rest, 'past')}"))


def feeling(ctx: Context) -> Pair:
    """A state and what it led to, or did not: 저는 배가 고파서 빵을 먹었어요."""
    person = ctx.person("speaker speaker pronoun group")
    state = ctx.phrase(ctx.rng.choice(ctx.scene.feel))
    order = ctx.rng.choice([("main",), ("before", "main"), ("main", "after")])
    actions = [ctx.action(stage) for stage in order]
    if person is not lexicon.SPEAKER and any("my " in a.en for a in actions):
        raise Misfit
    phrases = [ctx.phrase(a, 0.4 if not n else 0, 0.3, person.kind if not n else "") for n, a in enumerate(actions)]
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(subject(ctx, person), because(state.stem), *links, told(ctx, phrases[-1].stem, "past"))
    felt = join(person.en, predicate(state.en, person.agreement, "past"))
    return sentence(ko, f"{felt}, so {person.pronoun} {does(person, phrases, 'past')}")


def saying(ctx: Context) -> Pair:
    """Reported speech and thought: 민준 씨는 영화가 재미있다고 말했어요."""
    fact = ctx.fact("say")
    person = ctx.person(FULL)
    verbs = [("말하다", "say"), ("생각하다", "think"), ("말하다", "say"), ("믿다", "believe")]
    verb_ko, verb_en = ctx.rng.choice(verbs)
    stem = korean.respectful(stem_of(verb_ko)) if person.kind == "elder" else stem_of(verb_ko)
    past = ctx.chance(0.6)
    quoted = korean.quoted(fact.stem)
    ko = join(subject(ctx, person), quoted, finite(stem, "past" if past else "present", ctx.level))
    told_en = predicate(verb_en, person.agreement, "past" if past else "present")
    return sentence(ko, join(person.en, told_en, "that", fact.english("past" if past else "present")))


def report(ctx: Context) -> Pair:
    """What somebody said others did or would do: 안나 씨는 친구들이 요리할 거라고 말했어요."""
    speaker = ctx.person("name kin elder role pronoun")
    order = ctx.rng.choice([("main",), ("before", "main"), ("main", "after")])
    actor, phrases = steps(ctx, "name role kin group elder", *order)
    if actor.kind == "speaker" and ctx.chance(0.5):
        raise Misfit
    future = ctx.chance(0.6)
    links = [and_then(p.stem) for p in phrases[:-1]]
    last = phrases[-1].stem
    quoted = korean.quoted_future(last) if future else korean.quoted(korean.past(last))
    stem = korean.respectful(stem_of("말하다")) if speaker.kind == "elder" else stem_of("말하다")
    why_ko, why_en = "", ""
    if ctx.chance(0.4):
        fact = ctx.fact("why")
        why_ko, why_en = plain(fact.stem, "기 때문에") if future else because(fact.stem), fact.english("past")
    ko = join(subject(ctx, speaker), why_ko, subject(ctx, actor, "이"), *links, quoted, finite(stem, "past", ctx.level))
    done = does(actor, phrases, "would") if future else listed_perfect(phrases)
    return sentence(ko, join(speaker.en, "said that", actor.en, done, "because" if why_en else "", why_en))


def listed_perfect(phrases: list[Phrase]) -> str:
    """Return "had done this and done that"."""
    first, *rest = (predicate(p.en, "he", "perfect") for p in phrases)
    return listed([first, *(p.removeprefix("had ") for p in rest)])


def advice(ctx: Context) -> Pair:
    """A request with its reason: 비가 오니까 우산을 챙기세요."""
    fact = ctx.fact("why")
    order = ctx.rng.choice([("main",), ("before", "main"), ("before",)])
    phrases = [ctx.phrase(ctx.action(stage), 0.3, 0.3) for stage in order]
    if any("my " in p.en for p in phrases):
        raise Misfit
    links = [and_then(p.stem) for p in phrases[:-1]]
    last = phrases[-1].stem
    together = ctx.chance(0.4) and not any("혼자" in p.stem.text for p in phrases)
    casual = korean.favour if ctx.level == korean.CASUAL else korean.request
    ko_end = korean.proposal(last, ctx.level) if together else casual(last, ctx.level)
    ko = join(eu(fact.stem, "니까"), *links, ko_end)
    lead = "let's" if together else "please"
    return sentence(ko, f"since {fact.reason()}, {lead} {listed([p.en for p in phrases])}")


def instruction(ctx: Context) -> Pair:
    """What it takes to do something: 요리하려면 먼저 채소를 씻어야 해요."""
    first = [ctx.phrase(ctx.action("before"), 0, 0.3) for _ in range(ctx.rng.choice([1, 2, 2]))]
    goal = ctx.phrase(ctx.action("main"), 0.3, 0.3)
    if any("my " in p.en for p in (goal, *first)):
        raise Misfit
    links = [and_then(p.stem) for p in first[:-1]]
    ko = join(eu(goal.stem, "려면"), "먼저", *links, finite(korean.obliged(first[-1].stem), "present", ctx.level))
    return sentence(ko, f"to {goal.en}, you first have to {listed([p.en for p in first])}")


def relative_thing(ctx: Context) -> Pair:
    """A thing somebody did something to: 어제 제가 산 사과는 아주 달아요."""
    options = [a for a in (*ctx.scene.main, *ctx.scene.before) if re.fullmatch(r"\{\w+:을\} \S+", a.ko)]
    options = [a for a in options if re.fullmatch(r"[\w ]+ \{\w+\}", a.en) and "my " not in a.en]
    if not options:
        raise Misfit
    action = ctx.rng.choice(options)
    noun_class = re.findall(r"\{(\w+)", action.en)[0]
    adjectives = [a for a in lexicon.describing(noun_class) if a[0] not in ("오래되다", "낡다", "붐비다")]
    if not adjectives or action.ko.endswith(("삭제하다", "놓치다", "타다", "버리다")):
        raise Misfit
    lemma, adjective = ctx.rng.choice(adjectives)
    noun = ctx.noun(noun_class)
    person = ctx.person(FULL)
    stem = stem_of(action.ko.split()[-1])
    stem = korean.respectful(stem) if person.kind == "elder" else stem
    verb = action.en.rpartition(" {")[0]
    place = ctx.noun(ctx.rng.choice(action.places)) if action.places and ctx.chance(0.5) else None
    time_ko, time_en = maybe_when(ctx, "past", 0.7)
    degree_ko, degree_en = ctx.rng.choice((("아주", "very"), ("정말", "really"), ("", ""), ("너무", "too")))
    if degree_ko == "너무" and lemma in lexicon.PRAISE:
        raise Misfit
    # What is eaten up or given away is judged in the past.
    tense = "past" if ctx.chance(0.5) or verb in ("eat", "drink", "taste", "use") else "present"
    where_ko, where_en = (place.ko + "에서", join(place.preposition, place.article, place.en)) if place else ("", "")
    head = attach(noun.ko, "은")
    ko = join(
        time_ko,
        subject(ctx, person, "이"),
        where_ko,
        korean.adnominal(stem, "past"),
        head,
        degree_ko,
        told(ctx, stem_of(lemma), tense),
    )
    agreement = "they" if noun.plural else "he"
    en = join("the", noun.en, "that", person.en, predicate(verb, person.agreement, "past"), where_en, time_en)
    return sentence(ko, join(en, predicate(join("be", degree_en, adjective), agreement, tense)))


def relative_person(ctx: Context) -> Pair:
    """Who is doing something: 도서관에서 책을 읽고 있는 학생은 제 사촌이에요."""
    phrase = ctx.phrase(ctx.rng.choice(ctx.scene.main), 0.6, 0.3)
    role = ctx.person("role")
    if "my " in phrase.en or "있" in phrase.stem.text or phrase.stem.text.endswith(("도착하", "놓치", "잃어버리")):
        raise Misfit
    other = ctx.person("kin")
    stem = korean.ongoing(phrase.stem)
    name = attach(role.ko, "은")
    ko = join(korean.adnominal(stem, "present"), name, korean.statement(Stem(ctx.named(other), "copula"), ctx.level))
    return sentence(ko, f"{role.en} who is {gerund(phrase.en)} is {other.en}")


# Longer stories.


def disappointment(ctx: Context) -> Pair:
    """A wish, an obstacle, and what was done instead."""
    fact = ctx.fact("but")
    person = ctx.person(PRONOUNS)
    actions = [ctx.action(stage) for stage in ("main", "main", "after")[: ctx.rng.choice([2, 3])]]
    if person is not lexicon.SPEAKER and any("my " in a.en for a in actions):
        raise Misfit
    wished, *done = [ctx.phrase(a, 0.4, 0.35, "group") for a in actions]
    time_ko, time_en = maybe_when(ctx, "past", 0.7)
    want = plain(korean.past(korean.wanting(wished.stem)), "지만")
    if person.agreement in ("he", "they"):
        want = plain(korean.past(Stem(plain(wished.stem, "고 싶어하"), "verb")), "지만")
    links = [and_then(p.stem) for p in done[:-1]]
    ko = join(time_ko, subject(ctx, person), want, because(fact.stem), "대신", *links, told(ctx, done[-1].stem, "past"))
    en = f"{person.en} wanted to {wished.en}, but {fact.english('past')}, so {person.pronoun} "
    return sentence(ko, led(time_en, en + does(person, done, "past") + " instead"))


def story(ctx: Context) -> Pair:
    """A reason, a preparation, the thing itself, and the end of it."""
    fact = ctx.fact("why")
    person, phrases = steps(ctx, FULL, "before", "main", "after")
    time_ko, time_en = maybe_when(ctx, "past", 0.8)
    first, second, third = phrases
    ko = join(
        time_ko,
        because(fact.stem),
        subject(ctx, person),
        eu(first.stem, "ㄴ 후에"),
        and_then(second.stem),
        told(ctx, third.stem, "past"),
    )
    en = f"{fact.english('past')}, so after {gerund(first.en)}, {person.en} {does(person, [second, third], 'past')}"
    return sentence(ko, led(time_en, en))


def two_plans(ctx: Context) -> Pair:
    """What follows in one case and in the other."""
    first, second = ctx.fact("why"), ctx.fact("but")
    person = ctx.person(PRONOUNS)
    actions = [ctx.action(stage) for stage in ("main", "after", "main")]
    if person is not lexicon.SPEAKER and any("my " in a.en for a in actions):
        raise Misfit
    one, two, three = (ctx.phrase(a, 0.3, manner, "group") for a, manner in zip(actions, (0.35, 0.35, 0.0), strict=True))
    time_ko, time_en = maybe_when(ctx, "future", 0.6)
    last = korean.negative(three.stem)
    ko = join(
        time_ko,
        eu(first.stem, "면"),
        subject(ctx, person),
        and_then(one.stem),
        eu(two.stem, "ㄹ 거지만"),
        eu(second.stem, "면"),
        told(ctx, last, "future"),
    )
    en = f"if {first.english('present')}, {person.en} {does(person, [one, two], 'future')}, "
    en += f"but if {second.english('present')}, {person.pronoun} {predicate(three.en, 'I', 'future', False)}"
    return sentence(ko, led(time_en, en))


def opinion_story(ctx: Context) -> Pair:
    """What somebody thought, and did for that reason."""
    fact = ctx.fact("why")
    if fact.stem.kind == "verb":
        raise Misfit
    person = ctx.person(PRONOUNS)
    order = ctx.rng.choice([("main", "after"), ("before", "main"), ("before", "main", "after")])
    actions = [ctx.action(stage) for stage in order]
    if person is not lexicon.SPEAKER and any("my " in a.en for a in actions):
        raise Misfit
    phrases = [ctx.phrase(a, 0.4 if not n else 0, 0.3, person.kind if not n else "") for n, a in enumerate(actions)]
    links = [and_then(p.stem) for p in phrases[:-1]]
    time_ko, time_en = maybe_when(ctx, "past")
    last = told(ctx, phrases[-1].stem, "past")
    ko = join(time_ko, subject(ctx, person), korean.quoted(fact.stem), "생각해서", *links, last)
    en = f"{person.en} thought that {fact.english('past')}, so {person.pronoun} {does(person, phrases, 'past')}"
    return sentence(ko, led(time_en, en))


def report_story(ctx: Context) -> Pair:
    """Reported speech about a plan with its reason, and the reporter's own part."""
    speaker = ctx.person("name kin role")
    fact = ctx.fact("why")
    actor, phrases = steps(ctx, "name kin group role", "before", "main")
    if actor.kind == "speaker":
        raise Misfit
    own = ctx.action("after")
    if "my " in own.en:
        raise Misfit
    last = ctx.phrase(own, 0, 0.3)
    quoted = korean.quoted_future(phrases[-1].stem)
    ko = join(
        subject(ctx, speaker),
        plain(fact.stem, "기 때문에"),
        subject(ctx, actor, "이"),
        and_then(phrases[0].stem),
        quoted,
        "말하고",
        told(ctx, last.stem, "past"),
    )
    en = f"{speaker.en} said that {actor.en} {does(actor, phrases, 'would')} because {fact.english('past')}, "
    return sentence(ko, en + "and " + predicate(last.en, speaker.agreement, "past"))


def three_people(ctx: Context) -> Pair:
    """Three people share a scene."""
    parts = [steps(ctx, FULL, "main") for _ in range(3)]
    time_ko, time_en = maybe_when(ctx, "past", 0.8)
    (first, [one]), (second, [two]), (third, [three]) = parts
    ko = join(
        time_ko,
        subject(ctx, first),
        plain(one.stem, "고"),
        subject(ctx, second),
        plain(korean.past(two.stem), "지만"),
        subject(ctx, third),
        told(ctx, three.stem, "past"),
    )
    en = f"{first.en} {does(first, [one], 'past')} and {second.en} {does(second, [two], 'past')}, "
    return sentence(ko, led(time_en, en + f"but {third.en} {does(third, [three], 'past')}"))


def obliged_story(ctx: Context) -> Pair:
    """A feeling, a reason, and what had to be done."""
    person = ctx.person(PRONOUNS)
    state = ctx.phrase(ctx.rng.choice(TIRED))
    fact = ctx.fact("why")
    order = ctx.rng.choice([("before", "main"), ("main", "after"), ("before", "main", "after")])
    actions = [ctx.action(stage) for stage in order]
    if person is not lexicon.SPEAKER and any("my " in a.en for a in actions):
        raise Misfit
    phrases = [ctx.phrase(a, 0.3 if not n else 0, 0.3, "group") for n, a in enumerate(actions)]
    links = [and_then(p.stem) for p in phrases[:-1]]
    ko = join(
        subject(ctx, person),
        plain(korean.past(state.stem), "지만"),
        because(fact.stem),
        *links,
        finite(korean.obliged(phrases[-1].stem), "past", ctx.level),
    )
    en = f"{person.en} {predicate(state.en, person.agreement, 'past')}, but {fact.english('past')}, "
    return sentence(ko, en + f"so {person.pronoun} had to {listed([p.en for p in phrases])}")


TIRED = (
    Action("피곤하다", "be tired"),
    Action("바쁘다", "be busy"),
    Action("졸리다", "be sleepy"),
    Action("몸이 좋지 않다", "be unwell"),
    Action("시간이 별로 없다", "have little time"),
)

MIDDLE = [
    (sequence, 6),
    (after_doing, 5),
    (before_doing, 4),
    (while_doing, 3),
    (purpose, 4),
    (cause, 7),
    (explanation, 5),
    (hindrance, 5),
    (persistence, 5),
    (condition, 6),
    (occasion, 4),
    (parallel, 4),
    (meanwhile, 4),
    (feeling, 5),
    (saying, 5),
    (report, 5),
    (advice, 5),
    (instruction, 3),
    (relative_thing, 5),
    (relative_person, 3),
]
STORIES = [
    (disappointment, 5),
    (story, 6),
    (two_plans, 4),
    (opinion_story, 5),
    (report_story, 4),
    (three_people, 4),
    (obliged_story, 4),
    (meanwhile, 4),
    (cause, 4),
    (report, 4),
    (condition, 3),
    (explanation, 2),
    (sequence, 2),
    (after_doing, 3),
    (persistence, 3),
]
