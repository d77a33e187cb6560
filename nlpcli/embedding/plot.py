"""`nlpcli embed plot`: words in two dimensions, as a picture or as a page to point at and search."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, Sequence
from xml.sax.saxutils import escape as xml_escape

import msgspec
import numpy as np

from nlpcli import console
from nlpcli.embedding.layout import FONT, HEIGHT, RADIUS, WIDTH, Label, place, printable
from nlpcli.embedding.output import refuse_existing, whole_file
from nlpcli.embedding.query import unknown_words
from nlpcli.embedding.vectors import Embedding, directions
from nlpcli.errors import Unavailable, UsageError

Method = Literal["pca", "tsne"]
ENDINGS = (".svg", ".png", ".html")
FAMILIES = "Pretendard, 'Noto Sans KR', 'Noto Sans CJK KR', NanumGothic, 'Malgun Gothic', 'Apple SD Gothic Neo', sans-serif"
LARGEST_PERPLEXITY = 30.0  # van der Maaten & Hinton 2008 recommend 5 to 50


@dataclass(frozen=True)
class PlottedEmbedding:
    """What `embed plot` drew; `unlabelled` points had no room for their word (a page shows them closer up)."""

    path: Path
    words: int
    method: Method
    unlabelled: int


def plot_embedding(
    *,
    embeddings: Path,
    out: Path,
    words: Sequence[str] = (),
    top: int = 200,
    method: Method = "pca",
    seed: int = 1,
    force: bool = False,
) -> PlottedEmbedding:
    """Draw words by their vectors, projected to a plane.

    Args:
        words: which; each may hold several between commas. The `top` most frequent ones if there are none.
        method: principal components of the directions, or t-SNE of their cosine distances (van der Maaten & Hinton 2008).

    Raises:
        UsageError: another ending than .svg, .png or .html, or fewer than two words.
        BadInput: a word has no vector.
        Unavailable: matplotlib (for .png), scikit-learn (for t-SNE) or a font for the words is not installed.
        OutputExists: `out` is there and `force` is not set.
    """
    if out.suffix not in ENDINGS:
        raise UsageError(
            f"{out}: unknown kind of picture", cause=f"its ending is none of {', '.join(ENDINGS)}", fix="--out words.svg"
        )
    refuse_existing(out, force)
    embedding = Embedding.load(embeddings)
    chosen = list(dict.fromkeys(word for part in words for word in part.split(",") if word)) or embedding.words[:top]
    if len(chosen) < 2:
        raise UsageError("one word is no picture", fix="give two words at least: --words 학교,병원")
    points = project(_vectors(embedding, chosen), method, seed)
    counts = [int(embedding.counts[embedding.index[key]]) if (key := embedding.key(word)) else 0 for word in chosen]
    labels = place(chosen, points)
    drawn = _page(labels, counts) if out.suffix == ".html" else _png(labels) if out.suffix == ".png" else _svg(labels).encode()
    with whole_file(out) as f:
        f.write(drawn)
    unlabelled = sum(label.at is None for label in labels)
    if unlabelled and out.suffix != ".html":
        console.info(
            f"plot: {unlabelled} of {len(labels)} points had no room for their word; draw fewer, or a page: --out words.html"
        )
    return PlottedEmbedding(out, len(chosen), method, unlabelled)


def _vectors(embedding: Embedding, words: Sequence[str]) -> np.ndarray:
    found = [embedding.vector(word)[0] for word in words]
    if missing := [word for word, vector in zip(words, found) if vector is None]:
        raise unknown_words(embedding, missing)
    return directions(np.stack([vector for vector in found if vector is not None]))


def project(vectors: np.ndarray, method: Method, seed: int) -> np.ndarray:
    """Project directions [n, dim] to points [n, 2].

    Raises:
        Unavailable: t-SNE without scikit-learn.
    """
    if method == "pca":
        centred = vectors - vectors.mean(axis=0)
        _, _, axes = np.linalg.svd(centred, full_matrices=False)
        points = np.zeros((len(vectors), 2))
        points[:, : len(axes[:2])] = centred @ (axes[:2] * _signs(axes[:2])).T
        return points
    try:
        from sklearn.manifold import TSNE
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
    except ImportError:
        raise _missing("t-SNE", "scikit-learn") from None
    perplexity = min(LARGEST_PERPLEXITY, (len(vectors) - 1) / 3)
    begin = project(vectors, "pca", seed)
    begin *= 1e-4 / max(begin[:, 0].std(), 1e-12)  # small, so that the order at large is kept (Kobak & Linderman 2021)
    tsne = TSNE(2, perplexity=perplexity, metric="cosine", init=begin.astype(np.float32), random_state=seed)
    with threadpool_limits(1):  # for some hundred words, threads wait for each other more than they work
        found: np.ndarray = tsne.fit_transform(vectors)
    return found


def _signs(axes: np.ndarray) -> np.ndarray:
    """Return the signs [n, 1] that make each axis' largest number positive, so that pictures do not flip by chance."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.where(largest < 0, -1, 1)


def _svg(labels: Sequence[Label]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f"<style>text {{ font: {FONT}px {FAMILIES}; fill: #222 }} circle {{ fill: #2a6fb0 }}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for label in labels:
        lines.append(f'<circle cx="{label.x}" cy="{label.y}" r="{RADIUS}"><title>{_xml(label.word)}</title></circle>')
        if label.at is not None:
            lines.append(f'<text x="{label.at[0]:.2f}" y="{label.at[1]:.2f}">{_xml(label.word)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


def _xml(text: str) -> str:
    """Escape text for XML, in which control characters may not stand at all."""
    return xml_escape(printable(text))


def _page(labels: Sequence[Label], counts: Sequence[int]) -> bytes:
    data = [[label.word, label.x, label.y, count] for label, count in zip(labels, counts)]
    encoded = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    page = resources.files("nlpcli.embedding").joinpath("plot.html").read_text("utf-8")
    return page.replace("__WORDS__", encoded, 1).encode()


def _png(labels: Sequence[Label]) -> bytes:
    try:
        from nlpcli.embedding.raster import draw
    except ImportError:
        raise _missing(".png pictures", "matplotlib") from None
    return draw(labels)


def _missing(what: str, package: str) -> Unavailable:
    return Unavailable(
        f"{what} need {package}, which is not installed",
        cause="it is an extra; .svg and .html with --method pca need nothing",
        fix="pip install 'nlpcli[plot]'",
    )
