"""The loop: what a step computes, when a run ends, and what is the best of it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nlpcli.models.base import Objective
from nlpcli.tokenization.blocks import BlockBatches
from nlpcli.tokenization.dataset import Side
from nlpcli.training.gradients import halved
from nlpcli.training.loop import SavePoint
from nlpcli.training.optimisation import make_optimizer
from nlpcli.training.settings import TrainSettings
from nlpcli.training.validation import Measured

from .looping import Rows, assert_same, build, evaluations, listen, make, script, steps, weights

ALL = list(range(12))
# Adam would blow rounding up: of a gradient of 1e-9 it makes a step as long as of any other
SETTINGS: dict[str, Any] = {"optimizer": "momentum", "learning_rate": 0.1, "warmup_steps": 0, "schedule": "constant"}
MODELS = [
    ("seq2seq", "translation", {}),
    ("attention", "translation", {"input_feeding": True}),
    ("transformer", "translation", {}),
    ("transformer", "classify", {}),
    ("rnn", "classify", {}),
    ("cnn", "classify", {}),
]
EACH = pytest.mark.parametrize(("architecture", "task", "config"), MODELS, ids=[f"{m[0]}-{m[1]}" for m in MODELS])


def plain_steps(model: Any, batches: Rows, count: int, **settings: Any) -> None:
    """Train as one would by hand: mean loss, backward, step."""
    chosen = TrainSettings(**SETTINGS, **settings)
    optimizer = make_optimizer(model, chosen)
    model.train()
    for i in range(count):
        batch = batches.load(batches.batches[i % len(batches.batches)])
        optimizer.zero_grad()
        (model(batch, Objective(label_smoothing=chosen.label_smoothing)) / batch.count).backward()
        optimizer.step()


@EACH
def test_a_run_is_the_plain_loop(architecture: str, task: str, config: dict[str, Any]) -> None:
    batches = Rows([ALL[:5], ALL[5:8], ALL[8:]], task)
    expected = build(architecture, task, **config)
    plain_steps(expected, batches, 7)
    trainer = make(batches, build(architecture, task, **config), max_steps=7, **SETTINGS)
    listen(trainer)
    assert_same(weights(trainer.model), weights(expected), atol=1e-6)
    assert (trainer.progress.step, trainer.progress.epoch, trainer.progress.batch) == (7, 2, 1)


@EACH
def test_accumulated_batches_are_one_batch_of_all_of_them(architecture: str, task: str, config: dict[str, Any]) -> None:
    """The sum over real targets is divided by their number in all batches, however they are spread over these."""
    whole = make(Rows([ALL[:6], ALL[6:]], task), build(architecture, task, **config), max_steps=6, **SETTINGS)
    parts = [ALL[:2], ALL[2:6], ALL[6:11], ALL[11:]]
    cut = make(Rows(parts, task), build(architecture, task, **config), max_steps=6, accumulate=2, **SETTINGS)
    found, expected = steps(listen(cut)), steps(listen(whole))
    assert_same(weights(cut.model), weights(whole.model), atol=1e-6)
    assert [s.count for s in found] == [s.count for s in expected]
    assert [s.loss for s in found] == pytest.approx([s.loss for s in expected], abs=1e-5)
    assert [s.norm for s in found] == pytest.approx([s.norm for s in expected], abs=1e-5)


def test_an_epoch_that_does_not_divide_by_accumulate_ends_with_a_smaller_step() -> None:
    batches = Rows([[0, 1], [2, 3], [4, 5]])
    trainer = make(batches, accumulate=2, epochs=2)
    found = steps(listen(trainer))
    assert [s.count for s in found] == [found[0].count, found[1].count] * 2
    assert found[0].count > found[1].count
    assert trainer.progress.stopped == "epochs"
    assert batches.loaded == [0, 1, 2, 4, 5, 6]  # no draw of a segmentation twice


@EACH
def test_a_batch_in_pieces_is_the_batch(architecture: str, task: str, config: dict[str, Any]) -> None:
    whole, cut = (make(Rows([ALL], task), build(architecture, task, **config), max_steps=3, **SETTINGS) for _ in range(2))
    cut.gradients.pieces = 5
    listen(whole), listen(cut)
    assert_same(weights(cut.model), weights(whole.model), atol=1e-6)


def streams(rows: int) -> BlockBatches:
    ids = torch.arange(100).mul(7).remainder(16).add(4).numpy()
    return BlockBatches(Side(ids, torch.tensor([0, 30, 100]).numpy()), batch_tokens=5 * rows, context=5, seed=1, streams=True)


@pytest.mark.parametrize("pieces", [1, 2, 4])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_pieces_carry_the_state_of_their_own_rows(cell: str, pieces: int) -> None:
    """However a batch is cut, each row of a stream goes on from where it ended."""
    whole, cut = (make(streams(4), build("rnn", "lm", cell=cell), max_steps=6, **SETTINGS) for _ in range(2))
    listen(whole)
    cut.gradients.pieces = pieces
    listen(cut)
    assert_same(weights(cut.model), weights(whole.model), atol=1e-6)


def test_halves_of_a_carried_state_fit_the_rows_of_their_pieces() -> None:
    rows = torch.arange(11)
    carried = [{"h": rows}]
    for pieces in (2, 4, 8):
        carried = halved(carried)
        for i in range(pieces):
            assert torch.equal(carried[i]["h"], rows[i::pieces])


def test_what_makes_the_best_and_when_patience_ends() -> None:
    losses = [3.0, 2.0, 2.5, 1.5, 1.6, 1.7, 1.8, 1.0]
    trainer = make(Rows([ALL]), measure=script(losses), eval_every=2, patience=3, max_steps=100)
    found = evaluations(listen(trainer))
    assert [e.improved for e in found] == [True, True, False, True, False, False, False]
    p = trainer.progress
    assert (p.stopped, p.step, p.best_step, p.best_loss) == ("patience", 14, 8, 1.5)


@pytest.mark.parametrize(
    ("best_by", "name", "best"), [("auto", "BLEU", 2), ("loss", "BLEU", 2), ("score", "BLEU", 1), ("auto", "accuracy", 1)]
)
def test_the_best_is_by_loss_or_score(best_by: str, name: str, best: int) -> None:
    found = [Measured(2.0, {name: 30.0}, []), Measured(1.0, {name: 20.0}, [])]
    trainer = make(Rows([ALL]), measure=lambda model: found.pop(0), eval_every=1, max_steps=2, best_by=best_by)
    listen(trainer)
    assert trainer.progress.best_step == best
    assert trainer.progress.best_scores == {name: 30.0 if best == 1 else 20.0}


def test_a_language_model_has_no_score_but_its_loss() -> None:
    measured = Measured(2.0, {"perplexity": 7.4}, [])
    assert {measured.value(by) for by in ("auto", "loss", "score")} == {-2.0}
    assert Measured(2.0, {"accuracy": 80.0}, []).value("loss") == -2.0


def test_a_plateau_halves_the_rate() -> None:
    losses = [2.0, 2.1, 2.1, 2.1, 1.0]
    trainer = make(Rows([ALL]), measure=script(losses), eval_every=1, max_steps=6, schedule="plateau")
    rates = [s.rate for s in steps(listen(trainer))]
    assert rates == [0.01] * 4 + [0.005] * 2


@pytest.mark.parametrize(("bound", "reason"), [({"max_steps": 3}, "steps"), ({"epochs": 2}, "epochs")])
def test_a_run_ends_with_its_budget_measured_and_saved(bound: dict[str, int], reason: str) -> None:
    trainer = make(Rows([ALL[:6], ALL[6:]]), eval_every=1000, **bound)
    events = listen(trainer)
    assert trainer.progress.stopped == reason
    assert [e.step for e in evaluations(events)] == [trainer.progress.step]
    saved = [e for e in events if isinstance(e, SavePoint)]
    assert [(e.step, e.final) for e in saved] == [(0, False), (trainer.progress.step, True)]
    assert listen(trainer) == []  # a finished run has nothing left to do


def test_minutes_end_a_run() -> None:
    trainer = make(Rows([ALL]), max_minutes=0.001, epochs=10**6)
    listen(trainer)
    assert trainer.progress.stopped == "minutes"
    assert trainer.progress.seconds >= 0.06


def test_a_stop_ends_the_run_at_a_save_point() -> None:
    trainer = make(Rows([ALL]), max_steps=100, eval_every=1000)
    trainer.stop = lambda: trainer.progress.step == 5
    events = listen(trainer)
    assert events[-1] == SavePoint(5, final=False)
    assert (trainer.progress.step, trainer.progress.stopped) == (5, "")
    trainer.stop = lambda: False
    assert steps(listen(trainer))[0].step == 6


def test_a_stop_that_comes_between_two_questions_loses_no_step() -> None:
    """Whatever the moment of the signal, what is saved is where the run ends."""
    answers = iter([False, False, True])
    trainer = make(Rows([ALL]), max_steps=100, eval_every=1000)
    trainer.stop = lambda: next(answers)
    events = listen(trainer)
    assert events[-1] == SavePoint(trainer.progress.step, final=False)


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"accumulate": 2}, {"schedule": "plateau"}], ids=str)
def test_a_state_goes_on_where_it_was(settings: dict[str, Any]) -> None:
    def trainer() -> Any:
        return make(Rows([ALL[:4], ALL[4:8], ALL[8:]]), build(dropout=0.4), max_steps=9, eval_every=4, **settings)

    whole, first, second = trainer(), trainer(), trainer()
    torch.manual_seed(7)
    listen(whole)
    torch.manual_seed(7)
    first.stop = lambda: first.progress.step == 5
    listen(first)
    state = first.state()
    torch.manual_seed(99)
    second.restore(state)
    listen(second)
    assert_same(weights(second.model), weights(whole.model))
    if whole.ema:
        assert_same(second.ema.weights, whole.ema.weights)


def test_settings_of_the_loss_reach_the_model() -> None:
    seen: list[Objective] = []
    model = build("attention")
    original = model.forward

    def forward(batch: Any, objective: Objective) -> Tensor:
        seen.append(objective)
        return original(batch, objective)

    model.forward = forward  # type: ignore[method-assign]
    given = {"label_smoothing": 0.2, "r_drop": 0.5, "word_dropout": 0.1, "coverage_loss": 0.3}
    listen(make(Rows([ALL]), model, max_steps=2, teacher_forcing=0.5, teacher_forcing_decay="linear", **given))
    assert [o.teacher_forcing for o in seen] == [1.0, 0.75]
    assert seen[0]._asdict() == {**given, "teacher_forcing": 1.0, "guided_alignment": 0.0}
