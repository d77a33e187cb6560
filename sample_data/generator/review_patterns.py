"""The patterns of reviews: each writes one with the meaning its writer was given, 1 for praise and 0 for blame."""

from dataclasses import replace

from . import korean
from .endings import bare, cause, contrast, finish, parse, quoting, spoken
from .hangul import attach
from .korean import FORMAL, POLITE, Stem
from .review_words import ANY
from .review_writer import DENIED, Writer


def simple(w: Writer) -> str:
    """One claim: 이야기가 정말 탄탄했어요."""
    return w.text(w.end(w.claim(w.label, whole=0.4, deny=0.1)))


def named(w: Writer) -> str:
    """What it is: 올해 최고의 영화예요."""
    noun = w.pick(w.topic.verdicts[w.label] + ANY[w.label])
    front = w.rng.choice((attach(w.this, "은") + " ", "정말 " if noun in ANY[w.label][:3] else "", ""))
    return w.text(front + w.say(("=" if noun in ANY[w.label] else "^=") + noun))


def double(w: Writer) -> str:
    """Two claims of one mind."""
    sentences = [w.pair(w.label)]
    return w.text(*sentences, *([w.verdict(w.label)] if w.chance(0.3) else []))


def idiom(w: Writer) -> str:
    """What it did to the writer: 시간 가는 줄 몰랐다."""
    said = w.say(w.pick(w.topic.idioms[w.label]))
    if w.chance(0.4):
        return w.text(w.end(w.claim(w.label)), said)
    return w.text(f"{w.before()} {said}" if w.chance(0.6) else said)


def reasoned(w: Writer) -> str:
    """A claim and what follows: 이야기가 지루해서 추천하고 싶지 않아요."""
    claim = w.claim(w.label)
    return w.text(f"{claim.about('이')}{cause(claim.said)} {w.verdict(w.label, follows=True)}")


def denied(w: Writer) -> str:
    """A negated claim alone: 이야기가 전혀 지루하지 않았다."""
    return w.text(w.end(w.claim(w.label, whole=0.4, deny=1)))


def no_side(w: Writer) -> str:
    """좋은 점이 하나도 없다, 나쁜 점을 찾을 수 없다."""
    pairs = (
        ("좋은 점", "나쁜 점"),
        ("마음에 드는 점", "마음에 안 드는 점"),
        ("칭찬할 점", "흠잡을 점"),
        ("만족스러운 점", "불만스러운 점"),
    )
    point = w.rng.choice(pairs)[w.label]
    none = w.rng.choice(
        (f"{attach(point, '이')} 하나도 없다", f"{attach(point, '을')} 찾을 수 없다", f"{attach(point, '이')} 거의 없다")
    )
    front = attach(w.this, "은") + " " if w.chance(0.6) else ""
    return w.text(front + w.say(none), *([w.end(w.claim(w.label, whole=0))] if w.chance(0.4) else []))


def hedged(w: Writer) -> str:
    """재미있다고 하면 거짓말이다, 지루하다는 생각은 안 들었다: what is quoted is denied."""
    claim = replace(w.claim(1 - w.label, whole=0.5, deny=0), adverb="")
    link, entry = w.rng.choice(
        (
            ("고 하면", "^=거짓말"),
            ("고는", "^@할 수 없다"),
            ("는 말에는", "~@동의 못 하겠다"),
            ("는 생각은", "+!@안 들다"),
            ("는 말은", "~@못 하겠다"),
        )
    )
    return w.text(f"{claim.about('이')}{quoting(claim.said, w.past)}{link} {w.say(entry)}")


def contrasted(w: Writer) -> str:
    """배우는 좋았지만 이야기가 지루했다: the second clause decides."""
    front = w.but(w.claim(1 - w.label, whole=0.05))
    after = w.pair(w.label) if w.chance(0.25) else w.end(w.claim(w.label), w.rng.choice("은이"))
    return w.text(f"{front} {after}", *([w.verdict(w.label)] if w.chance(0.2) else []))


def conceded(w: Writer) -> str:
    """비록 값은 비싸지만 맛있다; 값이 비싸도 맛있으니까 추천한다; 맛있으면 뭐 해요. 직원이 불친절한데."""
    first, second = w.claim(1 - w.label, whole=0, deny=0), w.claim(w.label)
    if w.chance(0.5):
        return w.text(f"비록 {first.about('은')}{bare(first.said.tensed(w.past), '지만')} {w.end(second)}")
    first = replace(first, adverb="")
    if w.label:
        because = korean.eu(second.said.tensed(w.past), "니까")
        even = first.about("이") + korean.infinitive(first.said.stem) + "도"
        return w.text(f"{even} {second.about('이')}{because} {w.verdict(1, follows=True)}")
    so_what = {POLITE: "뭐 해요", FORMAL: "뭐 합니까"}.get(w.style, "뭐 하나")
    polite = "요" if w.style in (POLITE, FORMAL) else ""
    after = second.about("이") + korean.background(second.said.stem) + polite
    return f"{first.about('이')}{korean.eu(first.said.stem, '면')} {so_what}. {after}."


def turning(w: Writer) -> str:
    """Two sentences that contradict each other: the second decides, in words the first could have had."""
    before, after = w.side(1 - w.label), w.turned(w.side(w.label))
    return w.text(before, after, *([w.verdict(w.label)] if w.chance(0.2) else []))


def minor(w: Writer) -> str:
    """추천해요. 다만 값이 조금 비싸요: the first sentence decides; 그나마 is its mirror in blame."""
    first = w.end(w.claim(w.label, whole=0.6)) if w.chance(0.7) else w.verdict(w.label)
    second = w.claim(1 - w.label, whole=0, deny=0.1)
    soft = (
        ""
        if w.label == 0 or second.adverb in DENIED or second.said.stem.text.endswith("않")
        else w.rng.choice(("조금", "약간", "살짝"))
    )
    links = (("그나마", "그래도 굳이 꼽자면", "좋은 점을 꼽자면"), ("다만", "굳이 흠을 잡자면", "아쉬운 점을 꼽자면"))[w.label]
    link = w.rng.choice(links)
    return w.text(first, f"{link} {w.end(replace(second, adverb=soft), '은' if link == '그나마' else '이')}")


def afterthought(w: Writer) -> str:
    """재미있었어요. 좀 길긴 하지만요: the first sentence decides again."""
    if w.style == FORMAL:
        return minor(w)
    first, second = w.end(w.claim(w.label, whole=0.6)), w.claim(1 - w.label, whole=0, deny=0)
    soft = w.rng.choice(("좀", "조금", "")) if w.label else ""
    tail = bare(second.said.stem, "긴 하지만") if w.chance(0.5) else bare(second.said.tensed(w.past), "지만")
    return w.text(first, replace(second, adverb=soft).about("은") + tail + ("요" if w.style == POLITE else ""))


def expected(w: Writer) -> str:
    """Expectation and what came: 기대를 안 했는데 재미있었다, 기대했던 대로 지루했다, 소문만큼 좋지 않았다."""
    roll, claim = w.rng.random(), w.claim(w.label, whole=0.8)
    if roll < 0.35:
        hopes = (
            ("기대를 많이 했는데", "잔뜩 기대했는데", "기대가 컸는데"),
            ("기대를 안 했는데", "별 기대 없었는데", "큰 기대는 없었는데"),
        )
        return w.text(f"{w.rng.choice(hopes[w.label])} {w.end(claim)}")
    if roll < 0.55:
        return w.text(
            f"{w.rng.choice(('기대를 많이 했는데 역시', '기대했던 대로', '예상대로', '생각했던 대로'))} {w.end(claim)}"
        )
    if roll < 0.8:
        praise = parse(w.pick(w.topic.overall.praise))
        front = w.rng.choice(("기대만큼", "소문만큼", "남들 말만큼", "광고만큼"))
        return w.text(f"{front} {spoken(w.rng, praise if w.label else praise.negated(), w.past, w.style)}")
    front = w.rng.choice(("기대보다", "기대했던 것보다", "생각했던 것보다", "소문보다")) + w.rng.choice((" 훨씬", " 더"))
    return w.text(f"{front} {w.end(replace(w.claim(w.label, whole=1, deny=0), subject='', adverb=''))}")


def compared(w: Writer) -> str:
    """Two things side by side; only the one under review counts."""
    rival, more = w.pick(w.topic.rivals), w.rng.choice(("훨씬", "더", "좀 더"))
    praise, blame = w.pick(w.topic.overall.praise), w.pick(w.topic.overall.blame)
    if w.chance(0.4):
        good = w.chance(0.5)
        winner, loser = (w.this, rival) if good == (w.label == 1) else (rival, w.this)
        said = w.say("낫다" if good and w.chance(0.4) else praise if good else blame)
        return w.text(
            w.rng.choice((f"{attach(winner, '이')} {loser}보다", f"{loser}보다 {attach(winner, '이')}")) + f" {more} {said}"
        )
    sides = [(rival, (praise, blame)[w.label]), (w.this, (blame, praise)[w.label])]
    if w.chance(0.4):
        sides.reverse()
    (first, one), (second, other) = sides
    end = f"{attach(second, '은')} {w.say(other)}"
    if w.chance(0.6):
        return w.text(f"{attach(first, '은')} {contrast(w.rng, parse(one), w.past, w.style)} {end}")
    return w.text(f"{attach(first, '은')} {w.say(one)}", w.turned(end))


def others(w: Writer) -> str:
    """What others think and what the writer thinks, in either order."""
    who = w.rng.choice(("친구", "남편", "동생", "다른 사람들", "언니", "부모님", "친구들"))
    theirs, mine = w.claim(1 - w.label, whole=1, deny=0.1).said, replace(w.claim(w.label, whole=1, deny=0.1), subject="")
    view = w.rng.choice((("내가 보기에는", "내 생각에는"), ("제가 보기에는", "제 생각에는"))[w.me == "저"])
    said = f"{quoting(theirs, w.past)}고 {'하셨' if who == '부모님' else '했'}"
    if w.chance(0.5):
        return w.text(f"{attach(who, '은')} {said}{w.rng.choice(('는데', '지만'))} {view} {w.end(mine)}")
    told = finish(Stem(said, "past"), w.style)
    return w.text(f"{view} {w.but(mine)} {attach(who, '은')} {told}")


def agreed(w: Writer) -> str:
    """A common opinion, and whether the writer shares it."""
    shared = w.chance(0.5)
    said = w.claim(w.label if shared else 1 - w.label, whole=1, deny=0).said
    who = w.rng.choice(("다들", "사람들이", "친구들이", "후기마다", "주변에서"))
    yes = ("!정말 그렇다", f"^@={w.me}도 같은 생각", "+!@그 말이 딱 맞다", "!역시 그렇다", f"+^@{w.me}도 동의하다")
    no = (
        "!전혀 그렇지 않다",
        f"^@{attach(w.me, '은')} 생각이 다르다",
        "+!@그 말은 틀리다",
        "!실제로는 안 그렇다",
        f"+^@{attach(w.me, '은')} 동의하지 않다",
    )
    return w.text(
        f"{who} {quoting(said, False)}고 {w.rng.choice(('하는데', '하던데'))} {w.say(w.rng.choice(yes if shared else no))}"
    )


def gradual(w: Writer) -> str:
    """처음에는 지루했는데 볼수록 재미있었다."""
    first, second = (w.claim(label, whole=1, deny=0.1) for label in (1 - w.label, w.label))
    first, second = replace(first, subject=""), replace(second, subject="")
    start = (attach(w.this, "은") + " " if w.chance(0.4) else "") + w.rng.choice(("처음에는", "처음엔"))
    end = f"{w.rng.choice(w.topic.later)} {w.end(second)}"
    if w.chance(0.4):
        opening = f"{start} {first.about('이')}{spoken(w.rng, first.said, True, w.style)}"
        return w.text(opening, w.turned(end) if w.chance(0.6) else end)
    return w.text(f"{start} {first.about('이')}{contrast(w.rng, first.said, True, w.style)} {end}")


def wished(w: Writer) -> str:
    """What would have been better: blame wishes it better, praise wishes it had come sooner."""
    pity = {POLITE: "좋았을 텐데요", FORMAL: "좋았을 것입니다"}.get(w.style, "좋았을 텐데")
    if w.label == 0:
        claim = replace(w.claim(1, whole=0, deny=0), adverb="조금만 더")
        return w.text(claim.about("이") + korean.eu(korean.past(claim.said.stem), "면") + " " + pity)
    missed = korean.eu(korean.past(Stem("안 " + w.verb.text, "verb")), "면") + " 후회할 뻔하다"
    wish = w.rng.choice((f"진작 알았으면 더 {pity}", w.say("!@" + missed), w.say("아쉬운 점이 없다")))
    return w.text(w.end(w.claim(1)), wish) if w.chance(0.7) else w.text(wish)


def long(w: Writer) -> str:
    """A setting, claims on both sides, and perhaps a conclusion."""
    front, after = f"{w.before()} {w.side(1 - w.label)}", w.turned(w.side(w.label))
    return w.text(front, after, *([w.verdict(w.label)] if w.chance(0.3) else []))


def told(w: Writer) -> str:
    """A setting, claims of one mind, and perhaps a small reservation before the conclusion."""
    opening = finish(parse(w.pick(w.topic.settings)).tensed(True), w.style)
    sentences = [opening, w.pair(w.label, whole=0.3)]
    if w.chance(0.6):
        sentences.append(f"{w.but(w.claim(1 - w.label, whole=0, deny=0))} {w.verdict(w.label, follows=True)}")
    return w.text(*sentences)


def essay(w: Writer) -> str:
    """Four sentences or five: a setting, what was right, what was wrong, and a conclusion with its reason."""
    sentences = [f"{w.before()} {w.pair(w.label)}"]
    if w.chance(0.6):
        sentences.append(w.turned(w.end(w.claim(1 - w.label, whole=0), "은")))
        sentences.append("무엇보다 " + w.end(w.claim(w.label, whole=0)))
    else:
        sentences.append("게다가 " + w.end(w.claim(w.label, whole=0), "도"))
    if w.chance(0.5):
        sentences.append(w.say(w.pick(w.topic.idioms[w.label])))
    claim = replace(w.claim(w.label, whole=1, deny=0), subject="")
    return w.text(*sentences, f"{claim.about('이')}{cause(claim.said)} {w.verdict(w.label, follows=True)}")


PATTERNS = (
    *((simple, 19), (named, 4), (double, 17), (idiom, 13), (reasoned, 13), (told, 10), (essay, 8)),
    *((denied, 5), (no_side, 2), (hedged, 3), (contrasted, 8), (conceded, 3), (expected, 5), (wished, 3)),
    *((turning, 6), (minor, 4), (afterthought, 3), (compared, 4), (others, 3), (agreed, 3), (gradual, 3), (long, 4)),
)
