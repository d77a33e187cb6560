"""`nlpcli translate`; its options are the fields of the classes in `decoding/settings.py`."""

from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, List, Optional

import typer

from nlpcli import console
from nlpcli.cli import options as opt
from nlpcli.cli.fields import parameters
from nlpcli.cli.result import finish, print_envelope
from nlpcli.decoding.settings import EngineSettings, FileSettings, SearchSettings, TextSettings
from nlpcli.errors import UsageError

Model = Annotated[List[Path], opt.option("--model", help="A model artifact; several over one vocabulary work together.")]
Files = Annotated[
    List[Path],
    typer.Argument(
        metavar="[FILE|-]...",
        help="Text, one sentence a line, or tables, documents, subtitles, catalogues; also packed; stdin if not given.",
    ),
]
Out = Annotated[Optional[Path], opt.option("--out", "-o", help="File to write, or folder for several; stdout if not given.")]
Status = Annotated[
    Optional[Path], opt.option("--status", metavar="JOB", help="Tell how far a translation (OUT.job) has come, and end.")
]
Autotune = Annotated[
    bool, opt.option("--autotune", help="Measure on the file's first lines what is fastest here; print the options for it.")
]

SECTIONS: dict[Any, dict[str, str]] = {
    FileSettings: {"format": "Files", "details": "What is written", "shard": "Running"},
    TextSettings: {"on_long": "Text"},
    SearchSettings: {"beam_size": "Search", "sample": "Sampling"},
    EngineSettings: {"engine": "Engine"},
}
FLAGS = {name: f"--{name}" for name in ("again", "details", "alignment", "attention", "strict", "interactive", "sample")}
FLAGS |= {"keep_tags": "--keep-tags"}
STEERING: dict[str, tuple[Any, Any]] = {
    "status": (Status, None),
    "autotune": (Autotune, False),
    "force": (opt.Force, False),
    "json_": (opt.Json, False),
    "config": (opt.Config, None),
    "quiet": (opt.Quiet, False),
    "verbose": (opt.Verbose, False),
}


def translate(ctx: typer.Context, **_: Any) -> None:
    """Translate files or a stream: as many lines out as in, in their order, blank for blank.

    CREATES the file --out, whole or not at all; without it, writes to stdout. While it works, --out.job holds how far it has
    come: interrupted, the same command goes on from there.

    \b
    Example:
      nlpcli translate --model work/model article.ko --out article.en --beam-size 5 --issues issues.jsonl

    \b
    Example:
      nlpcli translate --model work/model subtitles/*.srt reviews.tsv.gz --out translated/

    \b
    Example:
      cat article.ko | nlpcli translate --model work/model > article.en
    """
    if ctx.params["status"]:
        _status(ctx)
        return
    given = {name: value for name, value in opt.given(ctx).items() if name not in ("status", "autotune")}
    if not given["model"]:
        raise UsageError("--model is missing", fix="nlpcli translate --model work/model …; nlpcli train --help")
    if ctx.params["autotune"]:
        _autotune(ctx, given)
        return
    if ctx.params["json_"] and given["out"] is None:
        raise UsageError("--json prints its envelope on stdout, where the translation goes", fix="add --out FILE")
    from nlpcli.decoding.translate import translate as run

    result = run(**given, force=ctx.params["force"])
    console.info(f"translated {result.lines:,} lines, {result.sentences_per_second:,.1f} a second")
    if result.path != Path("-"):
        finish(ctx, result)


def _status(ctx: typer.Context) -> None:
    from nlpcli.decoding.job import job_status

    status = job_status(ctx.params["status"])
    if ctx.params["json_"]:
        print_envelope(ctx, status)
        return
    share = status.lines_done / max(status.lines, 1)
    console.out(f"{status.lines_done:,} of {status.lines:,} lines, {share:.0%}; {status.files_done} of {status.files} files")
    console.out("running" if status.running else "not running; the same command goes on with it")
    if status.seconds_left is not None:
        console.out(
            f"{status.lines_per_second:,.1f} lines a second; {console.duration(status.seconds)} so far, "
            f"{console.duration(status.seconds_left)} left"
        )
    console.write_out(f"{kind}: {count:,} line(s)" for kind, count in status.issues.items())


def _autotune(ctx: typer.Context, given: dict[str, Any]) -> None:
    from nlpcli.decoding.autotune import autotune

    found = autotune(**given)
    if ctx.params["json_"]:
        print_envelope(ctx, found)
        return
    console.table(
        ["options", "sentences/s", "× the first", "same text %"],
        [[" ".join(trial.options), trial.sentences_per_second, trial.speedup, trial.same] for trial in found.trials],
    )
    console.out(" ".join(found.options))


def _signature() -> Signature:
    first = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    own: dict[str, tuple[Any, Any]] = {"model": (Model, []), "files": (Files, [Path("-")]), "out": (Out, None)}
    made = [Parameter(name, Parameter.KEYWORD_ONLY, default=value, annotation=kind) for name, (kind, value) in own.items()]
    for cls, sections in SECTIONS.items():
        made += parameters(cls, FLAGS, sections)
    made += [
        Parameter(name, Parameter.KEYWORD_ONLY, default=value, annotation=kind) for name, (kind, value) in STEERING.items()
    ]
    return Signature([first, *made])


translate.__signature__ = _signature()  # type: ignore[attr-defined]
