"""`nlpcli data stats`."""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from nlpcli.cli import options as opt
from nlpcli.cli.data.check import AnyData, Column, KindOption, Lang

BAR = 40  # columns of the longest bar


def stats(
    ctx: typer.Context,
    data: AnyData,
    kind: KindOption = None,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: Lang = None,
    column: Column = None,
    tokenizer: Annotated[Optional[Path], opt.option("--tokenizer", help="A tokenizer artifact to count tokens with.")] = None,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Count lines, characters, words, lengths and scripts, and how many words of valid and test train does not have.

    \b
    Example:
      nlpcli data stats --data ko-en
    """
    from nlpcli.cli.result import print_envelope
    from nlpcli.corpus.stats import data_stats

    result = data_stats(**opt.given(ctx))
    if json_:
        print_envelope(ctx, result)
    else:
        _print(result)


def _print(result: Any) -> None:
    from nlpcli import console

    sides = [(split, side, s) for split, by_side in result.splits.items() for side, s in by_side.items()]
    tokens = any(s.tokens is not None for _, _, s in sides)
    headers = ["split", "side", "lines", "characters", "a line", "words", "types", "new words", "new types"]
    rows = [
        [
            *(split, side, s.lines, s.characters, s.characters / max(s.lines, 1), s.words),
            s.types if s.types_exact else f"{s.types:,}+",
            _share(s.new_words),
            _share(s.new_types),
            *([s.tokens, s.unknown] if tokens else []),
        ]
        for split, side, s in sides
    ]
    console.table([*headers, "tokens", "unknown"] if tokens else headers, rows)
    for split, by_side in result.splits.items():
        if left_out := next(iter(by_side.values())).unreadable:
            console.warn(f"{split}: left out {left_out:,} of its rows, which cannot be read; see nlpcli data check")
    for split, counts in result.labels.items():
        console.write_out(["", f"{split}: " + ", ".join(f"{label} {count:,}" for label, count in list(counts.items())[:10])])
    first = next(iter(result.splits))
    names = list(dict.fromkeys(name for s in result.splits[first].values() for name in s.scripts))
    console.out("")
    console.table(
        [f"scripts of {first}", *result.splits[first]],
        [[name, *(_share(s.scripts.get(name, 0.0)) for s in result.splits[first].values())] for name in names],
    )
    for side, s in result.splits[first].items():
        console.out("")
        console.table([f"characters of {first} {side}", "lines", ""], _bars(s.histogram))


def _bars(histogram: dict[str, int]) -> list[list[Any]]:
    """Draw a histogram without its empty ends."""
    filled = [i for i, count in enumerate(histogram.values()) if count] or [0]
    most = max(1, *histogram.values())
    shown = list(histogram.items())[filled[0] : filled[-1] + 1]
    return [[name, count, "█" * round(BAR * count / most) or "▏" * (count > 0)] for name, count in shown]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
