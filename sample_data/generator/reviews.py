"""Short Korean reviews, each with what its writer means: 1 for praise, 0 for blame."""

import unicodedata
from pathlib import Path
from random import Random

from .review_patterns import PATTERNS
from .review_writer import Writer

SEED = 20240603
SPLITS = (("test", 400), ("valid", 400), ("train", 4000))
LONGEST = 30
# What hurried writers run together or apart.
SPACING = (
    ("고 싶", "고싶"),
    ("이 영화", "이영화"),
    ("재미있", "재미 있"),
    ("안 ", "안"),
    ("볼만하", "볼 만하"),
    ("재미없", "재미 없"),
)

Row = tuple[str, str, int]


def draw(rng: Random, label: int) -> str:
    """Write one review."""
    functions, weights = zip(*PATTERNS, strict=True)
    text: str = rng.choices(functions, weights)[0](Writer.about_something(rng, label))
    found = [pair for pair in SPACING if pair[0] in text]
    return text.replace(*rng.choice(found), 1) if found and rng.random() < 0.12 else text


def key(text: str) -> str:
    """Return what must not recur: the words, without spaces, punctuation and pictures."""
    return "".join(c for c in text if c.isalnum() and c not in "ㅋㅎㅠ")


def corpus(seed: int = SEED) -> dict[str, list[Row]]:
    """Write all splits, each with as many good reviews as bad ones, in a shuffled order."""
    rng, seen = Random(seed), set[str]()
    splits: dict[str, list[Row]] = {}
    for name, size in SPLITS:
        reviews: list[tuple[str, int]] = []
        while len(reviews) < size:
            label = len(reviews) % 2
            text = unicodedata.normalize("NFC", draw(rng, label))
            if key(text) not in seen and len(text.split()) <= LONGEST:
                seen.add(key(text))
                reviews.append((text, label))
        rng.shuffle(reviews)
        splits[name] = [(f"{name}-{n:04}", *review) for n, review in enumerate(reviews, 1)]
    return splits


def write(folder: Path, splits: dict[str, list[Row]]) -> None:
    """Write one file per split, with a header."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        lines = ["id\ttext\tlabel\n", *(f"{number}\t{text}\t{label}\n" for number, text, label in rows)]
        (folder / f"{name}.tsv").write_text("".join(lines), "utf-8", newline="\n")
