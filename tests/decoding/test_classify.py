"""Labels for lines: none lost, none out of place, blank for blank, and the same as the model gives one by one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from nlpcli.artifacts import read_artifact
from nlpcli.decoding.classifier import BLANK, LabelPredictor
from nlpcli.errors import ArtifactError
from nlpcli.models.load import load_model
from nlpcli.tokenization.tokenizer import EOS

Run = Callable[..., Any]
BLANKS = ["", " ", "\t", "\u3000"]


@pytest.fixture
def reviews(tiny_labelled: Path) -> list[str]:
    table = (tiny_labelled.with_name("text") / "test.tsv").read_text("utf-8").splitlines()
    column = table[0].split("\t").index("text")
    found = [row.split("\t")[column] for row in table[1:]]
    return [text for text in found if len(text) < 40][:30]  # none of more than 80 tokens


@pytest.fixture(scope="module")
def predictor(tiny_classifier: Path) -> LabelPredictor:
    return LabelPredictor.load(tiny_classifier, device="cpu")


def one_by_one(path: Path, text: str) -> list[float]:
    """Return the probabilities of a text that is alone in its batch."""
    model, tokenizer = load_model(read_artifact(path))
    ids = [*tokenizer.encode([text], tokenizer.languages[0])[0][:80], EOS]
    with torch.no_grad():
        logits = model.logits(torch.tensor([ids]), torch.tensor([len(ids)]))  # type: ignore[operator]
    return [float(x) for x in logits.softmax(-1)[0]]


@pytest.mark.parametrize("budget", [1, 100, 8192])
def test_predictions_are_those_of_each_text_alone(tiny_classifier: Path, reviews: list[str], budget: int) -> None:
    predictor = LabelPredictor.load(tiny_classifier, device="cpu", batch_tokens=budget)
    for text, found in zip(reviews, predictor.predict(reviews)):
        expected = one_by_one(tiny_classifier, text)
        assert list(found.probabilities.values()) == pytest.approx(expected, abs=1e-5)
        assert found.label == predictor.labels[expected.index(max(expected))]
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_several_models_give_the_mean_of_their_probabilities(tiny_classifier: Path, reviews: list[str]) -> None:
    one, tokenizer = load_model(read_artifact(tiny_classifier))
    other: Any = deepcopy(one)
    torch.manual_seed(3)
    with torch.no_grad():
        other.output.weight.normal_()
    of = partial(LabelPredictor, tokenizer=tokenizer, labels=["0", "1"], max_length=80)
    alone = [of([model]).predict(reviews) for model in (one, other)]
    found = of([one, other]).predict(reviews)
    for mean, *each in zip(found, *alone):
        expected = {label: sum(p.probabilities[label] for p in each) / 2 for label in ("0", "1")}
        assert mean.probabilities == pytest.approx(expected, abs=1e-6)
        assert mean.label == max(expected, key=expected.__getitem__)
    twice = LabelPredictor.load([tiny_classifier, tiny_classifier], device="cpu").predict(reviews)
    assert [p.probabilities for p in twice] == [pytest.approx(p.probabilities, abs=1e-6) for p in alone[0]]


def test_models_with_other_labels_or_another_tokenizer_do_not_work_together(tiny_classifier: Path) -> None:
    artifact = read_artifact(tiny_classifier)
    for name, other, told in (("labels", ["1", "0"], "labels differ"), ("tokenizer_id", "x", "tokenizers differ")):
        manifest = msgspec.structs.replace(artifact.manifest, config={**artifact.manifest.config, name: other})
        with pytest.raises(ArtifactError, match="cannot work together") as caught:
            LabelPredictor.load([artifact, replace(artifact, manifest=manifest)])
        assert told in caught.value.cause


def test_order_and_blanks_are_kept(predictor: LabelPredictor, reviews: list[str]) -> None:
    lines = [line for pair in zip(reviews, BLANKS * 8) for line in pair]
    found = predictor.predict(lines)
    assert [p.label for p in found[::2]] == [p.label for p in predictor.predict(reviews)]
    assert found[1::2] == [BLANK] * len(reviews)
    assert len({p.label for p in found[::2]}) == 2  # it has learnt something
    assert predictor.predict([]) == []


def test_a_long_text_is_its_beginning_and_says_so(predictor: LabelPredictor, reviews: list[str]) -> None:
    long = " ".join(reviews)
    [found] = predictor.predict([long])
    assert found.cut
    language = predictor.tokenizer.languages[0]
    encode = partial(predictor.tokenizer.encode, language=language)
    ids = encode([long])[0]
    begin = predictor.tokenizer.decode([ids[:80]], language)[0]
    if encode([begin])[0] == ids[:80]:
        assert predictor.predict([begin])[0].probabilities == pytest.approx(found.probabilities, abs=1e-5)


def test_a_file_gives_a_file(run_cli: Run, tiny_classifier: Path, reviews: list[str]) -> None:
    lines = [*reviews[:3], "", " ".join(reviews)]
    Path("in.txt").write_text("".join(line + "\n" for line in lines), "utf-8")
    ran = run_cli("classify", "--model", tiny_classifier, "in.txt", "--out", "out.txt", "--device", "cpu")
    assert (ran.code, ran.out) == (0, "out.txt\n"), ran.err
    labels = Path("out.txt").read_text("utf-8").split("\n")
    assert len(labels) == 6
    assert labels[3] == labels[5] == ""
    assert "warning: 1 line(s) are longer than 80 tokens; their beginning was read" in ran.err
    assert "classified 5 lines" in ran.err
    again = run_cli("classify", "--model", tiny_classifier, "in.txt", "--out", "out.txt")
    assert (again.code, again.out) == (5, "")
    data = run_cli("classify", "--model", tiny_classifier, "in.txt", "--out", "out.txt", "--force", "--json").out
    report = msgspec.json.decode(data)["data"]
    assert (report["lines"], report["blank"], report["cut"]) == (5, 1, 1)
    assert sum(report["labels"].values()) == 4


def test_a_pipe_gives_a_pipe(run_cli: Run, tiny_classifier: Path, reviews: list[str]) -> None:
    text = "".join(line + "\n" for line in [reviews[0], "", reviews[1]]).encode()
    ran = run_cli("classify", "--model", tiny_classifier, "-q", stdin=text)
    first, blank, second, end = ran.out.split("\n")
    assert (ran.code, ran.err, blank, end) == (0, "", "", "")
    assert {first, second} <= set(read_artifact(tiny_classifier).manifest.config["labels"])
    assert run_cli("classify", "--model", tiny_classifier, "-q", "-", stdin=text).out == ran.out
    assert run_cli("classify", "--model", tiny_classifier, "-q", stdin=b"").out == ""


def test_scores_are_json_lines(run_cli: Run, tiny_classifier: Path, reviews: list[str]) -> None:
    odd = 'a "quoted"\tline [bold]'
    text = "".join(line + "\n" for line in [reviews[0], "", odd]).encode()
    ran = run_cli("classify", "--model", tiny_classifier, "--scores", stdin=text)
    rows = [msgspec.json.decode(line) for line in ran.out.splitlines()]
    assert [row["line"] for row in rows] == [1, 2, 3]
    assert [row["text"] for row in rows] == [reviews[0], "", odd]
    assert (rows[1]["label"], rows[1]["probabilities"]) == (None, {})
    for row in (rows[0], rows[2]):
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_a_model_that_does_not_classify_is_refused(run_cli: Run, tiny_lm: Path, tiny_model: Path) -> None:
    for model, task in ((tiny_lm, "lm"), (tiny_model, "translation")):
        ran = run_cli("classify", "--model", model, stdin=b"x\n")
        assert (ran.code, ran.out) == (4, "")
        assert "does not classify" in ran.err
        assert f"it was trained for {task}" in ran.err


def test_json_needs_a_file_for_the_labels(run_cli: Run, tiny_classifier: Path) -> None:
    ran = run_cli("classify", "--model", tiny_classifier, "--json", stdin=b"x\n")
    assert ran.code == 2
    assert "--out FILE" in ran.err


def test_a_line_that_is_not_utf8_ends_it_before_the_work(run_cli: Run, tiny_classifier: Path) -> None:
    Path("in.txt").write_bytes("좋아요\n".encode() + "나빠요\n".encode("cp949"))
    ran = run_cli("classify", "--model", tiny_classifier, "in.txt", "--out", "out.txt")
    assert (ran.code, ran.out) == (3, "")
    assert "line 2 is not UTF-8" in ran.err
    assert not Path("out.txt").exists()
