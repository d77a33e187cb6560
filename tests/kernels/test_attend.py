"""The front door: one operator that torch knows whole, tiers that agree, and refusals before anything is computed."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from nlpcli.kernels.attend import Sight, attend
from nlpcli.kernels.choose import choose
from nlpcli.kernels.dense import Mask, make_mask
from nlpcli.kernels.operator import attention
from nlpcli.kernels.problem import Options, Shape, default_scale

LENGTHS = torch.tensor([7, 4])


def random(*shape: int, dtype: torch.dtype = torch.float64, grad: bool = False) -> Tensor:
    return torch.randn(shape, dtype=dtype, requires_grad=grad)


def problem(**more: Any) -> tuple[list[Tensor], Shape, Options]:
    q, k, v = random(2, 7, 4, 8, grad=True), random(2, 7, 2, 8, grad=True), random(2, 7, 2, 8, grad=True)
    return [q, k, v], Shape(LENGTHS.int(), LENGTHS.int()), Options(0.3, **more)


MODIFIERS: list[dict[str, Any]] = [
    {},
    {"causal": True, "dropout_p": 0.2, "seed": torch.tensor([5])},
    {"window": 2, "softcap": 1.5, "alibi_slopes": torch.tensor([0.5, 0.25, 0.1, 0.0])},
    {"causal": True, "bottom_right": True, "relative_bias": torch.linspace(-1, 1, 20, dtype=torch.float64).view(4, 5)},
]


@pytest.mark.parametrize("more", MODIFIERS)
def test_its_gradient_is_that_of_finite_differences(more: dict[str, Any]) -> None:
    tensors, shape, options = problem(**more)
    bias = more.get("relative_bias")
    leaves = [*tensors, *([] if bias is None else [bias.clone().requires_grad_()])]

    def run(q: Tensor, k: Tensor, v: Tensor, table: Tensor | None = None) -> tuple[Tensor, Tensor]:
        out, lse = attention(q, k, v, *shape, *options._replace(relative_bias=table), "reference")
        return out, lse.masked_fill(lse.isinf(), 0.0)

    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("more", MODIFIERS)
@pytest.mark.parametrize("packed", [False, True])
def test_torch_finds_nothing_wrong_with_the_operator(more: dict[str, Any], packed: bool) -> None:
    (q, k, v), shape, options = problem(**more)
    if packed:
        offsets = torch.tensor([0, 3, 14])
        q, k, v = (x.detach().flatten(0, 1).requires_grad_() for x in (q, k, v))
        shape = Shape(q_offsets=offsets, k_offsets=offsets)
    found = torch.library.opcheck(attention, (q, k, v, *shape, *options, "reference"))
    assert set(found.values()) == {"SUCCESS"}


def test_it_is_compiled_without_a_break() -> None:
    q, k, v = (random(2, 7, 2, 8, dtype=torch.float32, grad=True) for _ in range(3))

    def loss(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(q, k, v, causal=True, window=3)[0].square().sum()

    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(q, k, v), loss(q, k, v))
    ours, theirs = (torch.autograd.grad(f(q, k, v), (q, k, v)) for f in (compiled, loss))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("align", ["top-left", "bottom-right"])
@pytest.mark.parametrize("more", [{}, {"causal": True}, {"window": 3, "alibi_slopes": torch.tensor([0.5, 0.1, 0.2, 0.3])}])
@pytest.mark.parametrize("lengths", [[20, 9], [20, 20], [0, 20], None], ids=str)
def test_the_tiers_agree(
    lengths: Any, more: dict[str, Any], align: Any, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short rows go through products, long ones through torch's function, and all give what the reference gives."""
    lengths = None if lengths is None else torch.tensor(lengths)
    q, k, v = random(2, 5, 4, 16, dtype=dtype), random(2, 20, 2, 16, dtype=dtype), random(2, 20, 2, 16, dtype=dtype)
    expected, lse = attend(q, k, v, k_lengths=lengths, causal_align=align, **more)
    assert lse.dtype == torch.float32
    options = Options(default_scale(16), bottom_right=align == "bottom-right", **more)
    shape = Shape(k_lengths=None if lengths is None else lengths.int())
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    assert choose(q, 20, shape, options).tier == "plain"
    torch.testing.assert_close(Sight(shape, options).attend(q, k, v), expected, rtol=0, atol=tolerance)
    monkeypatch.setattr("nlpcli.kernels.choose.SHORT", 0)
    assert choose(q, 20, shape, options).tier == "sdpa"
    torch.testing.assert_close(Sight(shape, options).attend(q, k, v), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("bottom_right", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_a_mask_is_made_on_the_device_of_the_queries(padded: bool, bottom_right: bool) -> None:
    """A device without memory stands in for a GPU: what lies on the CPU cannot be mixed with it."""
    q, k = torch.empty(2, 5, 4, 8, device="meta"), torch.empty(2, 9, 4, 8, device="meta")
    shape = Shape(k_lengths=torch.empty(2, dtype=torch.int32, device="meta") if padded else None)
    options = Options(0.3, True, bottom_right, 3, alibi_slopes=torch.empty(4, device="meta"))
    scores, blind, _ = make_mask(q, k, shape, options)
    assert scores is not None
    assert blind is not None
    assert scores.shape == (2 if padded else 1, 4, 5, 9)
    assert (scores.device, blind.device) == (q.device, q.device)


def test_a_query_that_sees_nothing_finds_nothing() -> None:
    """The second row has two keys, and its last queries look further back than those reach."""
    q, k = random(2, 6, 1, 8, dtype=torch.float32), random(2, 6, 1, 8, dtype=torch.float32)
    shape, options = Shape(k_lengths=torch.tensor([6, 2], dtype=torch.int32)), Options(0.3, causal=True, window=1)
    found = Sight(shape, options).attend(q, k, k)
    assert not found[1, 3:].any()
    torch.testing.assert_close(found, attend(q, k, k, k_lengths=shape.k_lengths, causal=True, window=1, scale=0.3)[0])


def test_mixed_precision_reaches_it() -> None:
    q, k, v = (random(1, 5, 2, 8, dtype=torch.float32) for _ in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        assert attend(q, k, v)[0].dtype == torch.bfloat16
        assert Sight(Shape(), Options(0.3)).attend(q, k, v).dtype == torch.bfloat16
    assert attend(q, k, v)[0].dtype == torch.float32


def test_the_seed_decides_what_is_dropped_and_torchs_generator_decides_on_the_seed() -> None:
    q, k, v = (random(1, 9, 2, 8, dtype=torch.float32) for _ in range(3))
    one = attend(q, k, v, dropout_p=0.5, seed=4)[0]
    assert torch.equal(one, attend(q, k, v, dropout_p=0.5, seed=4)[0])
    assert not torch.equal(one, attend(q, k, v, dropout_p=0.5, seed=5)[0])
    torch.manual_seed(2)
    two = attend(q, k, v, dropout_p=0.5)[0]
    assert not torch.equal(two, attend(q, k, v, dropout_p=0.5)[0])
    torch.manual_seed(2)
    assert torch.equal(two, attend(q, k, v, dropout_p=0.5)[0])


def test_what_no_dense_mask_could_hold_goes_to_the_reference() -> None:
    q, lengths = torch.empty(1, 8000, 2, 8, device="meta"), torch.empty(1, dtype=torch.int32, device="meta")
    assert choose(q, 8000, Shape(), Options(0.3, window=64)).tier == "reference"
    assert choose(q, 8000, Shape(k_lengths=lengths), Options(0.3, causal=True)).tier == "reference"


def test_torchs_function_is_told_of_padding_and_of_causal_rows_without_a_dense_mask() -> None:
    q, lengths = torch.empty(2, 8000, 2, 8, device="meta"), torch.empty(2, dtype=torch.int32, device="meta")
    padded, causal = (Shape(k_lengths=lengths), Options(0.3)), (Shape(), Options(0.3, causal=True))
    assert [choose(q, 8000, *problem).tier for problem in (padded, causal)] == ["sdpa", "sdpa"]
    scores = make_mask(q, q, *padded, fused=True).scores
    assert scores is not None
    assert scores.shape == (2, 1, 1, 8000)
    assert make_mask(q, q, *causal, fused=True) == Mask(None, None, causal=True)


def test_what_was_asked_for_comes_before_what_is_fast() -> None:
    q = torch.empty(1, 8000, 2, 8, device="meta")
    assert choose(q, 8000, Shape(), Options(0.3), "reference").tier == "reference"


GOOD: dict[str, Any] = {"q": torch.zeros(2, 5, 4, 8), "k": torch.zeros(2, 6, 2, 8), "v": torch.zeros(2, 6, 2, 8)}
ROWS = torch.zeros(5, 2, 8)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"q": torch.zeros(5, 4, 8)}, r"\[batch, length, heads, features\].*got a shape of \[5, 4, 8\]"),
        ({"q": torch.zeros(2, 5, 4, 8, dtype=torch.int64)}, "float16, bfloat16, float32 or float64; got torch.int64"),
        ({"k": torch.zeros(2, 6, 2, 8, dtype=torch.float16)}, "k in the type of q, torch.float32; got torch.float16"),
        ({"k": torch.zeros(2, 6, 2, 8, device="meta")}, "device of q, cpu; got meta"),
        ({"v": torch.zeros(2, 7, 2, 8)}, "k and v of one shape"),
        ({"q": torch.zeros(3, 5, 4, 8)}, "as many rows in k as in q, 3; got 2"),
        ({"q": torch.zeros(2, 5, 4, 16)}, "one size in q and k, 16; got 8"),
        ({"q": torch.zeros(2, 5, 3, 8)}, "whole number for each key head; got 3 for 2"),
        ({name: torch.zeros(2, 5, 2, 4) for name in "qkv"}, "heads of 8 to 256 features; got 4"),
        ({name: torch.zeros(2, 5, 2, 512) for name in "qkv"}, "heads of 8 to 256 features; got 512"),
        ({"q": torch.zeros(2, 5, 8, 4).transpose(2, 3)}, "features of a head side by side"),
        ({"k_lengths": torch.tensor([6, 7])}, r"k_lengths from 0 to 6; got \[6, 7\]"),
        ({"k_lengths": torch.tensor([-1, 6])}, r"k_lengths from 0 to 6; got \[-1, 6\]"),
        ({"q_lengths": torch.tensor([5])}, r"q_lengths of shape \[2\]; got \[1\]"),
        ({"q_lengths": torch.tensor([5.0, 5.0])}, "int32 or int64; got torch.float32"),
        ({"k_offsets": torch.tensor([0, 6])}, "offsets for k alone"),
        ({"window": -1}, "window of at least 0; got -1"),
        ({"scale": math.nan}, "finite scale above 0; got nan"),
        ({"scale": -1.0}, "finite scale above 0; got -1.0"),
        ({"softcap": -2.0}, "soft cap of at least 0; got -2.0"),
        ({"dropout_p": 1.0}, "dropped weights from 0 to less than 1; got 1.0"),
        ({"alibi_slopes": torch.zeros(2)}, r"alibi_slopes of shape \[4\]; got \[2\]"),
        ({"relative_bias": torch.zeros(4, 6)}, r"relative_bias of shape \[4, an odd number\]; got \[4, 6\]"),
        ({"dropout_p": 0.1, "seed": torch.tensor([1, 2])}, "a seed as one int64"),
    ],
)
def test_what_does_not_fit_together_is_refused(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=f"attention: expected .*{expected}"):
        attend(**{**GOOD, **wrong})


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ({"q_offsets": torch.tensor([0, 5])}, "offsets for q alone"),
        ({"q_offsets": torch.tensor([0, 5]), "k_offsets": torch.tensor([0, 2, 5])}, r"k_offsets of shape \[2\]; got \[3\]"),
        ({name: torch.tensor([0, 4]) for name in ("q_offsets", "k_offsets")}, r"rise from 0 to 5; got \[0, 4\]"),
        ({name: torch.tensor([0, 6, 5]) for name in ("q_offsets", "k_offsets")}, r"rise from 0 to 5; got \[0, 6, 5\]"),
        ({**{name: torch.tensor([0, 5]) for name in ("q_offsets", "k_offsets")}, "k_lengths": torch.tensor([5])}, "not both"),
    ],
)
def test_offsets_that_do_not_fit_are_refused(offsets: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=f"attention: expected .*{expected}"):
        attend(ROWS, ROWS, ROWS, **offsets)


def test_the_compiler_is_not_loaded_before_it_is_used() -> None:
    """It takes a second and more, and each command that computes would pay it."""
    program = "import sys, nlpcli.models.transformer, nlpcli.decoding.torch_engine; sys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
