"""`evaluate` the command's function: what is scored, how it is grouped, kept and gated."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from learnt import Learnt
from sacrebleu.metrics import BLEU, CHRF, TER

from nlpcli.artifacts import open_artifact
from nlpcli.errors import BadInput, OutputExists, UsageError
from nlpcli.evaluation.evaluate import Evaluated, evaluate
from nlpcli.files import file_digest

HYP = [
    "The cat sat on the mat.",
    "He goes to school by bus every day",
    "I like apples and plums very much indeed, thank you, sir!",
]
REF = [
    "The cat is sitting on the mat.",
    "He goes to school by bus every day.",
    "I like plums, and pears too, more than I can say to you here.",
]


def write(name: str, lines: list[str]) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def files(hyp: list[str] = HYP, ref: list[str] = REF) -> dict[str, Path]:
    return {"hyp": write("out.txt", hyp), "ref": write("ref.en", ref)}


def values(result: Evaluated, split: str = "lines", group: str = "all") -> dict[str, float]:
    [found] = [g for g in result.splits[split] if g.name == group]
    return {s.metric: s.value for s in found.scores}


def direct(hyp: list[str], ref: list[str]) -> dict[str, float]:
    metrics: dict[str, Any] = {"BLEU": BLEU(), "chrF2": CHRF(), "TER": TER()}
    return {name: metric.corpus_score(hyp, [ref]).score for name, metric in metrics.items()}


def corpus(learnt: Learnt, domains: list[str] | None = None, tgt: list[str] | None = None) -> str:
    """Write a folder of data whose test split the model knows by heart."""
    write("data/test.ko", learnt.src)
    write("data/test.en", tgt or learnt.tgt)
    if domains is not None:
        write("data/test.domain", domains)
    return "./data"


class TestOfLines:
    def test_lines_are_scored_as_sacrebleu_scores_them(self) -> None:
        result = evaluate(**files())
        assert values(result) == direct(HYP, REF)
        assert result.splits["lines"][0].lines == 3
        assert (result.path, result.id, result.failed_gates) == (None, None, [])

    def test_groups_by_length_follow_the_whole(self) -> None:
        ref = ["a b c", " ".join("abcdefghijk"), " ".join("abcdefghijklmnopqrstuvwxyz")]
        groups = evaluate(**files(ref, ref)).splits["lines"]
        assert [(g.name, g.lines) for g in groups] == [("all", 3), ("1-10 words", 1), ("11-20 words", 1), ("21+ words", 1)]

    def test_groups_may_follow_the_length_of_the_source(self) -> None:
        src = write("src.ko", ["하나", " ".join("가나다라마바사아자차카"), "둘"])
        groups = evaluate(**files(), src_file=src, length_of="source").splits["lines"]
        assert [(g.name, g.lines) for g in groups] == [("all", 3), ("1-10 source words", 2), ("11-20 source words", 1)]
        with pytest.raises(UsageError, match="--length-of source needs the sources"):
            evaluate(**files(), length_of="source")

    def test_unequal_files_are_refused_with_both_counts(self) -> None:
        with pytest.raises(BadInput, match=r"out\.txt has 2 lines and .*ref\.en has 3"):
            evaluate(**files(hyp=HYP[:2]))

    def test_empty_files_are_refused(self) -> None:
        with pytest.raises(BadInput, match="are empty"):
            evaluate(**files([], []))

    def test_a_source_of_another_length_is_refused(self) -> None:
        with pytest.raises(BadInput, match=r"src\.ko has 1 lines and .*ref\.en has 3"):
            evaluate(**files(), src_file=write("src.ko", ["하나"]))

    def test_a_missing_file_is_named(self) -> None:
        with pytest.raises(BadInput, match=r"nowhere\.txt"):
            evaluate(hyp=Path("nowhere.txt"), ref=write("ref.en", REF))

    def test_a_file_against_itself_is_perfect(self) -> None:
        ref = write("ref.en", REF)
        assert values(evaluate(hyp=ref, ref=ref)) == pytest.approx({"BLEU": 100.0, "chrF2": 100.0, "TER": 0.0})

    @pytest.mark.parametrize(
        ("name", "tgt", "tokenizers"),
        [
            ("r.en", None, {"13a"}),
            ("r.zh", None, {"zh"}),
            ("r.ko", None, {"char", "ko-mecab"}),
            ("r.ko", "en", {"13a"}),
            ("r", "zh", {"zh"}),
        ],
    )
    def test_the_ending_of_the_reference_names_its_language(self, name: str, tgt: str | None, tokenizers: set[str]) -> None:
        result = evaluate(hyp=write("h", HYP), ref=write(name, REF), tgt=tgt)
        signature = dict(part.split(":") for part in result.splits["lines"][0].scores[0].signature.split("|"))
        assert signature["tok"] in tokenizers

    def test_text_that_is_cut_into_words_is_said_and_can_be_taken_as_it_is(self, capfd: pytest.CaptureFixture[str]) -> None:
        hyp, ref = ["a tall man ,old and grey , walks ."] * 20, ["a tall man , old and grey , walks ."] * 20
        cut = evaluate(**files(hyp, ref))
        assert "--bleu-tokenizer none" in capfd.readouterr().err
        as_it_is = evaluate(**files(hyp, ref), bleu_tokenizer="none")
        assert "warning" not in capfd.readouterr().err
        assert values(as_it_is)["BLEU"] == BLEU(tokenize="none", force=True).corpus_score(hyp, [ref]).score
        assert values(as_it_is)["BLEU"] != values(cut)["BLEU"]
        assert values(cut)["BLEU"] == BLEU(force=True).corpus_score(hyp, [ref]).score

    def test_one_metric_alone_is_as_among_all(self) -> None:
        some = evaluate(**files(HYP, REF), metrics=["bleu", "chrF2"])
        assert [score.metric for score in some.splits["lines"][0].scores] == ["BLEU", "chrF2"]
        whole = values(evaluate(**files(HYP, REF)))
        assert values(some) == {name: whole[name] for name in ("BLEU", "chrF2")}

    def test_a_metric_that_is_not_known_or_not_computed_is_refused(self) -> None:
        with pytest.raises(UsageError, match="--metric WER is not known"):
            evaluate(**files(HYP, REF), metrics=["WER"])
        with pytest.raises(UsageError, match="not METRIC=NUMBER"):
            evaluate(**files(HYP, REF), metrics=["BLEU"], fail_under=["TER=60"])

    def test_rows_on_which_ter_takes_long_are_said(self, capfd: pytest.CaptureFixture[str]) -> None:
        rows = ["a " * 400]
        evaluate(**files(rows, rows), metrics=["BLEU"])
        assert "TER" not in capfd.readouterr().err
        evaluate(**files(rows, rows))
        assert "--metric BLEU --metric chrF2 leaves it out" in capfd.readouterr().err

    def test_a_compressed_reference_is_of_the_language_before_its_ending(self) -> None:
        with gzip.open("ref.zh.gz", "wb") as f:
            f.write("".join(line + "\n" for line in REF).encode())
        result = evaluate(hyp=write("h", HYP), ref=Path("ref.zh.gz"))
        assert "tok:zh" in result.splits["lines"][0].scores[0].signature

    def test_blank_lines_count_as_lines(self) -> None:
        result = evaluate(**files(["", HYP[0]], [REF[0], REF[0]]))
        assert result.splits["lines"][0].lines == 2
        assert values(result) == direct(["", HYP[0]], [REF[0], REF[0]])


class TestOfGates:
    def test_a_score_under_its_bound_fails(self) -> None:
        bleu = direct(HYP, REF)["BLEU"]
        assert evaluate(**files(), fail_under=[f"BLEU={bleu - 0.01}"]).failed_gates == []
        [failed] = evaluate(**files(), fail_under=["BLEU=99"]).failed_gates
        assert failed == f"lines: BLEU {bleu:.2f} is under 99"

    def test_ter_is_bounded_from_above(self) -> None:
        ter = direct(HYP, REF)["TER"]
        assert evaluate(**files(), fail_under=[f"TER={ter + 0.01}"]).failed_gates == []
        [failed] = evaluate(**files(), fail_under=["TER=1.5"]).failed_gates
        assert failed == f"lines: TER {ter:.2f} is over 1.5"

    def test_a_bound_that_is_just_met_passes(self) -> None:
        ref = write("ref.en", REF)
        assert evaluate(hyp=write("h", REF), ref=ref, fail_under=["TER=0"]).failed_gates == []

    def test_every_gate_that_fails_is_listed(self) -> None:
        failed = evaluate(**files(), fail_under=["bleu=99", "chrf2=99.5", "ter=500"]).failed_gates
        assert [line.split()[1] for line in failed] == ["BLEU", "chrF2"]

    def test_scores_are_returned_and_kept_even_so(self) -> None:
        result = evaluate(**files(), fail_under=["BLEU=99"], out=Path("kept"))
        assert values(result) == direct(HYP, REF)
        assert result.path is not None
        assert open_artifact(result.path, "evaluation").id == result.id

    @pytest.mark.parametrize("gate", ["BLEU", "BLEU=", "BLEU=high", "=3", "", "COMET=1", "BLEU>3", "BLEU=nan"])
    def test_a_malformed_gate_is_refused_before_any_work(self, gate: str) -> None:
        with pytest.raises(UsageError, match="not METRIC=NUMBER"):
            evaluate(hyp=Path("not-read"), ref=Path("not-read.en"), fail_under=["BLEU=1", gate])


class TestOfWhatIsGiven:
    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"model": Path("m")},
            {"data": "d"},
            {"hyp": Path("h")},
            {"ref": Path("r.en")},
            {"model": Path("m"), "hyp": Path("h")},
            {"model": Path("m"), "hyp": Path("h"), "ref": Path("r.en")},
            {"model": Path("m"), "data": "d", "ref": Path("r.en")},
        ],
        ids=lambda given: "+".join(given) or "nothing",
    )
    def test_neither_pair_or_half_of_one_is_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match="--model and --data, or --hyp and --ref"):
            evaluate(**given)

    def test_options_without_effect_are_refused_all_at_once(self, learnt: Learnt) -> None:
        with pytest.raises(UsageError, match="translations in files: --beam-size, --device"):
            evaluate(**files(), beam_size=5, device="cpu")
        with pytest.raises(UsageError, match="a model for translation: --src, --tgt, --encoding"):
            evaluate(model=learnt.path, data="not-read", tgt="en", src_file=Path("not-read"), encoding="latin-1")


class TestOfAModel:
    def test_a_split_is_translated_and_scored(self, learnt: Learnt) -> None:
        result = evaluate(model=learnt.path, data=corpus(learnt), device="cpu")
        assert list(result.splits) == ["test"]
        assert values(result, "test") == pytest.approx({"BLEU": 100.0, "chrF2": 100.0, "TER": 0.0})
        assert result.splits["test"][0].lines == 8

    def test_several_splits_are_scored_one_by_one(self, learnt: Learnt) -> None:
        data = corpus(learnt)
        write("data/valid.ko", learnt.src[:2])
        write("data/valid.en", ["Something else altogether is here.", learnt.tgt[1]])
        result = evaluate(model=learnt.path, data=data, split=["test", "valid"], device="cpu", fail_under=["BLEU=90"])
        assert list(result.splits) == ["test", "valid"]
        assert values(result, "valid") == direct(learnt.tgt[:2], ["Something else altogether is here.", learnt.tgt[1]])
        assert [line.split(":")[0] for line in result.failed_gates] == ["valid"]

    def test_domains_have_their_own_scores(self, learnt: Learnt) -> None:
        wrong = ["Something else altogether is here.", "And here is more of it."]
        result = evaluate(
            model=learnt.path, data=corpus(learnt, ["news"] * 6 + ["talk"] * 2, learnt.tgt[:6] + wrong), device="cpu"
        )
        assert [(g.name, g.lines) for g in result.splits["test"]][:3] == [("all", 8), ("news", 6), ("talk", 2)]
        assert values(result, "test", "news")["BLEU"] == pytest.approx(100.0)
        assert values(result, "test", "talk") == direct(learnt.tgt[6:], wrong)

    @pytest.mark.parametrize("count", [7, 9])
    def test_domains_that_do_not_fit_the_lines_are_refused(self, learnt: Learnt, count: int) -> None:
        with pytest.raises(BadInput, match=f"test.domain.* {count}"):
            evaluate(model=learnt.path, data=corpus(learnt, ["news"] * count), device="cpu")

    def test_an_empty_split_is_refused(self, learnt: Learnt) -> None:
        write("data/test.ko", [])
        write("data/test.en", [])
        with pytest.raises(BadInput, match="empty"):
            evaluate(model=learnt.path, data="./data", device="cpu")

    def test_a_missing_split_is_named(self, learnt: Learnt) -> None:
        with pytest.raises(BadInput, match="has no split valid"):
            evaluate(model=learnt.path, data=corpus(learnt), split=["valid"], device="cpu")

    def test_options_of_the_search_reach_it(self, learnt: Learnt, capfd: pytest.CaptureFixture[str]) -> None:
        data = corpus(learnt)
        last = evaluate(model=learnt.path, data=data, checkpoint="last", device="cpu")
        assert values(last, "test")["BLEU"] < 50
        wide = evaluate(model=learnt.path, data=data, beam_size=3, batch_tokens=30, out=Path("kept"), device="cpu")
        assert values(wide, "test")["BLEU"] == pytest.approx(100.0)
        config = open_artifact("kept").manifest.config
        assert (config["beam_size"], config["batch_tokens"], config["checkpoint"]) == (3, 30, "best")
        read_in_parts = evaluate(model=learnt.path, data=data, max_input_tokens=2, device="cpu")
        assert values(read_in_parts, "test")["BLEU"] < 50
        assert "test: 8 line(s) were longer than the model reads, and were translated in parts" in capfd.readouterr().err
        by_source = evaluate(model=learnt.path, data=data, length_of="source", device="cpu").splits["test"]
        assert [group.name for group in by_source[1:]] == ["1-10 source words"]


class TestOfTheArtifact:
    def test_it_holds_scores_and_lines(self) -> None:
        src = write("src.ko", ["하나", "둘", "셋"])
        result = evaluate(**files(), src_file=src, out=Path("kept"))
        artifact = open_artifact("kept", "evaluation")
        assert (result.path, result.id) == (artifact.path, artifact.id)
        for side, lines in (("src", ["하나", "둘", "셋"]), ("hyp", HYP), ("ref", REF)):
            assert (artifact.path / f"lines.{side}").read_text("utf-8") == "".join(line + "\n" for line in lines)
        table = json.loads((artifact.path / "scores.json").read_text("utf-8"))
        assert {s["metric"]: s["value"] for s in table["lines"][0]["scores"]} == direct(HYP, REF)
        assert all(s["signature"].startswith("nrefs:1") for s in table["lines"][0]["scores"])
        assert [g["name"] for g in table["lines"]] == ["all", "1-10 words", "11-20 words"]
        assert artifact.manifest.metrics == {"lines": {name: round(value, 2) for name, value in direct(HYP, REF).items()}}
        assert artifact.manifest.config["tgt"] == "en"

    def test_it_knows_the_files_it_was_made_from(self) -> None:
        evaluate(**files(), src_file=write("src.ko", REF), out=Path("deep/kept"))
        inputs = {i.role: i for i in open_artifact("deep/kept").manifest.inputs}
        assert {role: i.path for role, i in inputs.items()} == {
            "hyp": "../../out.txt",
            "ref": "../../ref.en",
            "src": "../../src.ko",
        }
        assert inputs["ref"].id == f"sha256:{file_digest(Path('ref.en'))}"

    def test_it_knows_its_model_and_text(self, learnt: Learnt) -> None:
        evaluate(model=learnt.path, data=corpus(learnt), out=Path("kept"), device="cpu")
        artifact = open_artifact("kept")
        inputs = {i.role: i for i in artifact.manifest.inputs}
        assert inputs["model"].id == open_artifact(learnt.path).id
        assert inputs["model"].path == os.path.relpath(learnt.path, "kept")
        assert inputs["test.en"].id == f"sha256:{file_digest(Path('data/test.en'))}"
        assert (artifact.path / "test.hyp").read_text("utf-8").splitlines() == learnt.tgt
        assert (artifact.path / "test.src").read_text("utf-8").splitlines() == learnt.src

    def test_the_same_evaluation_has_the_same_id(self) -> None:
        first = evaluate(**files(), out=Path("one"))
        assert evaluate(**files(), out=Path("two")).id == first.id
        assert evaluate(**files(hyp=REF), out=Path("three")).id != first.id

    def test_what_is_there_is_not_overwritten_unless_forced(self) -> None:
        evaluate(**files(), out=Path("kept"))
        with pytest.raises(OutputExists, match="kept already exists"):
            evaluate(**files(hyp=REF), out=Path("kept"))
        assert Path("kept/lines.hyp").read_text("utf-8").splitlines() == HYP
        evaluate(**files(hyp=REF), out=Path("kept"), force=True)
        assert Path("kept/lines.hyp").read_text("utf-8").splitlines() == REF

    def test_what_is_there_is_refused_before_any_work(self) -> None:
        evaluate(**files(), out=Path("kept"))
        with pytest.raises(OutputExists, match="kept already exists"):
            evaluate(model=Path("not-opened"), data="./not-read", out=Path("kept"))
