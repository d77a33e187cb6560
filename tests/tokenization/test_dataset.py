"""The encoded data opens with numpy alone, holds exactly the tokenizer's ids, and brings its tokenizer along."""

from __future__ import annotations

import gc
import re
import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nlpcli import artifacts
from nlpcli.corpus import decode
from nlpcli.corpus.prepare import prepare_data
from nlpcli.errors import ArtifactError, BadInput, UsageError
from nlpcli.tokenization import dataset
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.encode import encode_dataset
from nlpcli.tokenization.tokenizer import EOS, Tokenizer
from nlpcli.tokenization.train import train_tokenizer

SIDES = [(split, language) for split in ("train", "valid") for language in ("ko", "en")]


def lines_of(folder: Path, split: str, language: str) -> list[str]:
    return (folder / f"{split}.{language}").read_text("utf-8").split("\n")[:-1]


def corpus(train: int = 3, **files: str) -> str:
    """Write a small folder of parallel text; `files` replaces some of it."""
    folder = Path("x/ko-en")
    folder.mkdir(parents=True, exist_ok=True)
    content = {"train_ko": "학교에 간다\n" * train, "train_en": "I go to school\n" * train}
    content |= {"valid_ko": "응\n", "valid_en": "Yes\n"}
    for name, text in {**content, **files}.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    return str(folder)


@pytest.mark.parametrize(("split", "language"), SIDES)
def test_numpy_alone_reads_the_ids_of_every_line(
    tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path, split: str, language: str
) -> None:
    ids = np.load(tiny_dataset / f"{split}.{language}.npy", mmap_mode="r")
    offsets = np.load(tiny_dataset / f"{split}.{language}.offsets.npy", mmap_mode="r")
    assert isinstance(ids, np.memmap)
    assert (ids.ndim, ids.dtype, offsets.dtype) == (1, np.uint16, np.int64)
    read = [ids[begin:end].tolist() for begin, end in pairwise(offsets)]
    assert read == Tokenizer.load(tiny_tokenizer).encode(lines_of(tiny_corpus, split, language), language)
    assert (offsets[0], offsets[-1]) == (0, len(ids))


def test_the_lines_of_python_in_the_documentation_read_a_line(tiny_dataset: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/tokenize.md").read_text("utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    shutil.copytree(tiny_dataset, "work/ids")
    names: dict[str, Any] = {}
    exec(block, names)
    data = Dataset.load("work/ids")
    assert names["line_42"].tolist() == data.side("train", "ko")[41].tolist()
    assert isinstance(names["ids"], np.memmap)


@pytest.mark.parametrize(("split", "language"), SIDES)
def test_a_side_gives_lines_and_their_lengths(tiny_dataset: Path, split: str, language: str) -> None:
    data = Dataset.load(tiny_dataset)
    side = data.side(split, language)
    encoded = data.tokenizer.encode(lines_of(tiny_dataset.parent / "ko-en", split, language), language)
    assert [side[i].tolist() for i in range(len(side))] == encoded
    assert side.lengths.tolist() == [len(ids) for ids in encoded]


def test_each_piece_is_counted_and_each_end_of_a_line(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "COUNTED", 7)
    data = Dataset.load(tiny_dataset)
    side = data.side("train", "en")
    counted = Counter(int(i) for line in range(len(side)) for i in [*side[line], EOS])
    counts = data.word_counts("en")
    assert len(counts) == data.tokenizer.vocab_size("en")
    assert {i: int(n) for i, n in enumerate(counts) if n} == counted


def test_nothing_follows_the_ids_in_their_file(tiny_dataset: Path) -> None:
    path = tiny_dataset / "train.ko.npy"
    with path.open("rb") as f:
        assert np.lib.format.read_magic(f) == (1, 0)
        shape, _, dtype = np.lib.format.read_array_header_1_0(f)
        assert path.stat().st_size == f.tell() + shape[0] * dtype.itemsize


def test_train_and_valid_are_encoded_and_only_valid_keeps_its_text(tiny_corpus: Path, tiny_dataset: Path) -> None:
    data = Dataset.load(tiny_dataset)
    assert (data.splits, data.src, data.tgt) == (["train", "valid"], "ko", "en")
    for language in ("ko", "en"):
        assert data.text("valid", language) == lines_of(tiny_corpus, "valid", language)
        assert (tiny_dataset / f"valid.{language}").read_bytes() == (tiny_corpus / f"valid.{language}").read_bytes()
        assert not (tiny_dataset / f"train.{language}").exists()
    assert not list(tiny_dataset.glob("test.*"))


def test_pairs_and_tokens_are_counted(tiny_dataset: Path) -> None:
    metrics = artifacts.read_artifact(tiny_dataset).manifest.metrics
    data = Dataset.load(tiny_dataset)
    for split, pairs in (("train", 600), ("valid", 40)):
        tokens = {f"{lang}_tokens": int(data.side(split, lang).lengths.sum()) for lang in ("ko", "en")}
        assert metrics[split] == {"pairs": pairs, **tokens}


def test_the_tokenizer_is_copied_whole(tiny_tokenizer: Path, tiny_dataset: Path) -> None:
    copied, original = (artifacts.open_artifact(path, "tokenizer") for path in (tiny_dataset / "tokenizer", tiny_tokenizer))
    assert copied.manifest == original.manifest
    assert Dataset.load(tiny_dataset).tokenizer.id == original.id
    entry = artifacts.read_artifact(tiny_dataset).manifest.inputs[0]
    assert (entry.role, entry.kind, entry.id) == ("tokenizer", "tokenizer", original.id)


def test_blank_lines_and_unusual_separators_keep_their_place(tiny_tokenizer: Path) -> None:
    data = corpus(train_ko="가\n\n나\u2028다\n", train_en="a\nb\n\n", valid_ko="\n라\x85\n", valid_en="\x0b\n\n")
    encode_dataset(data=data, tokenizer=tiny_tokenizer, out=Path("set"))
    opened = Dataset.load("set")
    tokenizer = opened.tokenizer
    side = opened.side("train", "ko")
    assert tokenizer.decode([side[i].tolist() for i in range(3)], "ko") == ["가", "", "나\u2028다"]
    assert opened.side("train", "en").lengths[2] == 0
    assert opened.text("valid", "ko") == ["", "라\x85"]
    assert opened.text("valid", "en") == ["\x0b", ""]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, np.uint16), (65_537, np.uint32), (250_000, np.uint32)])
def test_a_vocabulary_beyond_16_bits_is_stored_in_32(
    tiny_corpus: Path, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch, vocab_size: int, dtype: type
) -> None:
    largest = vocab_size - 1
    monkeypatch.setattr(Tokenizer, "vocab_size", lambda self, language: vocab_size)
    ids = np.array([4, largest], np.int32)
    monkeypatch.setattr(
        Tokenizer, "encode_flat", lambda self, lines, language: (np.tile(ids, len(lines)), np.full(len(lines), 2))
    )
    encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=Path("set"))
    side = Dataset.load("set").side("train", "ko")
    assert side.ids.dtype == dtype
    assert side[599].tolist() == [4, largest]


def test_the_files_do_not_depend_on_how_many_lines_are_encoded_at_a_time(
    tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "ROWS", 7)
    encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=Path("set"))
    for split, language in SIDES:
        for ending in ("npy", "offsets.npy"):
            name = f"{split}.{language}.{ending}"
            assert Path("set", name).read_bytes() == (tiny_dataset / name).read_bytes()


def test_the_id_does_not_depend_on_when_or_where_the_tokenizer_was_made(tiny_corpus: Path) -> None:
    made = []
    for name in ("one", "two"):
        tokenizer = train_tokenizer(data=str(tiny_corpus), out=Path(name, f"tokenizer-{name}")).path
        made.append(encode_dataset(data=str(tiny_corpus), tokenizer=tokenizer, out=Path(name, "set")))
    assert artifacts.read_artifact("one/tokenizer-one").id == artifacts.read_artifact("two/tokenizer-two").id
    assert made[0].id == made[1].id


def test_text_and_its_corpus_artifact_give_the_same_ids(tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path) -> None:
    prepare_data(data=str(tiny_corpus), out=Path("data"))
    encode_dataset(data="./data", tokenizer=tiny_tokenizer, out=Path("set"))
    for split, language in SIDES:
        name = f"{split}.{language}.npy"
        assert Path("set", name).read_bytes() == (tiny_dataset / name).read_bytes()
    assert [i.kind for i in artifacts.read_artifact("set").manifest.inputs] == ["tokenizer", "corpus"]


def test_a_tokenizer_serves_both_directions(tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path) -> None:
    encode_dataset(data=str(tiny_corpus), tokenizer=tiny_tokenizer, out=Path("set"), src="en", tgt="ko")
    turned = Dataset.load("set")
    assert (turned.src, turned.tgt) == ("en", "ko")
    assert np.array_equal(turned.side("train", "ko").ids, Dataset.load(tiny_dataset).side("train", "ko").ids)


# Refusals


def test_a_tokenizer_of_other_languages_is_a_usage_error(tiny_tokenizer: Path) -> None:
    Path("y/ko-de").mkdir(parents=True)
    for name in ("train.ko", "train.de"):
        Path("y/ko-de", name).write_text("x\n", "utf-8")
    with pytest.raises(UsageError, match="for ko and en, the data is ko-de"):
        encode_dataset(data="y/ko-de", tokenizer=tiny_tokenizer, out=Path("set"))


def test_a_dataset_whose_tokenizer_is_not_the_one_that_made_its_ids_is_refused(tiny_dataset: Path, tiny_corpus: Path) -> None:
    other = train_tokenizer(data=str(tiny_corpus), out=Path("other"), kind="char")
    manifest = artifacts.read_artifact(tiny_dataset).manifest
    with artifacts.create(Path("mixed"), "dataset", command="c", config=manifest.config) as draft:
        shutil.copytree(tiny_dataset, draft.path, dirs_exist_ok=True, ignore=lambda *_: ["tokenizer", "manifest.json"])
        shutil.copytree(other.path, draft.path / "tokenizer")
        draft.metrics.update(manifest.metrics)
        draft.publish()
    with pytest.raises(ArtifactError) as caught:
        Dataset.load("mixed")
    assert other.id in caught.value.message
    assert manifest.config["tokenizer_id"] in caught.value.message


def test_a_changed_file_is_refused_also_inside_the_copied_tokenizer(tiny_dataset: Path) -> None:
    for name in ("train.ko.npy", "tokenizer/ko.model"):
        shutil.copytree(tiny_dataset, "copy")
        with Path("copy", name).open("r+b") as f:
            f.seek(-1, 2)
            f.write(b"\xaa")
        with pytest.raises(ArtifactError) as caught:
            Dataset.load("copy")
        assert name in caught.value.cause
        shutil.rmtree("copy")


def test_unequal_sides_are_refused_leaving_nothing_behind_on_disk_or_open(tiny_tokenizer: Path) -> None:
    with pytest.raises(BadInput, match="has 3 lines"):
        encode_dataset(data=corpus(train_en="only one\n"), tokenizer=tiny_tokenizer, out=Path("set"))
    gc.collect()  # a file left open is a warning here, and warnings are errors
    assert {p.name for p in Path.cwd().iterdir()} == {"x"}


def test_reuse_encodes_only_when_text_or_tokenizer_changed(tiny_tokenizer: Path, tiny_corpus: Path) -> None:
    first = encode_dataset(data=corpus(), tokenizer=tiny_tokenizer, out=Path("set"), reuse=True)
    made = Path("set/manifest.json").stat()
    assert encode_dataset(data=corpus(), tokenizer=tiny_tokenizer, out=Path("set"), reuse=True) == first
    assert Path("set/manifest.json").stat() == made
    second = encode_dataset(data=corpus(train=5), tokenizer=tiny_tokenizer, out=Path("set"), reuse=True, force=True)
    assert second.splits["train"]["pairs"] == 5
    other = train_tokenizer(data=str(tiny_corpus), out=Path("other"), kind="char")
    third = encode_dataset(data=corpus(train=5), tokenizer=other.path, out=Path("set"), reuse=True, force=True)
    assert Dataset.load("set").tokenizer.id == other.id
    assert len({first.id, second.id, third.id}) == 3
