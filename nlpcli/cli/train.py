"""`nlpcli train`: one command an architecture; the options are those of its `Config` and of `TrainSettings`."""

from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

from nlpcli import console
from nlpcli.cli import options as opt
from nlpcli.cli.groups import SectionedCommand, lazy_group
from nlpcli.cli.result import dry_run as show_dry_run
from nlpcli.cli.result import finish, print_envelope
from nlpcli.errors import RunFailed

Data = Annotated[
    str,
    opt.option("--data", help="A name (ko-en, reviews-ko), a file or a folder of text or a table, or an artifact."),
]
Out = Annotated[Optional[Path], opt.option("--out", "-o", help="The model to make; work/<data>/<architecture> if not given.")]
Tokenizer = Annotated[
    Optional[Path], opt.option("--tokenizer", help="Use this tokenizer instead of learning one from the data.")
]
Preset = Annotated[
    Literal["auto", "tiny", "small", "base", "big", "deep"],
    opt.option("--preset", help="Settings that go together, for those not given here; auto: by the data and the device."),
]
Fold = Annotated[
    Optional[str], opt.option("--fold", metavar="K/N", help="Classification: hold out the Kth of N equal parts of the data.")
]
FindLearningRate = Annotated[
    bool, opt.option("--find-learning-rate", help="Learning-rate range test: print the rate to choose and end.")
]
Resume = Annotated[
    Literal["never", "auto"], opt.option("--resume", help="auto: go on with an interrupted run; start if there is none.")
]

OF_TASK: dict[str, dict[str, Any]] = {
    "translation": {"src": opt.Src, "tgt": opt.Tgt},
    "lm": {"lang": opt.Lang, "column": opt.Column},
    "classify": {"text_column": opt.TextColumn, "label_column": opt.LabelColumn, "encoding": opt.Encoding, "fold": Fold},
}
STEERING: dict[str, tuple[Any, Any]] = {
    "find_learning_rate": (FindLearningRate, False),
    "resume": (Resume, "never"),
    "dry_run": (opt.DryRun, False),
    "force": (opt.Force, False),
    "json_": (opt.Json, False),
    "config": (opt.Config, None),
    "quiet": (opt.Quiet, False),
    "verbose": (opt.Verbose, False),
}
# Settings of training that mean something for these tasks or architectures alone, and are not offered elsewhere.
ONLY_FOR: dict[str, set[str]] = {
    "context_length": {"lm"},
    "eval_sentences": {"translation"},
    "sampled_softmax": {"lm", "translation"},
    "teacher_forcing": {"translation"},
    "teacher_forcing_decay": {"translation"},
    "guided_alignment": {"attention"},
    "coverage_loss": {"attention"},
    "attention_tier": {"transformer"},
}
FLAGS = {
    "bidirectional": "--bidirectional/--unidirectional",
    "freeze_embeddings": "--freeze-embeddings/--train-embeddings",
}
SECTIONS = {  # the heading of the help above this setting of training
    "epochs": "Budget and batches",
    "optimizer": "Optimisation",
    "label_smoothing": "Regularisation and start",
    "eval_every": "Evaluation",
    "seed": "Device",
}
EXAMPLES = {
    "rnn": "--data reviews-ko --task classify --cell gru",
    "seq2seq": "--data ko-en --max-minutes 5",
    "attention": "--data ko-en --attention additive --cell lstm --out work/bahdanau",
    "transformer": "--data ko-en --preset small",
    "cnn": "--data reviews-ko",
}


def _architectures() -> tuple[str, ...]:
    from nlpcli.models.config import CONFIGS

    return tuple(CONFIGS)


def _command(architecture: str) -> Any:
    """Build the command of one architecture."""
    from nlpcli.models.config import CONFIGS

    said = str(CONFIGS[architecture].__doc__)
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    single.command(architecture, cls=SectionedCommand, short_help=said.removesuffix("."))(function(architecture))
    return typer.main.get_command(single)


def function(architecture: str) -> Any:
    """Return the function behind `nlpcli train ARCHITECTURE`: its signature is made from the settings classes.

    Its options are `data` and where things go, those of the architecture's tasks, the fields of its `Config`, those of
    `TrainSettings` but for ONLY_FOR, and what steers the run.
    """
    from nlpcli.models.config import CONFIGS

    def run(ctx: typer.Context, **_: Any) -> None:
        _train(ctx, architecture)

    first = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    run.__name__ = architecture
    run.__signature__ = Signature([first, *_parameters(architecture)])  # type: ignore[attr-defined]
    run.__doc__ = f"""{CONFIGS[architecture].__doc__}

    CREATES a model artifact; from text also OUT-data, OUT-tokenizer and OUT-dataset beside it.

    \b
    Example:
      nlpcli train {architecture} {EXAMPLES[architecture]}
    """
    return run


def _parameters(architecture: str) -> list[Parameter]:
    from nlpcli.cli.fields import parameters
    from nlpcli.models.config import CONFIGS, TASKS
    from nlpcli.training.settings import TrainSettings

    tasks = TASKS[architecture]
    words = ("auto", *tasks)
    choice: Any = Literal[words]
    task: Any = Annotated[choice, opt.option("--task", help="What the model learns to do; auto: by the data.")]
    before: dict[str, tuple[Any, Any]] = {
        "data": (opt.Data if tasks == ("translation",) else Data, Parameter.empty),
        "out": (Out, None),
        "tokenizer": (Tokenizer, None),
        "task": (task, "auto"),
        "preset": (Preset, "auto"),
    }
    for each in tasks:
        before |= {name: (kind, None) for name, kind in OF_TASK[each].items()}
    model = parameters(CONFIGS[architecture], FLAGS, {CONFIGS[architecture].__struct_fields__[0]: "Model"})
    here = {architecture, *tasks}
    training = [p for p in parameters(TrainSettings, FLAGS, SECTIONS) if here & ONLY_FOR.get(p.name, here)]
    return [*map(_own, before.items()), *model, *training, *map(_own, STEERING.items())]


def _own(option: tuple[str, tuple[Any, Any]]) -> Parameter:
    name, (kind, default) = option
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=kind)


def _train(ctx: typer.Context, architecture: str) -> None:
    """Call what is behind the command with what was given: a setting left at its default is the preset's to choose."""
    sources = opt.sources(ctx)
    chosen = {name: value for name, value in opt.given(ctx).items() if sources[name] != "default"}
    if ctx.params["dry_run"]:
        from nlpcli.training.plan import plan

        show_dry_run(ctx, plan(architecture=architecture, **chosen))
        return
    from nlpcli.training.train import train

    steering = {name: ctx.params[name] for name in ("force", "resume", "find_learning_rate")}
    result = train(architecture=architecture, **chosen, **steering, config_source=sources)
    if ctx.params["find_learning_rate"]:
        _print_rate(ctx, result)
    else:
        finish(ctx, result)


def _print_rate(ctx: typer.Context, result: Any) -> None:
    """Print the rate at which the loss fell fastest, or with --json all that were tried."""
    if result.suggestion is None:
        raise RunFailed(
            "no learning rate to choose: the loss fell at none that was tried",
            cause="batches differ too much, or the model cannot learn this",
            fix="try larger --batch-tokens, or another model or --seed",
        )
    if ctx.params["json_"]:
        print_envelope(ctx, result)
    else:
        console.out(f"{result.suggestion:.3g}")


app = typer.Typer(
    cls=lazy_group(_architectures, _command),
    help="Train a model; each architecture is a command.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def train() -> None:
    """Train a model; each architecture is a command."""
