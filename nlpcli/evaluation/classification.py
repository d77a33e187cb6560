"""Scores of a classifier: accuracy, F1 of each class and their mean, and who was taken for whom."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from nlpcli.artifacts import Artifact, Input
from nlpcli.corpus.labelled import find_labelled
from nlpcli.corpus.names import resolve
from nlpcli.errors import BadInput
from nlpcli.evaluation.part import Part
from nlpcli.evaluation.scores import Group, Score


def classify_splits(
    artifacts: Sequence[Artifact],
    data: str,
    names: Sequence[str],
    checkpoint: str,
    device: str,
    batch_tokens: int,
    columns: tuple[str | None, str | None, str],
    out: Path,
) -> tuple[list[Part], list[Input]]:
    """Label the texts of splits of `data` and score them; blank ones are left out.

    Args:
        columns: of the text, of the label, and the encoding of the files.

    Raises:
        BadInput: a split is missing or empty, or a label that the model does not know.
    """
    from nlpcli.decoding.classifier import LabelPredictor

    found = find_labelled(resolve(data), *columns)
    predictor = LabelPredictor.load(artifacts, checkpoint=checkpoint, device=device, batch_tokens=batch_tokens)
    parts = []
    for name in names:
        if name not in found.splits:
            raise BadInput(
                f"{found.root} has no split {name}", cause=f"it has {', '.join(found.splits)}", fix="choose another --split"
            )
        examples = [example for _, example in found.examples(name) if example.text.strip()]
        if not examples:
            raise BadInput(f"{found.root}: the split {name} has no texts", fix="choose another --split")
        for example in examples:
            if example.label not in predictor.labels:
                raise BadInput(
                    f"{found.root}: line {example.number} of {name} has the label {example.label!r}",
                    cause=f"the model knows {', '.join(predictor.labels)}",
                    fix="mend the label, or train on data that has it",
                )
        texts, true = [e.text for e in examples], [e.label for e in examples]
        guessed = [p.label for p in predictor.predict(texts)]
        parts.append(score_labels(name, true, guessed, predictor.labels, texts))
    return parts, found.inputs(out)


def score_labels(name: str, true: list[str], guessed: list[str], labels: list[str], texts: list[str]) -> Part:
    """Return accuracy and F1 in per cent of the whole (F1 is the mean over classes) and of each class.

    For a class, accuracy is its recall.
    """
    confusion = {label: dict.fromkeys(labels, 0) for label in labels}
    for label, guess in zip(true, guessed):
        confusion[label][guess] += 1
    right = sum(confusion[label][label] for label in labels)
    groups, f1s = [], []
    for label in labels:
        hits, of_it = confusion[label][label], sum(confusion[label].values())
        taken = sum(confusion[other][label] for other in labels)
        f1s.append(100 * 2 * hits / max(of_it + taken, 1))
        groups.append(Group(label, of_it, [Score("accuracy", 100 * hits / max(of_it, 1)), Score("F1", f1s[-1])]))
    whole = [Score("accuracy", 100 * right / len(true)), Score("F1", sum(f1s) / len(labels))]
    kept = {"txt": texts, "label": true, "predicted": guessed}
    return Part(name, [Group("all", len(true), whole), *groups], kept, confusion)
