"""One tale in the making: its words are chosen once and recur, its sentences end in one style."""

import re
from dataclasses import dataclass, field
from random import Random

from .endings import PLAIN, finish, parse
from .hangul import attach, last_tail
from .korean import POLITE

SLOT = re.compile(r"\{(\w+)(?::(\w+))?\}")
ENDING = re.compile(r"\[([^\]]+)\]")
NAMES = (
    *("지우", "하준", "서연", "민호", "유나", "준서", "다은", "은지", "현우", "소라", "태오", "가온"),
    *("민준", "예린", "도윤", "수아", "시우", "나연", "재민", "보라", "건우", "하늘", "세진", "윤아"),
)


# Forms that books write out: 주었다, not 줬다; 봤어 in what somebody says stays.
WRITTEN = (("줬", "주었"), ("됐", "되었"), ("폈", "피었"), ("뒀", "두었"), ("봤", "보았"))


def written(form: str) -> str:
    """Undo the contractions of speech."""
    for short, full in WRITTEN:
        form = form.replace(short, full)
    return form


@dataclass
class Tale:
    """The words of a tale by their role, and its lines so far.

    A line is a template: {who:이} is a word with its particle, [가다] the verb that ends the sentence, in the past
    unless it is marked as in `endings.parse`.
    """

    rng: Random
    style: str
    words: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    @classmethod
    def begun(cls, rng: Random, polite: float = 0.3) -> "Tale":
        """Choose a style: that of a book, or that of somebody who tells it."""
        return cls(rng, POLITE if rng.random() < polite else PLAIN)

    def chance(self, probability: float) -> bool:
        """Decide something at random."""
        return self.rng.random() < probability

    def cast(self, *roles: str) -> None:
        """Give each role a different name; in tales a name after a consonant takes 이: 민준이가."""
        for role, name in zip(roles, self.rng.sample(NAMES, len(roles)), strict=True):
            self.words[role] = name + ("이" if last_tail(name) else "")

    def choose(self, role: str, options: str) -> str:
        """Choose one of the words, separated by commas, for a role."""
        self.words[role] = self.rng.choice([option for option in options.split(", ") if option not in self.words.values()])
        return self.words[role]

    def row(self, roles: str, *rows: str) -> None:
        """Choose one row of words that belong together, for several roles."""
        self.words.update(zip(roles.split(), self.rng.choice(rows).split(", "), strict=True))

    def say(self, *templates: str) -> None:
        """Add a line: one of the templates."""
        text = SLOT.sub(lambda slot: attach(self.words[slot[1]], slot[2] or ""), self.rng.choice(templates))
        line = ENDING.sub(lambda end: written(finish(parse(end[1]).tensed(True), self.style)), text)
        self.lines.append(line if line[-1] in '.!?"' else line + ".")

    def perhaps(self, probability: float, *templates: str) -> None:
        """Add a line with the given probability."""
        if self.chance(probability):
            self.say(*templates)
