"""A line's hypotheses as a line of JSON: texts, scores, and which words belong together."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np

from nlpcli.decoding.settings import FileSettings
from nlpcli.decoding.translator import Attention, Translation

_WORD = re.compile(r"\S+")
Spans = list[tuple[int, int]]


def detail_row(line: int, source: str, translation: Translation, settings: FileSettings) -> str:
    """Return `{"line", "source", "hypotheses": [{"text", "score", …}], "issues"}` with its line end."""
    hypotheses: list[dict[str, Any]] = []
    for i, text in enumerate(translation.texts):
        entry: dict[str, Any] = {"text": text}
        if translation.hypotheses:
            entry["score"] = round(translation.hypotheses[i].score, 6)
        if translation.attention:
            found = translation.attention[i]
            if settings.alignment:
                entry["alignment"] = [f"{s}-{t}" for s, t in word_links(source, text, found)]
            if settings.attention:
                entry["attention"] = _attention(source, text, found)
        hypotheses.append(entry)
    issues = [issue.kind for issue in translation.issues]
    row = {"line": line, "source": source, "hypotheses": hypotheses, **({"issues": issues} if issues else {})}
    return msgspec.json.encode(row).decode() + "\n"


def word_links(source: str, text: str, attention: Attention) -> list[tuple[int, int]]:
    """Link each target word to the source word to which its tokens paid the most attention together; numbers from 0, words
    between blanks, as in Pharaoh's format."""
    src = _words_of(attention.src_at, source)
    tgt = _words_of(attention.tgt_at, text)
    if not src.size or not tgt.size:
        return []
    paid = np.zeros((int(tgt.max()) + 1, int(src.max()) + 1))
    np.add.at(paid, (tgt[:, None], src[None, :]), attention.weights)
    return [(int(row.argmax()), i) for i, row in enumerate(paid) if row.any()]


def _words_of(spans: Spans, text: str) -> np.ndarray:
    """Return the number of the word that each token stands in; of one between words, the next."""
    ends = [word.end() for word in _WORD.finditer(text)]
    return np.minimum(np.searchsorted(ends, [begin for begin, _ in spans], side="right"), max(len(ends) - 1, 0))


def _attention(source: str, text: str, attention: Attention) -> dict[str, Any]:
    return {
        "source": [source[begin:end] for begin, end in attention.src_at],
        "target": [text[begin:end] for begin, end in attention.tgt_at],
        "weights": np.round(attention.weights.astype(np.float64), 4).tolist(),
    }
