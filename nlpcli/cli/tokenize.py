"""`nlpcli tokenize`: learn a vocabulary, and turn text into ids and back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.result import finish

app = typer.Typer(help="Text to ids and back, with SentencePiece.", no_args_is_help=True, rich_markup_mode=None)

Kind = Literal["unigram", "bpe", "char", "word"]
Normalization = Literal["nfc", "nfkc", "none"]
Form = Literal["pieces", "ids"]
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
    kind: Annotated[Kind, opt.option("--kind", help="How text is cut into pieces.")] = "bpe",
    vocab_size: Annotated[
        Optional[int],
        opt.option("--vocab-size", min=1, help="Pieces; if not given, as many as the text can fill (8,000 at most)."),
    ] = None,
    joint: Annotated[bool, opt.option("--joint/--separate", help="One vocabulary for both languages, or one each.")] = False,
    normalization: Annotated[Normalization, opt.option("--normalization", help="Unicode form of all text.")] = "nfc",
    character_coverage: Annotated[
        float, opt.option("--character-coverage", min=0.9, max=1.0, help="Share of characters with a piece of their own.")
    ] = 0.9995,
    byte_fallback: Annotated[
        bool,
        opt.option("--byte-fallback/--no-byte-fallback", help="Spell rare characters in bytes, so that nothing is unknown."),
    ] = True,
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Learn the vocabularies from the training split.

    CREATES a tokenizer artifact: ko.model, en.model (or joint.model) in SentencePiece's own format.

    \b
    Example:
      nlpcli tokenize train --data ko-en --out work/tokenizer --kind bpe --vocab-size 4000
    """
    from nlpcli.tokenization.train import train_tokenizer

    finish(ctx, train_tokenizer(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))


@app.command("encode")
def encode(
    tokenizer: TokenizerDir,
    lang: Language,
    file: InputFile = Path("-"),
    form: Annotated[Form, opt.option("--to", help="What to write.")] = "pieces",
) -> None:
    """Encode lines to pieces or ids: one line out for each line in.

    \b
    Example:
      echo '안녕하세요' | nlpcli tokenize encode --tokenizer work/tokenizer --lang ko --to ids
    """
    from nlpcli.tokenization.stream import encode_stream

    encode_stream(tokenizer=tokenizer, lang=lang, file=file, form=form)


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
    force: opt.Force = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Encode train and valid once, for training to map into memory.

    CREATES a dataset artifact: train.ko.npy (ids), train.ko.offsets.npy, …, and a copy of the tokenizer.

    \b
    Example:
      nlpcli tokenize dataset --data work/data --tokenizer work/tokenizer --out work/dataset
    """
    from nlpcli.tokenization.dataset import encode_dataset

    finish(ctx, encode_dataset(**opt.given(ctx), force=force, config_source=opt.sources(ctx)))
