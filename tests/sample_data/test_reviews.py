"""The sample reviews: reproducible, balanced, without repetition, and correctly inflected."""

import subprocess
import sys
import unicodedata
from itertools import product
from pathlib import Path
from random import Random

import pytest

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
sys.path.insert(0, str(SAMPLE_DATA))

from generator import endings  # noqa: E402
from generator.endings import NOTE, PLAIN, finish, parse  # noqa: E402
from generator.korean import CASUAL, FORMAL, POLITE  # noqa: E402
from generator.review_patterns import PATTERNS  # noqa: E402
from generator.review_words import TOPICS  # noqa: E402
from generator.review_writer import Writer  # noqa: E402
from generator.reviews import corpus, key, write  # noqa: E402

SIZES = {"train": 4000, "valid": 400, "test": 400}
FOLDER = SAMPLE_DATA / "reviews-ko"


def rows(split: str) -> list[list[str]]:
    """Read a split without its header."""
    header, *lines = (FOLDER / f"{split}.tsv").read_text("utf-8").splitlines()
    assert header == "id\ttext\tlabel"
    return [line.split("\t") for line in lines]


def test_regenerating_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path, corpus())
    for split in SIZES:
        assert (tmp_path / f"{split}.tsv").read_bytes() == (FOLDER / f"{split}.tsv").read_bytes(), split


@pytest.mark.parametrize("split", SIZES)
def test_each_split_has_its_size_its_balance_and_clean_lines(split: str) -> None:
    text = (FOLDER / f"{split}.tsv").read_text("utf-8")
    assert unicodedata.is_normalized("NFC", text)
    assert text.endswith("\n")
    assert "\r" not in text
    assert "  " not in text
    assert not set("{}[]|/=+~@^") & set(text.replace("요~", "").replace("~\t", "").replace("~ ", ""))
    found = rows(split)
    assert [row[0] for row in found] == [f"{split}-{n:04}" for n in range(1, SIZES[split] + 1)]
    assert [row[2] for row in found].count("1") == [row[2] for row in found].count("0") == SIZES[split] // 2
    assert all(1 <= len(row[1].split()) <= 30 and row[1] == row[1].strip() for row in found)


def test_no_review_recurs_within_or_between_splits() -> None:
    """Not even with other punctuation or spacing."""
    texts = [key(row[1]) for split in SIZES for row in rows(split)]
    assert len(texts) == len(set(texts))


def test_particles_fit_their_words() -> None:
    """를 and 가 never follow a final consonant; checked without the generator's functions."""
    for text in (row[1] for row in rows("train")):
        for word in text.split():
            if len(word) > 2 and word.endswith("를"):
                assert (ord(word[-2]) - 0xAC00) % 28 == 0, text
            if len(word) > 2 and word.endswith("을"):
                assert (ord(word[-2]) - 0xAC00) % 28, text


def test_both_labels_use_the_words_of_the_other() -> None:
    """좋다 and 지루하다 say little by themselves: each is frequent in praise and in blame."""
    for word in ("좋", "지루하", "하지만", "처음", "않"):
        share = [row[2] for row in rows("train") if word in row[1]]
        assert 0.2 < share.count("1") / len(share) < 0.8, word


@pytest.mark.parametrize("label", [0, 1])
def test_every_pattern_writes_clean_sentences_on_every_topic(label: int) -> None:
    for seed, ((pattern, _), topic, style) in enumerate(product(PATTERNS, TOPICS, (PLAIN, NOTE, CASUAL, POLITE, FORMAL))):
        text = pattern(Writer(Random(seed), label, topic, "이 " + topic.things[0], style, past=seed % 2 == 0))
        assert text == " ".join(text.split()), (pattern.__name__, text)
        assert "않않" not in text
        assert not set("{}[]|/=+@^") & set(text), (pattern.__name__, text)


@pytest.mark.parametrize(
    ("entry", "style", "past", "expected"),
    [
        ("재미있다", PLAIN, False, "재미있다"),
        ("재미있다", NOTE, True, "재미있었음"),
        ("+추천하다", PLAIN, False, "추천한다"),
        ("+추천하다", NOTE, False, "추천함"),
        ("길다", NOTE, False, "긺"),
        ("춥다", NOTE, False, "추움"),
        ("=최고", PLAIN, False, "최고다"),
        ("=명작", PLAIN, False, "명작이다"),
        ("=최고", POLITE, False, "최고예요"),
        ("=최고", POLITE, True, "최고였어요"),
        ("+!@보다가 울다", FORMAL, False, "보다가 울었습니다"),
        ("^@+추천하지 않다", PLAIN, True, "추천하지 않는다"),
        ("^@추천하고 싶지 않다", PLAIN, True, "추천하고 싶지 않다"),
        ("~무슨 말인지 모르겠다", FORMAL, True, "무슨 말인지 모르겠습니다"),
        ("낫다", PLAIN, True, "나았다"),
        ("짜다", CASUAL, True, "짰어"),
        ("=감동적", NOTE, False, "감동적임"),
    ],
)
def test_predicates_end_in_each_style(entry: str, style: str, past: bool, expected: str) -> None:
    assert finish(parse(entry).tensed(past), style) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("재미있다", "재미있지 않은데"),
        ("+마음에 들다", "마음에 들지 않는데"),
        ("=감동적", "감동적이지 않은데"),
        ("지루하다", "지루하지 않은데"),
    ],
)
def test_a_negated_predicate_takes_the_endings_of_its_kind(entry: str, expected: str) -> None:
    assert endings.korean.background(parse(entry).negated().stem) == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [("좋다", "좋아서"), ("비싸다", "비싸서"), ("=명작", "명작이어서"), ("=최고", "최고여서"), ("~모르겠다", "모르겠으니까")],
)
def test_a_predicate_gives_a_cause(entry: str, expected: str) -> None:
    assert endings.cause(parse(entry)) == expected


def test_the_command_refuses_a_folder_of_another_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "generator", str(tmp_path / "other")]
    done = subprocess.run(command, cwd=SAMPLE_DATA, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "usage: python3 -m generator FOLDER..." in done.stderr
    assert not (tmp_path / "other").exists()


def test_the_command_writes_the_folder_it_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "reviews-ko"
    subprocess.run([sys.executable, "-m", "generator", str(folder)], cwd=SAMPLE_DATA, check=True)
    assert (folder / "test.tsv").read_bytes() == (FOLDER / "test.tsv").read_bytes()
