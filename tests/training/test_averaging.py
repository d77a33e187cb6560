"""The moving average against torch's AveragedModel, and the mean of checkpoints against numpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from nlpcli.errors import ArtifactError
from nlpcli.training.averaging import Ema, average


class Small(nn.Module):
    """A tied embedding, a recurrent layer and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.rnn = nn.GRU(4, 4, batch_first=True)
        self.output = nn.Linear(4, 7)
        self.output.weight = self.embed.weight
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, ids_bt: Tensor) -> Tensor:
        out: Tensor = self.output(self.rnn(self.embed(ids_bt))[0])
        return out


@torch.no_grad()
def disturb(model: nn.Module) -> None:
    """Change all parameters, as an optimiser step does."""
    for p in model.parameters():
        p.add_(torch.randn_like(p))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def followed(decay: float, multi_avg_fn: Callable[..., None], steps: int) -> None:
    """Hold `Ema` beside torch's averaged model for some steps."""
    torch.manual_seed(0)
    model = Small()
    reference = AveragedModel(model, multi_avg_fn=multi_avg_fn)
    reference.update_parameters(model)  # its first call copies
    ema = Ema(model, decay)
    for _ in range(steps):
        disturb(model)
        reference.update_parameters(model)
        ema.update(model)
        for name, p in reference.module.named_parameters():
            torch.testing.assert_close(ema.weights[name], p.detach(), rtol=1e-6, atol=1e-6)


def test_it_is_torchs_where_the_decay_is_below_the_warm_up() -> None:
    followed(0.1, get_ema_multi_avg_fn(0.1), 20)


def test_it_is_torchs_with_the_warm_up() -> None:
    def warmed(averaged: Any, current: Any, count: Tensor) -> None:
        n = int(count) - 1  # torch has counted the copy
        get_ema_multi_avg_fn(min(0.6, (1 + n) / (10 + n)))(averaged, current, count)

    followed(0.6, warmed, 30)  # the warm-up ends at n = 12.5


@given(st.floats(0, 0.999), st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=20))
def test_the_average_stays_between_the_weights(decay: float, values: list[float]) -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 1.0)
    ema = Ema(layer, decay)
    for value in values:
        nn.init.constant_(layer.weight, value)
        ema.update(layer)
    found = ema.weights["weight"].item()
    assert min(1.0, *values) - 1e-5 <= found <= max(1.0, *values) + 1e-5


def test_weights_that_do_not_change_are_averaged_to_themselves() -> None:
    model = Small()
    ema = Ema(model, 0.9)
    for _ in range(50):
        ema.update(model)
    assert all(torch.equal(ema.weights[name], w) for name, w in weights(model).items())


def test_the_model_has_the_average_within_the_context_and_its_own_after_it() -> None:
    torch.manual_seed(0)
    model, ids = Small(), torch.tensor([[1, 2, 3]])
    ema = Ema(model, 0.9)
    disturb(model)
    ema.update(model)
    own, at = weights(model), [p.data_ptr() for p in model.parameters()]
    averaged = Small()
    averaged.load_state_dict({**ema.weights, "output.weight": ema.weights["embed.weight"], "seen": model.seen})
    with ema.applied(model):
        assert torch.equal(model(ids), averaged(ids))
        assert set(ema.state_dict()["weights"]) == set(own)
        assert model.output.weight is model.embed.weight
    assert all(torch.equal(w, own[name]) for name, w in weights(model).items())
    assert [p.data_ptr() for p in model.parameters()] == at


def test_the_model_gets_its_own_weights_back_after_an_error() -> None:
    model = Small()
    ema = Ema(model, 0.9)
    disturb(model)
    own = weights(model)
    with pytest.raises(KeyboardInterrupt), ema.applied(model):
        raise KeyboardInterrupt
    assert all(torch.equal(w, own[name]) for name, w in weights(model).items())


def test_training_goes_on_undisturbed() -> None:
    """Gradients and the optimiser do not notice that the average was looked at."""
    ends = []
    for looks in (False, True):
        torch.manual_seed(0)
        model, ids = Small(), torch.tensor([[1, 2, 3]])
        optimizer, ema = torch.optim.AdamW(model.parameters(), fused=True), Ema(model, 0.9)
        for _ in range(3):
            optimizer.zero_grad()
            model(ids).square().sum().backward()
            optimizer.step()
            ema.update(model)
            if looks:
                with ema.applied(model), torch.no_grad():
                    model(ids)
        ends.append(weights(model))
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_saved_average_goes_on_to_the_last_bit() -> None:
    torch.manual_seed(0)
    model = Small()
    ema = Ema(model, 0.9)
    for _ in range(3):
        disturb(model)
        ema.update(model)
    torch.save(ema.state_dict(), "ema.pt")
    again = Ema(Small(), 0.9)
    again.load_state_dict(torch.load("ema.pt", weights_only=True))
    disturb(model)
    ema.update(model)
    again.update(model)
    assert again.updates == ema.updates == 4
    assert all(torch.equal(again.weights[name], w) for name, w in ema.weights.items())


def test_the_average_of_another_model_is_refused() -> None:
    state = Ema(nn.Linear(3, 2), 0.9).state_dict()
    with pytest.raises(ArtifactError, match="moving average do not fit those of the model") as e:
        Ema(nn.Linear(4, 2, bias=False), 0.9).load_state_dict(state)
    assert e.value.cause == "bias is [2], not there, weight is [2, 3], not [2, 4]"
    assert e.value.fix == "start anew with --force"


# --- the mean of files -------------------------------------------------------------------------------------------------


def files(*contents: dict[str, Tensor]) -> list[Path]:
    paths = [Path(f"{i}.safetensors") for i in range(len(contents))]
    for path, tensors in zip(paths, contents):
        save_file(tensors, path)
    return paths


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_mean_is_numpys(count: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    contents = [{"a": torch.randn(3, 4).to(dtype), "b.c": torch.randn(5).to(dtype)} for _ in range(count)]
    mean = average(files(*contents))
    assert set(mean) == {"a", "b.c"}
    for name, tensor in mean.items():
        expected = np.mean([c[name].double().numpy() for c in contents], axis=0)
        assert tensor.dtype == dtype
        torch.testing.assert_close(tensor, torch.from_numpy(expected).to(dtype), rtol=1e-15, atol=0)


def test_small_differences_survive_large_weights() -> None:
    """In float32 the sum 3 × 16777215 would be rounded."""
    big = 16_777_215.0
    contents = [{"a": torch.tensor([big])}] * 3
    assert average(files(*contents))["a"].item() == big


@pytest.mark.parametrize(
    ("other", "cause"),
    [
        ({"a": torch.zeros(3, 2)}, "a is [3, 2] F32, not [2, 3] F32"),
        ({"a": torch.zeros(2, 3).half()}, "a is [2, 3] F16, not [2, 3] F32"),
        ({"b": torch.zeros(2, 3)}, "a is missing, not [2, 3] F32, b is [2, 3] F32, not there"),
    ],
)
def test_files_of_different_models_are_refused(other: dict[str, Tensor], cause: str) -> None:
    paths = files({"a": torch.zeros(2, 3)}, {"a": torch.zeros(2, 3)}, other)
    with pytest.raises(ArtifactError, match=r"the weights of 2\.safetensors do not fit those of 0\.safetensors") as e:
        average(paths)
    assert e.value.cause == cause
    assert e.value.fix == "average checkpoints of one and the same run"


def test_files_that_cannot_be_read_are_named() -> None:
    paths = files({"a": torch.zeros(2, 3)})
    Path("cut.safetensors").write_bytes(paths[0].read_bytes()[:20])
    for name, cause in (("cut.safetensors", "SafetensorError"), ("none.safetensors", "FileNotFoundError")):
        with pytest.raises(ArtifactError, match=f"{name} cannot be read") as e:
            average([*paths, Path(name)])
        assert e.value.cause.startswith(cause)
