"""Tokenizers of every kind, each learnt once a run, and text that has hurt tokenizers before."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from nlpcli.cli import main
from nlpcli.tokenization import encode, stats, train
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.train import train_tokenizer

# All of Unicode but two things. "\n" is where lines end, so no line holds one; SentencePiece itself would keep it. Lone
# surrogates are no characters: no UTF-8 stands for them. Everything else is kept: NUL, tabs, "\r" and Unicode's other line
# breaks, runs of blanks, blanks at either end, text that looks like a mark, and U+2581 "▁" and U+F8F0, by which SentencePiece
# and the morphemes are told where blanks and cuts are.
characters = st.characters(exclude_characters="\n", exclude_categories=["Cs"])
hangul = st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3)
conjoining = st.sampled_from("ᄀᄂ다ᅥᅵᆨᆫᆯㄱㅏㅋㅠ")
marks = st.sampled_from(["<s>", "</s>", "<pad>", "<unk>", "<0x0A>", "<0xEA>", "[unk]", "<sep>", "<끝>"])
words = st.sampled_from(["학교에서", "갔습니다", "먹었어요", "2024년", "3.14", "친구와", "예쁜", "Kiwi를"])
others = st.sampled_from(
    ["\u2581", "\u2581\u2581", "\uf8f0", "\ue000", "\u0301", "\u200b", "\u3000", "\u00a0", "  ", "\r", "\u2028", "\ufeff"]
)
parts = characters | hangul | conjoining | marks | words | others | st.sampled_from("abc ,.?!'\" 0123456789")
text = st.lists(parts, max_size=20).map("".join)


def nfc(lines: list[str]) -> list[str]:
    return [unicodedata.normalize("NFC", line) for line in lines]


@pytest.fixture(scope="package", autouse=True)
def _quick() -> Iterator[None]:
    """What takes longer than the small texts here: building the tree of commands, and starting workers unasked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "_command_tree", cache(main._command_tree))
        for room in (train, encode, stats):
            patch.setattr(room, "processors", lambda: 1)
        yield


@pytest.fixture(scope="session")
def learnt(tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Tokenizer]:
    """Return a function that learns a tokenizer from the small corpus, once for the same settings; read only."""
    folder, made = tmp_path_factory.mktemp("learnt"), {}

    def learn(**settings: Any) -> Tokenizer:
        key = repr(sorted(settings.items()))
        if key not in made:
            out = folder / str(len(made))
            made[key] = Tokenizer.load(train_tokenizer(data=str(tiny_corpus), out=out, workers=1, **settings).path)
        return made[key]

    return learn


@pytest.fixture(scope="session")
def sentences(tiny_corpus: Path) -> dict[str, list[str]]:
    """Return sentences of both languages that the vocabularies were not learnt from."""
    return {lang: (tiny_corpus / f"test.{lang}").read_text("utf-8").split("\n")[:-1] for lang in ("ko", "en")}
