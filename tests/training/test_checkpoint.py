"""The state of a run comes back as it was or not at all, and nothing that is read is executed."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from nlpcli.errors import ArtifactError
from nlpcli.models.config import AttentionConfig
from nlpcli.models.load import build_model
from nlpcli.training.checkpoint import load_state, random_state, save_state, save_weights, set_random_state
from nlpcli.training.optimisation import make_optimizer
from nlpcli.training.settings import TrainSettings

STATE = Path("state.pt")


class Hostile:
    """An object whose unpickling runs a command."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def train_a_little(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()


def test_tensors_and_plain_values_come_back() -> None:
    state = {
        "model": {"w": torch.randn(3, 4), "half": torch.randn(3).bfloat16(), "long": torch.arange(5), "none": None},
        "progress": {"step": 7, "best_score": -1.25, "stopped": "", "seconds": 1e-9},
        "config": {"tie": "all", "joint": True, "edges": [1, 2]},
    }
    save_state(STATE, state)
    found = load_state(STATE)
    torch.testing.assert_close(found["model"], state["model"], rtol=0, atol=0)
    assert (found["progress"], found["config"]) == (state["progress"], state["config"])
    assert names() == ["state.pt"]


@pytest.mark.parametrize("kind", ["adam", "adamw"])
def test_an_optimiser_goes_on_as_if_nothing_had_happened(kind: Any) -> None:
    settings = TrainSettings(optimizer=kind, learning_rate=0.05)
    torch.manual_seed(1)
    model = nn.Linear(3, 2)
    optimizer = make_optimizer(model, settings)
    train_a_little(model, optimizer, 3)
    save_state(STATE, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": random_state()})
    train_a_little(model, optimizer, 3)

    torch.manual_seed(99)
    other = nn.Linear(3, 2)
    other_optimizer = make_optimizer(other, settings)
    state = load_state(STATE)
    other.load_state_dict(state["model"])
    other_optimizer.load_state_dict(state["optimizer"])
    set_random_state(state["random"])
    train_a_little(other, other_optimizer, 3)
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(other.bias, model.bias)


def test_random_numbers_go_on_where_they_were() -> None:
    kept = random_state()
    first = torch.rand(5)
    set_random_state(kept)
    assert torch.equal(torch.rand(5), first)


def test_a_state_that_cannot_be_written_leaves_the_old_one() -> None:
    save_state(STATE, {"step": 1})
    with pytest.raises(Exception, match="pickle"):
        save_state(STATE, {"step": 2, "bad": lambda: None})
    assert load_state(STATE)["step"] == 1
    assert names() == ["state.pt"]


def test_a_new_state_takes_the_old_ones_place() -> None:
    save_state(STATE, {"step": 1})
    save_state(STATE, {"step": 2})
    assert load_state(STATE)["step"] == 2
    assert names() == ["state.pt"]


def whole() -> bytes:
    save_state(STATE, {"w": torch.ones(1000)})
    return STATE.read_bytes()


@pytest.mark.parametrize("damage", ["empty", "half", "no end", "text", "a changed number"])
def test_a_damaged_state_is_refused(damage: str) -> None:
    data = whole()
    middle = data.index(b"\x00\x00\x80\x3f" * 100) + 200  # within the tensor's numbers
    broken = {
        "empty": b"",
        "half": data[: len(data) // 2],
        "no end": data[:-10],
        "text": b"this is not a state\n" * 20,
        "a changed number": data[:middle] + b"\x01" + data[middle + 1 :],
    }
    assert len(broken["a changed number"]) == len(data)
    STATE.write_bytes(broken[damage])
    with pytest.raises(ArtifactError, match=r"state\.pt cannot be read"):
        load_state(STATE)


def test_a_missing_state_is_named() -> None:
    with pytest.raises(ArtifactError, match=r"state\.pt cannot be read"):
        load_state(STATE)


@pytest.mark.parametrize(
    "content", [[1, 2], torch.ones(2), {"step": 1}, {"format": 999, "step": 1}], ids=["list", "tensor", "other", "newer"]
)
def test_what_is_no_state_of_this_format_is_refused(content: Any) -> None:
    torch.save(content, STATE)
    with pytest.raises(ArtifactError):
        load_state(STATE)


@pytest.mark.parametrize("form", ["a plain pickle", "within a state"])
def test_a_hostile_pickle_is_not_executed(form: str) -> None:
    if form == "a plain pickle":
        STATE.write_bytes(pickle.dumps(Hostile()))
    else:
        torch.save({"format": 2, "progress": Hostile()}, STATE)
    with pytest.raises(ArtifactError):
        load_state(STATE)
    assert names() == ["state.pt"]


def test_the_hostile_pickle_is_one() -> None:
    pickle.loads(pickle.dumps(Hostile()))
    assert names() == ["executed"]


@pytest.mark.parametrize(("tie", "stored_once"), [("none", 3), ("decoder", 2), ("all", 1)])
def test_tied_weights_are_stored_once(tie: Any, stored_once: int) -> None:
    model = build_model("attention", AttentionConfig(d_embed=8, d_model=8, tie_embeddings=tie), "translation", 50, 50)
    save_weights(Path("model.safetensors"), dict(model.named_parameters()))
    stored = load_file("model.safetensors")
    assert sum(tuple(tensor.shape) == (50, 8) for tensor in stored.values()) == stored_once
    for name, parameter in model.named_parameters():
        assert torch.equal(stored[name], parameter)
    assert len(stored) == len(list(model.parameters()))
    assert names() == ["model.safetensors"]


def test_weights_that_lie_in_other_ways_are_stored_all_the_same() -> None:
    model = nn.Linear(3, 2)
    model.weight = nn.Parameter(torch.arange(6.0).view(3, 2).t())  # not contiguous
    save_weights(Path("model.safetensors"), dict(model.named_parameters()))
    assert torch.equal(load_file("model.safetensors")["weight"], model.weight)
