"""`nlpcli classify`: a file or a stream of lines in, exactly as many labels out, in their order, blank for blank."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Iterator, Literal, Sequence

import msgspec

from nlpcli import console
from nlpcli.corpus.readers import read_lines
from nlpcli.decoding.classifier import LabelPredictor, Prediction
from nlpcli.decoding.lines import FILE_WINDOW, STDIN, STREAM_WINDOW, line_writer, windows
from nlpcli.errors import OutputExists
from nlpcli.models.config import WEIGHTS, Checkpoint


@dataclass(frozen=True)
class Classified:
    """What `classify` did: lines read (= written), how many were blank or cut, and how often each label was given."""

    path: Path
    lines: int
    blank: int
    cut: int
    labels: dict[str, int]
    seconds: float
    texts_per_second: float


def classify(
    *,
    model: Path | Sequence[Path],
    file: Path = STDIN,
    out: Path | None = None,
    scores: bool = False,
    batch_tokens: int = 8192,
    checkpoint: Checkpoint = "best",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    force: bool = False,
) -> Classified:
    """Write the label of each line of `file` (`-` is stdin) to `out`, or to stdout.

    Args:
        model: a model artifact; or several over one vocabulary, whose probabilities are averaged.
        scores: write JSON Lines `{"line", "text", "label", "probabilities"}` instead.

    Raises:
        BadInput: a line that is not UTF-8.
        OutputExists: `out` is there and `force` is not set.
        ArtifactError: a model does not classify, or does not fit the others.
    """
    if out is not None and out.exists() and not force:
        raise OutputExists(f"{out} already exists", fix="choose another --out, or add --force to replace it")
    predictor = LabelPredictor.load(model, checkpoint=WEIGHTS[checkpoint], device=device, batch_tokens=batch_tokens)
    total = None if not file.is_file() else sum(1 for _ in read_lines(file))  # a bad line ends it here, before the work
    started, lines, cut = monotonic(), 0, 0
    given: Counter[str] = Counter()
    with line_writer(out) as write, console.Progress("classify", total, "lines") as progress:
        for chunk in windows(read_lines(file), STREAM_WINDOW if file == STDIN and out is None else FILE_WINDOW):
            found = predictor.predict(chunk)
            write(_rows(chunk, found, lines + 1) if scores else [p.label for p in found])
            given.update(p.label for p in found)
            cut += sum(p.cut for p in found)
            lines += len(chunk)
            progress.update(lines)
    if cut:
        console.warn(f"{cut} line(s) are longer than {predictor.max_length} tokens; their beginning was read")
    seconds, blank = monotonic() - started, given.pop("", 0)
    speed = round(lines / max(seconds, 1e-9), 1)
    return Classified(out or STDIN, lines, blank, cut, dict(sorted(given.items())), round(seconds, 3), speed)


def _rows(lines: list[str], predictions: list[Prediction], first: int) -> Iterator[str]:
    for number, (line, p) in enumerate(zip(lines, predictions), first):
        probabilities = {label: round(value, 6) for label, value in p.probabilities.items()}
        row = {"line": number, "text": line, "label": p.label or None, "probabilities": probabilities}
        yield msgspec.json.encode(row).decode()
