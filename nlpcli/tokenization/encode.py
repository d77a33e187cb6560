"""`nlpcli tokenize dataset`: text of any size to ids on disk, on all processors, resumed where it was interrupted."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator

import msgspec
import numpy as np

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft, reusable
from nlpcli.cluster.connection import check_address
from nlpcli.corpus.readers import OnError, Skipped, read_lines
from nlpcli.corpus.rows import Rows, find_rows
from nlpcli.errors import BadInput, UsageError
from nlpcli.files import write_bytes
from nlpcli.tokenization.chunks import Chunk, EncodedChunk, Work, encode_chunk, label_type, load_work
from nlpcli.tokenization.dataset import LABEL_IDS, GrowingArray
from nlpcli.tokenization.parallel import ordered_map, processors
from nlpcli.tokenization.tokenizer import Tokenizer

COMMAND = "nlpcli tokenize dataset"
SPLITS = ("train", "valid")
SHARD_ROWS = 1_000_000  # rows between two flushes to disk, from which an interrupted command goes on
STATE = "progress.json"

Encode = Callable[[str, Iterator[Chunk]], Iterator[EncodedChunk]]  # the chunks of a split of this name, in order


@dataclass(frozen=True)
class Encoded:
    """What `tokenize dataset` made: rows and tokens by split."""

    path: Path
    id: str
    splits: dict[str, dict[str, Any]]


class Position(msgspec.Struct):
    """How far a split has come: rows read, rows kept, and by language the ids and bytes of text written."""

    read: int = 0
    rows: int = 0
    ids: list[int] = []
    text: list[int] = []


class State(msgspec.Struct):
    """What an interrupted command needs to go on; `made_from` tells whether it is the same work."""

    made_from: str
    splits: dict[str, Position]
    skipped: int = 0


def encode_dataset(
    *,
    data: str,
    tokenizer: Path,
    out: Path,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    on_error: OnError = "stop",
    workers: int | None = None,
    cluster: str | None = None,
    force: bool = False,
    reuse: bool = False,
    config_source: dict[str, str] | None = None,
) -> Encoded:
    """Encode the training and validation splits of `data` with `tokenizer`, and number the labels that stand beside them.

    An interrupted command, run again, goes on from its last shard. The result depends neither on the number of workers nor
    on where they are.

    Args:
        lang, column: for text in one language, see `find_text`.
        cluster: encode on a Ray cluster: `local`, `ray://HOST:PORT` or `HOST:PORT`.

    Raises:
        BadInput: the data cannot be read.
        UsageError: the tokenizer was trained for other languages.
        Unavailable, RunFailed: of the cluster, see `pool`.
    """
    if cluster is not None:
        check_address(cluster)
    encoder = Tokenizer.load(tokenizer)
    if len(encoder.languages) == 1:
        lang = lang or encoder.languages[0]
    rows = find_rows(data, src, tgt, lang, column)
    _check_languages(rows, encoder, tokenizer)
    pair = len(rows.languages) == 2
    languages = dict(zip(("src", "tgt", "lang"), (*rows.languages, None) if pair else (None, None, *rows.languages)))
    classes = rows.classes()
    config: dict[str, Any] = {**languages, "column": column, "tokenizer_id": encoder.id, "on_error": on_error}
    config |= {"task": "classify", "labels": classes} if classes else {}
    splits = [name for name in rows.splits if name in SPLITS]
    inputs = [encoder.artifact.as_input("tokenizer", out), *rows.inputs(splits, out, beside=True)]
    if reuse and (found := reusable(out, "dataset", config, inputs, force)):
        return _result(found)
    with artifacts.create(
        out,
        "dataset",
        command=COMMAND,
        config=config,
        config_source=config_source,
        inputs=inputs,
        force=force,
        keep=True,
        resume=True,
    ) as draft:
        draft.scratch.add(STATE)
        state = _take_up(draft)
        try:
            _encode(rows, splits, encoder, draft, state, workers, cluster)
        except BaseException as e:
            if isinstance(e, BadInput) or not (draft.path / STATE).exists():
                draft.restart()  # nothing to go on from
            raise
        return _result(draft.publish())


def _encode(
    rows: Rows, splits: list[str], encoder: Tokenizer, draft: Draft, state: State, workers: int | None, cluster: str | None
) -> None:
    shutil.copytree(encoder.artifact.path, draft.path / "tokenizer", dirs_exist_ok=True)
    skipped = Skipped(draft.path, state.skipped) if draft.manifest.config["on_error"] == "skip" else None
    classes: list[str] = draft.manifest.config.get("labels", [])
    sources = {name: rows.labelled(name, classes) if classes else rows.source(name) for name in splits}
    work = {name: Work(source, rows.languages, encoder, name == "valid", classes) for name, source in sources.items()}
    with _workers(work, encoder, workers, cluster) as function:
        for name in splits:
            draft.metrics[name] = _Split(name, work[name], encoder, draft, state, skipped).encode(function)
    if "train" in splits and (align := rows.alignment()):
        _keep_alignment(align, draft, draft.metrics["train"]["pairs"])
    if skipped:
        skipped.close()


@contextmanager
def _workers(work: dict[str, Work], encoder: Tokenizer, workers: int | None, cluster: str | None) -> Iterator[Encode]:
    """Give a function that encodes the chunks of a split, on the processors of this machine or of a cluster."""
    if cluster is None:
        yield lambda name, chunks: ordered_map(partial(encode_chunk, work[name]), chunks, workers or processors())
        return
    from nlpcli.cluster.pool import pool

    without_encoder = {name: part._replace(encoder=None) for name, part in work.items()}
    with pool(partial(load_work, without_encoder), cluster, artifacts=[encoder.artifact.path], workers=workers) as there:
        yield lambda name, chunks: there.map(((name, chunk) for chunk in chunks), name=_rows)


def _rows(_: int, item: tuple[str, Chunk]) -> str:
    split, chunk = item
    return f"{split}, rows {chunk.first:,} to {chunk.first + chunk.rows - 1:,},"


def _keep_alignment(path: Path, draft: Draft, pairs: int) -> None:
    lines = sum(1 for _ in read_lines(path))
    if lines != pairs:
        raise BadInput(
            f"{path} has {lines:,} lines for {pairs:,} pairs",
            cause="it links the words of each pair, one a line; with --on-error skip none may be left out",
            fix=f"mend the pairs (nlpcli data clean), align them anew, or remove {path}",
        )
    shutil.copyfile(path, draft.path / path.name)


def _check_languages(rows: Rows, encoder: Tokenizer, path: Path) -> None:
    if not set(rows.languages) <= set(encoder.languages):
        raise UsageError(
            f"{path} is for {' and '.join(encoder.languages)}, the data is {'-'.join(rows.languages)}",
            fix="train a tokenizer on this data: nlpcli tokenize train",
        )


def _take_up(draft: Draft) -> State:
    """Return the state of the interrupted command of the same settings and inputs, or begin anew."""
    made_from = msgspec.json.encode([draft.manifest.config, [i.id for i in draft.manifest.inputs]]).decode()
    if draft.resumed and (draft.path / STATE).is_file():
        state = msgspec.json.decode((draft.path / STATE).read_bytes(), type=State)
        if state.made_from == made_from:
            done = sum(position.read for position in state.splits.values())
            console.info(f"dataset: going on after {done:,} rows that were encoded before")
            return state
    draft.restart()
    return State(made_from, {})


class _Split:
    """One split on its way from text to ids."""

    def __init__(self, name: str, work: Work, encoder: Tokenizer, draft: Draft, state: State, skipped: Skipped | None) -> None:
        self.name, self.encoder, self.draft, self.state, self.skipped = name, encoder, draft, state, skipped
        self.source, self.languages, _, self.keep_text, self.classes = work
        self.megabytes_read = 0.0
        none = [0] * len(self.languages)
        self.at = state.splits.setdefault(name, Position(ids=none, text=list(none)))
        stems = [draft.path / f"{name}.{language}" for language in self.languages]
        self.texts = [self._text_file(stem, size) for stem, size in zip(stems, self.at.text)] if self.keep_text else []
        self.ids, self.offsets = [], []
        for stem, language, count in zip(stems, self.languages, self.at.ids):
            dtype = np.dtype(np.uint16 if encoder.vocab_size(language) <= 1 << 16 else np.uint32)
            self.ids.append(GrowingArray(Path(f"{stem}.npy"), dtype, count))
            self.offsets.append(
                GrowingArray(Path(f"{stem}.offsets.npy"), np.dtype(np.int64), self.at.rows and self.at.rows + 1)
            )
            if not self.at.rows:
                self.offsets[-1].append(np.zeros(1, np.int64))
        self.labels = []
        if self.classes:
            path = draft.path / f"{name}{LABEL_IDS}"
            self.labels.append(GrowingArray(path, label_type(self.classes), self.at.rows))

    def encode(self, function: Encode) -> dict[str, Any]:
        """Encode what is left, and return the split's figures."""
        for language in self.languages:
            self.encoder.encode_flat([""], language)  # loads the model here, once, and not in every worker
        shard = self.at.read + SHARD_ROWS
        with ExitStack() as opened, console.Progress(f"encode {self.name}", self.source.megabytes, "MB") as progress:
            for file in (*self.ids, *self.offsets, *self.labels, *self.texts):
                opened.callback(file.close)
            for chunk in function(self.name, self._chunks()):
                self._write(chunk)
                progress.update(self.megabytes_read, f"{self.at.read:,} rows")
                if self.at.read >= shard:
                    self._save()
                    shard = self.at.read + SHARD_ROWS
            self._save()
        tokens = {f"{lang}_tokens": ids.count for lang, ids in zip(self.languages, self.ids)}
        counts = " and ".join(f"{n:,}" for n in tokens.values())
        what = "pairs" if len(tokens) == 2 else "lines"
        console.info(f"dataset: {self.name}: {self.at.rows:,} {what}, {counts} tokens")
        return {what: self.at.rows, **tokens}

    def _chunks(self) -> Iterator[Chunk]:
        """Yield what is left to read; a chunk is what `raw_blocks` reads at a time, in rows and in bytes."""
        at, done = 1 - self.source.header, self.at.read
        for block in self.source.blocks():
            rows = len(block[0])
            self.megabytes_read += sum(sum(map(len, side)) + rows for side in block) / 1e6
            cut = min(max(done + 1 - at, 0), rows)  # header, and what was encoded before
            if cut < rows:
                yield Chunk(at + cut, rows - cut, [b"\n".join(side[cut:]) for side in block])
            at += rows

    def _write(self, chunk: EncodedChunk) -> None:
        for bad in chunk.bad:
            if self.skipped is None:
                raise self._error()
            self.skipped.add(bad)
        for i, (ids, lengths, text) in enumerate(chunk.sides):
            self.offsets[i].append(self.ids[i].count + lengths.cumsum())
            self.ids[i].append(ids)
            if self.keep_text:
                self.texts[i].write(text)
        if chunk.labels is not None:
            self.labels[0].append(chunk.labels)
        self.at.read += chunk.rows
        self.at.rows = self.offsets[0].count - 1

    def _error(self) -> BadInput:
        """Read the split from its beginning, which finds the first bad line and counts those like it."""
        try:
            for _ in self.source.texts():
                pass
        except BadInput as e:
            return e
        raise AssertionError("a bad line was not found again")

    def _save(self) -> None:
        """Flush what is written and note how far it goes."""
        self.at.ids = [ids.flush() for ids in self.ids]
        for array in (*self.offsets, *self.labels):
            array.flush()
        for i, text in enumerate(self.texts):
            text.flush()
            os.fsync(text.fileno())
            self.at.text[i] = text.tell()
        self.state.skipped = self.skipped.size() if self.skipped else 0
        write_bytes(self.draft.path / STATE, msgspec.json.encode(self.state))

    @staticmethod
    def _text_file(path: Path, size: int) -> Any:
        file = path.open("r+b" if size else "wb")
        file.truncate(size)
        file.seek(size)
        return file


def _result(artifact: Artifact) -> Encoded:
    return Encoded(artifact.path, artifact.id, artifact.manifest.metrics)
