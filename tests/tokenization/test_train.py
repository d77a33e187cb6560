"""`tokenize train`: settings are checked and recorded, long texts are sampled, and the same input gives the same artifact."""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nlpcli import artifacts, files
from nlpcli.errors import BadInput, UsageError
from nlpcli.tokenization import train as room
from nlpcli.tokenization.jamo import decompose
from nlpcli.tokenization.sampling import Sampling
from nlpcli.tokenization.tokenizer import MARK, Tokenizer
from nlpcli.tokenization.train import train_tokenizer

Learn = Callable[..., Tokenizer]
LANGUAGES = ["ko", "en"]


def folder_of(**sides: str) -> str:
    """Write a training split, by language."""
    folder = Path("x/ko-en")
    folder.mkdir(parents=True, exist_ok=True)
    for language, content in sides.items():
        (folder / f"train.{language}").write_text(content, "utf-8")
    return str(folder)


# Settings


def test_settings_and_sizes_are_recorded(learnt: Learn, tiny_corpus: Path) -> None:
    tokenizer = learnt(joint=True, vocab_size=1200, normalization="nfkc", jamo=True, user_symbol=("<sep>",), sample_lines=900)
    manifest = tokenizer.artifact.manifest
    expected = {"src": "ko", "tgt": "en", "lang": None, "kind": "bpe", "joint": True, "vocab_size": 1200}
    expected |= {"normalization": "nfkc", "jamo": True, "pretokenizer": "none", "user_symbol": ["<sep>"], "sample_lines": 900}
    assert {name: manifest.config[name] for name in expected} == expected
    assert manifest.metrics["joint"]["vocab_size"] == 1200
    assert {i.role: i.id for i in manifest.inputs} == {
        name: f"sha256:{files.file_digest(tiny_corpus / name)}" for name in ("train.ko", "train.en")
    }


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "wordpiece"},
        {"normalization": "nfd"},
        {"pretokenizer": "mecab"},
        {"joint": "maybe"},
        {"vocab_size": 0},
        {"vocab_size": -5},
        {"vocab_size": 3},  # less than the marks alone
        {"sample_lines": 0},
        {"character_coverage": 1.5},
    ],
)
def test_settings_out_of_range_are_usage_errors(tiny_corpus: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        train_tokenizer(data=str(tiny_corpus), out=Path("tok"), **settings)
    assert next(iter(settings)).replace("_", "-") in caught.value.cause
    assert not Path("tok").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"jamo": True, "normalization": "none"}, "--jamo needs text in NFC"),
        ({"pretokenizer": "kiwi", "src": "de", "tgt": "en"}, "--pretokenizer kiwi cuts Korean, and there is none"),
        ({"user_symbol": ("<a>", "")}, "--user-symbol '' cannot be a piece"),
        ({"user_symbol": (MARK,)}, "cannot be a piece"),
        ({"user_symbol": ("a\nb",)}, "cannot be a piece"),
        ({"pretokenizer": "kiwi", "kind": "word"}, "--pretokenizer kiwi"),
        *(
            ({"user_symbol": (symbol,)}, "cannot be a piece")
            for symbol in ("<s>", "</s>", "<pad>", "<unk>", "<0x41>", "a b", " a", "\u2581", "두 번")
        ),
        ({"user_symbol": ("<a>", "<a>")}, "cannot be a piece"),
    ],
)
def test_settings_that_do_not_go_together_are_usage_errors(settings: dict[str, Any], said: str) -> None:
    for language in ("ko", "en", "de"):
        folder_of(**{language: "Schule hier\n" * 9})
    with pytest.raises(UsageError) as caught:
        train_tokenizer(data="x/ko-en", out=Path("tok"), **settings)
    assert said in caught.value.message
    assert caught.value.fix
    assert not Path("tok").exists()


# Symbols


@pytest.mark.parametrize("settings", [{}, {"kind": "unigram"}, {"kind": "char"}, {"joint": True}], ids=str)
def test_a_users_symbol_is_always_one_piece(learnt: Learn, settings: dict[str, Any]) -> None:
    tokenizer = learnt(user_symbol=("<sep>", "올리비아"), **settings)
    for language in LANGUAGES:
        (pieces,) = tokenizer.encode_pieces(["나는<sep>올리비아는 <sep>x"], language)
        assert pieces.count("<sep>") == 2
        assert pieces.count("올리비아") == 1


@pytest.mark.parametrize(
    ("settings", "symbol"),
    [
        ({"jamo": True}, "올리비아"),
        ({"pretokenizer": "kiwi"}, "<sep>"),
        ({"pretokenizer": "kiwi", "jamo": True}, "학교에서"),
    ],
)
def test_a_users_symbol_is_one_piece_whatever_happens_to_the_text_before(
    learnt: Learn, settings: dict[str, Any], symbol: str
) -> None:
    if "pretokenizer" in settings:
        pytest.importorskip("kiwipiepy")
    tokenizer = learnt(user_symbol=(symbol,), **settings)
    line = f"나는{symbol}갔다 {symbol}."
    whole = decompose(symbol) if tokenizer.jamo else symbol
    assert tokenizer.encode_pieces([line], "ko")[0].count(whole) == 2
    assert tokenizer.encode_pieces([line], "ko", Sampling(1.0, 1))[0].count(whole) == 2
    assert tokenizer.decode(tokenizer.encode([line], "ko"), "ko") == [line]


def test_a_symbol_typed_in_another_unicode_form_is_found_in_the_text(learnt: Learn) -> None:
    tokenizer = learnt(user_symbol=(unicodedata.normalize("NFD", "올리비아"),))
    assert "올리비아" in tokenizer.encode_pieces(["올리비아는"], "ko")[0]


# What is learnt from


def test_a_side_without_text_is_refused() -> None:
    with pytest.raises(BadInput, match="en: no text"):
        train_tokenizer(data=folder_of(ko="안녕\n하세요\n", en="\n  \n"), out=Path("tok"))
    assert not Path("tok").exists()


@pytest.mark.parametrize(
    "joint",
    [
        False,
        True,
    ],
)
def test_an_empty_file_is_refused(joint: bool) -> None:
    with pytest.raises(BadInput, match="no text"):
        train_tokenizer(data=folder_of(ko="", en=""), out=Path("tok"), joint=joint)
    assert not Path("tok").exists()


def test_data_without_a_training_split_is_refused() -> None:
    folder = Path("x/ko-en")
    folder.mkdir(parents=True)
    for language in LANGUAGES:
        (folder / f"test.{language}").write_text("x\n", "utf-8")
    with pytest.raises(BadInput, match="no split train"):
        train_tokenizer(data=str(folder), out=Path("tok"))


def test_every_form_of_the_same_text_gives_the_same_vocabulary(tiny_corpus: Path, learnt: Learn) -> None:
    lines = (tiny_corpus / "train.ko").read_text("utf-8").split("\n")[:-1]
    Path("a.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    Path("b.txt.gz").write_bytes(gzip.compress(Path("a.txt").read_bytes()))
    Path("c.tsv").write_text("id\ttext\n" + "".join(f"7\t{line}\n" for line in lines), "utf-8")
    Path("d.csv").write_text("".join(f"7\t{line}\n" for line in lines), "utf-8")
    expected = (learnt(lang="ko").artifact.path / "ko.model").read_bytes()
    for data, column in (("a.txt", None), ("b.txt.gz", None), ("c.tsv", None), ("c.tsv", "text"), ("d.csv", "2")):
        made = train_tokenizer(data=data, out=Path(f"tok-{data}-{column}"), lang="ko", column=column)
        assert made.vocab_sizes.keys() == {"ko"}
        assert (made.path / "ko.model").read_bytes() == expected


def test_text_whose_language_nobody_named_is_called_text() -> None:
    Path("a.txt").write_text("hello there\n" * 50, "utf-8")
    tokenizer = Tokenizer.load(train_tokenizer(data="a.txt", out=Path("tok")).path)
    assert tokenizer.languages == ["text"]
    assert tokenizer.decode(tokenizer.encode(["there"], "text"), "text") == ["there"]


def test_a_longer_text_is_sampled_and_this_is_said(tiny_corpus: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = [
        train_tokenizer(data=str(tiny_corpus), out=Path(f"tok-{n}"), sample_lines=100, seed=seed)
        for n, seed in enumerate((4, 4, 5))
    ]
    assert "learning from 100 of 600 rows, drawn with seed 4" in capfd.readouterr().err
    assert made[0].id == made[1].id != made[2].id
    models = [(tokenizer.path / "ko.model").read_bytes() for tokenizer in made]
    assert models[0] == models[1] != models[2]


def test_a_text_that_is_not_longer_is_taken_whole(tiny_corpus: Path, learnt: Learn, capfd: pytest.CaptureFixture[str]) -> None:
    made = train_tokenizer(data=str(tiny_corpus), out=Path("tok"), sample_lines=600, seed=7)
    assert "drawn" not in capfd.readouterr().err
    for name in ("ko.model", "en.model"):
        assert (made.path / name).read_bytes() == (learnt().artifact.path / name).read_bytes()


def test_the_number_of_workers_changes_nothing(tiny_corpus: Path, learnt: Learn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHUNK", 70)
    many = train_tokenizer(data=str(tiny_corpus), out=Path("many"), workers=3, jamo=True)
    assert many.id == learnt(jamo=True).id


def test_reuse_trains_only_when_something_changed(tiny_corpus: Path) -> None:
    first = train_tokenizer(data=str(tiny_corpus), out=Path("tok"), reuse=True)
    made = Path("tok/manifest.json").stat()
    assert train_tokenizer(data=str(tiny_corpus), out=Path("tok"), reuse=True) == first
    assert Path("tok/manifest.json").stat() == made
    assert train_tokenizer(data=str(tiny_corpus), out=Path("tok"), reuse=True, force=True, kind="unigram").id != first.id


def test_another_column_is_another_text() -> None:
    Path("a.tsv").write_text("one\ttwo\n" + "hello there\tgood morning\n" * 50, "utf-8")
    first = train_tokenizer(data="a.tsv", out=Path("tok"), column="one", lang="en", reuse=True)
    second = train_tokenizer(data="a.tsv", out=Path("tok"), column="two", lang="en", reuse=True, force=True)
    assert second.id != first.id
    assert artifacts.read_artifact("tok").manifest.config["column"] == "two"
