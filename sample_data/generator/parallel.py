"""The parallel corpus: Korean and English sentences that translate each other."""

import unicodedata
from pathlib import Path
from random import Random

from .clause import Context, Misfit
from .complex import MIDDLE, STORIES
from .figures import FIGURES
from .korean import CASUAL, FORMAL, POLITE
from .scenes_home import HOME_SCENES
from .scenes_out import OUT_SCENES
from .simple import SIMPLE

SEED = 20240517
SCENES = HOME_SCENES + OUT_SCENES
SPLITS = (("test", 500), ("valid", 500), ("train", 12000))
# English words from, to, and the share of the sentences that long.
BUCKETS = ((2, 7, 0.30), (8, 12, 0.35), (13, 20, 0.20), (21, 40, 0.15))
# The patterns tried for each bucket, and how much detail their phrases get.
SOURCES = (
    (SIMPLE + FIGURES, 0.15),
    (SIMPLE + FIGURES + MIDDLE, 0.45),
    (MIDDLE + STORIES, 0.4),
    (STORIES, 0.6),
)
LEVELS = [POLITE] * 5 + [FORMAL] * 3 + [CASUAL] * 2

Pair = tuple[str, str]


def key(sentence: str) -> str:
    """Return what must not recur: the words without case and punctuation."""
    return "".join(c for c in sentence.lower() if c.isalnum() or c == " ")


def proper(ko: str) -> bool:
    """Keep alcohol away from children and pupils, and doctors from seeing the doctor."""
    if "의사 선생님" in ko and "의사와" in ko:
        return False
    young, alcohol = ("아이들", "학생", "조카", "아들", "딸"), ("맥주", "와인")
    return not (any(word in ko for word in young) and any(word in ko for word in alcohol))


def draw(rng: Random, bucket: int) -> Pair:
    """Compose one sentence with the patterns of a bucket."""
    patterns, detail = SOURCES[bucket]
    functions, weights = zip(*patterns, strict=True)
    while True:
        context = Context(rng, rng.choice(LEVELS), rng.choice(SCENES), detail=detail)
        try:
            return rng.choices(functions, weights)[0](context)
        except Misfit:
            continue


def compose(rng: Random, bucket: int, size: int, seen: set[str]) -> list[Pair]:
    """Compose sentences of one bucket whose words occur nowhere else, in Korean or in English."""
    low, high, _ = BUCKETS[bucket]
    pairs: list[Pair] = []
    while len(pairs) < size:
        ko, en = (unicodedata.normalize("NFC", side) for side in draw(rng, bucket))
        fits = low <= len(en.split()) <= high and 2 <= len(ko.split()) <= 40
        if fits and proper(ko) and key(ko) not in seen and key(en) not in seen:
            seen.update((key(ko), key(en)))
            pairs.append((ko, en))
    return pairs


def corpus(seed: int = SEED) -> dict[str, list[Pair]]:
    """Compose all splits, each with the same mix of lengths, in a shuffled order."""
    rng, seen = Random(seed), set[str]()
    total = sum(size for _, size in SPLITS)
    drawn = [compose(rng, bucket, round(total * share), seen) for bucket, (_, _, share) in enumerate(BUCKETS)]
    splits: dict[str, list[Pair]] = {}
    for name, size in SPLITS:
        splits[name] = [drawn[n].pop() for n, (_, _, share) in enumerate(BUCKETS) for _ in range(round(size * share))]
        rng.shuffle(splits[name])
    return splits


def write(folder: Path, splits: dict[str, list[Pair]]) -> None:
    """Write one file per split and language."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        for language, sentences in zip(("ko", "en"), zip(*pairs, strict=True), strict=True):
            (folder / f"{name}.{language}").write_text("".join(s + "\n" for s in sentences), "utf-8", newline="\n")
