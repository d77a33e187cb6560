"""The Hopper kernel of the backward pass on a GPU made of Python, against the reference in float64, whenever things happen."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton.experimental.gluon")

from nlpcli.kernels import hopper_backward, hopper_gradients, reference
from nlpcli.kernels.hopper_backward import fault
from nlpcli.kernels.problem import Options, Shape, default_scale
from nlpcli.kernels.triton_launch import Tiles
from tests.kernels import triton_cases as cases
from tests.kernels.gluon_on_cpu import Emulated
from tests.kernels.python_gpu import Fault, Timing
from tests.kernels.test_hopper_forward import FEATURES, TIMINGS, changed

SMALL = Tiles(32, 128, 4, 2)  # many blocks in short rows
KERNEL = hopper_backward._hopper_backward
NAME = "_hopper_backward"
OUTPUTS = ("dk", "dv")  # the gradients of queries begin as zeros


def forward(q: Tensor, k: Tensor, v: Tensor, shape: Shape, o: Options) -> tuple[Tensor, Tensor]:
    """Return what a forward pass without a fault gives."""
    out, lse = reference.forward(q.double(), k.double(), v.double(), shape, o)
    return out.to(q.dtype), lse.float()


def answer(p: cases.Problem, o: Options, layout: Any, *, timing: Timing = TIMINGS[0], **more: Any) -> cases.Answer:
    """Run the kernel here."""

    def backward(*arguments: Any) -> Any:
        assert fault(*arguments[2:5], *arguments[-2:]) == ""
        return hopper_backward.backward(*arguments, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hopper_backward, NAME, Emulated(KERNEL, timing, OUTPUTS))
        found: cases.Answer = layout(p, o, forward=forward, backward=backward)
        return found


def check(
    queries: list[int], keys: list[int], dtype: torch.dtype = torch.float16, size: int = 64, heads: int = 2, **more: Any
) -> None:
    """Compare padded and packed rows with the reference in float64."""
    setting = {name: more.pop(name) for name in ("timing", "tiles") if name in more}
    p, o = cases.problem(queries, keys, dtype, heads=heads, groups=1, size=size), cases.options(size, heads=heads, **more)
    right, usual = cases.referred(p, o, gradients=True), cases.plain(p, o)
    for layout in (cases.packed, cases.padded):
        cases.assert_close(answer(p, o, layout, **setting), right, usual, dtype)


@pytest.mark.parametrize("timing", TIMINGS, ids=str)
@pytest.mark.parametrize("features", FEATURES, ids=cases.name)
def test_each_feature_at_any_time(features: dict[str, Any], timing: Timing) -> None:
    check([90, 7, 0, 5], [140, 130, 20, 0], timing=timing, tiles=SMALL, **features)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("causal", [False, pytest.param(True, marks=pytest.mark.thorough)])
def test_the_tiles_that_are_shipped(size: int, causal: bool) -> None:
    check([130, 300], [150, 290], torch.float16, size, 1, causal=causal, bottom_right=True)


@pytest.mark.thorough
@pytest.mark.parametrize("size", [64, 128])
def test_another_type(size: int) -> None:
    check([130, 200], [150, 190], torch.bfloat16, size, causal=True)


@pytest.mark.thorough
@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 150)), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 150),
    st.integers(0, 1 << 30),
    st.sampled_from([SMALL, Tiles(128, 128, 4, 2)]),
)
@settings(max_examples=25)
def test_any_problem_at_any_time(
    pairs: list[tuple[int, int]], causal: bool, bottom_right: bool, window: int | None, seed: int, tiles: Tiles
) -> None:
    some, timing = {"causal": causal, "bottom_right": bottom_right, "window": window}, Timing("random", "random", seed)
    check([q for q, _ in pairs], [k for _, k in pairs], tiles=tiles, timing=timing, **some)


@pytest.mark.thorough
@pytest.mark.parametrize("features", FEATURES, ids=cases.name)
@pytest.mark.parametrize("more", [-1, 0, 1])
@pytest.mark.parametrize("size", [64, 128])
def test_every_edge_of_a_tile(more: int, size: int, features: dict[str, Any]) -> None:
    for queries in (64, 128, 256):
        for keys in (8, 64, 128, 256):
            check([queries + more], [keys + more], size=size, heads=1, timing=Timing("random", "random", keys), **features)


@pytest.mark.parametrize("tiles", [SMALL, None])
def test_rows_whose_neighbours_are_not_numbers(tiles: Tiles | None) -> None:
    """Packed rows have no padding: beyond the end of one lies the next, to whose gradients nothing is added either."""
    p, o = cases.problem([70, 30, 50], [90, 40, 33], torch.float16, heads=2, groups=1, size=64), cases.options(64, heads=2)
    for x in (p.q, p.k, p.v, p.dout):
        x[1].fill_(math.nan)
    found, right, usual = answer(p, o, cases.packed, tiles=tiles), cases.referred(p, o, gradients=True), cases.plain(p, o)
    for one in (found, right, usual):
        for parts in (one.out, one.lse, one.dq, one.dk, one.dv):
            del parts[1]
    cases.assert_close(found, right, usual, torch.float16)


def backward(q: Tensor, k: Tensor, v: Tensor, shape: Shape, o: Options, dout: Tensor) -> tuple[Tensor, ...]:
    """Run the kernel here, without a gradient of logarithms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hopper_backward, NAME, Emulated(KERNEL, TIMINGS[0], OUTPUTS))
        return hopper_backward.backward(dout, None, q, k, v, *forward(q, k, v, shape, o), shape, o)[:3]


def test_rows_that_lie_apart_in_memory_and_end_with_the_tensor() -> None:
    """Heads before rows, and a gradient of which one number is that of all; no lengths."""
    o = cases.options(64, heads=2)
    q, k, v = (torch.randn(1, 2, n, 64).half().transpose(1, 2) for n in (70, 90, 90))
    dout = torch.ones(()).half().expand(q.shape)
    right = reference.backward(dout.double(), None, q.double(), k.double(), v.double(), Shape(), o)[:3]
    for found, x in zip(backward(q, k, v, Shape(), o, dout), right, strict=True):
        torch.testing.assert_close(found.double(), x, rtol=5e-3, atol=5e-3)


def test_queries_in_padding_are_nobody() -> None:
    """Not even if they are numbers."""
    q, k = torch.randn(1, 80, 1, 64).half(), torch.randn(1, 100, 1, 64).half()
    lengths, o = torch.tensor([70], dtype=torch.int32), cases.options(64, heads=1)
    found = backward(q, k, k, Shape(lengths), o, torch.ones_like(q))
    shorter = backward(q[:, :70], k, k, Shape(), o, torch.ones_like(q[:, :70]))
    assert found[0][0, 70:].eq(0).all()
    assert torch.equal(found[0][:, :70], shorter[0])
    assert torch.equal(found[1], shorter[1])
    assert torch.equal(found[2], shorter[2])


def test_nothing_to_do() -> None:
    for queries, keys in ((0, 5), (5, 0)):
        q, k = torch.ones(2, queries, 2, 64).half(), torch.ones(2, keys, 2, 64).half()
        found = backward(q, k, k, Shape(), cases.options(64), torch.ones_like(q))
        assert [x.shape for x in found] == [q.shape, k.shape, k.shape]
        assert all(x.eq(0).all() for x in found)


@pytest.mark.parametrize(
    ("options", "expected"), [({"deterministic": True}, "in any order"), ({"softcap": 2.0}, "soft cap"), ({"causal": True}, "")]
)
def test_what_is_left_to_the_other_kernel(options: dict[str, Any], expected: str) -> None:
    q = torch.ones(1, 5, 2, 64).half()
    found = fault(q, q, q, Shape(), Options(default_scale(64), **options))
    assert expected in found
    assert bool(found) == bool(expected)


# As for the forward pass: each of these kernels has a fault.

DEVICE, KERNELS = "hopper_gradients", "hopper_backward"
GIVEN, TAKEN = "    mbarrier.arrive(queue.free.index(slot), count=1)\n", "    sum_v, sum_k, _, _ ="
READ = "    row, head, real = read(facts.row.index(slot)), read(facts.head.index(slot)), read(facts.real.index(slot))\n"
CLEAR, NOTED = "clear(flat(still.tiles.index", "mbarrier.arrive(queue.cleared"
FEW_FAULTS: list[tuple[str, str, str, str]] = [  # name, file, what stands there, what stands there instead
    ("queries are overwritten", DEVICE, "mbarrier.wait(queue.free.index(slot), number // STAGES & 1 ^ 1)", "pass"),
    ("queries are not waited for", DEVICE, "mbarrier.wait(queue.full.index(slot), number // STAGES & 1)", "pass"),
    ("slopes are not waited for", DEVICE, "mbarrier.wait(slopes.full, number & 1)", "pass"),
    ("slopes are not fenced", DEVICE, ".store(ds)\n    fence_async_shared()", ".store(ds)"),
    ("facts are read too late", DEVICE, f"{READ}{GIVEN}", f"{GIVEN}{READ}"),
    ("queries are given back too soon", DEVICE, TAKEN, f"{GIVEN}{TAKEN}"),
    ("padding of queries is not cleared", DEVICE, "            clear(queries, ", "            0 and clear(queries, "),
    ("padding of values is not cleared", DEVICE, f"{CLEAR}(GROUPS + half)), real", "0 and clear(None, real"),
    ("what is added is overwritten", DEVICE, "    tma.store_wait(0)  # the", "    pass  # the"),
]  # fmt: skip
OTHER_FAULTS: list[tuple[str, str, str, str]] = [
    ("keys are not waited for", DEVICE, "mbarrier.wait(still.full, 0)", "pass"),
    ("there is one buffer of slopes", DEVICE, "pair = number % 2 * GROUPS", "pair = 0"),
    ("what is added is not fenced", DEVICE, ".store(part)\n    fence_async_shared()", ".store(part)"),
    ("what is added does not leave", DEVICE, "    tma.store_wait(0)\n    at", "    at"),
    ("padding of gradients is not cleared", DEVICE, "            clear(douts, ", "            0 and clear(douts, "),
    ("padding of keys is not cleared", DEVICE, f"{CLEAR}(half)), real", "0 and clear(None, real"),
    ("padding is not fenced", DEVICE, f"            fence_async_shared()\n            {NOTED}", f"            {NOTED}"),
    ("the other's padding is not waited for", DEVICE, "mbarrier.wait(queue.cleared, read(facts.turn.index(slot)))", "pass"),
    ("sums are not waited for", DEVICE, "warpgroup_mma_wait(GROUPS, deps", "warpgroup_mma_wait(GROUPS + 1, deps"),
    ("statistics are not waited for", KERNELS, "barriers(STAGES, 2)", "barriers(STAGES, 1)"),
    ("barriers are not fenced", KERNELS, "    fence_async_shared()", "    pass"),
    ("one group gives buffers back for both", KERNELS, "barriers(STAGES, GROUPS), numbers", "barriers(STAGES, 1), numbers"),
    ("rows beyond the end are written", DEVICE, "rows < stop)", "rows < stop + 9)"),
]  # fmt: skip


def run_changed(tmp_path: Path, patch: pytest.MonkeyPatch, file: str, old: str, new: str) -> None:
    """Demand of a changed kernel what is demanded of the true one."""
    module = changed(tmp_path / f"{file}.py", hopper_gradients if file == DEVICE else hopper_backward, old, new)
    host = module if file == KERNELS else hopper_backward
    if file == DEVICE:
        patch.setattr(hopper_backward, "differentiate", module.differentiate)
        patch.setattr(hopper_backward, "bring", module.bring)
    kernel = host._hopper_backward
    p, o = cases.problem([100, 70], [110, 140], torch.float16, heads=1, groups=1, size=64), cases.options(64, heads=1)
    right, usual = cases.referred(p, o, gradients=True), cases.plain(p, o)
    for timing in TIMINGS:
        patch.setattr(host, NAME, Emulated(kernel, timing, OUTPUTS))
        for layout in (cases.packed, cases.padded):
            found = layout(p, o, forward=forward, backward=lambda *a: host.backward(*a, tiles=SMALL))
            cases.assert_close(found, right, usual, torch.float16)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [x[1:] for x in FEW_FAULTS] + [pytest.param(*x[1:], marks=pytest.mark.thorough) for x in OTHER_FAULTS],
    ids=[x[0] for x in FEW_FAULTS + OTHER_FAULTS],
)
def test_faults_of_a_kernel_show(file: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, Fault)):
        run_changed(tmp_path, monkeypatch, file, old, new)


def test_adding_more_than_zeros_to_neighbours_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = "(i < real)[:, None], part", "(i >= 0)[:, None], part"
    module = changed(tmp_path / f"{DEVICE}.py", hopper_gradients, old, new)
    monkeypatch.setattr(hopper_backward, "differentiate", module.differentiate)
    with pytest.raises(AssertionError):
        test_rows_whose_neighbours_are_not_numbers(SMALL)


def test_a_kernel_without_a_fault_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed here is a comment: the faults above are not those of the way they are made."""
    run_changed(tmp_path, monkeypatch, DEVICE, "# the block before has left", "# it has left")
