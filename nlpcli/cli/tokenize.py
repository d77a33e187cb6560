"""`nlpcli tokenize`: learn a vocabulary, and turn text into ids and back."""

from pathlib import Path
from typing import Annotated, List, Literal, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish

app = typer.Typer(help="Text to ids and back, with SentencePiece.", no_args_is_help=True, rich_markup_mode=None)

Kind = Literal["unigram", "bpe", "char", "word"]
Normalization = Literal["nfc", "nfkc", "none"]
Pretokenizer = Literal["none", "kiwi"]
Form = Literal["pieces", "ids"]
EncodedForm = Literal["pieces", "ids", "json"]
TokenizerDir = Annotated[Path, opt.option("--tokenizer", help="A tokenizer artifact.")]
Language = Annotated[str, opt.option("--lang", help="Which side's vocabulary: ko, en.")]
InputFile = Annotated[Path, typer.Argument(metavar="[FILE|-]", help="Text to read; stdin if not given. .gz .xz .zst too.")]


@app.command("train")
def train(
    ctx: typer.Context,
    data: opt.Data,
    out: opt.OutDir,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: opt.Lang = None,
    column: opt.Column = None,
    kind: Annotated[Kind, opt.option("--kind", help="How text is cut into pieces.")] = "bpe",
    vocab_size: Annotated[
        Optional[int],
        opt.option(
            "--vocab-size",
            min=1,
            help="Pieces; if not given, as many as the text can fill (8,000 at most; char: every character; word: every word, "
            "100,000 at most).",
        ),
    ] = None,
    joint: Annotated[bool, opt.option("--joint/--separate", help="One vocabulary for both languages, or one each.")] = False,
    normalization: Annotated[Normalization, opt.option("--normalization", help="Unicode form of all text.")] = "nfc",
    pretokenizer: Annotated[
        Pretokenizer, opt.option("--pretokenizer", help="kiwi: no piece crosses a Korean morpheme (extra [ko]).")
    ] = "none",
    jamo: Annotated[
        bool, opt.option("--jamo/--syllables", help="Take Hangul syllables apart into jamo; decoding undoes it.")
    ] = False,
    split_digits: Annotated[bool, opt.option("--split-digits", help="Each digit is a piece of its own.")] = False,
    user_symbol: Annotated[
        List[str], opt.option("--user-symbol", help="A text that is always one piece, such as '<sep>'; may be repeated.")
    ] = [],  # noqa: B006
    character_coverage: Annotated[
        float,
        opt.option(
            "--character-coverage",
            min=0.9,
            max=1.0,
            help="Share of characters with a piece of their own; words (--kind word) are whole.",
        ),
    ] = 0.9995,
    byte_fallback: Annotated[
        bool,
        opt.option("--byte-fallback/--no-byte-fallback", help="Spell rare characters in bytes, so that nothing is unknown."),
    ] = True,
    sample_lines: Annotated[
        int, opt.option("--sample-lines", min=1, help="Learn from so many rows of a longer text, drawn at random.")
    ] = 1_000_000,
    seed: opt.Seed = 1,
    on_error: opt.OnError = "stop",
    workers: opt.Workers = None,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Learn the vocabularies from the training split.

    CREATES a tokenizer artifact: ko.model, en.model (or joint.model; text.model where no language is said) in
    SentencePiece's own format.

    \b
    Example:
      nlpcli tokenize train --data ko-en --out work/tokenizer --kind bpe --vocab-size 4000

    \b
    Example:
      nlpcli tokenize train --data reviews.tsv.gz --column 4 --lang ko --pretokenizer kiwi --out work/reviews
    """
    from nlpcli.tokenization.train import train_tokenizer

    finish(ctx, train_tokenizer(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))


@app.command("encode")
def encode(
    tokenizer: TokenizerDir,
    lang: Language,
    file: InputFile = Path("-"),
    form: Annotated[EncodedForm, opt.option("--to", help="What to write; json: ids, pieces and their offsets.")] = "pieces",
    sample: Annotated[
        Optional[float],
        opt.option(
            "--sample", min=0.0, max=1.0, help="Draw a segmentation: BPE-dropout's probability, or unigram's smoothing."
        ),
    ] = None,
    seed: opt.Seed = 1,
    workers: Annotated[int, opt.option("--workers", min=1, help="Processes.")] = 1,
) -> None:
    """Encode lines to pieces, ids or JSON: one line out for each line in.

    \b
    Example:
      echo '안녕하세요' | nlpcli tokenize encode --tokenizer work/tokenizer --lang ko --to ids
    """
    from nlpcli.tokenization.stream import encode_stream

    encode_stream(tokenizer=tokenizer, lang=lang, file=file, form=form, sample=sample, seed=seed, workers=workers)


@app.command("decode")
def decode(
    tokenizer: TokenizerDir,
    lang: Language,
    file: InputFile = Path("-"),
    form: Annotated[Form, opt.option("--from", help="What is read.")] = "pieces",
) -> None:
    """Decode lines of pieces or ids to text: one line out for each line in.

    \b
    Example:
      nlpcli tokenize decode --tokenizer work/tokenizer --lang en --from ids < ids.txt
    """
    from nlpcli.tokenization.stream import decode_stream

    decode_stream(tokenizer=tokenizer, lang=lang, file=file, form=form)


@app.command("dataset")
def dataset(
    ctx: typer.Context,
    data: opt.Data,
    tokenizer: TokenizerDir,
    out: opt.OutDir,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: opt.Lang = None,
    column: opt.Column = None,
    on_error: opt.OnError = "stop",
    workers: opt.Workers = None,
    cluster: opt.Cluster = None,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Encode train and valid once, for training to map into memory.

    CREATES a dataset artifact: train.ko.npy (ids), train.ko.offsets.npy, …, for labelled text train.label.npy, and a copy of
    the tokenizer. Interrupted, the same command goes on where it was. With --cluster the work is done on many machines
    (docs/cluster.md); the artifact is the same.

    \b
    Example:
      nlpcli tokenize dataset --data work/data --tokenizer work/tokenizer --out work/dataset
    """
    from nlpcli.tokenization.encode import encode_dataset

    finish(ctx, encode_dataset(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))


@app.command("stats")
def stats(
    ctx: typer.Context,
    tokenizer: TokenizerDir,
    data: opt.Data,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: opt.Lang = None,
    column: opt.Column = None,
    workers: opt.Workers = None,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Show how well a vocabulary fits a text: tokens a word, bytes a token, unknown and spelt-out characters.

    \b
    Example:
      nlpcli tokenize stats --tokenizer work/tokenizer --data ko-en
    """
    from nlpcli import console
    from nlpcli.cli.result import print_envelope
    from nlpcli.tokenization.stats import tokenizer_stats

    result = tokenizer_stats(**opt.given(ctx))
    if json_:
        print_envelope(ctx, result)
        return
    columns = ["split", "side", "lines", "words", "tokens", "tokens/word", "bytes/token", "unknown %", "in bytes %", "longest"]
    rows = [
        [
            s.split,
            s.language,
            s.lines,
            s.words,
            s.tokens,
            s.fertility,
            s.bytes_per_token,
            s.unknown_rate * 100,
            s.byte_rate * 100,
            s.longest,
        ]
        for s in result.sides
    ]
    console.table(columns, rows)
