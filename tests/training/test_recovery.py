"""What a run bears: too little memory, a loss that is not a number, and its own averaged weights."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from nlpcli.errors import RunFailed
from nlpcli.models.base import Model
from nlpcli.tokenization.blocks import BlockBatches
from nlpcli.tokenization.dataset import Side
from nlpcli.training.averaging import Ema
from nlpcli.training.loop import Diverged, Event, SavePoint
from nlpcli.training.validation import Measured

from .looping import Failing, Rows, assert_same, build, evaluations, listen, make, script, steps, weights

ALL = list(range(12))
SGD: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1}
CPU_MEMORY = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"


def failing_at(*calls: int) -> Callable[[int, Tensor], Tensor]:
    """Run out of memory at these calls of the model, counted from 1."""

    def fail(call: int, loss: Tensor) -> Tensor:
        if call in calls:
            raise RuntimeError(CPU_MEMORY)
        return loss

    return fail


def nan_at(wanted: Callable[[int], bool]) -> Callable[[int, Tensor], Tensor]:
    return lambda call, loss: loss * float("nan") if wanted(call) else loss


def trainer(model: Model, *, batches: Any = None, **settings: Any) -> Any:
    return make(batches or Rows([ALL[:4], ALL[4:8], ALL[8:]]), model, **{**SGD, "max_steps": 9, "eval_every": 4, **settings})


def expected(**settings: Any) -> Any:
    made = trainer(build(), **settings)
    listen(made)
    return made


class TestOutOfMemory:
    def test_a_batch_is_halved_and_the_result_is_the_same(self, capfd: pytest.CaptureFixture[str]) -> None:
        model = build()
        Failing(model, failing_at(3))
        made = trainer(model)
        listen(made)
        assert made.gradients.pieces == 2
        assert_same(weights(made.model), weights(expected().model), atol=1e-6)
        assert "warning: out of memory: from now on a batch is computed in 2 pieces" in capfd.readouterr().err

    def test_it_is_halved_again_until_it_fits(self) -> None:
        model = build()
        Failing(model, failing_at(1, 2))  # the whole, the first half
        made = trainer(model)
        listen(made)
        assert made.gradients.pieces == 4
        assert_same(weights(made.model), weights(expected().model), atol=1e-6)

    def test_what_was_added_up_before_is_not_counted_twice(self) -> None:
        model = build()
        Failing(model, failing_at(2))  # the second of two accumulated batches
        made = trainer(model, accumulate=2)
        listen(made)
        assert_same(weights(made.model), weights(expected(accumulate=2).model), atol=1e-6)

    def test_dropout_is_drawn_from_where_the_step_began(self) -> None:
        seen: list[Tensor] = []

        def fail(call: int, loss: Tensor) -> Tensor:
            if call == 1:
                seen.append(torch.get_rng_state())
                torch.rand(10)
                raise RuntimeError(CPU_MEMORY)
            if call == 2:
                seen.append(torch.get_rng_state())
            return loss

        model = build()
        Failing(model, fail)
        listen(trainer(model, max_steps=1))
        assert torch.equal(*seen)

    def test_in_the_midst_of_a_sum_with_other_processes_it_ends_the_run(self) -> None:
        """They wait for the sum, so this one cannot begin anew."""
        made = trainer(build())

        class OfTwo:
            device, world_size, global_rank = torch.device("cpu"), 2, 0

            def no_backward_sync(self, module: Any, enabled: bool) -> Any:
                return nullcontext()

            def backward(self, loss: Tensor) -> None:
                raise RuntimeError(CPU_MEMORY)

        made.gradients.fabric = OfTwo()
        batch = made.batches.load(ALL[:4])
        with pytest.raises(RunFailed, match="out of memory") as e:
            made.gradients.add([batch], 0.0)
        assert "--batch-tokens" in e.value.fix

    @pytest.mark.parametrize("calls", [(3,), (5, 6)])
    def test_a_stream_goes_on_in_its_pieces(self, calls: tuple[int, ...]) -> None:
        ids = torch.arange(100).mul(7).remainder(16).add(4).numpy()
        side = Side(ids, torch.tensor([0, 100]).numpy())

        def run(fails: Callable[[int, Tensor], Tensor]) -> Any:
            model = build("rnn", "lm")
            Failing(model, fails)
            made = trainer(model, batches=BlockBatches(side, batch_tokens=20, context=5, seed=1, streams=True))
            listen(made)
            return made

        made, whole = run(failing_at(*calls)), run(failing_at())
        assert made.gradients.pieces == 2 ** len(calls)
        assert_same(weights(made.model), weights(whole.model), atol=1e-6)

    def test_one_row_that_does_not_fit_ends_the_run(self) -> None:
        model = build()
        Failing(model, failing_at(*range(100)))
        with pytest.raises(RunFailed, match="out of memory, even for one row") as refusal:
            listen(trainer(model))
        assert "DefaultCPUAllocator" in refusal.value.cause

    def test_other_errors_are_not_taken_for_it(self) -> None:
        model = build()

        def fail(call: int, loss: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        Failing(model, fail)
        with pytest.raises(RuntimeError, match="shapes"):
            listen(trainer(model))


class TestNotANumber:
    def test_one_bad_step_is_left_out(self, capfd: pytest.CaptureFixture[str]) -> None:
        """The weights go on as if its batch had not been there."""
        model = build()
        Failing(model, nan_at(lambda call: call == 2))
        made = trainer(model, max_steps=3)
        events = listen(made)
        assert not any(isinstance(e, Diverged) for e in events)
        other = trainer(build(), batches=Rows([ALL[:4], ALL[8:]]), max_steps=2)
        listen(other)
        assert_same(weights(made.model), weights(other.model))
        assert (made.progress.step, made.progress.unusable, made.progress.recoveries) == (3, 0, 0)
        assert "warning: step 2: no finite gradient; the step is left out" in capfd.readouterr().err

    def test_bad_steps_apart_from_each_other_are_borne(self) -> None:
        model = build()
        Failing(model, nan_at(lambda call: call % 3 != 0))
        made = trainer(model, max_steps=30)
        listen(made)
        assert (made.progress.stopped, made.progress.recoveries) == ("steps", 0)

    def test_three_in_a_row_go_back_to_the_save_point_at_half_the_rate(self, capfd: pytest.CaptureFixture[str]) -> None:
        model = build()
        Failing(model, nan_at(lambda call: 6 <= call <= 8))  # the state of step 4 is the last one
        made = trainer(model)
        events = listen(made)
        assert [e for e in events if isinstance(e, Diverged)] == [Diverged(7)]
        assert [s.step for s in steps(events)] == [1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9]
        assert {s.rate for s in steps(events)[7:]} == {0.05}
        assert (made.progress.recoveries, made.progress.rate_scale) == (1, 0.5)
        said = capfd.readouterr().err
        assert "no finite gradient since step 7: going on from step 4 at 0.5 times the learning rate" in said

    def test_going_back_is_as_if_the_rate_had_been_halved_there(self) -> None:
        model = build()
        Failing(model, nan_at(lambda call: 6 <= call <= 8))
        made = trainer(model)
        listen(made)
        other = trainer(build())

        def halve(event: Event) -> None:
            if event == SavePoint(4, final=False):
                other.progress.rate_scale = 0.5

        listen(other, halve)
        assert_same(weights(made.model), weights(other.model))

    def test_without_a_step_before_it_goes_back_to_the_beginning(self) -> None:
        model = build()
        Failing(model, nan_at(lambda call: call <= 3))
        made = trainer(model, max_steps=4)
        assert [s.step for s in steps(listen(made))] == [1, 2, 1, 2, 3, 4]

    def test_in_the_end_it_gives_up(self) -> None:
        model = build()
        Failing(model, nan_at(lambda call: call > 5))
        made = trainer(model)
        with pytest.raises(RunFailed, match="infinite or NaN at step 7, 3 times at ever lower learning rates") as e:
            listen(made)
        assert e.value.exit_code == 6
        assert "diverges even at learning rate 0.0125" in e.value.cause
        assert "--learning-rate" in e.value.fix
        assert made.progress.rate_scale == 0.125

    def test_a_state_that_measures_nan_is_not_gone_back_to(self) -> None:
        """Evaluations amid the bad steps must not put a state in the place of the good one, nor be the best."""
        model = build()
        Failing(model, nan_at(lambda call: 6 <= call <= 8))
        losses = [float("nan"), 2.0, 1.5, float("nan"), 1.4]
        made = make(Rows([ALL]), model, script(losses), eval_every=2, max_steps=9, **SGD)
        events = listen(made)
        assert [(e.step, e.improved) for e in evaluations(events)] == [(2, True), (4, True), (6, True), (8, False), (9, True)]
        assert [e.step for e in events if isinstance(e, SavePoint)] == [0, 4, 6, 9]
        assert [s.step for s in steps(events)] == [1, 2, 3, 4, 5, 6, 7, 7, 8, 9]
        assert made.progress.best_loss == 1.4

    def test_an_infinite_gradient_counts_like_an_infinite_loss(self) -> None:
        model = build()
        parameter = next(model.parameters())
        calls = iter(range(100))
        parameter.register_hook(lambda grad: grad * float("inf") if next(calls) == 1 else grad)
        made = trainer(model, max_steps=3)
        listen(made)
        assert all(bool(p.isfinite().all()) for p in made.model.parameters())


class TestEma:
    def test_the_averaged_weights_are_measured_and_the_run_goes_on_with_its_own(self) -> None:
        measured: list[dict[str, Tensor]] = []

        def measure(model: Model) -> Measured:
            measured.append(weights(model))
            return Measured(1.0, {}, [])

        own: list[dict[str, Tensor]] = []
        made = make(Rows([ALL[:6], ALL[6:]]), build(), measure, ema=0.8, max_steps=6, eval_every=3, **SGD)
        reference = Ema(build(), 0.8)
        averages: list[dict[str, Tensor]] = []

        def on(event: Event) -> None:
            if hasattr(event, "norm"):
                reference.update(made.model)
                own.append(weights(made.model))
                averages.append({name: w.clone() for name, w in reference.weights.items()})

        listen(made, on)
        assert_same(measured[0], averages[2])
        assert_same(measured[1], averages[5])
        assert_same(weights(made.model), own[5])
        plain = make(Rows([ALL[:6], ALL[6:]]), build(), max_steps=6, eval_every=3, **SGD)
        listen(plain)
        assert_same(weights(made.model), weights(plain.model))

    def test_a_step_left_out_does_not_enter_the_average(self) -> None:
        model = build()
        Failing(model, nan_at(lambda call: call == 2))
        made = trainer(model, ema=0.9, max_steps=3)
        listen(made)
        assert made.ema.updates == 2
