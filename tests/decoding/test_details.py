"""Hypotheses as JSON Lines, and links between words from the attention of tokens."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from learnt import Learnt

from nlpcli.decoding.details import word_links
from nlpcli.decoding.translate import translate
from nlpcli.decoding.translator import Attention
from nlpcli.errors import UsageError


def test_words_are_linked_by_the_attention_of_their_tokens() -> None:
    # "den Hund" → "the little dog": each target token looks at one source token.
    src_at = [(0, 3), (4, 6), (6, 8)]  # den, Hu, nd
    tgt_at = [(0, 3), (4, 10), (11, 13), (13, 14)]  # the, little, do, g
    weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.2, 0.6], [0.4, 0.3, 0.3], [0.0, 0.5, 0.5]])
    assert word_links("den Hund", "the little dog", Attention(weights, src_at, tgt_at)) == [(0, 0), (1, 1), (1, 2)]


def test_nothing_is_linked_where_there_are_no_tokens() -> None:
    assert word_links("", "", Attention(np.zeros((0, 0)), [], [])) == []


def test_rows_hold_alignment_and_attention_when_asked_for(learnt: Learnt) -> None:
    Path("in.ko").write_text("".join(f"{line}\n" for line in [*learnt.src[:2], ""]), "utf-8")
    out = Path("out.jsonl")
    translate(
        model=learnt.path,
        files=[Path("in.ko")],
        out=out,
        workers=1,
        details=True,
        alignment=True,
        attention=True,
        n_best=2,
        beam_size=2,
    )
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert rows[2] == {"line": 3, "source": "", "hypotheses": []}
    for row, tgt in zip(rows[:2], learnt.tgt):
        best = row["hypotheses"][0]
        assert best["text"] == tgt
        assert [link.split("-")[1] for link in best["alignment"]] == [str(i) for i in range(len(tgt.split()))]
        found = best["attention"]
        weights = np.array(found["weights"])
        assert weights.shape == (len(found["target"]), len(found["source"]))
        assert (weights.sum(1) <= 1.001).all()
        assert "".join(found["target"]).replace(" ", "") == tgt.replace(" ", "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alignment": True}, "--alignment and --attention need --details"),
        ({"interactive": True}, "--interactive is for stdin"),
        ({"shard": "1/2", "out": None}, "--shard needs a file and --out"),
        ({"context": "document"}, "--context document needs documents"),
        ({"n_best": 3}, "--n-best 3 needs --beam-size 3"),
        ({"diverse_groups": 2, "beam_size": 3}, "does not divide"),
        ({"temperature": 0.5}, "need --sample"),
        ({"no_such_option": 1}, "unknown setting"),
        ({"beam_size": 0}, "out of range"),
    ],
)
def test_settings_that_cannot_work_are_refused_before_the_work(
    learnt: Learnt, options: dict[str, object], message: str
) -> None:
    Path("in.ko").write_text("가\n", "utf-8")
    with pytest.raises(UsageError) as caught:
        translate(model=learnt.path, files=[Path("in.ko")], **{"out": Path("out.en"), **options})  # type: ignore[arg-type]
    assert message in caught.value.message + caught.value.cause
    assert not Path("out.en").exists()
