"""`nlpcli data check`."""

from typing import Annotated, Any, Literal, Optional

import typer

from nlpcli.cli import options as opt

Kind = Literal["parallel", "documents", "labelled", "monolingual"]
AnyData = Annotated[
    str, opt.option("--data", help="A name (ko-en), a folder, a file of lines, a TSV/JSON Lines file, or a corpus artifact.")
]
KindOption = Annotated[Optional[Kind], opt.option("--kind", help="What the data holds, if its files leave a doubt.")]
Lang = Annotated[Optional[str], opt.option("--lang", help="Language of labelled or monolingual text.")]
Column = Annotated[Optional[str], opt.option("--column", help="Column of a table's text: its name, or its number from 1.")]
MaxChars = Annotated[int, opt.option("--max-chars", min=1, help="Characters from which on a line is over-long.")]

WIDTHS = {"where": 26, "example": 40}


def check(
    ctx: typer.Context,
    data: AnyData,
    kind: KindOption = None,
    src: opt.Src = None,
    tgt: opt.Tgt = None,
    lang: Lang = None,
    column: Column = None,
    max_chars: MaxChars = 2000,
    examples: Annotated[int, opt.option("--examples", min=0, help="Examples of each finding, in --json.")] = 3,
    strict: Annotated[bool, opt.option("--strict", help="Exit 8 if there is any problem (notes are not).")] = False,
    json_: opt.Json = False,
    config: opt.Config = None,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Report what is wrong with a corpus: encoding, alignment, repeated and leaked rows, lengths, scripts, labels.

    It is read once, in constant memory; 48 bytes a pair (24 a line of text) of temporary disk space are used.

    \b
    Example:
      nlpcli data check --data ko-en --strict
    """
    from nlpcli.cli.result import print_envelope
    from nlpcli.corpus.check import check_data
    from nlpcli.errors import GateFailed

    result = check_data(**opt.given(ctx))
    if not json_:
        _print(result)
    if result.failed:
        problems = [finding.rule for finding in result.findings if finding.severity == "problem"]
        fix = f"nlpcli data clean --data {data} --out work/clean"
        error = GateFailed("the data has problems", cause=", ".join(problems), fix=fix)
        error.data = result
        raise error
    if json_:
        print_envelope(ctx, result)


def _print(result: Any) -> None:
    from textwrap import wrap

    from nlpcli import console
    from nlpcli.corpus.check import summary

    if result.findings:
        rows = [
            [f.rule, f.severity, f.count, _cut(_places(f), WIDTHS["where"]), _cut((f.examples or [""])[0], WIDTHS["example"])]
            for f in result.findings
        ]
        console.table(["rule", "severity", "count", "where", "example"], rows)
        console.out("")
        for f in result.findings:
            console.write_out(
                [*wrap(f"{f.rule}: {f.meaning}. {f.advice[:1].upper()}{f.advice[1:]}.", 100, subsequent_indent="  ")]
            )
        console.out("")
    console.out(summary(result))


def _places(finding: Any) -> str:
    """Write the first places with a file's name once: `train.ko:3, 9, …`."""
    file, lines = "", []
    for where in finding.where:
        name, _, line = where.rpartition(":")
        if not name:
            return str(where)
        if file and name != file:
            break
        file = name
        lines += [line] if line not in lines else []
    return f"{file}:{', '.join(lines)}" + (", …" if finding.count > len(lines) else "")


def _cut(text: str, width: int) -> str:
    """Cut a text to a width on the terminal, where Hangul takes two columns."""
    from rich.cells import cell_len, set_cell_size

    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"
