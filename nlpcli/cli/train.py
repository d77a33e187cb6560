"""`nlpcli train`: one command an architecture; the options are those of its `Config` and of `TrainSettings`."""

from pathlib import Path
from typing import Annotated, List, Literal, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import dry_run as show_dry_run
from nlpcli.cli.result import finish

app = typer.Typer(help="Train a model; each architecture is a command.", no_args_is_help=True, rich_markup_mode=None)

Out = Annotated[Optional[Path], opt.option("--out", "-o", help="The model to make; work/<data>/<architecture> if not given.")]
Tokenizer = Annotated[
    Optional[Path], opt.option("--tokenizer", help="Use this tokenizer instead of learning one from the data.")
]
Resume = Annotated[
    Literal["never", "auto"], opt.option("--resume", help="auto: go on with an interrupted run; start if there is none.")
]
Cell = Annotated[Literal["rnn", "lstm", "gru"], opt.option("--cell", help="Recurrent cell.")]
DEmbed = Annotated[int, opt.option("--d-embed", min=1, help="Size of the word vectors.")]
DModel = Annotated[int, opt.option("--d-model", min=1, help="Size of the hidden state.")]
NumLayers = Annotated[int, opt.option("--num-layers", min=1, help="Layers of the encoder and of the decoder.")]
Bidirectional = Annotated[
    bool, opt.option("--bidirectional/--unidirectional", help="Read the source in both directions, half the size each.")
]
Dropout = Annotated[float, opt.option("--dropout", min=0.0, help="Share of features dropped, less than 1.")]
Tie = Annotated[
    Literal["none", "decoder", "all"],
    opt.option("--tie-embeddings", help="Share target embedding and output layer; all: the source's too (joint vocabulary)."),
]
Epochs = Annotated[int, opt.option("--epochs", min=1, help="End after so many passes over the data …")]
MaxSteps = Annotated[Optional[int], opt.option("--max-steps", min=1, help="… or so many steps …")]
MaxMinutes = Annotated[
    Optional[float], opt.option("--max-minutes", min=0.01, help="… or so many minutes of training, whichever comes first.")
]
MaxLength = Annotated[
    int, opt.option("--max-length", min=1, help="Pairs with more tokens on a side are left out, and counted.")
]
Optimizer = Annotated[Literal["adam", "adamw"], opt.option("--optimizer", help="Optimiser.")]
LearningRate = Annotated[float, opt.option("--learning-rate", help="Peak learning rate.")]
WarmupSteps = Annotated[int, opt.option("--warmup-steps", min=0, help="Steps over which the learning rate rises.")]
Decay = Annotated[
    Literal["cosine", "linear", "inverse-sqrt", "none"],
    opt.option("--decay", help="How the learning rate falls over the run's budget."),
]
WeightDecay = Annotated[float, opt.option("--weight-decay", min=0.0, help="Weight decay of matrices.")]
ClipNorm = Annotated[float, opt.option("--clip-norm", help="Bound on the gradient's norm.")]
LabelSmoothing = Annotated[
    float, opt.option("--label-smoothing", min=0.0, help="Probability mass spread over the vocabulary, less than 1.")
]
TeacherForcing = Annotated[
    float,
    opt.option("--teacher-forcing", min=0.0, max=1.0, help="Probability of feeding the reference's word, not the model's."),
]
SubwordSampling = Annotated[
    float,
    opt.option(
        "--subword-sampling",
        min=0.0,
        max=1.0,
        help="Draw new segmentations at every step: BPE-dropout's probability, or unigram's smoothing; 0 is off.",
    ),
]
Embeddings = Annotated[
    List[str],
    opt.option("--embeddings", help="Begin from an embedding artifact, on the side of its language; may be repeated."),
]
FreezeEmbeddings = Annotated[
    bool, opt.option("--freeze-embeddings/--train-embeddings", help="Keep the vectors of --embeddings as they are.")
]
EvalEvery = Annotated[int, opt.option("--eval-every", min=1, help="Steps between evaluations; each saves the state.")]
EvalSentences = Annotated[int, opt.option("--eval-sentences", min=1, help="Validation lines translated for BLEU.")]
Patience = Annotated[int, opt.option("--patience", min=1, help="End after so many evaluations without a better one.")]
BestBy = Annotated[Literal["loss", "bleu"], opt.option("--best-by", help="What makes a checkpoint the best.")]
Precision = Annotated[
    Literal["auto", "32", "bf16"],
    opt.option("--precision", help="Number format of matrix products; auto: bf16 where the processor has it."),
]


@app.callback()
def train() -> None:
    """Train a model; each architecture is a command."""


@app.command("seq2seq")
def seq2seq(
    ctx: typer.Context,
    data: opt.Data,
    out: Out = None,
    tokenizer: Tokenizer = None,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    cell: Cell = "gru",
    d_embed: DEmbed = 256,
    d_model: DModel = 512,
    num_layers: NumLayers = 1,
    bidirectional: Bidirectional = True,
    context: Annotated[
        Literal["first", "every"],
        opt.option("--context", help="The decoder meets the source's vector at first (Sutskever) or at every word (Cho)."),
    ] = "every",
    dropout: Dropout = 0.3,
    tie_embeddings: Tie = "decoder",
    epochs: Epochs = 30,
    max_steps: MaxSteps = None,
    max_minutes: MaxMinutes = None,
    batch_tokens: opt.BatchTokens = 4096,
    max_length: MaxLength = 256,
    optimizer: Optimizer = "adamw",
    learning_rate: LearningRate = 1e-3,
    warmup_steps: WarmupSteps = 200,
    decay: Decay = "cosine",
    weight_decay: WeightDecay = 0.01,
    clip_norm: ClipNorm = 1.0,
    label_smoothing: LabelSmoothing = 0.1,
    teacher_forcing: TeacherForcing = 1.0,
    subword_sampling: SubwordSampling = 0.0,
    embeddings: Embeddings = [],  # noqa: B006
    freeze_embeddings: FreezeEmbeddings = False,
    eval_every: EvalEvery = 250,
    eval_sentences: EvalSentences = 200,
    patience: Patience = 8,
    best_by: BestBy = "loss",
    seed: opt.Seed = 1,
    device: opt.Device = "auto",
    precision: Precision = "auto",
    resume: Resume = "never",
    dry_run: opt.DryRun = False,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Encoder-decoder through one fixed vector (Sutskever et al. 2014, Cho et al. 2014).

    CREATES a model artifact; from text also OUT-data, OUT-tokenizer and OUT-dataset beside it.

    \b
    Example:
      nlpcli train seq2seq --data ko-en --max-minutes 5
    """
    _train(ctx, "seq2seq")


@app.command("attention")
def attention(
    ctx: typer.Context,
    data: opt.Data,
    out: Out = None,
    tokenizer: Tokenizer = None,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    cell: Cell = "gru",
    d_embed: DEmbed = 256,
    d_model: DModel = 512,
    num_layers: NumLayers = 1,
    bidirectional: Bidirectional = True,
    attention: Annotated[
        Literal["additive", "dot", "general", "concat"],
        opt.option("--attention", help="Bahdanau's additive score, or Luong's dot, general or concat."),
    ] = "general",
    input_feeding: Annotated[
        bool, opt.option("--input-feeding/--no-input-feeding", help="Feed the attentional vector to the next step (Luong).")
    ] = False,
    dropout: Dropout = 0.3,
    tie_embeddings: Tie = "decoder",
    epochs: Epochs = 30,
    max_steps: MaxSteps = None,
    max_minutes: MaxMinutes = None,
    batch_tokens: opt.BatchTokens = 4096,
    max_length: MaxLength = 256,
    optimizer: Optimizer = "adamw",
    learning_rate: LearningRate = 1e-3,
    warmup_steps: WarmupSteps = 200,
    decay: Decay = "cosine",
    weight_decay: WeightDecay = 0.01,
    clip_norm: ClipNorm = 1.0,
    label_smoothing: LabelSmoothing = 0.1,
    teacher_forcing: TeacherForcing = 1.0,
    subword_sampling: SubwordSampling = 0.0,
    embeddings: Embeddings = [],  # noqa: B006
    freeze_embeddings: FreezeEmbeddings = False,
    eval_every: EvalEvery = 250,
    eval_sentences: EvalSentences = 200,
    patience: Patience = 8,
    best_by: BestBy = "loss",
    seed: opt.Seed = 1,
    device: opt.Device = "auto",
    precision: Precision = "auto",
    resume: Resume = "never",
    dry_run: opt.DryRun = False,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Encoder-decoder with attention (Bahdanau et al. 2015, Luong et al. 2015).

    CREATES a model artifact; from text also OUT-data, OUT-tokenizer and OUT-dataset beside it.

    \b
    Example:
      nlpcli train attention --data ko-en --attention additive --cell lstm --out work/bahdanau
    """
    _train(ctx, "attention")


def _train(ctx: typer.Context, architecture: str) -> None:
    if ctx.params["dry_run"]:
        from nlpcli.training.plan import plan

        show_dry_run(ctx, plan(architecture=architecture, **opt.given(ctx)))
        return
    from nlpcli.training.train import train

    steering = {name: ctx.params[name] for name in ("force", "resume")}
    finish(ctx, train(architecture=architecture, **opt.given(ctx), **steering, config_source=opt.sources(ctx)))
