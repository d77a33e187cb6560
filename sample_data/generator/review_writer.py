"""One review in the making: its topic, its style, and the claims it is put together from."""

from dataclasses import dataclass, field, replace
from random import Random

from . import korean
from .endings import NOTE, PLAIN, Predicate, bare, contrast, parse, spoken
from .hangul import attach
from .korean import CASUAL, FORMAL, POLITE, Stem
from .review_words import TOPICS, Topic

STYLES = [POLITE] * 8 + [PLAIN] * 5 + [FORMAL] * 4 + [CASUAL] * 4 + [NOTE] * 2
STRONG = ("정말", "정말", "아주", "꽤", "무척", "참", "상당히", "굉장히", "솔직히", "생각보다")
LOOSE = ("진짜", "너무", "완전", "되게")
DENIED = ("전혀", "별로", "그다지", "그렇게", "하나도")
# Predicates that take no adverb of degree, and those whose denial says nothing.
UNGRADED = {"적당하", "적절하", "알맞", "딱 좋", "완벽하", "합리적", "괜찮", "들쭉날쭉하", "애매하"}
UNDENIED = {"평범하다", "괜찮다", "과하다", "비위생적", "들쭉날쭉하다", "애매하다", "재치 있다", "형편없다", "밝다", "쓰다"}
# What may follow the last word of a sentence, and how often; writers in these styles use no pictures.
MARKS = {PLAIN: {".": 90, "!": 4, "": 6}, FORMAL: {".": 1}}
CHATTY = {
    POLITE: {".": 64, "!": 12, "": 10, "..": 4, "~": 3, "ㅠㅠ": 4, "ㅎㅎ": 3},
    CASUAL: {".": 40, "!": 12, "": 18, "..": 6, "ㅋㅋ": 12, "ㅠㅠ": 8},
    NOTE: {".": 60, "": 26, "ㅋㅋ": 7, "ㅠㅠ": 7},
}


@dataclass(frozen=True)
class Claim:
    """Something said of a subject; the subject has no particle yet, and may be empty."""

    subject: str
    adverb: str
    said: Predicate

    def about(self, particle: str) -> str:
        """Return the subject with a particle, and the adverb, ready for the predicate."""
        # The thing under review itself is the topic: 이 책은, but 문장이.
        particle = "은" if particle == "이" and self.subject.startswith("이 ") else particle
        parts = (attach(self.subject, particle) if self.subject else "", self.adverb)
        return "".join(part + " " for part in parts if part)


@dataclass
class Writer:
    """One review's choices: the random source, the label, the topic and its noun, the style, and what was mentioned."""

    rng: Random
    label: int
    topic: Topic
    this: str
    style: str
    past: bool
    used: set[str] = field(default_factory=set)

    @classmethod
    def about_something(cls, rng: Random, label: int) -> "Writer":
        """Choose everything at random but the label."""
        topic = rng.choice(TOPICS)
        return cls(rng, label, topic, "이 " + rng.choice(topic.things), rng.choice(STYLES), rng.random() < 0.65)

    def chance(self, probability: float) -> bool:
        """Decide something at random."""
        return self.rng.random() < probability

    def pick(self, options: tuple[str, ...]) -> str:
        """Choose an option not used in this review yet."""
        option = self.rng.choice([o for o in options if o not in self.used] or list(options))
        self.used.add(option)
        return option

    @property
    def me(self) -> str:
        """Return "I" in the style of the review."""
        return "저" if self.style in (POLITE, FORMAL) else "나"

    @property
    def verb(self) -> Stem:
        """Return the stem of what one does with the thing: sees, reads, eats, buys it."""
        return Stem(self.topic.verb.removesuffix("다"), "verb")

    def adverb(self, said: Predicate, denied: bool) -> str:
        """Choose an adverb of degree, or none."""
        if said.stem.text in UNGRADED or not self.chance(0.4):
            return ""
        return self.pick(DENIED if denied else STRONG + (LOOSE if self.style in (CASUAL, NOTE, POLITE) else ()))

    def claim(self, label: int, *, whole: float = 0.25, deny: float = 0.2) -> Claim:
        """Praise or blame an aspect, or with the probability `whole` the thing itself; `deny` denies the opposite."""
        if self.chance(whole) and (self.this not in self.used or whole == 1):
            aspect, subject = self.topic.overall, self.this if self.chance(0.4) else ""
            self.used.add(self.this)
        else:
            aspect = self.rng.choice([a for a in self.topic.aspects if a.nouns[0] not in self.used])
            self.used.add(aspect.nouns[0])
            subject = self.rng.choice(aspect.nouns)
        denied = self.chance(deny)
        options = aspect.praise if (label == 1) != denied else aspect.blame
        if denied:
            options = tuple(o for o in options if o.lstrip("=+") not in UNDENIED) or aspect.praise
            denied = options is not aspect.praise or label == 0
        said = parse(self.pick(options))
        if denied:
            return Claim(subject, self.adverb(said, True) if "없" not in said.stem.text else "", said.negated())
        return Claim(subject, self.adverb(said, False), said)

    def end(self, claim: Claim, particle: str = "이") -> str:
        """End a sentence with a claim."""
        if self.style in (CASUAL, NOTE) and particle in ("이", "은") and self.chance(0.3):
            particle = ""
        front = (
            claim.about(particle) if particle or not claim.subject else f"{claim.subject} {claim.adverb} ".replace("  ", " ")
        )
        return front + spoken(self.rng, claim.said, self.past, self.style)

    def but(self, claim: Claim, particle: str = "은") -> str:
        """Join a claim to its opposite."""
        return claim.about(particle) + contrast(self.rng, claim.said, self.past, self.style)

    def also(self, claim: Claim) -> str:
        """Join a claim to one like it."""
        claim = claim if claim.subject else replace(claim, subject=self.this)
        return claim.about("이") + bare(claim.said.tensed(self.past and self.chance(0.5)), "고")

    def pair(self, label: int, whole: float = 0.1, deny: float = 0.15) -> str:
        """End a sentence with two claims of one mind."""
        first, second = self.claim(label, whole=whole, deny=deny), self.claim(label, whole=0, deny=deny)
        return f"{self.also(first)} {self.end(second, '도')}"

    def side(self, label: int) -> str:
        """End a sentence with one claim or two."""
        return self.end(self.claim(label)) if self.chance(0.65) else self.pair(label)

    def say(self, entry: str) -> str:
        """End a sentence with a predicate of the lexicon."""
        return spoken(self.rng, parse(entry), self.past, self.style)

    def verdict(self, label: int, *, follows: bool = False) -> str:
        """Say what the writer concludes; where it follows from a reason, not what was done already."""
        options = verdicts(self.verb)[label]
        return self.say(self.pick(tuple(o for o in options if not (follows and "!" in o))))

    def before(self) -> str:
        """Say how the writer came to it, which says nothing of its quality: 주말에 친구와 봤는데."""
        return korean.background(parse(self.pick(self.topic.settings)).tensed(True))

    def turned(self, text: str) -> str:
        """Put a turning word before what contradicts."""
        other = {PLAIN: "그러나", FORMAL: "그러나", POLITE: "근데", CASUAL: "근데", NOTE: "그런데"}[self.style]
        return f"{self.rng.choice(('하지만', '그런데', other))} {text}"

    def stop(self, text: str, last: bool) -> str:
        """Add what ends a sentence: inside a review always some mark, and a picture once."""
        marks = dict(MARKS.get(self.style) or CHATTY[self.style])
        for mark in marks:
            if mark[:1] in "ㅠㅋㅎ" and mark:
                marks[mark] *= 0.0 if "picture" in self.used else 1.5 if (mark[0] == "ㅠ") == (self.label == 0) else 0.4
        mark = self.rng.choices(list(marks), list(marks.values()))[0]
        if mark[:1] in ("ㅠ", "ㅋ", "ㅎ"):
            self.used.add("picture")
        return text + (mark if mark or last else ".")

    def text(self, *sentences: str) -> str:
        """Join the sentences of a review."""
        return " ".join(self.stop(s, n == len(sentences)) for n, s in enumerate(sentences, 1))


def verdicts(stem: Stem) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the conclusions, blame first, for what one sees, reads, eats or buys; most mirror one of the other side."""
    again, worth, done = korean.plain(stem, "고 싶"), korean.eu(stem, "ㄹ 가치가 "), korean.plain(stem, "길 잘하다")
    blame = (
        *("^@+추천하지 않다", "^@추천하고 싶지 않다", "돈이 아깝다", "시간이 아깝다", "^@+후회하다", "^@말리고 싶다"),
        *(f"^@다시는 {again}지 않다", f"+!@괜히 {stem.text}다", f"^{worth}없다", "^@친구에게 권하고 싶지 않다"),
        f"~@두 번은 못 {stem.text}겠다",
    )
    praise = (
        *(
            "^@+추천하다",
            "^@+적극 추천하다",
            "^@+누구에게나 추천하다",
            "돈이 아깝지 않다",
            "시간이 아깝지 않다",
            "^@+후회하지 않다",
        ),
        *(f"^@또 {again}다", f"+!@{done}", f"^{worth}있다", "^@친구에게 권하고 싶다", f"~@몇 번이라도 {stem.text}겠다"),
    )
    return blame, praise
