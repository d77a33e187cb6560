"""From `--data` to files: a name, a folder, a TSV or JSON Lines file, or a corpus artifact."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from nlpcli import console
from nlpcli.artifacts import is_artifact, open_artifact
from nlpcli.corpus.readers import COMPRESSED, uncompressed
from nlpcli.corpus.registry import registry
from nlpcli.errors import BadInput, UsageError, nearest

LANGUAGE = re.compile(r"[a-z]{2,3}")
NO_LANGUAGES = ("txt", "tsv", "csv", "npy")
FORMATS = (".tsv", ".jsonl")
SPLIT_NAMES = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}


@dataclass(frozen=True)
class Split:
    """Where one split's two sides are; both are the same file when it has columns."""

    src: Path
    tgt: Path


@dataclass(frozen=True)
class Corpus:
    """A parallel corpus as found on disk; nothing of it has been read yet."""

    name: str
    root: Path
    src: str
    tgt: str
    splits: dict[str, Split]

    def split(self, name: str) -> Split:
        """Return the split `name`.

        Raises:
            BadInput: the corpus has no such split.
        """
        if name not in self.splits:
            raise BadInput(
                f"{self.root} has no split {name}",
                cause=f"it has {', '.join(self.splits)}",
                fix=f"add {name}.{self.src} and {name}.{self.tgt} to the folder, or choose another split",
            )
        return self.splits[name]


def find_corpus(data: str | Path, src: str | None = None, tgt: str | None = None) -> Corpus:
    """Resolve `--data` and the pair's direction, and say which place was taken.

    A name is looked for in `./data`, in `$NLPCLI_HOME/data` and among the bundled samples, in this order.

    Raises:
        BadInput: nothing found (the nearest name is given), or no parallel files in the folder.
        UsageError: the direction cannot be told from the name.
    """
    root = resolve(data)
    files = [root] if root.is_file() else sorted(root.iterdir())
    found = find_splits(files, alone=root.is_file())
    name = uncompressed(root).stem if root.is_file() else root.resolve().name
    if is_artifact(root):
        made = open_artifact(root, "corpus").manifest.config
        name = made["data"]
        if not src and not tgt:
            src, tgt = made.get("src"), made.get("tgt")
    src, tgt = _direction(name, found, src, tgt, root)
    splits = {
        split: Split(sides.get(src) or sides[""], sides.get(tgt) or sides[""])
        for split, sides in found.items()
        if "" in sides or (src in sides and tgt in sides)
    }
    if not splits:
        raise BadInput(
            f"{root} has no parallel text for {src} and {tgt}",
            cause=f"expected files such as train.{src} and train.{tgt}, train.tsv or train.jsonl",
            fix=f"ls {root}",
        )
    return Corpus(name, root, src, tgt, splits)


def resolve(data: str | Path) -> Path:
    """Return the folder or file that `--data` means; a path that was resolved already stays as it is.

    Raises:
        BadInput: there is no such name or path.
    """
    if isinstance(data, Path):
        return data
    if data in ("", ".", "..") or "/" in data or Path(data).suffix in (*FORMATS, *COMPRESSED) or Path(data).is_file():
        return _existing_path(data)
    for place, where in places():
        if (place / data).is_dir():
            console.info(f"data: {data} is {where} ({place / data})")
            return place / data
    if Path(data).is_dir():
        return Path(data)
    known = sorted({p.name for place, _ in places() if place.is_dir() for p in place.iterdir() if _holds_data(p)})
    close = nearest(data, known)
    fix = f"did you mean {close}?" if close else f"known names: {', '.join(known)}; or give a folder such as ./{data}"
    raise BadInput(
        f"unknown data name: {data}",
        cause=f"it is not in {', '.join(str(place) for place, _ in places())}",
        fix=f"nlpcli data fetch {data}" if data in registry() else fix,
    )


def bundled_samples() -> Path:
    """Return the folder of the samples shipped with nlpcli (in the wheel, or beside the package in a checkout)."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "sample_data"
    return shipped if shipped.is_dir() else package.parent / "sample_data"


def places() -> list[tuple[Path, str]]:
    """Return the folders in which a name is looked for, in order, and what to call each."""
    home = os.environ.get("NLPCLI_HOME")
    places = [(Path("data"), "in this folder")]
    places += [(Path(home) / "data", "in $NLPCLI_HOME")] if home else []
    return [*places, (bundled_samples(), "the bundled sample")]


def _holds_data(folder: Path) -> bool:
    return folder.is_dir() and bool(find_splits(sorted(folder.iterdir()), alone=False))


def _existing_path(data: str) -> Path:
    path = Path(data)
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, siblings)
        fix = f"did you mean {path.parent / close}?" if close else f"check the path: ls {path.parent}"
        raise BadInput(f"{path} does not exist", cause="--data names a folder or file that is not there", fix=fix)
    return path


def find_splits(files: list[Path], *, alone: bool) -> dict[str, dict[str, Path]]:
    """Map split → language → file; the language is "" for a file with columns."""
    found: dict[str, dict[str, Path]] = {}
    for path in files:
        plain = uncompressed(path)
        first, *rest = plain.name.split(".")
        if plain.suffix in FORMATS:
            split = "train" if alone else SPLIT_NAMES.get(first, "")
            names, language = rest[:-1] if not alone else [], ""
        else:
            split, names, language = SPLIT_NAMES.get(first, ""), rest[:-1], rest[-1] if rest else ""
            if not LANGUAGE.fullmatch(language) or language in NO_LANGUAGES:
                continue
        if split and path.is_file():
            found.setdefault(".".join([split, *names]), {})[language] = path
    order = list(dict.fromkeys(SPLIT_NAMES.values()))
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0].split(".")[0]), item[0])))


def _direction(name: str, found: dict[str, dict[str, Path]], src: str | None, tgt: str | None, root: Path) -> tuple[str, str]:
    languages = sorted({language for sides in found.values() for language in sides if language})
    named = next((pair for pair in pairs_in(name) if not languages or set(pair) <= set(languages)), None)
    if src and not tgt:
        tgt = next((x for x in named or languages if x != src), None)
    elif tgt and not src:
        src = next((x for x in named or languages if x != tgt), None)
    elif not src and named:
        src, tgt = named
    if not src or not tgt:
        in_names = f"languages found: {', '.join(languages)}" if languages else "which columns of a table to take is not said"
        raise UsageError(
            f"{root}: source and target language are not clear",
            cause=f"the name has no pair such as ko-en; {in_names}",
            fix=f"add --src {languages[0]} --tgt {languages[1]}" if len(languages) > 1 else "add --src and --tgt: ko, en",
        )
    return src, tgt


def pairs_in(name: str) -> list[tuple[str, str]]:
    words = re.split(r"[-_.]", name)
    return [(a, b) for a, b in pairwise(words) if LANGUAGE.fullmatch(a) and LANGUAGE.fullmatch(b)]
