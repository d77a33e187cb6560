"""Settings: bounds are kept, a file means what it says, and a slip in it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from nlpcli.config import Positive, Share, checked, read_config
from nlpcli.errors import BadInput, NlpcliError, UsageError

KNOWN = {"data", "out", "d_model", "dropout", "epochs", "input_feeding", "src"}
COMMAND = ["train", "seq2seq"]


Part = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings as commands have them."""

    d_model: Positive = 512
    rate: Annotated[float, msgspec.Meta(gt=0)] = 1e-3
    dropout: Annotated[Part, msgspec.Meta(description="Share of features dropped.")] = 0.3
    share: Share = 1.0
    max_steps: Positive | None = None
    max_minutes: Annotated[Part | None, msgspec.Meta(description="Of an hour.")] = None
    widths: Annotated[tuple[Positive, ...], msgspec.Meta(description="Of windows.")] = (3, 4)
    cell: Literal["rnn", "gru"] = "gru"
    tie: bool = False
    note: Annotated[str, msgspec.Meta(max_length=5)] = ""


def read(text: str, command: list[str] = COMMAND, name: str = "c.toml") -> dict[str, Any]:
    Path(name).write_text(text, "utf-8")
    return read_config(Path(name), command, KNOWN)


# Bounds


def test_values_within_bounds_are_taken_and_the_rest_are_defaults() -> None:
    assert checked(Settings, {"d_model": 64, "dropout": 0, "max_steps": None}) == Settings(d_model=64, dropout=0.0)
    assert checked(Settings, {}) == Settings()
    assert checked(Settings, {"widths": [2, 3], "max_minutes": 0.5}) == Settings(widths=(2, 3), max_minutes=0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("d_model", 0),
        ("d_model", -1),
        ("d_model", 1.5),
        ("d_model", "many"),
        ("d_model", None),
        ("rate", 0.0),
        ("rate", -1e-3),
        ("rate", float("nan")),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("share", 1.01),
        ("max_steps", 0),
        ("max_minutes", 1),
        ("widths", [3, 0]),
        ("widths", 3),
        ("cell", "GRU"),
        ("tie", "perhaps"),
    ],
)
def test_a_value_out_of_bounds_is_a_usage_error_that_names_option_and_value(name: str, value: Any) -> None:
    with pytest.raises(UsageError) as caught:
        checked(Settings, {name: value})
    assert f"--{name.replace('_', '-')} {value}" in caught.value.cause
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"), [("dropout", 0.0), ("share", 0.0), ("share", 1.0), ("d_model", 1), ("max_steps", 1)]
)
def test_the_bounds_themselves_belong_where_they_should(name: str, value: float) -> None:
    assert getattr(checked(Settings, {name: value}), name) == value


def test_all_values_out_of_bounds_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        checked(Settings, {"d_model": 0, "dropout": 2, "rate": 1e-3, "cell": "cnn"})
    for problem in ("--d-model 0", "--dropout 2", "--cell cnn"):
        assert problem in caught.value.cause
    assert "--rate" not in caught.value.cause


# TOML


def test_a_table_serves_its_command_only() -> None:
    text = "[train.seq2seq]\nd_model = 64\ndropout = 0.1\n[train.attention]\nd_model = 128\n[data.prepare]\nepochs = 1\n"
    assert read(text) == {"d_model": 64, "dropout": 0.1}
    assert read(text, ["train", "attention"]) == {"d_model": 128}
    assert read(text, ["evaluate"]) == {}


def test_outer_tables_serve_all_their_commands_and_the_inner_value_wins() -> None:
    text = 'data = "ko-en"\nd_model = 1\n[train]\nd_model = 2\nepochs = 2\n[train.seq2seq]\nepochs = 3\n'
    assert read(text) == {"data": "ko-en", "d_model": 2, "epochs": 3}
    assert read(text, ["train", "attention"]) == {"data": "ko-en", "d_model": 2, "epochs": 2}
    assert read(text, ["evaluate"]) == {"data": "ko-en", "d_model": 1}


def test_an_outer_key_of_another_command_is_left_to_it() -> None:
    assert read("beam_size = 5\n[train]\nattention = 'dot'\nepochs = 2\n") == {"epochs": 2}


def test_hyphens_and_underscores_are_the_same() -> None:
    assert read("[train]\ninput-feeding = true\n[train.seq2seq]\nd-model = 64\n") == {"input_feeding": True, "d_model": 64}


@pytest.mark.parametrize(
    ("key", "near"), [("d_modle", "d_model"), ("epoch", "epochs"), ("drop-out", "dropout"), ("inputfeeding", "input_feeding")]
)
def test_an_unknown_key_is_a_usage_error_with_the_nearest_one(key: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"[train.seq2seq]\n{key} = 3\n")
    assert "c.toml" in caught.value.message
    assert "nlpcli train seq2seq" in caught.value.message
    assert key.replace("-", "_") in caught.value.message
    assert f"did you mean {near}?" in caught.value.fix


def test_an_unknown_key_near_none_is_answered_with_the_help() -> None:
    with pytest.raises(UsageError) as caught:
        read("[train.seq2seq]\nxyzzy = 3\n")
    assert "nlpcli train seq2seq --help" in caught.value.fix


def test_all_unknown_keys_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        read("[train.seq2seq]\nxa = 1\nd_model = 2\nxb = 3\n")
    assert "xa, xb" in caught.value.message


def test_an_empty_file_sets_nothing() -> None:
    assert read("") == {}


@pytest.mark.parametrize("text", ["x = [", "d_model 64", "a = 1\na = 2", "[train.seq2seq]\n[train.seq2seq]"])
def test_what_is_not_toml_is_bad_input_that_names_the_file(text: str) -> None:
    with pytest.raises(BadInput, match=r"c\.toml") as caught:
        read(text)
    assert caught.value.exit_code == 3
    assert caught.value.cause


def test_a_file_that_is_not_utf8_or_not_there_is_bad_input() -> None:
    Path("c.toml").write_bytes(b"data = '\xff'")
    for path in (Path("c.toml"), Path("nothing.toml"), Path()):
        with pytest.raises(BadInput):
            read_config(path, COMMAND, KNOWN)


@pytest.mark.parametrize("text", ["train = 3", "[train]\nseq2seq = 'x'"])
def test_a_value_where_a_table_should_be_is_bad_input(text: str) -> None:
    with pytest.raises(NlpcliError, match="train") as caught:
        read(text)
    assert caught.value.exit_code in (2, 3)


# manifest.json


def test_the_settings_of_a_manifest_are_taken_and_empty_ones_left_to_the_default() -> None:
    manifest = {"schema": "nlpcli.manifest", "kind": "model", "config": {"d_model": 64, "epochs": None, "data": "ko-en"}}
    assert read(json.dumps(manifest), name="manifest.json") == {"d_model": 64, "data": "ko-en"}


@pytest.mark.parametrize("text", ["{", "[]", "{}", "3", '{"config": 3}', '{"config": []}', '{"config": null}'])
def test_a_json_file_that_is_no_manifest_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match=r"manifest\.json"):
        read(text, name="manifest.json")
