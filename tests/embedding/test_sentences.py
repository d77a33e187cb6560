"""The corpus file holds the text's units in their order, and the counts are gensim's."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest
from gensim.models import Word2Vec
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.embedding import sentences
from nlpcli.embedding.sentences import CorpusFile, chunks, join_phrases, write_corpus
from nlpcli.embedding.units import Cutter

WORDS = st.sampled_from(["가", "나", "다", "라", "a\\b", "x y", "\ue000"])


def read(corpus: CorpusFile) -> list[list[str]]:
    """Return the units of the file's lines."""
    units = {code: unit for unit, code in corpus.codes.items()}
    text = corpus.path.read_text("ascii")
    assert text == "" or text.endswith("\n")
    return [[units[code] for code in line.split()] for line in text.split("\n")[:-1]]


def written(lines: list[str], **options: int) -> CorpusFile:
    return write_corpus(lines, Path("corpus"), Cutter("words"), options.get("workers", 1))


def test_lines_are_kept_in_order_and_empty_ones_left_out() -> None:
    corpus = written(["b a b", "", "  ", "c"])
    assert read(corpus) == [["b", "a", "b"], ["c"]]
    assert (corpus.lines, corpus.sentences, corpus.words) == (4, 2, 4)
    assert corpus.vocabulary(1, 10) == [("b", "0", 2), ("a", "1", 1), ("c", "2", 1)]


@given(st.lists(st.lists(WORDS, min_size=1), min_size=1, max_size=30), st.integers(1, 3))
def test_counts_words_and_order_are_those_of_gensim(rows: list[list[str]], min_count: int) -> None:
    corpus = CorpusFile(Path("unused"))
    corpus.write(rows)
    entries = corpus.vocabulary(min_count, 100)
    ours, theirs = (Word2Vec(vector_size=1, min_count=min_count) for _ in range(2))
    theirs.build_vocab(rows)
    ours.build_vocab_from_freq({entry.unit: entry.seen for entry in entries})
    assert ours.wv.index_to_key == theirs.wv.index_to_key
    assert [ours.wv.get_vecattr(k, "count") for k in ours.wv.index_to_key] == [
        theirs.wv.get_vecattr(k, "count") for k in theirs.wv.index_to_key
    ]
    assert corpus.words == sum(map(len, rows))


def test_the_most_frequent_units_are_kept_in_order_of_appearance() -> None:
    corpus = written(["a b b c c c d d"])
    assert [entry.unit for entry in corpus.vocabulary(1, 3)] == ["b", "c", "d"]
    assert [entry.unit for entry in corpus.vocabulary(1, 2)] == ["c", "d"]


def test_sentences_too_long_for_gensim_are_split() -> None:
    words = [f"w{n}" for n in range(25_000)]
    rows = read(written([" ".join(words)]))
    assert [len(row) for row in rows] == [10_000, 10_000, 5_000]
    assert list(chain.from_iterable(rows)) == words


def test_rare_units_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "MOST_COUNTED", 10)
    monkeypatch.setattr(sentences, "CHUNK_LINES", 1)
    corpus = written([f"oft oft once{n}" for n in range(50)])
    assert len(corpus.counts) == len(corpus.codes) - 1 <= 10  # the line's end has no count
    assert corpus.pruned == 1
    assert corpus.vocabulary(2, 10)[0][::2] == ("oft", 100)
    codes = [line.split()[2] for line in corpus.path.read_text().split("\n")[:-1]]
    assert len(set(codes)) == 50  # a number is never given twice


@given(st.lists(st.text(max_size=5)))
def test_chunks_lose_no_line(lines: list[str]) -> None:
    assert list(chain.from_iterable(chunks(lines))) == lines


def test_chunks_are_bounded_by_size() -> None:
    assert [len(chunk) for chunk in chunks(["x" * 600_000] * 4)] == [2, 2]
    assert [len(chunk) for chunk in chunks(["x"] * 4_500)] == [2_000, 2_000, 500]


def test_several_processes_write_the_same_file(tiny_tokenizer: Path) -> None:
    from nlpcli.tokenization.tokenizer import Tokenizer

    cutter = Cutter("pieces", tokenizer=Tokenizer.load(tiny_tokenizer), language="ko")
    lines = [f"{n}번 문장을 읽습니다" for n in range(5_000)]
    one, two = (write_corpus(lines, Path(str(n)), cutter, n) for n in (1, 2))
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.counts == two.counts


def test_pairs_that_belong_together_are_joined() -> None:
    lines = [f"{a} 뉴욕 시장 {b}" for a in "가나다라마바사" for b in "아자차카타파하"]
    corpus = join_phrases(written(lines), Path("joined"), min_count=2, threshold=0.5)
    rows = read(corpus)
    assert all(row[1] == "뉴욕_시장" for row in rows)
    assert [row[0] for row in rows[:8]] == ["가"] * 7 + ["나"]
    assert corpus.words == 3 * len(lines)
