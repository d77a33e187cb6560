"""Noun phrases, verb phrases and clauses that carry both languages at once."""

import re
from dataclasses import dataclass, field
from random import Random

from . import english, korean, lexicon
from .english import article, join, plural
from .hangul import attach
from .korean import CASUAL, Stem
from .lexicon import Person
from .nouns import CLASSES, COUNTERS, MEASURES, OWN_COUNTERS, Noun
from .scene import Action, Fact, Scene, kind_of

NATIVE = ["", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열"]
# Classes whose bare noun stays without "the" as a subject: "kimchi stew is delicious".
GENERIC = {"vegetable", "dish", "snack", "meat", "subject", "language", "sport", "music", "hot_drink", "cold_drink"}
# Classes one handles several of at once: three books, but not three coats put on.
COUNTED = {"hot_drink", "cold_drink", "message", "book", "film", "animal"}
SLOT = re.compile(r"\{(?:(at|the|bare) )?(\w+)(?::(\w+))?\}")


class Misfit(Exception):
    """The random choices made for a sentence do not go together: draw another one."""


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase in both languages and whether its English is plural."""

    ko: str
    en: str
    plural: bool = False

    @property
    def agreement(self) -> str:
        """Return the person its verb agrees with."""
        return "they" if self.plural else "he"


@dataclass(frozen=True)
class Phrase:
    """A verb phrase: a Korean stem with all that precedes it, and an uninflected English phrase."""

    stem: Stem
    en: str


@dataclass(frozen=True)
class Clause:
    """A subject (Korean without particle; empty where the stem already holds it) and its verb phrase."""

    subject: str
    stem: Stem
    subject_en: str
    agreement: str
    en: str

    def ko(self, particle: str = "이") -> str:
        """Return the Korean subject with a particle."""
        return attach(self.subject, particle) if self.subject else ""

    def reason(self) -> str:
        """Return the English clause as a present reason; what happens is under way: "the rent is going up"."""
        return self.english("present progressive" if self.stem.kind == "verb" and self.en[:3] != "be " else "present")

    def english(self, tense: str, positive: bool = True, adverb: str = "") -> str:
        """Return the English clause in a tense."""
        return join(self.subject_en, english.predicate(self.en, self.agreement, tense, positive, adverb))


def indefinite(noun: Noun, adjective: str = "") -> str:
    """Return the English of a bare Korean noun as an object or complement."""
    phrase = join(adjective, noun.en)
    return article(phrase) if noun.article == "a" else join(noun.article, phrase)


def definite(noun: Noun, noun_class: str = "") -> str:
    """Return the English of a Korean noun as a subject: "the novel", but "math"."""
    generic = not noun.article and (not noun.plural or noun_class in GENERIC)
    return noun.en if generic or noun_class == "city" else "the " + noun.en


def located(noun: Noun) -> str:
    """Return the English of a place with its preposition: "in the park", "at school", "at home"."""
    return join(noun.preposition, noun.article, noun.en)


def counter_of(noun: Noun, noun_class: str) -> str:
    """Return the Korean counter of a noun, or an empty string where one does not count it."""
    if noun.article != "a" and noun_class not in MEASURES:
        return ""
    return OWN_COUNTERS.get(noun.ko, COUNTERS.get(noun_class, ""))


def counted(noun: Noun, noun_class: str, number: int) -> NounPhrase:
    """Return a noun with a native numeral and its counter: 커피 두 잔, "two cups of coffee"."""
    ko = f"{noun.ko} {NATIVE[number]} {counter_of(noun, noun_class)}"
    head = f"{MEASURES[noun_class]} of {noun.en}" if noun_class in MEASURES else noun.en
    en = f"{english.NUMBERS[number]} {plural(head) if number > 1 else head}"
    return NounPhrase(ko, en, number > 1)


@dataclass
class Context:
    """The choices one sentence shares: its random source, speech level, scene, and the nouns already used."""

    rng: Random
    level: str
    scene: Scene
    used: list[str] = field(default_factory=list)
    detail: float = 0.3

    def chance(self, probability: float) -> bool:
        """Decide something at random."""
        return self.rng.random() < probability

    def noun(self, noun_class: str) -> Noun:
        """Choose a noun not used in this sentence yet."""
        fresh = [noun for noun in CLASSES[noun_class] if noun.ko not in self.used]
        noun = self.rng.choice(fresh or CLASSES[noun_class])
        self.used.append(noun.ko)
        return noun

    def object(self, noun_class: str) -> NounPhrase:
        """Choose an object: bare, described, counted, or pointed at."""
        noun = self.noun(noun_class)
        roll = self.rng.random() / max(self.detail, 0.01)
        adjectives = [a for a in lexicon.describing(noun_class) if a[0] not in lexicon.PREDICATIVE]
        if noun_class in GENERIC - {"dish", "snack", "meat", "vegetable", "hot_drink", "cold_drink"}:
            adjectives = []
        if roll < 0.5 and adjectives and not noun.preposition:
            lemma, adjective = self.rng.choice(adjectives)
            if lemma not in self.used:
                self.used.append(lemma)
                modifier = korean.adnominal(stem_of(lemma), "past" if lemma == "오래되다" else "present")
                return NounPhrase(f"{modifier} {noun.ko}", indefinite(noun, adjective), noun.plural)
        if 0.5 < roll < 0.75 and noun_class in COUNTED and counter_of(noun, noun_class):
            return counted(noun, noun_class, self.rng.choice([2, 2, 3, 3, 4, 5]))
        if 0.75 < roll < 0.95 and noun.article == "a" and not noun.preposition:
            ko, en = self.rng.choice([("이", "this"), ("그", "that")])
            return NounPhrase(f"{ko} {noun.ko}", f"{en} {noun.en}")
        return NounPhrase(noun.ko, indefinite(noun), noun.plural)

    def fill(self, ko: str, en: str) -> tuple[str, str]:
        """Fill the slots of a template with the same nouns on both sides."""
        chosen: dict[str, NounPhrase] = {}
        places: dict[str, Noun] = {}
        for _, noun_class, particle in SLOT.findall(ko):
            bare = f"bare {noun_class}" in en or f"the {noun_class}" in en or not particle
            noun = self.noun(noun_class) if bare or CLASSES[noun_class][0].preposition else None
            if noun:
                places[noun_class] = noun
                chosen[noun_class] = NounPhrase(noun.ko, indefinite(noun), noun.plural)
            else:
                chosen[noun_class] = self.object(noun_class)

        def korean_slot(match: re.Match[str]) -> str:
            return attach(chosen[match[2]].ko, match[3] or "")

        def english_slot(match: re.Match[str]) -> str:
            if match[1] == "at":
                return located(places[match[2]])
            if match[1] == "the":
                return definite(places[match[2]])
            return places[match[2]].en if match[1] == "bare" else chosen[match[2]].en

        return SLOT.sub(korean_slot, ko), SLOT.sub(english_slot, en)

    def phrase(self, action: Action, place: float = 0.0, manner: float = 0.0, company: str = "") -> Phrase:
        """Fill an action and give it a place and a manner with the given probabilities."""
        ko, en = self.fill(action.ko, action.en)
        front, back = "", ""
        together = company not in ("", "group") and action.social and self.chance(0.3)
        if together:
            with_ko, with_en = self.rng.choice(self.companions(company))
            front, back = with_ko, with_en
        if action.places and self.chance(place):
            noun = self.noun(self.rng.choice(action.places))
            front, back = join(front, noun.ko + "에서"), join(back, located(noun))
        if action.manners and self.chance(manner):
            adverb = self.rng.choice(action.manners)
            if adverb != "혼자" or not (together or company == "group"):
                front, back = join(front, adverb), join(lexicon.MANNERS[adverb], back)
        return Phrase(stem_of(join(front, ko)), join(en, back))

    def companions(self, company: str) -> tuple[tuple[str, str], ...]:
        """Return who joins in: family only where it belongs, and one's own relatives only for a speaker."""
        mates = {"work": lexicon.WORKMATES, "technology": lexicon.WORKMATES, "study": lexicon.CLASSMATES}
        if self.scene.name in mates:
            return mates[self.scene.name]
        return lexicon.COMPANIONS + (lexicon.OWN_COMPANIONS if company == "speaker" else ())

    def action(self, stage: str) -> Action:
        """Choose an action of a stage ("before", "main" or "after") of the scene."""
        options = getattr(self.scene, stage)
        fresh = [option for option in options if option.ko not in self.used]
        action = self.rng.choice(fresh or options)
        self.used.append(action.ko)
        return action

    def person(self, kinds: str = "speaker name role kin elder group pronoun") -> Person:
        """Choose a subject among the given kinds."""
        pools = {
            "me": (lexicon.SPEAKER,),
            "speaker": (lexicon.SPEAKER, lexicon.SPEAKER, lexicon.WE),
            "name": lexicon.NAMES,
            "role": lexicon.ROLES,
            "kin": lexicon.KIN,
            "elder": lexicon.ELDERS,
            "group": lexicon.GROUPS,
            "pronoun": (lexicon.HE, lexicon.SHE, lexicon.THEY),
        }
        person = self.rng.choice(pools[self.rng.choice(kinds.split())])
        if person.ko in self.used or person.ko in lexicon.ABSENT.get(self.scene.name, ()):
            raise Misfit
        self.used.append(person.ko)
        return person

    def named(self, person: Person) -> str:
        """Return the Korean word for a subject at this speech level."""
        if person is lexicon.SPEAKER:
            return "나" if self.level == CASUAL else "저"
        if person.kind == "kin":
            return ("내 " if self.level == CASUAL else "제 ") + person.ko
        if person.kind == "name" and self.level == CASUAL:
            return person.ko + ("이" if korean.last_tail(person.ko) and not is_foreign(person) else "")
        return person.ko + (" 씨" if person.kind == "name" else "")

    def doing(self, person: Person, phrase: Phrase) -> Clause:
        """Join a person and a verb phrase; an elder's verb is honorific."""
        stem = korean.respectful(phrase.stem) if person.kind == "elder" else phrase.stem
        return Clause(self.named(person), stem, person.en, person.agreement, phrase.en)

    def fact(self, options: str) -> Clause:
        """Choose and fill a fact of the scene ("why", "but" or "say")."""
        fact: Fact = self.rng.choice([f for f in getattr(self.scene, options) if f.ko not in self.used])
        self.used.append(fact.ko)
        chosen: dict[str, tuple[Noun, str]] = {}
        for _, noun_class, _ in SLOT.findall(fact.ko):
            chosen[noun_class] = (self.noun(noun_class), noun_class)
        ko = SLOT.sub(lambda m: attach(chosen[m[2]][0].ko, m[3] or ""), fact.ko)
        subject = SLOT.sub(lambda m: definite(*chosen[m[2]]), fact.subject)
        en = SLOT.sub(lambda m: (definite if m[1] == "the" else indefinite)(chosen[m[2]][0]), fact.en)
        head = SLOT.match(fact.subject)
        many = chosen[head[2]][0].plural if head else fact.agreement == "they"
        return Clause("", stem_of(ko), subject, "they" if many else "he", en)


def is_foreign(person: Person) -> bool:
    """Say whether a name is foreign: those take no -이 in plain speech."""
    return len(person.ko) > 2 or person.ko in ("안나", "사라", "피터", "레오")


def stem_of(ko: str) -> Stem:
    """Turn a dictionary form, with all that precedes it, into a stem."""
    kind = kind_of(ko)
    return Stem(ko.removesuffix("/이다") if kind == "copula" else ko.removesuffix("다"), kind)


def finite(stem: Stem, tense: str, level: str, question: bool = False) -> str:
    """Return the sentence-final form in a tense: past, present, future, progressive or past progressive."""
    if tense == "future":
        return korean.future(stem, level, question)
    if "progressive" in tense:
        stem = korean.ongoing(stem)
    return korean.statement(korean.past(stem) if "past" in tense else stem, level, question)


def sentence(ko: str, en: str, mark: str = ".") -> tuple[str, str]:
    """Finish a pair of sentences: a capital letter and the final mark."""
    return join(*ko.split()) + mark, en[0].upper() + en[1:] + mark
