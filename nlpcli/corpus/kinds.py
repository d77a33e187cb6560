"""What a folder or file holds: parallel text, aligned documents, labelled text or plain text; and where its splits are.

Nothing is read here but the first line of a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Literal

import msgspec

from nlpcli.artifacts import is_artifact, open_artifact
from nlpcli.corpus.class_files import NO_TEXT, class_files, is_plain, label_beside
from nlpcli.corpus.names import FORMATS, LANGUAGE, NO_LANGUAGES, SPLIT_NAMES, find_corpus, find_splits, resolve
from nlpcli.corpus.readers import BOM, open_bytes, raw_lines, uncompressed
from nlpcli.errors import BadInput, UsageError

Kind = Literal["parallel", "documents", "labelled", "monolingual"]
Form = Literal["lines", "tsv", "jsonl", "documents"]

LABEL = "label"
TEXT_COLUMNS = ("text", "document", "sentence", "review")


@dataclass(frozen=True)
class Part:
    """One file of a split, or two that line up.

    `columns` are the names (or numbers, from 1) of the texts in a table, one a side; `labelled` says that it has a column
    `label` too, or that the second file holds the labels. `label` is what a file's ending says of all its lines.
    """

    split: str
    paths: tuple[Path, ...]
    form: Form = "lines"
    columns: tuple[str, ...] = ()
    labelled: bool = False
    label: str = ""


@dataclass(frozen=True)
class Material:
    """Text of any kind as found on disk. `sides` names the texts of a row: ko and en, or text alone."""

    kind: Kind
    name: str
    root: Path
    sides: tuple[str, ...]
    languages: tuple[str, ...]
    parts: tuple[Part, ...]
    left_out: tuple[str, ...] = ()

    @property
    def splits(self) -> list[str]:
        """The names of the splits, train first."""
        return list(dict.fromkeys(part.split for part in self.parts))

    @property
    def paths(self) -> list[Path]:
        """All files."""
        return sorted({path for part in self.parts for path in part.paths})


def find_material(
    data: str,
    kind: Kind | None = None,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
) -> Material:
    """Resolve `--data` and tell what it holds, or take it as `kind`.

    Raises:
        BadInput: nothing found, or nothing of this kind.
        UsageError: the direction of a pair, or the column of a table's text, is not clear.
    """
    root = Path(data) if Path(data).is_file() else resolve(data)
    if not root.is_file() and not root.is_dir():
        raise BadInput(f"{root} is neither a file nor a folder", cause="the data is read twice", fix="write it to a file first")
    made = open_artifact(root, "corpus").manifest.config if is_artifact(root) else {}
    files = [root] if root.is_file() else sorted(path for path in root.iterdir() if path.is_file())
    name = uncompressed(root).stem if root.is_file() else root.resolve().name
    kind = kind or made.get("kind") or _detect(files, src, tgt, column, alone=root.is_file())
    if kind == "parallel":
        return _parallel(name, root, files, src, tgt)
    if kind == "documents":
        return _documents(name, root, files, src or made.get("src"), tgt or made.get("tgt"))
    if kind == "labelled":
        return _labelled(name, root, files, lang or made.get("lang"), column or made.get("column"))
    return _monolingual(name, root, files, lang or made.get("lang"), column)


def first_record(path: Path) -> dict[str, Any]:
    """Return the columns that a table's first line names (their values too, for JSON Lines); empty if it is no table."""
    line = first_line(path)
    if uncompressed(path).suffix == ".jsonl":
        try:
            record = msgspec.json.decode(line)
        except (msgspec.MsgspecError, RecursionError):
            return {}
        return record if isinstance(record, dict) else {}
    cells = line.split("\t")
    return dict.fromkeys(cells) if len(cells) > 1 else {}


def first_line(path: Path) -> str:
    """Return a file's first line without its end, whatever it is."""
    with open_bytes(path) as stream:
        raw = next(raw_lines(stream), b"").removeprefix(BOM)
    return raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


def split_of(path: Path) -> str:
    """Return the split that a file's name speaks of, or an empty string: test for ratings_test.txt."""
    words = re.split(r"[._-]", uncompressed(path).name)
    return next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "")


def _detect(files: list[Path], src: str | None, tgt: str | None, column: str | None, *, alone: bool) -> Kind:
    if column and not any(LABEL in first_record(path) for path in files if is_plain(path)):
        return "monolingual"
    tables = [path for path in files if uncompressed(path).suffix in (".tsv", ".jsonl") and path.name not in NO_TEXT]
    for path in tables:
        record = first_record(path)
        if any(isinstance(value, list) for value in record.values()):
            return "documents"
        if LABEL in record:
            return "labelled"
        if (src and tgt) or len(_languages(record)) > 1:
            return "parallel"
    if any(LABEL in first_record(path) for path in files if is_plain(path)) or class_files(files) or label_beside(files):
        return "labelled"
    if not alone and any(len(sides) > 1 for sides in find_splits(files, alone=False).values()):
        return "parallel"
    return "monolingual"


def _languages(names: Iterable[str]) -> list[str]:
    return [name for name in names if LANGUAGE.fullmatch(name) and name not in (*NO_LANGUAGES, "id")]


def _parallel(name: str, root: Path, files: list[Path], src: str | None, tgt: str | None) -> Material:
    if len(files) == 1 and not is_artifact(files[0].parent):
        root, parts = files[0], [_table_pair(files[0], name, src, tgt)]
        src, tgt = parts[0].columns
    else:
        corpus = find_corpus(str(root) if root.is_absolute() else f"./{root}", src, tgt)
        name, root, src, tgt = corpus.name, corpus.root, corpus.src, corpus.tgt
        parts = [
            Part(split, (at.src, at.tgt)) if at.src != at.tgt else Part(split, (at.src,), _table(at.src), (src, tgt))
            for split, at in corpus.splits.items()
        ]
    used = {path for part in parts for path in part.paths}
    left_out = _left_out(files, used, f"not {src} or {tgt}, or without its other side")
    return Material("parallel", name, root, (src, tgt), (src, tgt), tuple(parts), left_out)


def _table_pair(path: Path, name: str, src: str | None, tgt: str | None) -> Part:
    named = [word for word in re.split(r"[-_.]", name) if LANGUAGE.fullmatch(word)]
    columns = _languages(first_record(path))
    in_order = [word for word in named if word in columns] or columns
    src = src or next((word for word in in_order if word != tgt), None)
    tgt = tgt or next((word for word in in_order + columns if word != src), None)
    if not src or not tgt:
        raise UsageError(
            f"{path}: source and target language are not clear",
            cause=f"its columns are {', '.join(first_record(path)) or 'not named'}",
            fix="add --src and --tgt, the names of two columns or their numbers",
        )
    return Part("train", (path,), _table(path), (src, tgt))


def _documents(name: str, root: Path, files: list[Path], src: str | None, tgt: str | None) -> Material:
    parts = []
    for path in files:
        record = first_record(path)
        sides = [key for key, value in record.items() if isinstance(value, list)]
        if len(sides) < 2 or uncompressed(path).suffix != ".jsonl":
            continue
        words = re.split(r"[-_.]", name)
        sides.sort(key=lambda side: words.index(side) if side in words else len(words))
        src = src or next(side for side in sides if side != tgt)
        tgt = tgt or next(side for side in sides if side != src)
        parts.append(Part(split_of(path) or "train", (path,), "documents", (src, tgt)))
    if not parts or not src or not tgt:
        raise _nothing(root, "aligned documents", 'JSON Lines such as {"id": "1", "ko": ["…"], "en": ["…"]}')
    left_out = _left_out(files, {part.paths[0] for part in parts}, "not documents")
    return Material("documents", name, root, (src, tgt), (src, tgt), _in_order(parts), left_out)


def _labelled(name: str, root: Path, files: list[Path], lang: str | None, column: str | None) -> Material:
    beside = label_beside(files)
    parts = [Part(split, paths, labelled=True) for split, paths in beside.items()]
    endings = set() if beside else set(class_files(files))
    for path in files if not beside else ():
        if path in endings:
            label = uncompressed(path).suffix.lstrip(".")
            parts.append(Part(split_of(path) or "train", (path,), label=label))
        elif is_plain(path) and LABEL in (record := first_record(path)):
            columns = (_text_column(path, record, column),)
            parts.append(Part(split_of(path) or "train", (path,), _table(path), columns, labelled=True))
    if not parts:
        raise _nothing(root, "labelled text", "a table whose first line names a column label, or files x.pos and x.neg")
    used = {path for part in parts for path in part.paths}
    left_out = _left_out(files, used, "no column is named label")
    return Material("labelled", name, root, ("text",), (lang or "",), _in_order(parts), left_out)


def _text_column(path: Path, record: dict[str, Any], column: str | None) -> str:
    others = [name for name in record if name not in (LABEL, "id")]
    known = [name for name in TEXT_COLUMNS if name in others]
    if column and column not in record:
        raise UsageError(f"{path} has no column {column}", cause=f"its first line names {', '.join(record)}")
    if not column and not known and len(others) != 1:
        raise UsageError(
            f"{path}: which column holds the text?",
            cause=f"its columns are {', '.join(record)}",
            fix=f"add --column {others[0] if others else 'text'}",
        )
    return column or (known or others)[0]


def _monolingual(name: str, root: Path, files: list[Path], lang: str | None, column: str | None) -> Material:
    alone = root.is_file()
    texts = files if alone else [path for path in files if is_plain(path) or uncompressed(path).suffix == f".{lang}"]
    if not alone and not texts:
        texts = [path for sides in find_splits(files, alone=False).values() for path in sides.values()]
    if not texts:
        raise _nothing(root, "text", "files such as train.txt")
    if alone and not column and uncompressed(root).suffix in FORMATS:
        column = _only_column(root, lang)
    form = {path: _table(path) if column else "lines" for path in texts}
    columns = (column,) if column else ()
    parts = [
        Part("train" if len(texts) == 1 else split_of(path) or uncompressed(path).stem, (path,), form[path], columns)
        for path in texts
    ]
    endings = {uncompressed(path).suffix.lstrip(".") for path in texts}
    spoken = [ending for ending in endings if _languages([ending])]
    language = lang or (spoken[0] if len(endings) == len(spoken) == 1 else "")
    left_out = _left_out(files, set(texts), "not text")
    return Material("monolingual", name, root, ("text",), (language,), _in_order(parts), left_out)


def _only_column(path: Path, lang: str | None) -> str:
    record = first_record(path)
    found = next((name for name in (lang, *TEXT_COLUMNS) if name and name in record), None)
    if found is None:
        raise UsageError(
            f"{path} is a table; which column holds the text?",
            cause=f"its first line is {', '.join(record)[:200]}" if record else "",
            fix="add --column NAME, or its number from 1",
        )
    return found


def _table(path: Path) -> Form:
    return "jsonl" if uncompressed(path).suffix == ".jsonl" else "tsv"


def _in_order(parts: list[Part]) -> tuple[Part, ...]:
    order = list(dict.fromkeys(SPLIT_NAMES.values()))
    return tuple(sorted(parts, key=lambda p: (order.index(p.split) if p.split in order else len(order), p.split, p.paths)))


def _left_out(files: list[Path], used: set[Path], reason: str) -> tuple[str, ...]:
    others = [path for path in files if path not in used and path.name not in NO_TEXT]
    return tuple(f"{path.name} ({reason})" for path in others if uncompressed(path).suffix != ".domain")


def _nothing(root: Path, what: str, expected: str) -> BadInput:
    return BadInput(f"{root} holds no {what}", cause=f"expected {expected}", fix=f"ls {root}; --kind says what it holds")
