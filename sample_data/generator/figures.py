"""Patterns about numbers: clock times, dates, prices, percentages, ages, durations; and a few fixed phrases."""

from . import english, korean, lexicon
from .clause import NATIVE, Context, Misfit, counted, definite, finite, sentence, stem_of
from .english import join, plural
from .hangul import attach
from .korean import CASUAL, Stem
from .nouns import Noun
from .simple import Pair, pointed, vocative

DIGITS = ["", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"]
TENS = ["", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든"]
ONES = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉"]
MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
PARTS = lexicon.table("오전=in the morning, 오후=in the afternoon, 저녁=in the evening")
WEEKDAYS = lexicon.table("""월요일=Monday, 화요일=Tuesday, 수요일=Wednesday, 목요일=Thursday, 금요일=Friday
    토요일=Saturday, 일요일=Sunday""")
WAYS = lexicon.table("""버스로=by bus, 지하철로=by subway, 자동차로=by car, 자전거로=by bicycle
    걸어서=on foot, 택시로=by taxi""")
PRICED = ("clothes", "accessory", "furniture", "device", "book", "fruit", "vehicle")


def sino(number: int) -> str:
    """Spell a number below a hundred million in Sino-Korean: 35000 is 삼만 오천."""
    if number >= 10000:
        high = "" if number // 10000 == 1 else sino(number // 10000)
        return join(high + "만", sino(number % 10000))
    spelled = ""
    for value, unit in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = number // value % 10
        if digit:
            spelled += (DIGITS[digit] if digit > 1 or value == 1 else "") + unit
    return spelled


def native(number: int) -> str:
    """Spell a number below ninety in native Korean, as it stands before a counter: 스물다섯, 스무."""
    return "스무" if number == 20 else TENS[number // 10] + ONES[number % 10]


def clock(ctx: Context) -> Pair:
    """Choose a time of day: 오후 세 시에, "at three in the afternoon"; 세 시 삼십 분, "at 3:30"."""
    part_ko, part_en = ctx.rng.choice(PARTS)
    low, high = {"오전": (7, 11), "오후": (1, 5), "저녁": (6, 9)}[part_ko]
    hour = ctx.rng.randint(low, high)
    minute = ctx.rng.choice([0, 0, 10, 15, 20, 30, 30, 40, 45, 50])
    hour_ko = ([*NATIVE, "열한", "열두"])[hour]
    if minute:
        return f"{part_ko} {hour_ko} 시 {sino(minute)} 분에", f"at {hour}:{minute} {part_en}"
    return f"{part_ko} {hour_ko} 시에", f"at {english.NUMBERS[hour]} {part_en}"


def schedule(ctx: Context) -> Pair:
    """When something starts or leaves: 회의는 오후 세 시에 시작해요."""
    tense = ctx.rng.choice(["present", "past", "future"])
    verb_ko, verb_en = ctx.rng.choice([("시작되다", "start"), ("끝나다", "end")])
    subject = ctx.noun("event")
    if ctx.chance(0.3):
        subject, verb_ko, verb_en = ctx.noun("transport"), "출발하다", "leave"
    day_ko, day_en = ctx.rng.choice(WEEKDAYS) if ctx.chance(0.4) else ("", "")
    if day_ko and tense != "present":
        day_ko, day_en = ("지난 " + day_ko, "last " + day_en) if tense == "past" else ("다음 " + day_ko, "next " + day_en)
    elif day_ko:
        day_en = "on " + day_en
    time_ko, time_en = clock(ctx)
    ko = join(attach(subject.ko, "은"), day_ko, time_ko, finite(stem_of(verb_ko), tense, ctx.level))
    return sentence(ko, join(definite(subject), english.predicate(verb_en, "he", tense), time_en, day_en))


# When one does what: nobody gets up at ten and has lunch at five.
PROPER_TIMES = {
    "일어나다": ("오전 일곱 시", "오전 여덟 시"),
    "출근하다": ("오전 여덟 시", "오전 아홉 시"),
    "학교에 가다": ("오전 여덟 시", "오전 아홉 시"),
    "사무실에 도착하다": ("오전 여덟 시", "오전 아홉 시"),
    "점심을 먹다": ("오후 한 시",),
    "저녁을 먹다": ("저녁 여섯 시", "저녁 일곱 시"),
    "집에 돌아오다": ("저녁 여섯 시", "저녁 일곱 시", "저녁 여덟 시", "저녁 아홉 시"),
}


def routine(ctx: Context) -> Pair:
    """What somebody does at an hour: 저는 매일 아침 일곱 시에 일어나요."""
    verb_ko, verb_en = ctx.rng.choice(
        lexicon.table("""일어나다=get up, 출근하다=go to work, 학교에 가다=go to school
        집에 돌아오다=come home, 점심을 먹다=have lunch, 저녁을 먹다=have dinner, 운동을 하다=work out
        사무실에 도착하다=arrive at the office, 수업을 듣다=take a class, 산책을 하다=take a walk""")
    )
    person = ctx.person("speaker name role kin elder group")
    tense = ctx.rng.choice(["present", "past", "future"])
    tables = {"present": (("매일", "every day"),), "past": (("어제", "yesterday"),), "future": (("내일", "tomorrow"),)}
    day_ko, day_en = ctx.rng.choice(tables[tense])
    time_ko, time_en = clock(ctx)
    if not time_ko.startswith(PROPER_TIMES.get(verb_ko, time_ko[:2])):
        raise Misfit
    stem = stem_of(verb_ko)
    stem = korean.respectful(stem) if person.kind == "elder" else stem
    ko = join(attach(ctx.named(person), "은"), day_ko, time_ko, finite(stem, tense, ctx.level))
    en = join(person.en, english.predicate(verb_en, person.agreement, tense), time_en, day_en)
    return sentence(ko, en)


def price(ctx: Context) -> Pair:
    """What something costs: 이 코트는 삼만 오천 원이에요."""
    noun_class = ctx.rng.choice(PRICED[:-1])
    noun = ctx.noun(noun_class)
    scale = {"furniture": 10000, "device": 10000, "clothes": 1000, "accessory": 1000, "fruit": 100}.get(noun_class, 500)
    amount = ctx.rng.randint(12, 90) * scale
    spelled = sino(amount) if ctx.chance(0.6) else f"{amount:,}"
    won = f"{spelled} 원" if spelled[0] not in "123456789" else f"{spelled}원"
    ko, en = pointed(noun, *ctx.rng.choice([("이", "this"), ("그", "that")]))
    tense = ctx.rng.choice(["present", "past"])
    stem = Stem(won, "copula")
    end = korean.statement(korean.past(stem) if tense == "past" else stem, ctx.level)
    cost = english.predicate(f"be {amount:,} won", "they" if noun.plural else "he", tense)
    return sentence(join(attach(ko, "은"), end), join(en, cost))


def purchase(ctx: Context) -> Pair:
    """What somebody bought for how much: 저는 책 두 권을 이만 원에 샀어요."""
    noun_class = ctx.rng.choice(("fruit", "clothes", "accessory", "book", "stationery", "kitchenware"))
    noun = ctx.noun(noun_class)
    if noun.article != "a":
        raise Misfit
    group = counted(noun, noun_class, ctx.rng.randint(1, 6))
    low, high = {"clothes": (15, 90), "accessory": (10, 60), "fruit": (2, 16), "stationery": (1, 9)}.get(noun_class, (8, 40))
    amount = ctx.rng.randint(low, high) * 1000
    shop = ctx.noun("fashion_shop") if noun_class in ("clothes", "accessory") else None
    person = ctx.person("speaker name role kin group pronoun")
    place_ko, place_en = (f"{shop.ko}에서", f"at {definite(shop)}") if shop else ("", "")
    ko = join(
        attach(ctx.named(person), "은"),
        place_ko,
        attach(group.ko, "을"),
        f"{sino(amount)} 원에",
        finite(stem_of("사다"), "past", ctx.level),
    )
    return sentence(ko, join(person.en, "bought", group.en, f"for {amount:,} won", place_en))


def date(ctx: Context) -> Pair:
    """On which day something is: 시험은 5월 12일이에요."""
    month, day = ctx.rng.randint(1, 12), ctx.rng.randint(1, 28)
    event = ctx.noun("event")
    owner = ctx.rng.choice(lexicon.NAMES) if event.ko in ("결혼식", "졸업식", "생일 파티", "발표", "면접", "강연") else None
    name = ctx.named(owner) if owner else ""
    if owner and ctx.level == CASUAL:
        name = owner.ko
    ko_subject = join(name + "의" if owner else "", event.ko)
    en_subject = f"{owner.en}'s {event.en}" if owner else definite(event)
    day_ko = f"{month}월 {day}일"
    tense = ctx.rng.choice(["present", "past"])
    stem = Stem(day_ko, "copula")
    end = korean.statement(korean.past(stem) if tense == "past" else stem, ctx.level)
    en = english.predicate(f"be on {MONTHS[month - 1]} {day}", "he", tense)
    return sentence(join(attach(ko_subject, "은"), end), join(en_subject, en))


def percentage(ctx: Context) -> Pair:
    """How much a price changed: 사과 가격이 작년보다 20% 올랐어요."""
    noun_class = ctx.rng.choice(("fruit", "vegetable", "meat", "vehicle", "device", "furniture"))
    noun = ctx.noun(noun_class)
    verb_ko, verb_en = ctx.rng.choice([("오르다", "rise"), ("떨어지다", "fall")])
    rate = ctx.rng.randint(2, 60)
    than_ko, than_en = ctx.rng.choice([("지난달", "last month"), ("작년", "last year"), ("지난주", "last week")])
    named = plural(noun.en) if noun.article == "a" else noun.en
    forms = {"rise": "rose", "fall": "fell"}
    end = finite(stem_of(verb_ko), "past", ctx.level)
    return sentence(
        join(f"{noun.ko} 가격이 {than_ko}보다 {rate}%", end),
        f"the price of {named} {forms[verb_en]} by {rate} percent from {than_en}",
    )


def age(ctx: Context) -> Pair:
    """How old somebody is: 제 여동생은 스물다섯 살이에요."""
    person = ctx.person("speaker name kin pronoun role")
    if person.agreement in ("they", "we"):
        raise Misfit
    years = ctx.rng.randint(19, 62) if person.kind == "role" else ctx.rng.randint(8, 45)
    tense = "future" if ctx.chance(0.2) else "present"
    stem = Stem(f"{native(years)} 살", "copula")
    if tense == "future":
        ko = join("내년에", korean.future(stem_of(attach(stem.text, "이") + " 되다"), ctx.level))
        en = join(person.en, f"will be {years} years old next year")
    else:
        ko, en = (
            korean.statement(stem, ctx.level),
            join(person.en, english.predicate(f"be {years} years old", person.agreement, "present")),
        )
    return sentence(join(attach(ctx.named(person), "은"), ko), en)


def duration(ctx: Context) -> Pair:
    """How long the way takes: 집에서 학교까지 버스로 삼십 분 걸려요."""
    start, end = (
        ctx.noun(ctx.rng.choice(("station", "bureau", "clinic", "culture", "shop", "office", "lodging"))) for _ in range(2)
    )
    if ctx.chance(0.5):
        start = Noun("집", "home")
    by_ko, by_en = ctx.rng.choice(WAYS)
    minutes = ctx.rng.choice([5, 10, 15, 20, 25, 30, 35, 40, 45, 50])
    tense = ctx.rng.choice(["present", "past"])
    ko = join(f"{start.ko}에서 {end.ko}까지", by_ko, f"{sino(minutes)} 분", finite(stem_of("걸리다"), tense, ctx.level))
    verb = english.predicate(f"take {minutes} minutes", "he", tense)
    from_en = "home" if start.ko == "집" else definite(start)
    return sentence(ko, f"it {verb} from {from_en} to {definite(end)} {by_en}")


def ordering(ctx: Context) -> Pair:
    """Ordering or asking for things: 커피 두 잔 주세요."""
    noun_class = ctx.rng.choice(("hot_drink", "cold_drink", "fruit", "book", "stationery"))
    noun = ctx.noun(noun_class)
    if noun_class in ("fruit", "book", "stationery") and noun.article != "a":
        raise Misfit
    group = counted(noun, noun_class, ctx.rng.randint(1, 6))
    give = {CASUAL: "줘", korean.POLITE: "주세요"}.get(ctx.level, "주십시오")
    if ctx.chance(0.5) and noun_class.endswith("drink"):
        second = counted(ctx.noun("hot_drink"), "hot_drink", ctx.rng.randint(1, 4))
        return sentence(join(attach(group.ko, "과"), second.ko, give), f"please give me {group.en} and {second.en}")
    return sentence(f"{group.ko} {give}", f"please give me {group.en}")


def greeting(ctx: Context) -> Pair:
    """A fixed phrase, addressed to somebody."""
    person = ctx.rng.choice(lexicon.NAMES)
    called = vocative(person.ko) if ctx.level == CASUAL else person.ko + " 씨"
    phrases = (
        ("고마워", "고마워요", "고맙습니다", "thank you"),
        ("미안해", "미안해요", "미안합니다", "I am sorry"),
        ("축하해", "축하해요", "축하합니다", "congratulations"),
        ("잘 자", "안녕히 주무세요", "안녕히 주무십시오", "good night"),
        ("오랜만이야", "오랜만이에요", "오랜만입니다", "long time no see"),
        ("어서 와", "어서 오세요", "어서 오십시오", "welcome"),
        ("괜찮아", "괜찮아요", "괜찮습니다", "it is okay"),
        ("잘 가", "안녕히 가세요", "안녕히 가십시오", "goodbye"),
    )
    phrase = ctx.rng.choice(phrases)
    said = phrase[korean.LEVELS.index(ctx.level)]
    return sentence(f"{called}, {said}", f"{person.en}, {phrase[3]}")


def gratitude(ctx: Context) -> Pair:
    """Thanks or congratulations for something: 선물 고마워요."""
    noun = ctx.noun(ctx.rng.choice(("gift", "message", "accessory", "book")))
    thanks = {CASUAL: "고마워", korean.POLITE: "고마워요"}.get(ctx.level, "고맙습니다")
    return sentence(f"{noun.ko} {thanks}", f"thank you for {definite(noun)}")


FIGURES = [
    (schedule, 3),
    (routine, 3),
    (price, 3),
    (purchase, 3),
    (date, 2),
    (percentage, 2),
    (age, 2),
    (duration, 2),
    (ordering, 2),
    (greeting, 1),
    (gratitude, 1),
]
