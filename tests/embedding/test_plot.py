"""Pictures hold every word, labels lie on nothing, and what is missing is said."""

from __future__ import annotations

import json
import re
import struct
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nlpcli
from nlpcli.embedding.layout import FONT, HEIGHT, RADIUS, WIDTH, place, text_width
from nlpcli.embedding.plot import project
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import BadInput, OutputExists, Unavailable, UsageError

from .conftest import ANIMALS, CITIES, write_text

SVG = "{http://www.w3.org/2000/svg}"


def plotted(embeddings: Path, name: str, **options: Any) -> Path:
    return nlpcli.plot_embedding(embeddings=embeddings, out=Path(name), **options).path


def texts(path: Path) -> list[str]:
    return [node.text or "" for node in ET.parse(path).iter(f"{SVG}text")]


def titles(path: Path) -> list[str]:
    return [node.text or "" for node in ET.parse(path).iter(f"{SVG}title")]


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.text("가나ab", min_size=1, max_size=8)), min_size=2, max_size=40)
)
def test_labels_lie_on_nothing_and_inside(drawn: list[tuple[float, float, str]]) -> None:
    labels = place([word for *_, word in drawn], np.array([[x, y] for x, y, _ in drawn]))
    boxes = [(b.at[0], b.at[1] - 0.8 * FONT, b.at[0] + text_width(b.word), b.at[1] + 0.2 * FONT) for b in labels if b.at]
    dots = [(b.x - RADIUS, b.y - RADIUS, b.x + RADIUS, b.y + RADIUS) for b in labels]
    small = 1e-6
    for i, (left, top, right, bottom) in enumerate(boxes):
        assert -small <= left
        assert right <= WIDTH + small
        assert -small <= top
        assert bottom <= HEIGHT + small
        for other in [*boxes[:i], *dots]:
            apart = (
                other[2] <= left + small or other[0] >= right - small or other[3] <= top + small or other[1] >= bottom - small
            )
            assert apart


def test_an_svg_holds_the_words_as_text(word2vec: Path) -> None:
    path = plotted(word2vec, "w.svg", words=["고양이,서울", "부산"])
    assert titles(path) == ["고양이", "서울", "부산"]
    assert texts(path) == ["고양이", "서울", "부산"]
    assert "Malgun Gothic" in path.read_text("utf-8")


def test_the_most_frequent_words_are_drawn_if_none_are_named(word2vec: Path) -> None:
    assert titles(plotted(word2vec, "w.svg", top=7)) == Embedding.load(word2vec).words[:7]


def test_the_same_picture_twice(word2vec: Path) -> None:
    assert plotted(word2vec, "a.svg").read_bytes() == plotted(word2vec, "b.svg").read_bytes()


def test_what_belongs_together_is_drawn_together(word2vec: Path) -> None:
    vectors = np.stack([Embedding.load(word2vec).vector(word)[0] for word in (*ANIMALS, *CITIES)])
    points = project(vectors, "pca", 1)
    assert points.shape == (8, 2)
    assert np.ptp(points[:4, 0]) < abs(points[:4, 0].mean() - points[4:, 0].mean())


def test_a_picture_of_two_words_or_of_equal_ones(word2vec: Path) -> None:
    assert len(titles(plotted(word2vec, "w.svg", words=["서울", "부산"]))) == 2
    assert np.isfinite(project(np.ones((3, 4)), "pca", 1)).all()
    assert project(np.eye(2, 1, dtype=np.float32), "pca", 1).shape == (2, 2)


def test_text_of_users_cannot_break_the_picture() -> None:
    words = ["<b>", "\U00013000", "&amp;", "</script><script>alert(1)</script>", "a\0b", '"x"', "__WORDS__", "$x^2$"]
    write_text("t.txt", [" ".join(words)] * 10)
    nlpcli.train_embedding(data="./t.txt", out=Path("v"), dim=4, strip_punctuation=False, workers=1)
    assert set(titles(plotted(Path("v"), "w.svg"))) == {word.replace("\0", "\N{REPLACEMENT CHARACTER}") for word in words}
    page = plotted(Path("v"), "w.html").read_text("utf-8")
    assert page.count("</script>") == 2
    [data] = re.findall(r'<script id="words" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert {entry[0] for entry in json.loads(data)} == set(words)
    pytest.importorskip("matplotlib")
    plotted(Path("v"), "w.png")


def test_a_page_needs_nothing_else(word2vec: Path) -> None:
    page = plotted(word2vec, "w.html").read_text("utf-8")
    assert not re.search(r"""(src|href)=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)""", page)
    assert "prefers-color-scheme: dark" in page


def hangul_font() -> bool:
    raster = pytest.importorskip("nlpcli.embedding.raster")
    return bool(raster._hangul_fonts())


def test_a_png_is_drawn_with_hangul(word2vec: Path) -> None:
    if not hangul_font():
        pytest.skip("no font with Hangul on this machine")
    data = plotted(word2vec, "w.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (2000, 1600)


def test_without_a_font_for_hangul_no_boxes_are_drawn(word2vec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("nlpcli.embedding.raster._hangul_fonts", list)
    with pytest.raises(Unavailable, match="no font on this machine has Hangul") as caught:
        plotted(word2vec, "w.png")
    assert "fonts-nanum" in caught.value.fix
    assert not Path("w.png").exists()


def test_tsne_is_the_same_twice(word2vec: Path) -> None:
    pytest.importorskip("sklearn")
    plotted(word2vec, "a.svg", method="tsne", words=[*ANIMALS, *CITIES])
    plotted(word2vec, "b.svg", method="tsne", words=[*ANIMALS, *CITIES])
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()


@pytest.mark.parametrize(
    ("name", "module", "options"), [("w.png", "matplotlib", {}), ("w.svg", "sklearn.manifold", {"method": "tsne"})]
)
def test_a_missing_extra_is_named(
    word2vec: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, options: Any
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "nlpcli.embedding.raster", raising=False)
    with pytest.raises(Unavailable, match="not installed") as caught:
        plotted(word2vec, name, **options)
    assert caught.value.fix == "pip install 'nlpcli[plot]'"


def test_refusals(word2vec: Path) -> None:
    with pytest.raises(UsageError, match="unknown kind of picture"):
        plotted(word2vec, "w.pdf")
    with pytest.raises(UsageError, match="one word is no picture"):
        plotted(word2vec, "w.svg", words=["서울"])
    with pytest.raises(BadInput, match="no vector for 없다"):
        plotted(word2vec, "w.svg", words=["서울", "없다"])
    plotted(word2vec, "w.svg")
    with pytest.raises(OutputExists):
        plotted(word2vec, "w.svg")


def test_words_without_room_are_counted(run_cli: Callable, word2vec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nlpcli.embedding.plot.project", lambda vectors, *_: np.zeros((len(vectors), 2)))
    ran = run_cli("embed", "plot", "--embeddings", word2vec, "--out", "w.svg", "--top", 20, "--json")
    unlabelled = json.loads(ran.out)["data"]["unlabelled"]
    assert len(texts(Path("w.svg"))) == 20 - unlabelled > 0
    assert f"{unlabelled} of 20 points had no room for their word" in ran.err
