"""A picture in pixels, by matplotlib, with a font that has the words' characters."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Sequence

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

from nlpcli import console
from nlpcli.embedding.layout import FONT, HEIGHT, RADIUS, WIDTH, Label, printable
from nlpcli.errors import Unavailable, first_five

DPI = 200
INCH = 100  # canvas units
POINT = 72 / INCH  # points a canvas unit
HANGUL_FONTS = ("notosanskr", "notosanscjk", "nanumgothic", "malgun", "applesdgothic", "baekmuk", "undotum", "nanum", "gulim")


def draw(labels: Sequence[Label]) -> bytes:
    """Draw points and labels; returns the bytes of a PNG.

    Raises:
        Unavailable: no font on this machine has Hangul, and the words need it.
    """
    font = FontProperties(family=_families({c for label in labels for c in printable(label.word)}), size=FONT * POINT)
    figure = Figure(figsize=(WIDTH / INCH, HEIGHT / INCH), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    axes.set_axis_off()
    axes.scatter([label.x for label in labels], [label.y for label in labels], s=(2 * RADIUS * POINT) ** 2, c="#2a6fb0", lw=0)
    for label in labels:
        if label.at is not None:
            text = printable(label.word).replace("$", r"\$")  # else matplotlib reads mathematics
            axes.text(*label.at, text, fontproperties=font, color="#222222", va="baseline", clip_on=True)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # said already, once for all
        figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _families(needed: set[str]) -> list[str]:
    """Return font families, the preferred first, that have the characters between them.

    Fonts are looked for on the disk, as matplotlib's own list does not notice those installed after it was made.
    """
    default = FT2Font(font_manager.findfont("DejaVu Sans"))
    families = [default.family_name]
    missing = {c for c in needed if not _has(default, c)}
    for path in _hangul_fonts():
        if not missing:
            break
        font = FT2Font(path)
        if any(_has(font, c) for c in missing):
            font_manager.fontManager.addfont(path)
            families.insert(0, font.family_name)
            missing = {c for c in missing if not _has(font, c)}
    if any("가" <= c <= "힣" or "ㄱ" <= c <= "ㆎ" for c in missing):
        raise Unavailable(
            "no font on this machine has Hangul",
            cause="the picture would show boxes instead of words",
            fix="apt-get install fonts-nanum (Debian, Ubuntu), or --out words.svg, which is shown with the viewer's fonts",
        )
    if missing:
        console.warn(f"plot: no font for {first_five(sorted(missing))}; these characters are drawn as boxes")
    return families


def _has(font: Any, character: str) -> bool:
    return bool(font.get_char_index(ord(character)))


def _hangul_fonts() -> list[str]:
    names = {path: Path(path).name.lower().replace("-", "").replace(" ", "") for path in font_manager.findSystemFonts()}
    ranked = [
        (HANGUL_FONTS.index(known), len(name), path) for path, name in names.items() for known in HANGUL_FONTS if known in name
    ]
    return [path for _, _, path in sorted(ranked)]
