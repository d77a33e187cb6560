"""Markup and placeholders: found, cut out, and put back by attention, every one once and properly nested."""

from __future__ import annotations

import re
from time import process_time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.markup import find_markup
from nlpcli.decoding.tags import Stripped, divide, restore, strip

Links = list[tuple[int, int]]


def offsets(text: str) -> list[tuple[int, int]]:
    """Tokens as SentencePiece cuts them: words with the blank before them, and punctuation marks."""
    return [found.span() for found in re.finditer(r"\s?(?:\w+|[^\w\s])", text)]


def back(line: str, translation: str, links: Links | None) -> str:
    """Restore the markup of a line in a translation whose tokens are linked (source, target) as said."""
    stripped = strip(line)
    src, tgt = offsets(stripped.text), offsets(translation)
    attention = None if links is None else np.full((len(tgt) + 1, len(src) + 1), 0.01)
    for s, t in links or []:
        attention[t, s] = 1.0  # type: ignore[index]
    return restore(translation, src, tgt, attention, stripped)


def markup(line: str) -> list[str]:
    return [line[found.begin : found.end] for found in find_markup(line)]


@pytest.mark.parametrize(
    "written",
    """<b>|</b>|<br/>|<x id="1"/>|<a href='x y' data-n=1>|<ns:tag.x>|{\\an8}|{name}|{0}|{user.name!r:>10}|{}|%s|%-5.2f|%%
    |%(name)d|%1$s|${VAR}|#{x}|{{ mustache }}|{% if x %}|https://a.example/b(c)?q=1#top|http://ko.example/위키/한국어|www.a.example/b|me.too@a.example
    |&lt;i&gt;|&lt;a href=&quot;x&quot;&gt;|<!-- note -->|({name})|"%s"|%{count}|%ld""".replace("\n    ", "").split("|"),
)
def test_markup_is_found_as_it_is_written(written: str) -> None:
    assert markup(f"Press {written} now") == [written]
    assert strip(f"Press {written} now").text == "Press now"


@pytest.mark.parametrize(
    "line", ["if x <y and y> z", "100% sure, 5%d", "a < b > c", "AT&T & co", "{ not this }", "<3 a@b", "$5 #1", ""]
)
def test_what_only_looks_like_markup_stays(line: str) -> None:
    assert strip(line) == Stripped(line, [], line, {})
    assert back(line, "Übersetzung  wie sie ist ", None) in ("Übersetzung  wie sie ist ", line)


def test_an_address_ends_before_the_punctuation_of_its_sentence() -> None:
    assert markup("(see http://a.example/x), https://b.example/. https://c.example을") == [
        "http://a.example/x",
        "https://b.example/",
        "https://c.example",
    ]


IDENTITY = [
    "Click <b>here</b> now.",
    "Hello, {name}!",
    "<p>Hello <b>big <i>world</i></b>.</p>",
    "Delete {0} files from {1}?",
    "{name}: not found",
    "See https://a.example.",
    "<b>{x}</b> foo <b></b> bar",
    '("<b>x</b>") y',
    "foo {x}, bar ({y}) z",
    "un<b>believ</b>able",
    "Tom &amp; it&#39;s &lt;b&gt;x&lt;/b&gt;",
    "one <br/> two <br/>three",
    "{a} {b}: %s/%s",
    "$${x} y",
    "Use a `<form>` or ``<Profile />`` here",
]


@pytest.mark.parametrize("line", IDENTITY)
def test_a_translation_equal_to_its_source_gets_its_markup_where_it_was(line: str) -> None:
    stripped = strip(line)
    assert back(line, stripped.text, [(i, i) for i in range(len(offsets(stripped.text)))]) == (
        line if line != "un<b>believ</b>able" else "<b>unbelievable</b>"
    )


@pytest.mark.parametrize(
    ("line", "translation", "links", "expected"),
    [
        (
            "Click <b>the red button</b> now",
            "지금 빨간 버튼을 클릭",
            [(4, 0), (2, 1), (3, 2), (0, 3)],
            "지금 <b>빨간 버튼을</b> 클릭",
        ),
        ("{count}개의 파일이 있습니다.", "There are files.", [(2, 1), (0, 2), (1, 2), (3, 3)], "There are {count} files."),
        ("Move {x} up", "위로 이동", [(1, 0), (0, 1)], "위로 {x} 이동"),
        ("<a>x</a> <b>y</b> z", "Y1 X Y2 Y3 Z", [(1, 0), (0, 1), (1, 2), (1, 3), (2, 4)], "Y1 <a>X</a> <b>Y2 Y3</b> Z"),
        ("<p>One two.</p>", "하나 둘.", [(0, 0)], "<p>하나 둘.</p>"),
        ("<a>x</a> <b>y</b>", "Y X", [(1, 0), (0, 1)], "<b>Y</b> <a>X</a>"),
        ("Open it: {url}", "열기:", [(0, 0), (1, 0)], "열기: {url}"),
        ("See &quot;it&quot; &amp; go", '"그것"을 보고 & 가', [], "&quot;그것&quot;을 보고 &amp; 가"),
    ],
)
def test_markup_goes_with_the_words_it_belongs_to(line: str, translation: str, links: Links, expected: str) -> None:
    assert back(line, translation, links) == expected


def test_without_attention_places_are_by_their_share_of_the_line() -> None:
    assert back("aaa <b>bbb</b> ccc", "ddd eee fff", None) == "ddd <b>eee</b> fff"


@pytest.mark.parametrize("line", ["{a} {b}", " <b> </b> ", "<i>..</i> - {x}", "https://a.example"])
def test_a_line_of_markup_alone_is_not_translated(line: str) -> None:
    assert not strip(line).translatable
    assert back(line, "something", []) == line


def test_an_empty_translation_keeps_the_markup() -> None:
    assert back("<b>x</b> {y} z", "", []) == "<b></b> {y}" or markup(back("<b>x</b> {y} z", "", [])) == ["<b>", "</b>", "{y}"]


def test_marks_are_shared_out_to_the_parts_of_a_long_line() -> None:
    stripped = strip("<b>One {x} two.</b> Three <i>four. Five</i> six {y}.")
    assert stripped.text == "One two. Three four. Five six."
    first, second, third = divide(stripped, [(0, 8), (9, 20), (21, 30)])
    assert [(mark.raw, mark.kind, mark.position) for mark in first.marks] == [
        ("<b>", "open", 0),
        ("{x}", "word", 4),
        ("</b>", "close", 8),
    ]
    assert [(mark.raw, mark.kind, mark.position) for mark in second.marks] == [("<i>", "empty", 6)]
    assert [(mark.raw, mark.kind) for mark in third.marks] == [("</i>", "empty"), ("{y}", "word")]


PIECES = st.sampled_from(
    [
        "<b>",
        "</b>",
        "<i>",
        "</i>",
        "<br/>",
        "{x}",
        "%s",
        " ",
        " ",
        "a",
        "bc",
        "가",
        ".",
        ",",
        "(",
        ")",
        '"',
        "&amp;",
        "</u>",
        "{y}",
    ]
)


@given(
    st.lists(PIECES, max_size=24).map("".join),
    st.text("dé나. (", max_size=24),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_no_mark_is_lost_or_doubled_and_pairs_stay_nested(line: str, translation: str, attends: bool, random: object) -> None:
    stripped = strip(line)
    src, tgt = offsets(stripped.text), offsets(translation)
    rng = np.random.default_rng(random.randrange(1 << 30))  # type: ignore[attr-defined]
    attention = rng.random((len(tgt) + 1, len(src) + 1)) if attends else None
    out = restore(translation, src, tgt, attention, stripped)
    if not stripped.marks:
        assert re.sub("&amp;", "&", out) == translation
        return
    raws = re.compile("<b>|</b>|<i>|</i>|<br/>|{x}|%s|</u>|{y}")
    assert sorted(raws.findall(out)) == sorted(raws.findall(line))
    if stripped.translatable and not any(set(mark.raw) & set('("') for mark in stripped.marks):
        assert "".join(raws.sub("", out).split()) == "".join(translation.split())
    opened: list[int] = []
    for mark in placed_pairs(stripped, out):
        if mark >= 0:
            opened.append(mark)
        else:
            assert opened.pop() == ~mark
    assert not opened


def placed_pairs(stripped: Stripped, out: str) -> list[int]:
    """Read the pairs out of a line whose tags are all pairs: the number of each opening tag, ~ of the one that is closed."""
    if any(mark.kind == "empty" for mark in stripped.marks) or not stripped.translatable:
        return []
    opened: list[str] = []
    events = []
    for number, tag in enumerate(re.findall("</?[bi]>", out)):
        if tag[1] != "/":
            opened.append(tag)
            events.append(len(opened) - 1)
        else:
            assert opened, number
            assert opened.pop() == tag.replace("/", "")
            events.append(~len(opened))
    return events


@pytest.mark.parametrize(
    "line",
    [
        "<" * 100_000,
        "<a " * 33_000,
        "{" * 100_000,
        "http://x" + ")." * 50_000,
        "a." * 50_000,
        "&lt;a " * 16_000,
        "<a>" * 16_000 + "x" + "</a>" * 16_000,
        "<a>" * 25_000 + "</b>" * 25_000 + "x",
        "{a} x " * 15_000,
        "<b>" + " " * 90_000 + "x</b>",
    ],
)
def test_hostile_lines_are_stripped_at_once(line: str) -> None:
    started = process_time()
    stripped = strip(line)
    assert process_time() - started < 5
    assert back("x" + line[:3000], "y", None).count("<a>") == ("x" + line[:3000]).count("<a>")
    assert "".join(mark.raw for mark in stripped.marks).count("{a}") == line.count("{a}")
