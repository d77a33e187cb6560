"""The Hopper kernel's own source on a GPU made of Python, against float64, whenever copies and products happen."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton.experimental.gluon")

from nlpcli.kernels import hopper_device, hopper_forward
from nlpcli.kernels.hopper_forward import fault
from nlpcli.kernels.problem import Options, Shape, default_scale
from nlpcli.kernels.triton_launch import Tiles
from tests.kernels import triton_cases as cases
from tests.kernels.gluon_on_cpu import Emulated
from tests.kernels.python_gpu import Fault, Timing

TIMINGS = [
    Timing("late", "late"),
    Timing("early", "late"),  # a buffer that is given back too soon is overwritten
    Timing("late", "early"),  # a tile that is not waited for is not there
    Timing("random", "random", 1),
    Timing("random", "random", 2),
]
SMALL = Tiles(128, 32, 4, 2)  # many blocks in short rows
KERNEL = hopper_forward._hopper_forward
NAME = "_hopper_forward"
FEATURES: list[dict[str, Any]] = [
    {},
    {"causal": True},
    {"causal": True, "bottom_right": True},
    {"window": 40},
    {"window": 0},
    {"causal": True, "bottom_right": True, "window": 70},
]


def run(
    q: Tensor, k: Tensor, v: Tensor, shape: Shape, o: Options, *, timing: Timing = TIMINGS[0], **more: Any
) -> tuple[Tensor, Tensor]:
    """Run the kernel here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hopper_forward, NAME, Emulated(KERNEL, timing, ("out", "lse")))
        assert fault(q, k, v, shape, o) == ""
        return hopper_forward.forward(q, k, v, shape, o, **more)


def check(queries: list[int], keys: list[int], dtype: torch.dtype = torch.float16, size: int = 64, **more: Any) -> None:
    """Compare padded and packed rows with the reference in float64."""
    setting = {name: more.pop(name) for name in ("timing", "tiles") if name in more}
    p, o = cases.problem(queries, keys, dtype, heads=2, groups=1, size=size), cases.options(size, heads=2, **more)
    right, usual = cases.referred(p, o), cases.plain(p, o)
    for layout in (cases.packed, cases.padded):
        found = layout(p, o, gradients=False, forward=run, **setting)
        cases.assert_close(found, right, usual, dtype)


@pytest.mark.parametrize("timing", TIMINGS, ids=str)
@pytest.mark.parametrize("features", FEATURES, ids=cases.name)
def test_each_feature_at_any_time(features: dict[str, Any], timing: Timing) -> None:
    check([140, 7, 0], [200, 130, 20], timing=timing, tiles=SMALL, **features)


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("causal", [False, True])
def test_the_tiles_that_are_shipped(size: int, dtype: torch.dtype, causal: bool) -> None:
    check([130, 300], [300, 600], dtype, size, causal=causal, bottom_right=True)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=3),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 150),
    st.integers(0, 1 << 30),
    st.sampled_from([SMALL, Tiles(128, 64, 4, 3)]),
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
        for keys in (8, 64, 128, 256, 384):
            check([queries + more], [keys + more], size=size, timing=Timing("random", "random", keys), **features)


@pytest.mark.thorough
def test_every_length_modulo_a_tile() -> None:
    for length in range(128, 257):
        check([length], [length], causal=True, timing=Timing("random", "random", length))


def test_rows_whose_neighbours_are_not_numbers() -> None:
    """Packed rows have no padding: beyond the end of one lies the next."""
    p, o = cases.problem([70, 30, 50], [90, 40, 33], torch.float16, heads=2, groups=1, size=64), cases.options(64, heads=2)
    for x in (p.q, p.k, p.v):
        x[1].fill_(math.nan)
    found, right, usual = cases.packed(p, o, gradients=False, forward=run), cases.referred(p, o), cases.plain(p, o)
    for answer in (found, right, usual):
        del answer.out[1], answer.lse[1]
    cases.assert_close(found, right, usual, torch.float16)


def test_queries_in_padding_are_nobody() -> None:
    """Not even if they are numbers."""
    q, k = torch.randn(1, 150, 1, 64).half(), torch.randn(1, 100, 1, 64).half()
    out, lse = run(q, k, k, Shape(torch.tensor([130], dtype=torch.int32)), cases.options(64, heads=1))
    assert out[0, 130:].eq(0).all()
    assert lse[0, 0, 130:].eq(-math.inf).all()
    assert lse[0, 0, :130].isfinite().all()


def test_padding_without_lengths_ends_with_the_tensor() -> None:
    p, o = cases.problem([70], [90], torch.float16, heads=4, groups=2, size=64), cases.options(64)
    q, k, v = (x[0][None] for x in (p.q, p.k, p.v))
    out, lse = run(q, k, v, Shape(), o)
    found = cases.Answer([out[0]], [lse[0]], [], [], [], None)
    cases.assert_close(found, cases.referred(p, o), cases.plain(p, o), torch.float16)


def test_rows_that_lie_apart_in_memory() -> None:
    """Heads before rows, as most models have them, and q, k, v cut out of one product."""
    p, o = cases.problem([70], [90], torch.float16, heads=2, groups=2, size=64), cases.options(64, heads=2)
    q, k, v = (x[0].transpose(0, 1).contiguous().transpose(0, 1)[None] for x in (p.q, p.k, p.v))
    out, _ = run(q, k, v, Shape(), o)
    joint = torch.cat([p.k[0], p.v[0]], -1)
    same, _ = run(p.q[0][None], *joint[None].split(64, -1), Shape(), o)
    assert torch.equal(out, same)


def test_nothing_to_do() -> None:
    for queries, keys in ((0, 5), (5, 0)):
        q, k = torch.ones(2, queries, 2, 64).half(), torch.ones(2, keys, 2, 64).half()
        out, lse = run(q, k, k, Shape(), cases.options(64))
        assert out.eq(0).all()
        assert lse.eq(-math.inf).all()
        assert lse.shape == (2, 2, queries)


@pytest.mark.parametrize(
    ("q", "options", "expected"),
    [
        (torch.ones(1, 5, 2, 64), {}, "float16 and bfloat16, not torch.float32"),
        (torch.ones(1, 5, 2, 80).half(), {}, "64 and 128 features, not 80"),
        (torch.ones(1, 5, 2, 64).half(), {"dropout_p": 0.1}, "no dropout"),
        (torch.ones(1, 5, 2, 64).half(), {"softcap": 2.0}, "soft cap"),
        (torch.ones(1, 5, 2, 64).half(), {"alibi_slopes": torch.ones(2)}, "ALiBi"),
        (torch.ones(1, 5, 2, 64).half(), {"relative_bias": torch.ones(2, 3)}, "relative bias"),
        (torch.ones(1, 5, 2, 65).half()[..., 1:], {}, "multiples of 16 bytes"),
        (torch.ones(1, 5, 2, 68).half()[..., :64], {}, "multiples of 16 bytes"),
        (torch.ones(1, 1, 2, 64).half().expand(1, 5, 2, 64), {}, "multiples of 16 bytes"),
        (torch.ones(1, 1, 1, 64).half(), {"causal": True, "window": 3}, ""),
    ],
)
def test_what_is_left_to_the_other_kernel(q: Tensor, options: dict[str, Any], expected: str) -> None:
    k = torch.ones(1, 7, 1, q.size(-1), dtype=q.dtype)
    found = fault(q, k, k, Shape(), Options(default_scale(q.size(-1)), **options))
    assert expected in found
    assert bool(found) == bool(expected)


# A GPU made of Python that overlooks faults would be worth nothing: each of these kernels has one.

DEVICE, FORWARD = "hopper_device", "hopper_forward"
STEP = "    products = warpgroup_mma_wait(1, deps=[products])"
FAULTS: list[tuple[str, str, str, str]] = [  # name, file, what stands there, what stands there instead
    ("keys are overwritten", DEVICE, "mbarrier.wait(keys.free.index(slot), parity)", "pass"),
    ("values are overwritten", DEVICE, "mbarrier.wait(values.free.index(slot), parity)", "pass"),
    ("queries are not waited for", DEVICE, "mbarrier.wait(q_full, 0)", "pass"),
    ("the first keys are not waited for", DEVICE, "wait_for(keys, 0, STAGES)", "pass"),
    ("the second keys are not waited for", DEVICE, "wait_for(keys, 1, STAGES, blocks.count > 1)", "pass"),
    ("keys are not waited for", DEVICE, "wait_for(keys, number + 1, STAGES, number + 1 < blocks.count)", "pass"),
    ("keys that never come are waited for", DEVICE, "STAGES, number + 1 < blocks.count)", "STAGES)"),
    ("values are not waited for", DEVICE, "    wait_for(values, number - 1, STAGES)", "    pass"),
    ("the last values are not waited for", DEVICE, "wait_for(values, blocks.count - 1, STAGES)", "pass"),
    ("products are not waited for", DEVICE, "mma_wait(1, deps=[products])", "mma_wait(2, deps=[products])"),
    ("sums are not waited for", DEVICE, "mma_wait(0, deps=[sums", "mma_wait(1, deps=[sums"),
    ("keys are given back too soon", DEVICE, STEP, f"    release(keys, number, STAGES)\n{STEP}"),
    ("keys are given back twice", DEVICE, STEP, f"{STEP}\n    release(keys, number, STAGES)"),
    ("values are given back too soon", DEVICE, "    new = op", "    release(values, number - 1, STAGES)\n    new = op"),
    ("keys are not given back", DEVICE, "    release(keys, number, STAGES)", "    pass"),
    ("values are not given back", DEVICE, "    release(values, number - 1, STAGES)", "    pass"),
    ("the wrong phase is waited for", DEVICE, "number // STAGES & 1 ^ 1", "number // STAGES & 1"),
    ("half of the queries are waited for", DEVICE, "GROUPS * q.nbytes_per_cta", "q.nbytes_per_cta"),
    ("padding is not cleared", DEVICE, "clear(tile_of(values, number, STAGES), w.n_k - start, D, BLOCK_K)", "pass"),
    ("padding is cleared before it is there", DEVICE, "mbarrier.wait(landed, 0)", "pass"),
    ("what is cleared is not fenced", DEVICE, "            fence_async_shared()", "            pass"),
    ("barriers are not fenced", FORWARD, "    fence_async_shared()", "    pass"),
    ("one group gives buffers back for both", FORWARD, "count=GROUPS", "count=1"),
    ("rows beyond the end are written", DEVICE, "mask=(i < rows.stop)", "mask=(i < rows.stop + 9)"),
    ("logarithms beyond the end are written", DEVICE, "logarithm, mask=i < rows.stop", "logarithm, mask=i < rows.stop + 9"),
]


def changed(path: Path, module: Any, old: str, new: str) -> Any:
    """Return a module with a line of it changed."""
    source = Path(module.__file__).read_text("utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{source.count(old)} times {old!r}")
    path.write_text(source.replace(old, new), "utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def run_changed(tmp_path: Path, patch: pytest.MonkeyPatch, file: str, old: str, new: str) -> None:
    """Demand of a changed kernel what is demanded of the true one."""
    module = changed(tmp_path / f"{file}.py", hopper_device if file == DEVICE else hopper_forward, old, new)
    forward = module if file == FORWARD else hopper_forward
    if file == DEVICE:
        patch.setattr(hopper_forward, "compute", module.compute)
        patch.setattr(hopper_forward, "copy", module.copy)
    kernel = forward._hopper_forward
    p, o = cases.problem([150, 130], [110, 200], torch.float16, heads=1, groups=1, size=64), cases.options(64, heads=1)
    right, usual = cases.referred(p, o), cases.plain(p, o)
    for timing in TIMINGS:
        patch.setattr(forward, NAME, Emulated(kernel, timing, ("out", "lse")))
        for layout in (cases.packed, cases.padded):
            found = layout(p, o, gradients=False, forward=forward.forward, tiles=SMALL)
            cases.assert_close(found, right, usual, torch.float16)


@pytest.mark.parametrize(("file", "old", "new"), [x[1:] for x in FAULTS], ids=[x[0] for x in FAULTS])
def test_faults_of_a_kernel_show(file: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, Fault)):
        run_changed(tmp_path, monkeypatch, file, old, new)


def test_a_kernel_without_a_fault_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed here is a comment: the faults above are not those of the way they are made."""
    run_changed(tmp_path, monkeypatch, DEVICE, "# a sequence has one end", "# once")


def test_warps_that_wait_in_vain_are_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fault, match="deadlock: every partition waits for what nobody will signal"):
        run_changed(tmp_path, monkeypatch, DEVICE, "    release(values, number - 1, STAGES)", "    pass")
