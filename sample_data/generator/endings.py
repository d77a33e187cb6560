"""What reviews and tales add to the conjugation: their speech styles, and how their clauses are joined."""

from dataclasses import dataclass, replace
from random import Random

from . import korean
from .hangul import attach, last_tail, with_tail
from .korean import CASUAL, FORMAL, POLITE, Stem

# The style of books and diaries (재미있다), and the clipped style of notes on the web (재미있음).
PLAIN, NOTE = "해라체", "음슴체"


@dataclass(frozen=True)
class Predicate:
    """What can be said of a thing; `own` is what only the speaker knows or does, so that -네 and -더라 do not fit it.

    The tense is "free", "past" or "now" where it has no choice, or "fixed" where the stem holds it already.
    """

    stem: Stem
    tense: str = "free"
    own: bool = False

    def tensed(self, past: bool) -> Stem:
        """Return the stem in the past or the present, as far as the predicate allows the choice."""
        return korean.past(self.stem) if self.tense == "past" or (past and self.tense == "free") else self.stem

    def negated(self) -> "Predicate":
        """Return the long negation; 재미있지 않- behaves like an adjective."""
        kind = "verb" if self.stem.kind == "verb" else "adjective"
        return replace(self, stem=Stem(korean.plain(self.stem, "지 않"), kind))


TENSES = {"!": "past", "^": "now", "~": "fixed"}


def parse(entry: str) -> Predicate:
    """Read a predicate of the lexicon: a lemma behind its marks.

    Marks: + a verb, = a noun with 이다, ! only past, ^ only present, ~ with its tense (모르겠다), @ the speaker's own.
    Without a mark it is an adjective, or one of 있다 and 없다.
    """
    lemma = entry.lstrip("+=~!^@")
    marks = entry[: len(entry) - len(lemma)]
    text = lemma.removesuffix("다")
    kind = "verb" if "+" in marks else "past" if "~" in marks else "exist" if text[-1] in "있없" else "adjective"
    tense = next((name for mark, name in TENSES.items() if mark in marks), "free")
    return Predicate(Stem(lemma, "copula") if "=" in marks else Stem(text, kind), tense, "@" in marks)


def bare(stem: Stem, ending: str) -> str:
    """Attach an ending that leaves the stem as it is; 이- drops after a vowel: 최고지만, 최고네요."""
    if stem.kind == "copula" and not last_tail(stem.text):
        return stem.text + ending
    return korean.plain(stem, ending)


def declared(stem: Stem) -> str:
    """Return the plain statement: 간다, 먹는다, 좋다, 갔다, 명작이다, 최고다."""
    return bare(stem, "다") if stem.kind == "copula" else korean.quoted(stem)[:-1]


def noted(stem: Stem) -> str:
    """Return the noun form -(으)ㅁ that ends a note: 좋음, 감, 만듦, 최고임."""
    text = korean.open_stem(stem)
    return with_tail(text, "ㄻ" if last_tail(text) == "ㄹ" else "ㅁ")


def finish(stem: Stem, style: str) -> str:
    """End a sentence in a style, without its punctuation."""
    if style == PLAIN:
        return declared(stem)
    return noted(stem) if style == NOTE else korean.statement(stem, style)


def spoken(rng: Random, said: Predicate, past: bool, style: str) -> str:
    """End a sentence in a style; now and then with the surprise of -네요 or the report of -더라고요."""
    roll = rng.random()
    if style in (CASUAL, POLITE) and not said.own and roll < 0.35:
        polite = style == POLITE
        if said.tense == "free" and past and roll < 0.3:
            return bare(said.stem, "더라" + "고요" * polite)
        return bare(said.tensed(past), "네" + "요" * polite)
    return finish(said.tensed(past), style)


def contrast(rng: Random, said: Predicate, past: bool, style: str) -> str:
    """Join a clause to one that says otherwise: 좋지만, 좋은데, 좋긴 했지만, 좋으나."""
    stem = said.tensed(past)
    roll = rng.random()
    if roll < 0.15 and said.tense == "free":
        return bare(said.stem, "긴 했지만" if past else "긴 하지만")
    if roll < 0.3 and style in (PLAIN, FORMAL):
        return bare(stem, "나") if stem.kind == "copula" else korean.eu(stem, "나")
    return bare(stem, "지만") if roll < 0.6 else korean.background(stem)


def cause(said: Predicate) -> str:
    """Join a clause to what follows from it: 좋아서, 명작이어서."""
    return korean.infinitive(said.stem) + "서" if said.tense != "fixed" else korean.eu(said.stem, "니까")


def quoting(said: Predicate, past: bool) -> str:
    """Return what reported speech puts before 고 or 는: 좋다, 좋았다, 명작이라."""
    stem = said.tensed(past)
    return attach(stem.text, "이라고")[:-1] if stem.kind == "copula" else declared(stem)
