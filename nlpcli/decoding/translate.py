"""`nlpcli translate`: files or a stream in, the same with their text translated out; as many lines, in their order.

Files that are named are a job that can be taken up again (`job.py`); from stdin, window after window is read, translated and
flushed before the next is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Sequence

from nlpcli import console
from nlpcli.config import checked
from nlpcli.decoding.formats.outputs import STREAM, pair_outputs
from nlpcli.decoding.issues import MEANINGS
from nlpcli.decoding.job import Tally
from nlpcli.decoding.load import open_models
from nlpcli.decoding.settings import EngineSettings, FileSettings, SearchSettings, TextSettings, check_search
from nlpcli.decoding.work import Settings, Work
from nlpcli.errors import GateFailed, UsageError, first_five


@dataclass(frozen=True)
class Translated:
    """What `translate` did.

    Args:
        path: the output, or the folder of several.
        lines: read (= written), blank ones included.
        issues: how many lines have each kind of issue.
        resumed: lines that an interrupted command had translated before.
    """

    path: Path
    files: int
    lines: int
    blank: int
    issues: dict[str, int]
    resumed: int
    seconds: float
    sentences_per_second: float


def translate(
    *,
    model: Path | Sequence[Path],
    files: Sequence[Path] = (STREAM,),
    out: Path | str | None = None,
    force: bool = False,
    **settings: Any,
) -> Translated:
    """Translate files to `out` (a file, or a folder for several), or to stdout.

    A file that is given with `out` appears whole at the end or not at all. Interrupted, however hard, the same command goes
    on where the last one stopped, and the output is the same to the last byte.

    Args:
        model: a model artifact; or several over one vocabulary, whose probabilities are averaged.
        files: text, tables, JSON Lines, documents, subtitles, catalogues; patterns; or `-`, stdin.
        force: replace an output that is there, and an unfinished job for it.
        settings: fields of `SearchSettings`, `TextSettings`, `FileSettings` and `EngineSettings`.

    Raises:
        BadInput: a file that cannot be read, or that has changed since the interrupted command.
        OutputExists: an output is there, or an unfinished job with other settings.
        UsageError: settings that cannot work.
        ArtifactError: the model does not translate.
        GateFailed: `strict`, and there were issues; the output is written.
    """
    given = split_settings(settings)
    check_search(given.search)
    artifacts = open_models(model)
    config = artifacts[0].manifest.config
    pairs = pair_outputs(files, out, config["src"], config["tgt"])
    work = Work(artifacts, pairs, given)
    started, resumed = monotonic(), 0
    if out is not None and all(pair.source.is_file() for pair in pairs):
        tally, resumed = work.as_job(Path(out), force)
    else:
        tally = work.as_stream(force)
    _warn(tally)
    seconds = monotonic() - started
    result = Translated(
        path=Path(out or STREAM),
        files=len(pairs),
        lines=tally.lines,
        blank=tally.blank,
        issues=tally.issues,
        resumed=resumed,
        seconds=round(seconds, 3),
        sentences_per_second=round((tally.lines - resumed) / max(seconds, 1e-9), 1),
    )
    if given.file.strict and tally.issues:
        error = GateFailed(
            f"there are issues with {first_five(f'{count} line(s): {kind}' for kind, count in tally.issues.items())}",
            cause="--strict was given; the output is written",
            fix="add --issues FILE to see every one of them",
        )
        error.data = result
        raise error
    return result


def split_settings(settings: dict[str, Any]) -> Settings:
    """Sort settings by their class, checked.

    Raises:
        UsageError: an unknown one, or a value out of range.
    """
    classes = SearchSettings, EngineSettings, TextSettings, FileSettings
    unknown = settings.keys() - {name for cls in classes for name in cls.__struct_fields__}
    if unknown:
        raise UsageError(f"unknown setting(s): {first_five(sorted(unknown))}", fix="see nlpcli translate --help")
    search, engine, text, file = (
        checked(cls, {k: v for k, v in settings.items() if k in cls.__struct_fields__}) for cls in classes
    )
    return Settings(search, engine, text, file)  # type: ignore[arg-type]


def _warn(tally: Tally) -> None:
    """Say how many lines have which issue, and which are the first."""
    for kind, count in tally.issues.items():
        named = tally.first[kind]
        more = f" and {count - len(named):,} more" if count > len(named) else ""
        console.warn(f"{count:,} line(s) {MEANINGS[kind]}: {', '.join(named)}{more}")  # type: ignore[index]
