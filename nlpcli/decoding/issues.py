"""What a user should know of a line's translation, and the file that names every such line."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["split", "truncated", "unknown", "limit", "loop", "empty", "glossary", "context"]

MEANINGS: dict[Kind, str] = {
    "split": "were longer than the model reads, and were translated in parts",
    "truncated": "were longer than the model reads, and their end was left out",
    "unknown": "hold characters the model does not know",
    "limit": "reached the length limit and may be incomplete",
    "loop": "repeat themselves",
    "empty": "came out empty, though their source is not",
    "glossary": "lack a term of the glossary, or a word asked for",
    "context": "were translated alone, as their document's sentences did not come out one for one",
}


class Issue(msgspec.Struct, frozen=True):
    """One thing about one line's translation."""

    kind: Kind
    detail: str = ""


def issue_rows(file: str, line: int, source: str, translation: str, issues: list[Issue]) -> list[str]:
    """Return a line's rows of the issues file."""
    row, texts = {"file": file, "line": line}, {"source": source, "translation": translation}
    rows = [{**row, "issue": issue.kind, "detail": issue.detail, **texts} for issue in issues]
    return [msgspec.json.encode(row).decode() + "\n" for row in rows]
