"""An alignment beside the training pairs: kept by the corpus and the dataset, given with every batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nlpcli.corpus.prepare import prepare_data
from nlpcli.errors import BadInput
from nlpcli.tokenization.alignment import Alignments
from nlpcli.tokenization.batches import PairBatches
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.encode import encode_dataset
from nlpcli.tokenization.train import train_tokenizer

PAIRS = [(f"나는 {n} 번 집에 간다", f"I go home {n} times") for n in range(40)]
LINKS = "0-0 1-3 2-4 3-2 4-1"


@pytest.fixture
def folder() -> Path:
    """Write 40 pairs with their alignment; one pair has no link."""
    root = Path("my-ko-en")
    root.mkdir()
    for i, language in enumerate(("ko", "en")):
        (root / f"train.{language}").write_text("".join(pair[i] + "\n" for pair in PAIRS), "utf-8")
    (root / "train.align").write_text("".join((LINKS if n else "") + "\n" for n in range(40)), "utf-8")
    return root


def dataset_of(data: Path) -> Dataset:
    made = train_tokenizer(data=str(data), out=Path("tokenizer"), vocab_size=300, force=True)
    return Dataset.load(encode_dataset(data=str(data), tokenizer=made.path, out=Path("dataset"), force=True).path)


def test_the_links_of_a_batch_are_those_of_its_pairs(folder: Path) -> None:
    corpus = prepare_data(data=str(folder), out=Path("corpus"), hold_out=4)
    dataset = dataset_of(corpus.path)
    path = dataset.alignment("train")
    assert path is not None
    alignments = Alignments(path, dataset.tokenizer, ("ko", "en"))
    sides = [dataset.side("train", language) for language in ("ko", "en")]
    batches = PairBatches(*sides, batch_tokens=200, max_length=64, seed=1, alignments=alignments)
    kept = (corpus.path / "train.align").read_text("utf-8").split("\n")[:-1]
    assert len(kept) == len(sides[0]) == 36
    for rows in batches.epoch(0):
        batch = batches.load(rows)
        assert batch.align_bts is not None
        assert batch.align_bts.shape == (len(rows), batch.tgt_out_bt.size(1), batch.src_bs.size(1))
        sums = batch.align_bts.sum(-1)
        assert torch.all((sums == 0) | torch.isclose(sums, torch.ones_like(sums)))
        for row, of_pair in zip(rows, batch.align_bts):
            src, tgt = (side[row].tolist() for side in sides)
            linked = {(s, t) for t, s in of_pair.nonzero().tolist()}
            assert linked == set(alignments.links(row, src, tgt))
            assert bool(linked) is bool(kept[row])
            if linked:  # the first word of one side is the first of the other, and the end is linked with nothing
                assert (0, 0) in linked
                assert max(t for _, t in linked) < len(tgt)


def test_an_alignment_of_other_length_is_refused(folder: Path) -> None:
    (folder / "train.align").write_text("0-0\n" * 39, "utf-8")
    with pytest.raises(BadInput, match=r"train\.align has 39 lines for 40 pairs"):
        prepare_data(data=str(folder), out=Path("corpus"))
    with pytest.raises(BadInput, match=r"train\.align has 39 lines for 40 pairs"):
        dataset_of(folder)


def test_a_link_to_a_word_that_is_not_there_is_refused_with_its_line(folder: Path) -> None:
    lines = [LINKS] * 40
    lines[6] = "0-9"
    (folder / "train.align").write_text("".join(line + "\n" for line in lines), "utf-8")
    dataset = dataset_of(folder)
    path = dataset.alignment("train")
    assert path is not None
    src, tgt = (dataset.side("train", language)[6].tolist() for language in ("ko", "en"))
    with pytest.raises(BadInput, match="line 7: link 0-9, but the target has 5 words"):
        Alignments(path, dataset.tokenizer, ("ko", "en")).links(6, src, tgt)
