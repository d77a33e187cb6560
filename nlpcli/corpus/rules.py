"""The rules that `data check` reports by and `data clean` filters by: what each finds, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nlpcli.corpus.kinds import Kind
from nlpcli.errors import UsageError, nearest

Action = Literal["mend", "drop", "keep", "refuse"]
Severity = Literal["problem", "note"]

MILD = 0.01  # rules of likelihood are a problem only when they hit more than this share of a split's rows


@dataclass(frozen=True)
class Rule:
    """One thing that may be wrong.

    Attributes:
        meaning: what was found, to follow the count.
        action: what `data clean` does about it, and `exceptions` for some kinds of text.
        advice: what else to do.
        likely: whether it is a judgement by likelihood, of which every real corpus has some.
    """

    name: str
    meaning: str
    action: Action
    exceptions: dict[Kind, Action] | None = None
    advice: str = ""
    likely: bool = False

    def action_for(self, kind: Kind) -> Action:
        """Return what `data clean` does with a row of this kind of text, if nobody says otherwise."""
        return (self.exceptions or {}).get(kind, self.action)

    def advice_for(self, kind: Kind) -> str:
        """Say what to do, and what `data clean` would do."""
        action = self.action_for(kind)
        droppable = "" if self.name in ALWAYS or self.name in REPORTED else f" unless --drop {self.name}"
        done = {"mend": "clean mends them", "drop": "clean drops them", "keep": f"clean leaves them{droppable}", "refuse": ""}
        where = " from train" if action == "drop" and self.name.startswith("leak") else ""
        again = " and keeps the first" if action == "drop" and self.name == "duplicate" else ""
        return "; ".join(part for part in (self.advice, done[action] + where + again) if part)

    def severity(self, kind: Kind, split: str, share: float) -> Severity:
        """Return how bad it is that this share of a split's rows broke the rule.

        A problem is what `data clean` mends or drops; a note is what it leaves alone. Repeated rows of a split that is only
        tested on are a note, and so is what is merely likely as long as it is rare.
        """
        repeated = self.name == "duplicate" and split not in ("train", "")
        rare = self.likely and share <= MILD
        return "note" if self.action_for(kind) == "keep" or repeated or rare else "problem"


_TEXTS: dict[Kind, Action] = {"monolingual": "keep"}
_ONLY_PAIRS: dict[Kind, Action] = {"monolingual": "keep", "labelled": "keep"}
_PAIRS_OUT_OF_CONTEXT: dict[Kind, Action] = {**_ONLY_PAIRS, "documents": "keep"}

_ALL = [
    Rule("unequal", "sides of unequal length", "refuse", {"documents": "drop"}, "find the line lost or split, and align again"),
    Rule("domain", "lines of *.domain that are not one a pair", "refuse", advice="write one name a pair"),
    Rule("not-utf8", "lines that are not UTF-8", "drop", advice="give clean the --encoding"),
    Rule("oversized", "lines over 1 MiB, which no command reads", "drop"),
    Rule("record", "rows without the table's columns", "drop"),
    Rule("bom", "byte order marks", "mend"),
    Rule("crlf", "lines that end in CR LF", "mend"),
    Rule("control", "lines with NUL or control characters", "mend"),
    Rule("nfd", "lines with decomposed letters (NFD)", "mend"),
    Rule("entities", "lines with HTML entities", "mend", advice="if they are meant, --keep entities"),
    Rule("mojibake", "lines decoded with the wrong encoding", "mend"),
    Rule("lost", "lines with U+FFFD, where characters were lost", "drop", advice="decode the source again if you have it"),
    Rule("empty", "empty rows", "drop", _TEXTS),
    Rule("one-sided", "pairs with one side empty", "drop"),
    Rule("long", "over-long lines", "drop", _ONLY_PAIRS, "--max-chars sets the limit", likely=True),
    Rule("ratio", "pairs with lengths out of proportion", "drop", advice="look at them", likely=True),
    Rule("copied", "pairs with the same text on both sides", "drop", advice="look at them", likely=True),
    Rule("script", "lines not in their language's script", "drop", _ONLY_PAIRS, "look at them", likely=True),
    Rule("language", "lines that read like another language", "drop", _ONLY_PAIRS, "look at them", likely=True),
    Rule("duplicate", "rows that stood there before", "drop", _PAIRS_OUT_OF_CONTEXT, likely=True),
    Rule("leak", "rows of other splits that train has too", "drop", _TEXTS),
    Rule("leak-src", "pairs of other splits whose source alone is in train", "keep"),
    Rule("leak-tgt", "pairs of other splits whose target alone is in train", "keep"),
    Rule("label-empty", "rows without a label", "drop"),
    Rule("label-spaces", "labels with spaces around them", "mend"),
    Rule("label-rare", "rows of classes too rare to learn", "keep", advice="merge the classes, or find more rows"),
    Rule("label-unseen", "rows with a label that train does not have", "keep", advice="look for a spelling mistake"),
    Rule("label-conflict", "texts that stand there with several labels", "keep", advice="look at them"),
]
RULES = {rule.name: rule for rule in _ALL}
ALWAYS = {"unequal", "domain", "not-utf8", "oversized", "record", "bom", "crlf"}  # nobody can choose to keep these
REPORTED = {"label-rare", "label-unseen", "label-conflict"}  # of classes and texts, which are not rows to drop


def actions(kind: Kind, keep: list[str], drop: list[str]) -> dict[str, Action]:
    """Return what to do about each rule for this kind of text, on the user's word or by default.

    Raises:
        UsageError: a rule that does not exist, or that leaves no choice.
    """
    chosen = {name: rule.action_for(kind) for name, rule in RULES.items()}
    for option, names, action in (("--keep", keep, "keep"), ("--drop", drop, "drop")):
        for name in names:
            if name not in RULES:
                close = nearest(name, RULES)
                raise UsageError(
                    f"{option} {name}: there is no such rule",
                    fix=f"did you mean {close}?" if close else f"the rules are {', '.join(RULES)}",
                )
            if name in ALWAYS | REPORTED:
                free = sorted(set(RULES) - ALWAYS - REPORTED)
                raise UsageError(
                    f"{option} {name}: this rule leaves no choice",
                    cause="clean text is aligned UTF-8 with plain line ends, and classes are not rows",
                    fix=f"{option} takes {', '.join(free)}",
                )
            chosen[name] = action  # type: ignore[assignment]
    return chosen
