"""Subtitles: numbers and times stay, sentences go over lines, and the translation is cut into lines again."""

from __future__ import annotations

import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.formats.wrapping import COLUMNS, width, wrap

from .reading import marked, output, records, refused, same, segments, written

CUES = """1
00:00:01,000 --> 00:00:02,500
{\\an8}<i>오늘은
날씨가 좋네요.</i>

2
00:00:03,000 --> 00:00:04,000  X1:100 X2:200
네.


07
00:01:05.000 --> 00:01:06.000
- 어디 가요?
- <b>학교에
가요.</b>
"""


def test_a_cue_is_a_segment() -> None:
    found = records("a.srt", CUES)
    texts = ["{\\an8}<i>오늘은 날씨가 좋네요.</i>", "네.", "- 어디 가요?", "- <b>학교에 가요.</b>"]
    assert segments(found) == texts
    assert [record.line for record in found if record.segments] == [1, 6, 11]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", [True, False])
def test_untranslated_cues_come_back(end: str, mark: str, last: bool) -> None:
    text = (mark + CUES).replace("\n", end)
    text = text if last else text.removesuffix(end)
    assert output("a.srt", text, same) == text


def test_only_the_text_changes() -> None:
    text = CUES.replace("\n", "\r\n").removesuffix("\r\n")
    changed = output("a.srt", text, lambda _: "A long sentence that takes more room than one line has, far more")
    lines = changed.split("\r\n")
    assert lines[:6] == [
        "1",
        "00:00:01,000 --> 00:00:02,500",
        "A long sentence that takes more",
        "room than one line has, far more",
        "",
        "2",
    ]
    assert lines[7] == "A long sentence that takes more room than one line has, far more"  # there was one line
    assert lines[8:12] == ["", "", "07", "00:01:05.000 --> 00:01:06.000"]
    assert len(lines) == 15
    assert "\n" not in changed.replace("\r\n", "")


def test_a_cue_that_comes_out_empty_is_still_one() -> None:
    assert output("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n하나\n\n", lambda _: "") == "1\n00:00:01,000 --> 00:00:02,000\n\n"


def test_a_cue_without_text_or_number_is_kept() -> None:
    text = "\n \n1\n00:00:01,000 --> 00:00:02,000\n\n00:00:03,000 --> 00:00:04,000\n하나\n"
    assert output("a.srt", text) == text.replace("하나", "[하나]")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1\n00:00:01 -> 00:00:02\n하나\n", "line 2 is not the times of a cue"),
        ("1\n00:00:01,000 --> 00:00:02\n하나\n", "line 2 is not the times of a cue"),
        ("1\n", "line 1 is not the times of a cue"),
        ("1\n\n00:00:01,000 --> 00:00:02,000\n", "line 2 is not the times of a cue"),
        ("1\n00:00:01,000 --> 00:00:02,000\n하나\n\n둘\n", "line 5 does not begin a cue"),
        ("WEBVTT\n", "line 1 does not begin a cue"),
        (
            "1\n00:00:01,000 --> 00:00:02,000\n하나\n2\n00:00:03,000 --> 00:00:04,000\n둘\n",
            "line 5 has times within the text of a cue",
        ),
    ],
)
def test_what_is_no_cue_is_refused(text: str, said: str) -> None:
    error = refused("a.srt", text)
    assert error.message == f"a.srt: {said}"
    assert error.cause


def test_hostile_lines_in_cues() -> None:
    lines = [line for line in HOSTILE if line.strip(" \t")]
    head = "00:00:01,000 --> 00:00:02,000"
    text = "".join(f"{number}\n{head}\n{line}\n\n" for number, line in enumerate(lines))
    found = records("a.srt", text)
    assert written(found, same).decode() == text
    assert segments(found) == [line.strip(" \t") for line in lines]
    again = records("b.srt", written(found))
    assert segments(again) == [" ".join(wrap(marked(line.strip(" \t")), 1)) for line in lines]


@given(st.text(st.sampled_from("ab 가\u1112\u1161<>{}\\\t"), max_size=150), st.integers(1, 4))
def test_wrapping_loses_no_word(text: str, most: int) -> None:
    lines = wrap(text, most)
    assert len(lines) <= most
    assert " ".join(lines).split() == text.split()
    assert all(line.strip(" \t") for line in lines)


@given(st.lists(st.text(st.sampled_from("ab가"), min_size=1, max_size=9), min_size=1, max_size=9), st.integers(1, 3))
def test_wrapping_is_the_best_there_is(words: list[str], most: int) -> None:
    def cuts(rest: list[str], count: int) -> int:
        """Return the least width of the widest line in exactly or fewer than so many lines, by trying all."""
        whole = width(" ".join(rest))
        if count == 1:
            return whole
        return min([whole, *(max(width(" ".join(rest[:at])), cuts(rest[at:], count - 1)) for at in range(1, len(rest)))])

    lines = wrap(" ".join(words), most)
    widest = max(map(width, lines))
    fitting = [count for count in range(1, most + 1) if cuts(words, count) <= COLUMNS]
    assert widest == cuts(words, fitting[0] if fitting else most)
    assert len(lines) <= (fitting[0] if fitting else most)


def test_width_is_that_on_the_screen() -> None:
    assert width("abc") == 3
    assert width("한글") == width("\u1112\u1161\u11ab\u1100\u1173\u11af") == 4
    assert width("{\\an8}<i>한</i>") == 2
    assert width("e\u0301\u200b") == 1
    assert wrap('<font color="red">빨강</font> 파랑', 2) == ['<font color="red">빨강</font> 파랑']
