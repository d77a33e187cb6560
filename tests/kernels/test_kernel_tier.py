"""The kernel behind the front door, in Triton's interpreter: it is tested before it is used, and what fails is not used."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from nlpcli.kernels import choose, operator, self_test
from nlpcli.kernels.operator import at_one_place, attention
from nlpcli.kernels.problem import Options, Shape, default_scale

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_kernel_passes_its_self_test(dtype: torch.dtype) -> None:
    assert self_test.self_test(CPU, dtype, 16) == ""


def test_a_kernel_that_computes_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpcli.kernels import triton_forward

    forward = triton_forward.forward

    def wrong(*arguments: Any) -> tuple[Tensor, Tensor]:
        out, lse = forward(*arguments)
        return out * 1.01, lse

    monkeypatch.setattr(triton_forward, "forward", wrong)
    assert self_test.self_test(CPU, torch.float32, 16).startswith("it gives a wrong output")


def test_a_kernel_that_does_not_compile_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpcli.kernels import triton_forward

    def broken(*arguments: Any) -> None:
        raise RuntimeError("no compiler was found")

    monkeypatch.setattr(triton_forward, "forward", broken)
    assert self_test.self_test(CPU, torch.float32, 16) == "it does not compile or run (RuntimeError: no compiler was found)"


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A GPU that is asked for its capability alone."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(choose, "_faults", {})
    return monkeypatch


@pytest.mark.parametrize("part", ["forward", "backward"])
def test_one_that_fails_in_the_middle_of_training_is_given_up(
    part: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from nlpcli.kernels import triton_backward, triton_forward

    tries = []

    def broken(*arguments: Any) -> None:
        tries.append(1)
        raise RuntimeError("out of registers")

    monkeypatch.setattr(choose, "_faults", {})
    monkeypatch.setattr(triton_forward if part == "forward" else triton_backward, part, broken)
    lengths, seed = torch.tensor([20, 7], dtype=torch.int32), torch.tensor([5])
    options = Options(default_scale(16), causal=True, dropout_p=0.2, seed=seed)

    def gradients(tier: str) -> tuple[Tensor, ...]:
        qkv = [torch.randn(2, 20, 2, 16, generator=torch.Generator().manual_seed(i)).requires_grad_() for i in range(3)]
        out, _ = attention(*qkv, *Shape(lengths, lengths), *options, tier)
        return torch.autograd.grad(out.square().sum(), qkv)

    for found, expected in zip(gradients("kernel"), gradients("reference")):
        torch.testing.assert_close(found, expected)
    gradients("kernel")
    assert len(tries) == 1
    assert capfd.readouterr().err.count("out of registers") == 1


def test_memory_that_runs_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpcli.kernels import triton_forward

    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(choose, "_faults", {})
    monkeypatch.setattr(triton_forward, "forward", full)
    q = torch.randn(1, 20, 2, 16)
    with pytest.raises(torch.OutOfMemoryError):
        attention(q, q, q, *Shape(), *Options(default_scale(16)), "kernel")
    assert not choose.has_failed(q)


def on_gpu(keys: int, shape: Shape = Shape(), wanted: choose.Wanted = "auto", **options: Any) -> str:
    q = torch.empty(1, 4, 2, 64, dtype=torch.bfloat16, device="meta")

    class There:
        device, dtype = CUDA, q.dtype
        size = q.size

    return choose.choose(There(), keys, shape, Options(0.1, **options), wanted).tier  # type: ignore[arg-type]


def test_it_is_taken_where_torch_has_no_fast_path(hopper: pytest.MonkeyPatch) -> None:
    hopper.setattr(self_test, "self_test", lambda *arguments: "")
    padded = Shape(k_lengths=torch.empty(1, dtype=torch.int32, device="meta"))
    assert on_gpu(64) == "sdpa"
    assert on_gpu(64, causal=True) == "sdpa"
    assert on_gpu(64, padded) == "kernel"
    assert on_gpu(64, window=8) == "kernel"
    assert on_gpu(64, softcap=30.0) == "kernel"


def test_one_that_fails_is_said_once_and_not_used(hopper: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    hopper.setattr(self_test, "self_test", lambda *arguments: "it gives a wrong output")
    assert [on_gpu(64, window=8) for _ in range(3)] == ["sdpa"] * 3
    assert on_gpu(9000, window=8) == "reference"
    err = capfd.readouterr().err
    assert err.count("warning") == 1
    assert "our kernel is not used on this GPU: it gives a wrong output" in err


def test_gpus_that_are_too_old_are_told(hopper: pytest.MonkeyPatch) -> None:
    hopper.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert "this GPU has 7.5" in choose.kernel_fault(CUDA, torch.float16, 64)
    assert "not 512" in choose.kernel_fault(CUDA, torch.float16, 512)
    assert "float64" in choose.kernel_fault(CUDA, torch.float64, 64)


def test_the_operator_reaches_the_kernel_with_its_gradient() -> None:
    leaves = [torch.randn(2, 40, heads, 16, requires_grad=True) for heads in (4, 2, 2)]
    lengths = torch.tensor([40, 13], dtype=torch.int32)
    options = Options(default_scale(16), causal=True, window=9, relative_bias=torch.randn(4, 7, requires_grad=True))
    assert options.relative_bias is not None
    found = []
    for tier in ("kernel", "reference"):
        out, lse = attention(*leaves, *Shape(lengths, lengths), *options, tier)
        loss = out.square().sum() + lse.masked_fill(lse.isinf(), 0.0).sum()
        found.append([out, *torch.autograd.grad(loss, [*leaves, options.relative_bias])])
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("queries", "options", "expected"),
    [
        (5, Options(0.25), True),
        (1, Options(0.25, bottom_right=True, window=20), True),
        (5, Options(0.25, bottom_right=True, window=20), False),
        (5, Options(0.25, causal=True), False),
        (40, Options(0.25), False),
        (5, Options(0.25, dropout_p=0.1, seed=torch.tensor([1])), False),
    ],
)
def test_few_queries_at_one_place_are_decoded(queries: int, options: Options, expected: bool) -> None:
    q, k, v = torch.randn(2, queries, 4, 16), torch.randn(2, 60, 2, 16), torch.randn(2, 60, 2, 16)
    shape = Shape(k_lengths=torch.tensor([60, 33], dtype=torch.int32))
    assert at_one_place(q, shape, options) == expected
    kernel, reference = (attention(q, k, v, *shape, *options, tier) for tier in ("kernel", "reference"))
    torch.testing.assert_close(kernel, reference, rtol=1e-4, atol=1e-4)


def test_the_hopper_kernel_is_taken_if_asked_for(hopper: pytest.MonkeyPatch) -> None:
    hopper.setattr(self_test, "self_test", lambda *arguments: "")
    assert on_gpu(64, wanted="hopper") == "hopper"
    assert on_gpu(64, window=8) == "kernel"
    assert choose.packs(CUDA, torch.bfloat16, 64, 100, None, "hopper")
    assert choose.is_hopper(CUDA)
    hopper.setattr(torch.cuda, "get_device_capability", lambda device: (10, 0))
    assert not choose.is_hopper(CUDA)


@pytest.fixture
def gluon(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The Hopper kernels, on a GPU made of Python; return a list that grows with its launches."""
    pytest.importorskip("triton.experimental.gluon")
    from nlpcli.kernels import hopper_backward, hopper_forward
    from tests.kernels.gluon_on_cpu import Emulated
    from tests.kernels.python_gpu import Timing

    launches = []

    class Counted(Emulated):
        def __getitem__(self, grid: tuple[int, int]) -> Any:
            launches.append(1)
            return super().__getitem__(grid)

    fore, back = hopper_forward._hopper_forward, hopper_backward._hopper_backward
    monkeypatch.setattr(hopper_forward, "_hopper_forward", Counted(fore, Timing(), ("out", "lse")))
    monkeypatch.setattr(hopper_backward, "_hopper_backward", Counted(back, Timing(), ("dk", "dv")))
    monkeypatch.setattr(operator, "is_hopper", lambda device: True)
    monkeypatch.setattr(choose, "_hopper_faults", {})
    monkeypatch.setattr(self_test, "hopper_self_test", lambda *arguments: "")
    monkeypatch.setattr(self_test, "LONG", (150, 70, 0))
    return launches


def gradients(tier: str, **more: Any) -> list[Tensor]:
    """Return output and gradients of a small problem of the Hopper kernel's kind."""
    made = torch.Generator().manual_seed(2)
    leaves = [torch.randn(2, 40, heads, 64, generator=made).half().requires_grad_() for heads in (4, 2, 2)]
    lengths = torch.tensor([40, 13], dtype=torch.int32)
    out, lse = attention(*leaves, *Shape(lengths, lengths), *Options(default_scale(64), causal=True, **more), tier)
    loss = out.float().square().sum() + lse.masked_fill(lse.isinf(), 0.0).sum()
    return [out, *torch.autograd.grad(loss, leaves)]


def test_the_operator_reaches_the_hopper_kernel_with_a_gradient(gluon: list[int]) -> None:
    torch.testing.assert_close(gradients("hopper"), gradients("reference"), rtol=2e-2, atol=2e-2)
    assert len(gluon) == 2


def test_gradients_that_are_to_be_the_same_bits_the_other_computes(gluon: list[int]) -> None:
    torch.testing.assert_close(gradients("hopper", deterministic=True), gradients("reference"), rtol=2e-2, atol=2e-2)
    assert len(gluon) == 1


def test_what_the_hopper_kernel_has_not_the_other_computes(gluon: list[int]) -> None:
    torch.testing.assert_close(gradients("hopper", softcap=3.0), gradients("reference", softcap=3.0), rtol=2e-2, atol=2e-2)
    assert gluon == []


@pytest.mark.parametrize("when", ["before", "in training", "backward"])
def test_a_hopper_kernel_that_fails_gives_way_to_the_other(
    when: str, gluon: list[int], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from nlpcli.kernels import hopper_backward, hopper_forward

    def broken(*arguments: Any) -> None:
        gluon.append(1)
        raise RuntimeError("an illegal instruction")

    if when == "before":
        monkeypatch.setattr(self_test, "hopper_self_test", lambda *arguments: "it gives a wrong output")
    elif when == "in training":
        monkeypatch.setattr(hopper_forward, "forward", broken)
    else:
        monkeypatch.setattr(hopper_backward, "backward", broken)
    for _ in range(2):
        torch.testing.assert_close(gradients("hopper"), gradients("reference"), rtol=2e-2, atol=2e-2)
    assert len(gluon) == {"before": 0, "in training": 1, "backward": 2}[when]
    err = capfd.readouterr().err
    assert err.count("our kernel for Hopper GPUs is not used, but the one in Triton") == 1
    assert ("it gives a wrong output" if when == "before" else "an illegal instruction") in err


def test_the_hopper_kernel_passes_its_self_test(gluon: list[int]) -> None:
    assert self_test.hopper_numbers(CPU, torch.float16, 64) == ""
    assert len(gluon) == 6


def test_a_hopper_kernel_that_computes_something_else_is_found_out(gluon: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpcli.kernels import hopper_forward

    forward = hopper_forward.forward
    monkeypatch.setattr(hopper_forward, "forward", lambda *arguments: (forward(*arguments)[0] * 1.1, forward(*arguments)[1]))
    assert self_test.hopper_numbers(CPU, torch.float16, 64).startswith("it gives a wrong output")


def test_a_hopper_kernel_with_other_gradients_is_found_out(gluon: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    from nlpcli.kernels import hopper_backward

    backward = hopper_backward.backward
    monkeypatch.setattr(hopper_backward, "backward", lambda *a: [x * f for x, f in zip(backward(*a)[:3], (1.1, 1, 1))])
    assert self_test.hopper_numbers(CPU, torch.float16, 64) == "it gives a wrong gradient of the queries"


def test_a_hopper_kernel_that_hangs_or_crashes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    run = subprocess.run

    def instead(code: str) -> None:
        def other(command: list[str], **more: Any) -> Any:
            return run([command[0], "-c", code], **more)

        monkeypatch.setattr(subprocess, "run", other)

    monkeypatch.setattr(self_test, "SECONDS", 1)
    instead("import time; time.sleep(60)")
    assert self_test.hopper_self_test(CPU, torch.float16, 64) == "it did not come to an end within 1 seconds"
    monkeypatch.setattr(self_test, "SECONDS", 60)
    instead("import os; os.abort()")
    assert "its test ended with exit status -6: without a word" in self_test.hopper_self_test(CPU, torch.float16, 64)
    instead("raise SystemExit('no such device')")
    assert "exit status 1: no such device" in self_test.hopper_self_test(CPU, torch.float16, 64)
    instead("print('it gives a wrong logarithm')")
    assert self_test.hopper_self_test(CPU, torch.float16, 64) == "it gives a wrong logarithm"


def test_without_a_gpu_the_self_test_says_so() -> None:
    """The process that is started is the real one."""
    pytest.importorskip("triton.experimental.gluon")
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert self_test.hopper_self_test(CPU, torch.float16, 64).startswith("it does not compile or run (")
