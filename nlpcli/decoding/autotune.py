"""`nlpcli translate --autotune`: what is fastest on this machine, for this model and text, measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Iterator, Sequence

import msgspec

from nlpcli import console
from nlpcli.decoding.formats.base import Options
from nlpcli.decoding.formats.choose import choose_format
from nlpcli.decoding.formats.outputs import expanded
from nlpcli.decoding.load import load_translator, open_models
from nlpcli.decoding.settings import EngineSettings, FileSettings, SearchSettings, TextSettings
from nlpcli.decoding.translate import split_settings
from nlpcli.errors import BadInput, NlpcliError, RunFailed
from nlpcli.tokenization.parallel import processors

SECONDS = 4.0  # that the first trial takes at least, if the file has as many lines
FIRST_LINES, MOST_LINES = 100, 20_000
ROUNDS = 2  # of which the fastest counts: other work on the machine only slows down


@dataclass(frozen=True)
class Trial:
    """One way to compute: its options, its speed, how many times as fast as the first, and the share of lines that come out
    as they did there, in per cent."""

    options: list[str]
    sentences_per_second: float
    speedup: float
    same: float


@dataclass(frozen=True)
class Autotuned:
    """The fastest options, and all that was tried; on so many lines."""

    options: list[str]
    lines: int
    trials: list[Trial] = field(default_factory=list)


def autotune(
    *, model: Path | Sequence[Path], files: Sequence[Path], out: Path | str | None = None, **settings: Any
) -> Autotuned:
    """Measure engines, number formats, sizes of batches and numbers of threads, one after the other, on the first lines of the
    first file; each is the best found before with one thing changed.

    Raises:
        BadInput: the file has no text.
        RunFailed: nothing worked.
    """
    search, engine, text, file = split_settings(settings)
    artifacts = open_models([model] if isinstance(model, (str, Path)) else model)
    lines = _text_of(files[0], artifacts[0].manifest.config, file)
    best, fastest, first = engine, math.inf, None
    trials: list[Trial] = []
    for change in _changes(engine):
        tried = msgspec.structs.replace(best, **change) if change else engine
        try:
            with console.Progress("autotune", None, "lines"):
                seconds, texts, lines = _measure(artifacts, search, tried, text, lines, limit=not trials)
        except NlpcliError as e:
            console.detail(f"{' '.join(flags(tried))}: {e.message}")
            continue
        first = first or (seconds, texts)
        same = 100 * sum(a == b for a, b in zip(texts, first[1])) / len(texts)
        trials.append(Trial(flags(tried), round(len(lines) / seconds, 1), round(first[0] / seconds, 2), round(same, 1)))
        console.info(f"{trials[-1].sentences_per_second:,.1f} sentences/s  {' '.join(trials[-1].options)}")
        if seconds < fastest:
            best, fastest = tried, seconds
    if not trials:
        raise RunFailed(
            "nothing could be measured", cause="no engine works with these settings", fix="add --verbose to see why"
        )
    return Autotuned(flags(best), len(lines), trials)


def flags(settings: EngineSettings) -> list[str]:
    """Return what to write on the command line."""
    names = ("engine", "quantization", "workers", "threads", "batch_tokens")
    return [f"--{name.replace('_', '-')} {getattr(settings, name)}" for name in names if getattr(settings, name) is not None]


def _changes(engine: EngineSettings) -> Iterator[dict[str, Any]]:
    """Yield what to try, each on top of the best so far; the first is what was given."""
    cores = processors()
    yield {"workers": engine.workers or cores, "threads": engine.threads}
    for quantization in ("float32", "int8", "bfloat16", "int8_bfloat16"):  # one engine may gain more by fewer bits
        for name in ("ctranslate2", "torch"):
            yield {"engine": name, "quantization": quantization}
    for tokens in (1024, 2048, 4096, 8192, 16384):
        yield {"batch_tokens": tokens}
    if cores > 1:
        yield {"workers": 1, "threads": cores}
        yield {"workers": cores * 2, "threads": 1}


def _text_of(file: Path, config: dict[str, Any], settings: FileSettings) -> list[str]:
    options = Options(src=config["src"], tgt=config["tgt"], column=settings.column, into=settings.into, again=settings.again)
    [path, *_] = expanded([file])
    records = choose_format(path, settings.format, options).read(path, options)
    segments = (segment for record in records for segment in record.segments if segment.strip())
    if not (lines := list(islice(segments, MOST_LINES))):
        raise BadInput(f"{path} has no text to measure on", fix="give a file with some hundred lines")
    return lines


def _measure(
    artifacts: Any, search: SearchSettings, engine: EngineSettings, text: TextSettings, lines: list[str], *, limit: bool
) -> tuple[float, list[str], list[str]]:
    """Return the seconds of the fastest round, the translations, and the lines that were translated: with `limit`, only as
    many as take some seconds."""
    translator = load_translator(artifacts, search, engine, text)
    try:
        if limit:
            lines = _some(translator, lines)
        else:
            translator.translate(lines[:FIRST_LINES])  # what the first call has to set up is not counted
        seconds = []
        for _ in range(ROUNDS):
            started = monotonic()
            found = translator.translate(lines)
            seconds.append(monotonic() - started)
        return min(seconds), [t.best for t in found], lines
    finally:
        translator.close()


def _some(translator: Any, lines: list[str]) -> list[str]:
    """Return as many of the lines as take some seconds."""
    translator.translate(lines[:FIRST_LINES])
    started = monotonic()
    translator.translate(lines[:FIRST_LINES])
    each = (monotonic() - started) / min(FIRST_LINES, len(lines))
    return lines[: max(FIRST_LINES, int(SECONDS / each))]
