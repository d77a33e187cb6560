"""Where points and their labels stand on a canvas, so that no label lies on another or on a point."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Sequence

import numpy as np

WIDTH, HEIGHT, MARGIN = 1000, 800, 50
FONT = 13  # height of a label, in the canvas' units
RADIUS = 3.5
GAP = 3.0
WIDE, NARROW = 1.0, 0.58  # width of a character, in font heights


@dataclass(frozen=True)
class Label:
    """A word's point (x, y), and the left end and baseline of its label; None where no place was free."""

    word: str
    x: float
    y: float
    at: tuple[float, float] | None


def printable(text: str) -> str:
    """Return text as a picture can show it: without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def place(words: Sequence[str], points: np.ndarray) -> list[Label]:
    """Scale points [n, 2] to the canvas and find a place for each word beside its point, the first words first."""
    scaled = scale(points)
    taken = [(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS) for x, y in scaled]
    boxes = np.array(taken + [(0.0, 0.0, 0.0, 0.0)] * len(words))  # left, top, right, bottom
    labels = []
    for n, (word, (x, y)) in enumerate(zip(words, scaled)):
        used = boxes[: len(words) + n]
        box = next((box for box in _around(x, y, text_width(word)) if _free(box, used)), None)
        boxes[len(words) + n] = box or (-1.0, -1.0, -1.0, -1.0)
        labels.append(Label(word, x, y, (box[0], box[3] - 0.2 * FONT) if box else None))
    return labels


def scale(points: np.ndarray) -> list[tuple[float, float]]:
    """Move points [n, 2] into the canvas' margins, each axis on its own."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1)
    room = np.array([WIDTH - 2 * MARGIN - 60, HEIGHT - 2 * MARGIN])  # the rightmost labels need some
    return [(round(float(x), 2), round(float(y), 2)) for x, y in MARGIN + (points - low) / span * room]


def text_width(text: str) -> float:
    """Estimate how wide a text is, in the canvas' units: Hangul, kana and Chinese characters are wide."""
    return FONT * sum(WIDE if unicodedata.east_asian_width(c) in "WF" else NARROW for c in text)


def _around(x: float, y: float, width: float) -> list[tuple[float, float, float, float]]:
    """Return the boxes a label may take: right, left, above, below, then the corners."""
    right, left, middle = x + RADIUS + GAP, x - RADIUS - GAP - width, x - width / 2
    above, below, level = y - RADIUS - GAP - FONT, y + RADIUS + GAP, y - FONT / 2
    corners = [(right, level), (left, level), (middle, above), (middle, below)]
    corners += [(right, above), (right, below), (left, above), (left, below)]
    return [(a, b, a + width, b + FONT) for a, b in corners]


def _free(box: tuple[float, float, float, float], used: np.ndarray) -> bool:
    left, top, right, bottom = box
    if left < 0 or top < 0 or right > WIDTH or bottom > HEIGHT:
        return False
    apart = (used[:, 2] <= left) | (used[:, 0] >= right) | (used[:, 3] <= top) | (used[:, 1] >= bottom)
    return bool(apart.all())
