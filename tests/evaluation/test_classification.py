"""Accuracy, F1 and the confusion matrix, against scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.artifacts import read_artifact
from nlpcli.decoding.classifier import LabelPredictor
from nlpcli.evaluation.classification import score_labels

Run = Callable[..., Any]
metrics = pytest.importorskip("sklearn.metrics")
LABELS = ["a", "b", "c"]


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=30))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    true, guessed = [t for t, _ in pairs], [g for _, g in pairs]
    part = score_labels("test", true, guessed, LABELS, [""] * len(pairs))
    whole, *classes = part.groups
    common = {"labels": LABELS, "zero_division": 0}
    assert whole.value("accuracy") == pytest.approx(100 * metrics.accuracy_score(true, guessed))
    assert whole.value("F1") == pytest.approx(100 * metrics.f1_score(true, guessed, average="macro", **common))
    f1s = 100 * metrics.f1_score(true, guessed, average=None, **common)
    recalls = 100 * metrics.recall_score(true, guessed, average=None, **common)
    assert [g.value("F1") for g in classes] == pytest.approx(list(f1s))
    assert [g.value("accuracy") for g in classes] == pytest.approx(list(recalls))
    assert [g.lines for g in classes] == [true.count(label) for label in LABELS]
    matrix = metrics.confusion_matrix(true, guessed, labels=LABELS)
    assert [list(row.values()) for row in part.confusion.values()] == matrix.tolist()


def test_a_split_is_labelled_and_scored(run_cli: Run, tiny_classifier: Path, tiny_labelled: Path) -> None:
    data = tiny_labelled.with_name("text")
    common = ["evaluate", "--model", tiny_classifier, "--data", data, "--device", "cpu"]
    ran = run_cli(*common, "--out", "scores", "--fail-under", "accuracy=1", "--fail-under", "f1=0")
    assert ran.code == 0, ran.err
    header, *rows = [line.split("\t") for line in (data / "test.tsv").read_text("utf-8").splitlines()]
    texts, true = ([row[header.index(name)] for row in rows] for name in ("text", "label"))
    predictor = LabelPredictor.load(tiny_classifier, device="cpu")
    guessed = [p.label for p in predictor.predict(texts)]
    assert Path("scores/test.predicted").read_text("utf-8").splitlines() == guessed
    assert Path("scores/test.label").read_text("utf-8").splitlines() == true
    assert Path("scores/test.txt").read_text("utf-8").splitlines() == texts
    accuracy = 100 * metrics.accuracy_score(true, guessed)
    table = msgspec.json.decode(Path("scores/scores.json").read_bytes())["test"]
    assert [g["name"] for g in table] == ["all", *predictor.labels]
    assert table[0]["scores"][0] == {"metric": "accuracy", "value": pytest.approx(accuracy), "signature": ""}
    confusion = msgspec.json.decode(Path("scores/confusion.json").read_bytes())["test"]
    expected = metrics.confusion_matrix(true, guessed, labels=predictor.labels).tolist()
    assert [[confusion[t][g] for g in predictor.labels] for t in predictor.labels] == expected
    assert read_artifact("scores").manifest.metrics["test"]["accuracy"] == round(accuracy, 2)
    assert "true \\ predicted" in ran.out
    report = msgspec.json.decode(run_cli(*common, "--json").out)["data"]
    assert report["confusion"]["test"] == confusion


def test_several_models_are_scored_as_one(run_cli: Run, tiny_classifier: Path, tiny_labelled: Path) -> None:
    data = tiny_labelled.with_name("text")
    common = ["evaluate", "--data", data, "--device", "cpu", "--json", "--model", tiny_classifier]
    one, two = (msgspec.json.decode(run_cli(*common, *more).out)["data"] for more in ([], ["--model", tiny_classifier]))
    assert one["confusion"] == two["confusion"]
    run_cli(*common, "--model", tiny_classifier, "--out", "kept")
    assert [i.role for i in read_artifact("kept").manifest.inputs].count("model") == 2


def test_accuracy_is_a_lower_gate(run_cli: Run, tiny_classifier: Path, tiny_labelled: Path) -> None:
    data = tiny_labelled.with_name("text")
    ran = run_cli("evaluate", "--model", tiny_classifier, "--data", data, "--fail-under", "accuracy=100.1")
    assert ran.code == 8
    assert "test: accuracy" in ran.err
    assert "is under 100.1" in ran.err


def test_a_label_that_the_model_does_not_know_is_named_with_its_line(run_cli: Run, tiny_classifier: Path) -> None:
    Path("data").mkdir()
    Path("data/test.tsv").write_text("text\tlabel\n좋아요\t1\n글쎄요\tperhaps\n", "utf-8")
    ran = run_cli("evaluate", "--model", tiny_classifier, "--data", "data")
    assert (ran.code, ran.out) == (3, "")
    assert "line 3 of test has the label 'perhaps'" in ran.err


def test_a_missing_split_is_named(run_cli: Run, tiny_classifier: Path, tiny_labelled: Path) -> None:
    ran = run_cli("evaluate", "--model", tiny_classifier, "--data", tiny_labelled.with_name("text"), "--split", "dev2")
    assert (ran.code, ran.out) == (3, "")
    assert "has no split dev2" in ran.err
