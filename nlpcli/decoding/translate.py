"""`nlpcli translate`: a file or a stream of lines in, exactly as many lines out, in their order, blank for blank."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Callable, Iterable, Iterator, Literal

import msgspec

from nlpcli import console
from nlpcli.artifacts import open_artifact
from nlpcli.corpus.readers import read_lines
from nlpcli.decoding.translator import Translation, Translator
from nlpcli.errors import OutputExists, UsageError, first_five
from nlpcli.models.config import WEIGHTS, Checkpoint

FILE_WINDOW = 2000  # lines sorted by length and translated together
STREAM_WINDOW = 200  # the same in a pipe, where each window is flushed before the next is read
STDIN = Path("-")


@dataclass(frozen=True)
class Translated:
    """What `translate` did: lines read (= written), and how many of them were blank, came out empty though they were not,
    reached the length limit, or hold unknown tokens."""

    path: Path
    lines: int
    blank: int
    empty: int
    cut: int
    unknown: int
    seconds: float
    sentences_per_second: float


@dataclass
class _Tally:
    lines: int = 0
    blank: int = 0
    empty: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)

    def add(self, translation: Translation) -> None:
        self.lines += 1
        self.blank += not translation.hypotheses
        if translation.hypotheses and not translation.best.strip():
            self.empty.append(self.lines)
        if translation.hypotheses and translation.hypotheses[0].cut:
            self.cut.append(self.lines)
        if translation.unknown:
            self.unknown.append(self.lines)

    def warn(self) -> None:
        if self.empty:
            console.warn(f"{len(self.empty)} line(s) came out empty, though their source is not: {first_five(self.empty)}")
        if self.cut:
            console.warn(f"{len(self.cut)} line(s) reached the length limit and may be incomplete: {first_five(self.cut)}")
        if self.unknown:
            console.warn(f"{len(self.unknown)} line(s) hold characters the model does not know: {first_five(self.unknown)}")


def translate(
    *,
    model: Path,
    file: Path = STDIN,
    out: Path | None = None,
    beam_size: int = 1,
    length_penalty: float = 1.0,
    n_best: int | None = None,
    batch_tokens: int = 8192,
    checkpoint: Checkpoint = "best",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    force: bool = False,
) -> Translated:
    """Translate the lines of `file` (`-` is stdin) to `out`, or to stdout.

    Args:
        n_best: write JSON Lines `{"line", "source", "hypotheses": [{"text", "score"}]}` with so many hypotheses a line.
        checkpoint: the best weights by validation, or the last ones.

    Raises:
        BadInput: a line that is not UTF-8.
        OutputExists: `out` is there and `force` is not set.
        UsageError: `n_best` is larger than `beam_size`.
    """
    if n_best is not None and n_best > beam_size:
        raise UsageError(f"--n-best {n_best} needs at least as many beams", fix=f"add --beam-size {n_best}")
    if out is not None and out.exists() and not force:
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")
    artifact = open_artifact(model, "model")
    total = None if not file.is_file() else sum(1 for _ in read_lines(file))  # a bad line ends it here, before the work
    translator = Translator.load(
        artifact,
        checkpoint=WEIGHTS[checkpoint],
        device=device,
        beam_size=beam_size,
        length_penalty=length_penalty,
        n_best=n_best or 1,
        batch_tokens=batch_tokens,
    )
    started, tally = monotonic(), _Tally()
    with line_writer(out) as write, console.Progress("translate", total, "lines") as progress:
        for chunk in windows(read_lines(file), STREAM_WINDOW if file == STDIN and out is None else FILE_WINDOW):
            translations = translator.translate(chunk)
            first = tally.lines + 1
            for translation in translations:
                tally.add(translation)
            write(_rows(chunk, translations, first) if n_best else [t.best for t in translations])
            progress.update(tally.lines)
    tally.warn()
    seconds = monotonic() - started
    return Translated(
        path=out or STDIN,
        lines=tally.lines,
        blank=tally.blank,
        empty=len(tally.empty),
        cut=len(tally.cut),
        unknown=len(tally.unknown),
        seconds=round(seconds, 3),
        sentences_per_second=round(tally.lines / max(seconds, 1e-9), 1),
    )


def windows(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Cut a stream into lists of `size` lines."""
    stream = iter(lines)
    while window := list(islice(stream, size)):
        yield window


@contextmanager
def line_writer(out: Path | None) -> Iterator[Callable[[Iterable[str]], None]]:
    """Give a function that writes lines to stdout, or to a file that appears whole at the end or not at all."""
    if out is None or out == STDIN:
        yield console.write_out
        return
    if out.exists() and not out.is_file():  # a pipe or a device is written to; it must not be replaced by a file
        with out.open("w", encoding="utf-8", newline="\n") as f:
            yield lambda lines: f.writelines(line + "\n" for line in lines)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as f:
            yield lambda lines: f.writelines(line + "\n" for line in lines)
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)


def _rows(lines: list[str], translations: list[Translation], first: int) -> Iterator[str]:
    for number, (line, t) in enumerate(zip(lines, translations), first):
        hypotheses = [{"text": text, "score": round(h.score, 6)} for text, h in zip(t.texts, t.hypotheses)]
        yield msgspec.json.encode({"line": number, "source": line, "hypotheses": hypotheses}).decode()
