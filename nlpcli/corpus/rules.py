"""The rules that `data check` reports by and `data clean` filters by: what each finds, and what is done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nlpcli.corpus.kinds import Kind
from nlpcli.errors import UsageError, first_five, nearest

Action = Literal["mend", "drop", "keep", "refuse"]
Severity = Literal["problem", "note"]

MILD = 0.01  # rules of likelihood are a problem only when they hit more than this share of a split's rows


@dataclass(frozen=True)
class Rule:
    """One thing that may be wrong.

    Attributes:
        meaning: what was found, to follow the count.
        advice: what to do.
        action: what `data clean` does about it, and `exceptions` for some kinds of text.
        likely: whether it is a judgement by likelihood, of which every real corpus has some.
    """

    name: str
    meaning: str
    advice: str
    action: Action
    exceptions: dict[Kind, Action] | None = None
    likely: bool = False

    def action_for(self, kind: Kind) -> Action:
        """Return what `data clean` does with a row of this kind of text, if nobody says otherwise."""
        return (self.exceptions or {}).get(kind, self.action)

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
    Rule("unequal", "sides of unequal length", "find the line lost or split, and align again", "refuse", {"documents": "drop"}),
    Rule("domain", "lines of *.domain that are not one a pair", "write one name a pair", "refuse"),
    Rule("not-utf8", "lines that are not UTF-8", "clean with --encoding", "drop"),
    Rule("record", "rows without the table's columns", "clean drops them", "drop"),
    Rule("bom", "byte order marks", "clean takes them away", "mend"),
    Rule("crlf", "lines that end in CR LF", "clean ends them in LF", "mend"),
    Rule("control", "lines with NUL or control characters", "clean takes these away", "mend"),
    Rule("nfd", "lines with decomposed letters (NFD)", "clean composes them (NFC)", "mend"),
    Rule("entities", "lines with HTML entities", "clean writes them as characters; --keep entities if meant", "mend"),
    Rule("mojibake", "lines decoded with the wrong encoding", "clean turns them back", "mend"),
    Rule("lost", "lines with U+FFFD, where characters were lost", "clean drops them; decode the source again", "drop"),
    Rule("empty", "empty rows", "clean drops them", "drop", _TEXTS),
    Rule("one-sided", "pairs with one side empty", "clean drops them", "drop"),
    Rule("long", "lines that are over-long", "clean drops them; --max-chars sets the limit", "drop", _ONLY_PAIRS, likely=True),
    Rule("ratio", "pairs with lengths out of proportion", "look at them; clean drops them", "drop", likely=True),
    Rule("copied", "pairs with the same text on both sides", "look at them; clean drops them", "drop", likely=True),
    Rule("script", "lines that are not in their language's script", "look; clean drops them", "drop", _ONLY_PAIRS, likely=True),
    Rule("duplicate", "rows that stood there before", "clean keeps the first", "drop", _PAIRS_OUT_OF_CONTEXT, likely=True),
    Rule("leak", "rows of other splits that train has too", "clean drops them from train", "drop", _TEXTS),
    Rule("leak-src", "pairs of other splits of which train has the source alone", "clean with --drop leak-src", "keep"),
    Rule("leak-tgt", "pairs of other splits of which train has the target alone", "clean with --drop leak-tgt", "keep"),
    Rule("label-empty", "rows without a label", "clean drops them", "drop"),
    Rule("label-spaces", "labels with spaces around them", "clean strips them", "mend"),
    Rule("label-rare", "rows of classes too rare to learn", "merge the classes, or find more rows", "keep"),
    Rule("label-unseen", "rows with a label that train does not have", "look for a spelling mistake", "keep"),
    Rule("label-conflict", "texts that stand there with several labels", "look at them", "keep"),
]
RULES = {rule.name: rule for rule in _ALL}
MENDED = {"bom", "mojibake", "entities", "control", "nfd"}  # in a line's text
ALWAYS = {"unequal", "domain", "not-utf8", "record", "bom", "crlf"}  # nobody can choose to keep these


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
            if name in ALWAYS:
                free = sorted(set(RULES) - ALWAYS)
                raise UsageError(
                    f"{option} {name}: this rule leaves no choice",
                    cause="clean text is aligned UTF-8 with plain line ends",
                    fix=f"{option} takes {first_five(free)}",
                )
            chosen[name] = action  # type: ignore[assignment]
    return chosen
