"""Documents in rows."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.documents import SEPARATOR
from nlpcli.corpus.prepare import prepare_data
from nlpcli.decoding.context import by_segment, in_rows, rows_of
from nlpcli.decoding.formats.base import Record
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.decoding.translator import Translation, Translator
from nlpcli.decoding.windows import Window
from nlpcli.models.config import TransformerConfig
from nlpcli.models.load import build_model, sizes
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.train import train_tokenizer


@given(st.lists(st.integers(1, 9)), st.integers(1, 30))
def test_rows_are_bounded_filled_and_lose_nothing(tokens: list[int], longest: int) -> None:
    segments = [f"s{i}" for i in range(len(tokens))]
    size = dict(zip(segments, tokens))
    rows = list(rows_of(segments, tokens, longest))
    assert [segment for row in rows for segment in row] == segments
    sizes = [sum(size[segment] for segment in row) + len(row) - 1 for row in rows]
    assert all(len(row) == 1 or total <= longest for row, total in zip(rows, sizes))
    following = [size[after[0]] for _, after in pairwise(rows)]
    assert all(total + 1 + first > longest for total, first in zip(sizes, following))


class Upper:
    """Stands for a translator: writes capitals, and makes two segments of a question."""

    max_input_tokens = 5

    def count(self, segments: list[str]) -> list[int]:
        return [len(segment.split()) for segment in segments]

    def translate(self, lines: list[str]) -> list[Translation]:
        return [Translation([(line.replace("?", "? ␞ What?") if SEPARATOR in line else line).upper()]) for line in lines]


def test_a_row_whose_segments_do_not_come_out_one_for_one_is_translated_segment_by_segment() -> None:
    translator: Any = Upper()
    documents = [["a b", " ", "c d", "e f", "g?"], ["h"], [], ["", "i"]]
    window = Window(0, 0, [Record(tuple(segments), "".join, i) for i, segments in enumerate(documents)], [])
    lines = in_rows(window, translator)
    assert lines == ["a b ␞ c d", "e f ␞ g?", "h", "i"]
    found = by_segment(window, translator.translate(lines), translator)
    assert [t.best if t.texts else "" for t in found] == ["A B", "", "C D", "E F", "G?", "H", "", "I"]
    assert [bool(t.issues) for t in found] == [False, False, False, True, True, False, False, False]


def test_a_line_of_one_segment_is_answered_with_one() -> None:
    """A model of documents that would write nothing but the sign between segments may do so in rows of several alone."""
    folder = Path("chapters-ko-en")
    folder.mkdir()
    months = range(1, 13)
    document = {"id": "1", "ko": [f"{i}월에 비가 왔다." for i in months], "en": [f"it rained in {i}" for i in months]}
    for split in ("train", "valid"):
        (folder / f"{split}.jsonl").write_text(json.dumps(document, ensure_ascii=False) + "\n", "utf-8")
    prepare_data(data=str(folder), out=Path("whole"), document_chars=1000)
    train_tokenizer(data="whole", out=Path("tokenizer"), vocab_size=300)
    tokenizer = Tokenizer.load(Path("tokenizer"))
    small = TransformerConfig(d_model=8, d_ff=8, num_heads=2, encoder_layers=1, decoder_layers=1)
    model: Any = build_model("transformer", small, "translation", *sizes(tokenizer))
    [separator] = tokenizer.ids_of([SEPARATOR], "en")
    with torch.no_grad():
        model.output.bias[separator] += 1000.0
    translator = Translator(TorchEngine([model.eval()]), tokenizer, "ko", "en")
    one, row, other = translator.translate(["1월에 비가 왔다.", f"1월에 비가 왔다. {SEPARATOR} 2월에 비가 왔다.", "2월에"])
    assert row.best.count(SEPARATOR) == len(row.hypotheses[0].ids)
    for answer in (one, other):
        assert answer.hypotheses
        assert SEPARATOR not in answer.best
