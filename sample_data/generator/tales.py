"""Little Korean tales and diary entries, one sentence a line, for a language model."""

import unicodedata
from pathlib import Path
from random import Random

from .tale import Tale
from .tales_away import AWAY
from .tales_friends import FRIENDS
from .tales_home import HOME
from .tales_weather import diary

SEED = 20240611
PLOTS = (*FRIENDS, *HOME, *AWAY, diary, diary)
# Bytes of UTF-8; a split ends with the tale that reaches its size.
SPLITS = (("test", 20_000), ("valid", 20_000), ("train", 300_000))


def draw(rng: Random) -> str:
    """Tell one tale."""
    tale: Tale = rng.choice(PLOTS)(rng)
    return unicodedata.normalize("NFC", "".join(line + "\n" for line in tale.lines))


def corpus(seed: int = SEED) -> dict[str, list[str]]:
    """Tell the tales of all splits, none twice."""
    rng, seen = Random(seed), set[str]()
    splits: dict[str, list[str]] = {}
    for name, size in SPLITS:
        tales, length = splits.setdefault(name, []), 0
        while length < size:
            tale = draw(rng)
            if tale not in seen:
                seen.add(tale)
                tales.append(tale)
                length += len(tale.encode()) + 1
    return splits


def write(folder: Path, splits: dict[str, list[str]]) -> None:
    """Write one file per split, a blank line between tales."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, tales in splits.items():
        (folder / f"{name}.txt").write_text("\n".join(tales), "utf-8", newline="\n")
