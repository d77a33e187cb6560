"""`nlpcli generate`."""

from pathlib import Path
from typing import Annotated

import typer

from nlpcli.cli import options as opt


def generate(
    ctx: typer.Context,
    model: Annotated[Path, opt.option("--model", help="A language model artifact.")],
    prompt: Annotated[str, opt.option("--prompt", help="Text to go on from; its last line may be unfinished.")] = "",
    max_tokens: Annotated[int, opt.option("--max-tokens", min=1, help="Tokens to write.")] = 200,
    num_samples: Annotated[int, opt.option("--num-samples", min=1, help="How many texts to write.")] = 1,
    temperature: Annotated[
        float, opt.option("--temperature", min=0.0, help="Below 1: more probable words; 0 takes the most probable one.")
    ] = 0.8,
    top_k: Annotated[int, opt.option("--top-k", min=0, help="Draw from so many most probable tokens; 0: from all.")] = 0,
    top_p: Annotated[
        float,
        opt.option("--top-p", min=0.0, max=1.0, help="Draw from the most probable tokens that have this share together."),
    ] = 1.0,
    seed: opt.Seed = 1,
    checkpoint: opt.Checkpoint = "best",
    device: opt.Device = "auto",
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Write on from a prompt with a language model, by sampling.

    Writes to stdout; several samples are parted by a line of three hyphens.

    \b
    Example:
      nlpcli generate --model work/tales-ko/transformer --prompt "옛날에" --max-tokens 100
    """
    from nlpcli import console
    from nlpcli.cli.result import print_envelope
    from nlpcli.decoding.generate import generate as run

    result = run(**opt.given(ctx))
    console.info(f"generated {result.tokens:,} tokens, {result.tokens_per_second:,.0f} a second")
    if json_:
        print_envelope(ctx, result)
        return
    for i, text in enumerate(result.texts):
        console.write_out([*(["---"] if i else []), *text.split("\n")])
