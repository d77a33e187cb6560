"""A command and the function behind it offer the same options with the same defaults."""

from __future__ import annotations

import inspect
from itertools import combinations
from typing import Any

import pytest

import nlpcli
from nlpcli.cli import data, doctor, embed, evaluate, export, tokenize, train, translate
from nlpcli.cli.options import CONTROL
from nlpcli.models.config import CONFIGS, TASKS
from nlpcli.training.settings import TrainSettings

PAIRS = [
    (data.prepare, nlpcli.prepare_data),
    (data.fetch, nlpcli.fetch_data),
    (data.list_, nlpcli.list_data),
    (data.stats, nlpcli.data_stats),
    (data.check, nlpcli.check_data),
    (data.clean, nlpcli.clean_data),
    (data.split, nlpcli.split_data),
    (tokenize.train, nlpcli.train_tokenizer),
    (tokenize.dataset, nlpcli.encode_dataset),
    (tokenize.stats, nlpcli.tokenizer_stats),
    (tokenize.encode, nlpcli.encode_stream),
    (tokenize.decode, nlpcli.decode_stream),
    (evaluate.evaluate, nlpcli.evaluate),
    (doctor.doctor, nlpcli.doctor),
    (export.export, nlpcli.export_model),
    (embed.train, nlpcli.train_embedding),
    (embed.nearest, nlpcli.nearest),
    (embed.analogy, nlpcli.analogy),
    (embed.evaluate, nlpcli.evaluate_embedding),
    (embed.export, nlpcli.export_embedding),
    (embed.plot, nlpcli.plot_embedding),
]


def defaults(function: Any, without: set[str]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    found = {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in without}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


@pytest.mark.parametrize(("command", "function"), PAIRS, ids=lambda f: f.__name__)
def test_command_and_function_have_the_same_options(command, function):
    assert defaults(command, {"ctx", *CONTROL}) == defaults(function, {*CONTROL, "reuse", "config_source"})


def plain_defaults(cls: Any) -> dict[str, Any]:
    values = (list(value) if isinstance(value, tuple) else value for value in cls.__struct_defaults__)
    return dict(zip(cls.__struct_fields__, values, strict=True))


def test_translate_command_has_the_options_of_its_settings():
    own = defaults(nlpcli.translate, {*CONTROL, "model"})
    settings = [plain_defaults(cls) for cls in translate.SECTIONS]
    assert all(not a.keys() & b.keys() for a, b in combinations(settings, 2))
    merged = {name: value for part in settings for name, value in part.items()}
    assert defaults(translate.translate, {"ctx", "model", "status", "autotune", *CONTROL}) == own | merged


@pytest.mark.parametrize("architecture", CONFIGS)
def test_train_command_has_the_options_of_its_settings_and_of_its_tasks(architecture):
    here = {architecture, *TASKS[architecture]}
    training = plain_defaults(TrainSettings)
    training = {name: value for name, value in training.items() if here & train.ONLY_FOR.get(name, here)}
    function = defaults(nlpcli.train, {*CONTROL, "architecture", "config_source"})
    of_other_tasks = {name for task, options in train.OF_TASK.items() if task not in here for name in options}
    assert set().union(*train.OF_TASK.values()) < function.keys()
    own = {name: value for name, value in function.items() if name not in of_other_tasks}
    assert defaults(train.function(architecture), {"ctx", *CONTROL}) == own | plain_defaults(CONFIGS[architecture]) | training


def test_what_is_said_about_settings_of_training_names_settings_of_training():
    fields = set(TrainSettings.__struct_fields__)
    assert train.ONLY_FOR.keys() <= fields
    assert train.SECTIONS.keys() <= fields
    assert set().union(*train.ONLY_FOR.values()) <= {*CONFIGS, *train.OF_TASK}
    assert train.EXAMPLES.keys() == CONFIGS.keys() == TASKS.keys()
    assert train.FLAGS.keys() <= fields.union(*(cls.__struct_fields__ for cls in CONFIGS.values()))


def test_every_name_of_the_python_face_is_there():
    for name in nlpcli.__all__:
        assert getattr(nlpcli, name) is not None
