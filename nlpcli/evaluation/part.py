"""What an evaluation made of one split."""

from __future__ import annotations

from dataclasses import dataclass, field

from nlpcli.evaluation.scores import Group


@dataclass(frozen=True)
class Part:
    """A split's groups, the whole first; lines to keep beside the scores, by ending; and who was taken for whom.

    `confusion` counts by true label, then by predicted label.
    """

    name: str
    groups: list[Group]
    lines: dict[str, list[str]] = field(default_factory=dict)
    confusion: dict[str, dict[str, int]] = field(default_factory=dict)
