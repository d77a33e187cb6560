"""The sample tales: reproducible, none in two splits, and true to what they said before."""

import re
import sys
import unicodedata
from pathlib import Path
from random import Random

import pytest

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
sys.path.insert(0, str(SAMPLE_DATA))

from generator.endings import PLAIN  # noqa: E402
from generator.korean import POLITE  # noqa: E402
from generator.tale import Tale  # noqa: E402
from generator.tales import PLOTS, corpus, write  # noqa: E402
from generator.tales_friends import NUMBERS, counting  # noqa: E402

SIZES = {"train": 300_000, "valid": 20_000, "test": 20_000}
FOLDER = SAMPLE_DATA / "tales-ko"


def tales(split: str) -> list[str]:
    """Read the tales of a split."""
    return (FOLDER / f"{split}.txt").read_text("utf-8").removesuffix("\n").split("\n\n")


def test_regenerating_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path, corpus())
    for split in SIZES:
        assert (tmp_path / f"{split}.txt").read_bytes() == (FOLDER / f"{split}.txt").read_bytes(), split


@pytest.mark.parametrize("split", SIZES)
def test_each_split_has_its_size_and_clean_lines(split: str) -> None:
    text = (FOLDER / f"{split}.txt").read_text("utf-8")
    assert SIZES[split] <= len(text.encode()) < SIZES[split] + 1000
    assert unicodedata.is_normalized("NFC", text)
    assert text.endswith(".\n")
    assert not set("{}[]|/=+~@^\r") & set(text)
    assert "  " not in text
    assert "\n\n\n" not in text
    for tale in tales(split):
        lines = tale.split("\n")
        assert 5 <= len(lines) <= 14
        assert all(line == line.strip() and line.endswith(".") and re.search("[가-힣]", line) for line in lines)


def test_no_tale_recurs_within_or_between_splits() -> None:
    told = [tale for split in SIZES for tale in tales(split)]
    assert len(told) == len(set(told))


def test_a_tale_keeps_its_style() -> None:
    for tale in tales("train"):
        assert len({line.endswith("요.") for line in tale.split("\n")}) == 1, tale


def test_words_of_the_held_out_splits_occur_in_training() -> None:
    known = set(" ".join(tales("train")).split())
    words = " ".join(tales("valid") + tales("test")).split()
    assert sum(word in known for word in words) / len(words) > 0.97


def test_the_numbers_of_a_tale_add_up() -> None:
    for seed in range(200):
        tale = counting(Random(seed))
        have, given, left = (NUMBERS.index(tale.words[role]) for role in ("n", "m", "left"))
        assert have - given == left > 0


@pytest.mark.parametrize("plot", dict.fromkeys(PLOTS))
def test_every_plot_fills_all_its_slots(plot: object) -> None:
    assert callable(plot)
    for seed in range(60):
        lines = plot(Random(seed)).lines
        assert 5 <= len(lines) <= 14
        assert not set("{}[]|=+@^") & set("".join(lines))


@pytest.mark.parametrize(
    ("style", "template", "expected"),
    [
        (PLAIN, "{a:이} {thing:을} [주다]", "민준이가 책을 주었다."),
        (POLITE, "{a:은} {thing:을} [주다]", "민준이는 책을 주었어요."),
        (PLAIN, "오늘은 [^=일요일]", "오늘은 일요일이다."),
        (POLITE, '"안녕!" {a:이} [묻다]', '"안녕!" 민준이가 물었어요.'),
        (PLAIN, "꽃이 [피다]", "꽃이 피었다."),
    ],
)
def test_a_template_is_filled_and_conjugated(style: str, template: str, expected: str) -> None:
    tale = Tale(Random(0), style, {"a": "민준이", "thing": "책"})
    tale.say(template)
    assert tale.lines == [expected]


def test_a_name_after_a_consonant_takes_its_suffix() -> None:
    tale = Tale.begun(Random(1))
    tale.cast("a", "b")
    assert tale.words["a"] != tale.words["b"]
    assert all((ord(name[-1]) - 0xAC00) % 28 == 0 for name in tale.words.values())
