"""`nlpcli evaluate`."""

from pathlib import Path
from typing import Annotated, Any, List, Literal, Optional

import typer

from nlpcli.cli import options as opt


def evaluate(
    ctx: typer.Context,
    model: Annotated[
        List[Path], opt.option("--model", help="Use this model, or several over one vocabulary together, on …")
    ] = [],  # noqa: B006
    data: Annotated[
        Optional[str], opt.option("--data", help="… this data: a name, a folder, a file or a corpus artifact.")
    ] = None,
    split: Annotated[List[str], opt.option("--split", help="Split to score; may be repeated.")] = ["test"],  # noqa: B006
    hyp: Annotated[Optional[Path], opt.option("--hyp", help="Or score these translations …")] = None,
    ref: Annotated[Optional[Path], opt.option("--ref", help="… against these references, line by line.")] = None,
    src_file: Annotated[Optional[Path], opt.option("--src", help="Their sources, to keep beside them.")] = None,
    tgt: Annotated[Optional[str], opt.option("--tgt", help="Language of --ref; its ending if not given.")] = None,
    bleu_tokenizer: Annotated[
        Literal["auto", "13a", "intl", "char", "none", "zh", "ja-mecab", "ko-mecab"],
        opt.option("--bleu-tokenizer", help="How BLEU cuts lines into words; auto: by language. none: they are cut already."),
    ] = "auto",
    metrics: Annotated[
        List[str], opt.option("--metric", help="Translation: BLEU, chrF2 or TER, all if not given; may be repeated.")
    ] = [],  # noqa: B006
    length_of: Annotated[
        Literal["reference", "source"], opt.option("--length-of", help="Whose number of words groups translations by length.")
    ] = "reference",
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    encoding: opt.Encoding = None,
    out: Annotated[Optional[Path], opt.option("--out", "-o", help="Keep scores and lines as an artifact.")] = None,
    fail_under: Annotated[
        List[str],
        opt.option("--fail-under", help="Exit 8 below this score (TER, perplexity: above it), e.g. BLEU=25; may be repeated."),
    ] = [],  # noqa: B006
    beam_size: Annotated[int, opt.option("--beam-size", min=1, help="Beams; 1 is greedy search.")] = 1,
    length_penalty: Annotated[float, opt.option("--length-penalty", min=0.0, help="Wu et al.'s α.")] = 1.0,
    max_input_tokens: Annotated[
        Optional[int],
        opt.option("--max-input-tokens", min=1, help="The longest line translated at once; of training if not given."),
    ] = None,
    engine: Annotated[
        Literal["auto", "torch", "ctranslate2"], opt.option("--engine", help="What translates; see nlpcli translate.")
    ] = "torch",
    batch_tokens: opt.BatchTokens = 8192,
    checkpoint: opt.Checkpoint = "best",
    device: opt.Device = "auto",
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Score a model on data, as fits its task, or translations that are there already.

    Translation: BLEU, chrF2 and TER by sacreBLEU with their signatures, by domain and by length. Language models: perplexity
    by token and by word, bits per character. Classification: accuracy and F1 by class, and the confusion matrix.

    CREATES with --out an evaluation artifact: scores.json and the lines that were scored.

    \b
    Example:
      nlpcli evaluate --model work/model --data ko-en --split test --fail-under BLEU=25

    \b
    Example:
      nlpcli evaluate --model work/reviews-ko/cnn --data reviews-ko --fail-under accuracy=80

    \b
    Example:
      nlpcli evaluate --hyp test.hyp.en --ref test.en --metric BLEU --metric chrF2
    """
    from nlpcli.cli.result import print_envelope
    from nlpcli.errors import GateFailed
    from nlpcli.evaluation.evaluate import evaluate as run

    result = run(**opt.given(ctx), force=force, config_source=opt.sources(ctx))
    if not json_:
        _print(result)
    if result.failed_gates:
        error = GateFailed(
            "the quality gate failed", cause="; ".join(result.failed_gates), fix="train longer, or lower the gate"
        )
        error.data = result
        raise error
    if json_:
        print_envelope(ctx, result)


def _print(result: Any) -> None:
    from nlpcli import console

    for name, groups in result.splits.items():
        metrics = [s.metric for s in groups[0].scores]
        rows = [[g.name, g.lines, *(g.value(m) for m in metrics)] for g in groups]
        console.table([name, "lines", *metrics], rows)
        console.write_out(f"{s.metric}: {s.signature}" for s in groups[0].scores if s.signature)
        if name in result.confusion:
            labels = list(result.confusion[name])
            counts = [[label, *result.confusion[name][label].values()] for label in labels]
            console.table([f"{name}: true \\ predicted", *labels], counts)
        console.out("")
    if result.path is not None:
        console.out(str(result.path))
