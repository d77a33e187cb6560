"""A scene: a topic of everyday life with the actions and facts that belong together."""

from dataclasses import dataclass

from .lexicon import ADJECTIVES


@dataclass(frozen=True)
class Action:
    """A verb phrase in both languages, with slots for nouns, and what may accompany it."""

    ko: str
    en: str
    places: tuple[str, ...] = ()
    manners: tuple[str, ...] = ()
    social: bool = False


@dataclass(frozen=True)
class Fact:
    """A clause with its own subject; the last word of the Korean conjugates."""

    ko: str
    subject: str
    agreement: str
    en: str


@dataclass(frozen=True)
class Scene:
    """What people do in one setting (before, main, after) and what causes or hinders it."""

    name: str
    before: tuple[Action, ...]
    main: tuple[Action, ...]
    after: tuple[Action, ...]
    why: tuple[Fact, ...]
    but: tuple[Fact, ...]
    feel: tuple[Action, ...]
    say: tuple[Fact, ...]


def rows(text: str) -> list[list[str]]:
    """Split a table into rows and their stripped cells."""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def actions(text: str) -> tuple[Action, ...]:
    """Read a table of actions."""
    found = []
    for row in rows(text):
        ko, en, places, manners, social = (row + [""] * 3)[:5]
        manners_given = tuple(m for m in manners.split(",") if m)
        found.append(Action(ko, en, tuple(places.split()), manners_given, social == "s"))
    return tuple(found)


def facts(text: str) -> tuple[Fact, ...]:
    """Read a table of facts."""
    return tuple(Fact(ko, s.rstrip("*"), "they" if s.endswith("*") else "he", en) for ko, s, en in rows(text))


def scene(name: str, *, before: str, main: str, after: str, why: str, but: str, feel: str, say: str) -> Scene:
    """Build a scene from its tables."""
    return Scene(name, actions(before), actions(main), actions(after), facts(why), facts(but), actions(feel), facts(say))


def kind_of(lemma: str) -> str:
    """Return the kind of stem a dictionary form has, judged by its last word."""
    word = lemma.rsplit(maxsplit=1)[-1]
    if word.endswith("/이다"):
        return "copula"
    if lemma.endswith("고 있다") or word in ("있다", "없다", "계시다"):
        return "exist"
    if word.endswith(("있다", "없다")):
        return "exist"
    if word in ("않다", "못하다"):
        return kind_of(lemma.split()[-2][:-1] + "다")
    if word.endswith("시다") and word[:-2] + "다" in ADJECTIVES:
        return "adjective"
    return "adjective" if word in ADJECTIVES else "verb"
