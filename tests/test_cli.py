"""The command line as its users meet it: help, exit codes, the JSON envelope, settings from four places, `inspect`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import msgspec
import pytest
import typer

import nlpcli
from nlpcli import artifacts
from nlpcli.cli import options, train
from nlpcli.cli.main import app, main
from nlpcli.models.config import CONFIGS
from nlpcli.training.settings import TrainSettings

Run = Callable[..., Any]
HEAVY = ["torch", "gensim", "numpy", "rich", "sentencepiece", "sacrebleu", "lightning_fabric", "tqdm"]


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command that does something, by its words."""
    group = group or typer.main.get_command(app)
    if not hasattr(group, "commands"):
        yield path, group
        return
    for name, command in group.commands.items():
        yield from commands(command, (*path, name))


COMMANDS = dict(commands())
each_command = pytest.mark.parametrize("words", COMMANDS, ids=" ".join)


@pytest.fixture
def corpus() -> str:
    """Write a small corpus and return its name (it lies under ./data)."""
    folder = Path("data/my-ko-en")
    folder.mkdir(parents=True)
    for language, text in (("ko", "안녕 {}\n"), ("en", "Hello {}\n")):
        (folder / f"train.{language}").write_text("".join(text.format(n) for n in range(100)), "utf-8")
    return "my-ko-en"


def envelope(out: str) -> dict[str, Any]:
    """Read the only line on stdout."""
    assert out.count("\n") == 1
    return json.loads(out)


# Help


@each_command
def test_each_command_has_help_with_an_example_of_itself(run_cli: Run, words: tuple[str, ...]) -> None:
    ran = run_cli(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: nlpcli {' '.join(words)}" in ran.out
    assert re.search(r"Example:\n .*nlpcli " + " ".join(words), ran.out)


@each_command
def test_the_examples_use_options_that_exist(words: tuple[str, ...]) -> None:
    for example in re.findall(r"Example:\n *(.*)", COMMANDS[words].help):
        called = example[example.index("nlpcli") :].removeprefix("nlpcli ").split()
        command = COMMANDS[tuple(called[: len(words)])]
        known = {name for parameter in command.params for name in [*parameter.opts, *parameter.secondary_opts]}
        used = {word for word in called if word.startswith("-") and word != "-"}
        assert used
        assert used <= known


@each_command
def test_each_option_says_what_it_does(words: tuple[str, ...]) -> None:
    for parameter in COMMANDS[words].params:
        assert parameter.help, parameter.name


@pytest.mark.parametrize("group", [(), ("data",), ("tokenize",), ("train",)], ids=lambda group: " ".join(("nlpcli", *group)))
def test_each_group_lists_its_commands(run_cli: Run, group: tuple[str, ...]) -> None:
    ran = run_cli(*group, "-h")
    assert ran.code == 0
    names = {words[len(group)] for words in COMMANDS if words[: len(group)] == group}
    listed = {line.split()[0] for line in ran.out[ran.out.index("Commands:") :].split("\n") if re.match(r"  \w", line)}
    assert names <= listed


@pytest.mark.parametrize("group", [(), ("data",), ("tokenize",), ("train",)], ids=lambda group: " ".join(("nlpcli", *group)))
def test_a_group_alone_shows_its_help(run_cli: Run, group: tuple[str, ...]) -> None:
    ran = run_cli(*group)
    assert ran.code in (0, 2)
    written = ran.out + ran.err
    assert "Commands:" in written
    assert "error: Usage" not in written


def test_help_loads_nothing_heavy() -> None:
    code = f"""
import json, sys
from nlpcli.cli.main import main
assert main(["--help"]) == 0
early = [name for name in {HEAVY} if name in sys.modules]
for words in {[list(words) for words in COMMANDS]}:
    assert main([*words, "--help"]) == 0
late = [name for name in {HEAVY} if name in sys.modules]
print(json.dumps([early, late]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout.strip().split("\n")[-1]) == [[], []]


def test_help_and_other_commands_do_not_build_those_of_train() -> None:
    code = """
import sys
from nlpcli.cli.main import main
for arguments in (["--help"], ["tokenize", "train", "--help"], ["inspect", "nowhere"], ["train", "--help"]):
    main(arguments)
    print("nlpcli.models.config" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.findall(r"^(?:True|False)$", ran.stdout, re.MULTILINE) == ["False", "False", "False", "True"]


def test_the_package_can_be_run_and_says_its_version() -> None:
    ran = subprocess.run([sys.executable, "-m", "nlpcli", "--version"], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == (f"nlpcli {nlpcli.__version__}\n", "")


# Exit codes and messages


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["data", "frobnicate"], "frobnicate"),
        (["data", "prepare", "--frob"], "--frob"),
        (["data", "prepare", "--data", "ko-en"], "--out"),
        (["data", "prepare", "--data", "ko-en", "--out", "x", "--hold-out", "many"], "--hold-out"),
        (["data", "prepare", "--data", "ko-en", "--out", "x", "--hold-out", "0"], "--hold-out"),
        (["tokenize", "train", "--data", "ko-en", "--out", "x", "--kind", "wordpiece"], "wordpiece"),
        (["inspect"], "DIR"),
        (["inspect", "a", "b"], "b"),
    ],
    ids=" ".join,
)
def test_what_is_not_on_offer_exits_2_and_names_it_and_the_help(run_cli: Run, arguments: list[str], said: str) -> None:
    ran = run_cli(*arguments)
    assert (ran.code, ran.out) == (2, "")
    first, *rest = ran.err.split("\n")
    assert first.startswith("error: ")
    assert said in first
    assert any(re.fullmatch(r"  fix: nlpcli.* --help", line) for line in rest)
    assert list(Path.cwd().iterdir()) == []


def test_each_kind_of_failure_has_its_exit_code(run_cli: Run, corpus: str, tiny_tokenizer: Path) -> None:
    Path("here").mkdir()
    Path("bad.ko-en.tsv").write_bytes(b"ko\ten\n\xff\t\xff\n")
    for code, arguments in (
        (3, ["inspect", "nowhere"]),
        (3, ["data", "prepare", "--data", "bad.ko-en.tsv", "--out", "x"]),
        (4, ["inspect", "here"]),
        (4, ["data", "prepare", "--data", tiny_tokenizer, "--out", "x"]),
        (5, ["data", "prepare", "--data", corpus, "--out", "here"]),
    ):
        ran = run_cli(*arguments)
        assert (ran.code, ran.out) == (code, "")
        assert re.search(r"^error: .+\n(  cause: .+\n)?  fix: .+\n\Z", ran.err, re.MULTILINE)


def test_a_fault_of_our_own_says_so_and_exits_1(run_cli: Run, corpus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ValueError("unforeseen")

    monkeypatch.setattr("nlpcli.corpus.prepare.prepare_data", broken)
    ran = run_cli("data", "prepare", "--data", corpus, "--out", "x")
    assert ran.code == 1
    assert "ValueError: unforeseen" in ran.err
    assert "fault of nlpcli" in ran.err
    with pytest.raises(ValueError, match="unforeseen"):
        main(["data", "prepare", "--data", corpus, "--out", "x", "--verbose"])


def test_an_artifact_command_writes_its_path_and_nothing_else_on_stdout(run_cli: Run, corpus: str) -> None:
    ran = run_cli("data", "prepare", "--data", corpus, "--out", "work/data")
    assert (ran.code, ran.out) == (0, f"{Path.cwd() / 'work' / 'data'}\n")
    assert "100 pairs" in ran.err
    assert artifacts.open_artifact(ran.out.strip(), "corpus")


def test_quiet_says_nothing_and_verbose_or_normal_do_not_last(run_cli: Run, corpus: str) -> None:
    assert run_cli("data", "prepare", "--data", corpus, "--out", "one", "-q").err == ""
    assert run_cli("data", "prepare", "--data", corpus, "--out", "two").err != ""


# JSON


def test_a_result_as_json_is_one_envelope(run_cli: Run, corpus: str) -> None:
    ran = run_cli("data", "prepare", "--data", corpus, "--out", "out", "--json")
    found = envelope(ran.out)
    data = found.pop("data")
    assert found == {"schema": "nlpcli.result", "command": "data prepare", "status": "ok", "exit_code": 0, "errors": []}
    assert data == {
        "path": str(Path.cwd() / "out"),
        "id": artifacts.read_artifact("out").id,
        "src": "ko",
        "tgt": "en",
        "pairs": {"train": 80, "valid": 20},
    }


@pytest.mark.parametrize(
    ("arguments", "command", "code"),
    [
        (["data", "prepare", "--data", "nothing-like-it", "--out", "x"], "data prepare", 3),
        (["data", "prepare", "--out", "x"], "data prepare", 2),
        (["train", "seq2seq", "--data", "ko-en", "--epochs", "0"], "train seq2seq", 2),
        (["tokenize", "train", "--data", "ko-en", "--out", "here"], "tokenize train", 5),
        (["inspect", "nowhere"], "inspect", 3),
        (["inspect", "here", "--verify"], "inspect", 4),
        (["evaluate", "--fail-under", "BLEU=25", "--hyp", "nowhere", "--ref", "nowhere.en"], "evaluate", 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_as_json_is_the_same_envelope(run_cli: Run, arguments: list[str], command: str, code: int) -> None:
    Path("here").mkdir()
    ran = run_cli(*arguments, "--json")
    found = envelope(ran.out)
    (problem,) = found.pop("errors")
    assert found == {"schema": "nlpcli.result", "command": command, "status": "error", "exit_code": code, "data": None}
    assert ran.code == code
    assert problem.keys() == {"message", "cause", "fix"}
    assert f"error: {problem['message']}\n" in ran.err
    assert f"  fix: {problem['fix']}\n" in ran.err


# Settings


def prepared_with(run_cli: Run, *arguments: object) -> tuple[int, str]:
    """Prepare the small corpus and return `hold_out` and where it came from, as the artifact records them."""
    ran = run_cli("data", "prepare", "--data", "my-ko-en", "--out", "out", "--force", *arguments)
    assert ran.code == 0, ran.err
    manifest = artifacts.read_artifact("out").manifest
    return manifest.config["hold_out"], manifest.config_source["hold_out"]


@pytest.mark.usefixtures("corpus")
def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.toml").write_text("[data.prepare]\nhold-out = 11\n", "utf-8")
    assert prepared_with(run_cli) == (500, "default")
    assert prepared_with(run_cli, "--config", "c.toml") == (11, "file")
    monkeypatch.setenv("NLPCLI_DATA_PREPARE_HOLD_OUT", "12")
    assert prepared_with(run_cli) == (12, "environment")
    assert prepared_with(run_cli, "--config", "c.toml") == (12, "environment")
    assert prepared_with(run_cli, "--config", "c.toml", "--hold-out", "13") == (13, "flag")
    assert prepared_with(run_cli, "--hold-out", "13", "--config", "c.toml") == (13, "flag")
    assert prepared_with(run_cli, "--hold-out", "500") == (500, "flag")


@pytest.mark.usefixtures("corpus")
def test_the_file_itself_may_be_named_by_the_environment(run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("c.toml").write_text("[data.prepare]\nhold_out = 11\n", "utf-8")
    monkeypatch.setenv("NLPCLI_DATA_PREPARE_CONFIG", "c.toml")
    assert prepared_with(run_cli) == (11, "file")


@pytest.mark.usefixtures("corpus")
def test_a_table_serves_its_command_and_an_outer_one_all_below_it(run_cli: Run) -> None:
    Path("c.toml").write_text("hold_out = 3\n[data]\nhold_out = 4\n[tokenize.train]\nhold_out = 5\n", "utf-8")
    assert prepared_with(run_cli, "--config", "c.toml") == (4, "file")


def test_required_options_may_come_from_the_file(run_cli: Run, corpus: str) -> None:
    Path("c.toml").write_text(f'[data.prepare]\ndata = "{corpus}"\nout = "from-file"\n', "utf-8")
    ran = run_cli("data", "prepare", "--config", "c.toml")
    assert (ran.code, ran.out) == (0, f"{Path.cwd() / 'from-file'}\n")


@pytest.mark.parametrize("value", ["0", "-3", '"many"', "2.5", "[1]"])
def test_a_value_of_the_file_is_checked_like_a_flag(run_cli: Run, corpus: str, value: str) -> None:
    Path("c.toml").write_text(f"[data.prepare]\nhold_out = {value}\n", "utf-8")
    ran = run_cli("data", "prepare", "--data", corpus, "--out", "out", "--config", "c.toml")
    assert ran.code == 2
    assert "--hold-out" in ran.err
    assert not Path("out").exists()


@pytest.mark.parametrize("text", ["[data.prepare]\nhold-uot = 3", "[data]\nhold_uot = 3", "[data.prepaer]\nhold_out = 3"])
def test_a_slip_in_the_file_is_named_with_what_was_meant(run_cli: Run, corpus: str, text: str) -> None:
    Path("c.toml").write_text(text, "utf-8")
    ran = run_cli("data", "prepare", "--data", corpus, "--out", "out", "--config", "c.toml")
    assert ran.code == 2
    assert re.search(r"fix: did you mean (hold.out|(data\.)?prepare)\?", ran.err)
    assert not Path("out").exists()


def test_a_file_that_cannot_be_read_exits_3(run_cli: Run, corpus: str) -> None:
    ran = run_cli("data", "prepare", "--data", corpus, "--out", "out", "--config", "nothing.toml")
    assert ran.code == 3
    assert "nothing.toml" in ran.err


def test_options_are_named_in_the_environment_and_the_file_as_on_the_command_line(
    run_cli: Run, tiny_tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Python has another name for them (--to, --json)."""
    monkeypatch.setenv("NLPCLI_TOKENIZE_ENCODE_TO", "ids")
    encoded = run_cli("tokenize", "encode", "--tokenizer", tiny_tokenizer, "--lang", "ko", stdin="안녕\n".encode())
    assert re.fullmatch(r"[0-9 ]+\n", encoded.out)
    monkeypatch.setenv("NLPCLI_INSPECT_JSON", "1")
    assert envelope(run_cli("inspect", tiny_tokenizer).out)["status"] == "ok"


def test_the_sources_of_an_evaluation_may_come_from_the_file(run_cli: Run) -> None:
    for name in ("h", "r.en", "s"):
        Path(name).write_text("This is one line of it.\n", "utf-8")
    Path("c.toml").write_text('[evaluate]\nhyp = "h"\nref = "r.en"\nsrc = "s"\n', "utf-8")
    ran = run_cli("evaluate", "--config", "c.toml", "--out", "scores")
    assert ran.code == 0, ran.err
    assert any(path.read_bytes() == Path("s").read_bytes() for path in Path("scores").glob("*.src"))


def test_the_manifest_of_an_artifact_serves_as_settings_to_make_it_again(
    run_cli: Run, tiny_corpus: Path, tiny_tokenizer: Path, tiny_dataset: Path
) -> None:
    prepared = nlpcli.prepare_data(data=str(tiny_corpus), out=Path("corpus"), hold_out=7).path
    for made, words, arguments in (
        (prepared, "data prepare", ["--data", tiny_corpus]),
        (tiny_tokenizer, "tokenize train", ["--data", tiny_corpus]),
        (tiny_dataset, "tokenize dataset", ["--data", tiny_corpus, "--tokenizer", tiny_tokenizer]),
    ):
        again = run_cli(*words.split(), *arguments, "--config", made / "manifest.json", "--out", f"again-{words}")
        assert again.code == 0, again.err
        assert artifacts.read_artifact(again.out.strip()).manifest.config == artifacts.read_artifact(made).manifest.config


def test_a_dry_run_shows_every_setting_with_its_source_and_touches_nothing(
    run_cli: Run, tiny_corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.toml").write_text("[train]\nepochs = 3\nd_model = 64\n[train.seq2seq]\nd-model = 32\n", "utf-8")
    monkeypatch.setenv("NLPCLI_TRAIN_SEQ2SEQ_D_EMBED", "16")
    before = sorted(Path.cwd().rglob("*"))
    arguments = ["train", "seq2seq", "--data", tiny_corpus, "--config", "c.toml", "--seed", "5", "--dry-run"]
    ran = run_cli(*arguments, "--json")
    settings = envelope(ran.out)["data"]["settings"]
    for name, value, source in (
        ("seed", 5, "flag"),
        ("d_embed", 16, "environment"),
        ("epochs", 3, "file"),
        ("d_model", 32, "file"),
        ("cell", "gru", "default"),
    ):
        assert settings[name] == {"value": value, "source": source}
    shown = [line.split() for line in run_cli(*arguments).out.split("\n")]
    assert ["d_embed", "16", "environment"] in shown
    assert ["d_model", "32", "file"] in shown
    assert sorted(Path.cwd().rglob("*")) == before


# train: options from the settings classes


@dataclass(frozen=True)
class Made:
    path: str
    suggestion: float | None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put a stand-in behind `nlpcli train`; what it was called with is found here after a run."""
    found: dict[str, Any] = {}

    def train(**arguments: Any) -> Made:
        found.update(arguments)
        return Made("made", found.get("suggests"))

    monkeypatch.setitem(sys.modules, "nlpcli.training.train", SimpleNamespace(train=train))
    return found


def without_steering(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in {*options.CONTROL, "config_source"}}


@pytest.mark.parametrize("architecture", CONFIGS)
def test_settings_not_given_are_left_to_what_is_behind_the_command(
    run_cli: Run, asked: dict[str, Any], architecture: str
) -> None:
    assert run_cli("train", architecture, "--data", "somewhere").out == "made\n"
    assert without_steering(asked) == {"architecture": architecture, "data": "somewhere"}
    assert (asked["force"], asked["resume"], asked["find_learning_rate"]) == (False, "never", False)
    assert asked["config_source"].pop("data") == "flag"
    assert set(asked["config_source"].values()) == {"default"}


def test_settings_given_are_passed_on_with_their_source_even_if_equal_to_the_default(
    run_cli: Run, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("c.toml").write_text(
        "[train]\nepochs = 3\nd-model = 64\nwidths = [2]\n[train.transformer]\nd_ff = 32\nnum-heads = 2\n", "utf-8"
    )
    monkeypatch.setenv("NLPCLI_TRAIN_TRANSFORMER_D_MODEL", "16")
    monkeypatch.setenv("NLPCLI_TRAIN_RNN_D_MODEL", "8")
    monkeypatch.setenv("NLPCLI_TRAIN_TRANSFORMER_COMPILE", "yes")
    flags = [
        "--dropout",
        "0.1",
        "--freeze-embeddings",
        "--embeddings",
        "a",
        "--embeddings",
        "b",
        "--force",
        "--preset",
        "small",
    ]
    ran = run_cli("train", "transformer", "--data", "x", "--config", "c.toml", *flags)
    assert ran.code == 0, ran.err
    flagged = {"data": "x", "dropout": 0.1, "freeze_embeddings": True, "embeddings": ["a", "b"], "preset": "small"}
    of_file, of_environment = {"epochs": 3, "d_ff": 32, "num_heads": 2}, {"d_model": 16, "compile": True}
    assert without_steering(asked) == {"architecture": "transformer", **flagged, **of_file, **of_environment}
    assert asked["force"] is True
    sources = {"flag": flagged, "environment": of_environment, "file": of_file}
    found = {name: source for name, source in asked["config_source"].items() if source != "default"}
    assert found == {name: source for source, names in sources.items() for name in names}


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("architecture", "option"),
    [
        ("cnn", "--teacher-forcing"),
        ("cnn", "--src"),
        ("rnn", "--eval-sentences"),
        ("seq2seq", "--coverage-loss"),
        ("transformer", "--guided-alignment"),
        ("attention", "--label-column"),
        ("transformer", "--cell"),
    ],
)
def test_what_means_nothing_for_an_architecture_is_not_offered(run_cli: Run, architecture: str, option: str) -> None:
    ran = run_cli("train", architecture, "--data", "x", option, "1")
    assert ran.code == 2
    assert option in ran.err.split("\n")[0]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "train"], ids=" ".join)
def test_the_parser_knows_the_bounds_of_the_settings(words: tuple[str, ...]) -> None:
    """It refuses nothing that the settings allow, and leaves to them only the bounds of real numbers that are excluded."""
    hints = [get_type_hints(cls, include_extras=True) for cls in (TrainSettings, CONFIGS[words[1]])]
    for name, hint in (hints[0] | hints[1]).items():
        parameter = next((p for p in COMMANDS[words].params if p.name == name), None)
        for value in ["-1", "0", "0.5", "1", "2", "x"] if parameter else []:
            given = [value] if parameter.multiple else value
            allowed = accepts(lambda hint=hint, given=given: msgspec.convert(given, hint, strict=False))
            taken = accepts(lambda parameter=parameter, given=given: parameter.process_value(None, given))
            assert taken >= allowed, (name, value)
            if taken > allowed and name != "batch_tokens":  # a number or a word: the settings look at it
                word, bound = re.findall(r"(More|[Ll]ess) than (\d)", parameter.help)[-1]
                assert float(value) <= float(bound) if word == "More" else float(value) >= float(bound), (name, value)


def accepts(convert: Callable[[], object]) -> bool:
    try:
        convert()
    except (msgspec.ValidationError, typer.BadParameter):
        return False
    return True


def test_the_help_of_train_has_its_settings_in_sections(run_cli: Run) -> None:
    said = run_cli("train", "attention", "--help").out
    headings = ["Options", "Model", *train.SECTIONS.values()]
    assert re.findall(r"^(\w.*):$", said, re.MULTILINE) == headings
    for heading, option in (("Options", "--data"), ("Model", "--input-feeding"), ("Evaluation", "--patience")):
        assert f"\n  {option} " in said.split(f"{heading}:")[1].split("\n\n")[0]
    assert "--unidirectional" in said
    assert said.count("--help") == 1


def test_a_range_test_prints_the_rate(run_cli: Run, asked: dict[str, Any]) -> None:
    asked["suggests"] = 0.00123456
    arguments = ["train", "seq2seq", "--data", "x", "--find-learning-rate"]
    assert run_cli(*arguments).out == "0.00123\n"
    assert asked["find_learning_rate"] is True
    assert envelope(run_cli(*arguments, "--json").out)["data"]["suggestion"] == 0.00123456
    asked["suggests"] = None
    ran = run_cli(*arguments)
    assert (ran.code, ran.out) == (6, "")
    assert "no learning rate" in ran.err


# inspect


def test_inspect_shows_kind_id_settings_scores_and_the_chain_back_to_the_text(run_cli: Run, tiny_dataset: Path) -> None:
    ran = run_cli("inspect", tiny_dataset)
    manifest = artifacts.read_artifact(tiny_dataset).manifest
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"dataset {manifest.id}: ")
    assert "made by `nlpcli tokenize dataset`" in ran.out
    shown = [line.split() for line in ran.out.split("\n")]
    assert ["src", "ko"] in shown
    assert ["train.pairs", "600"] in shown
    lineage = ran.out[ran.out.index("made from") :]
    tokenizer = manifest.inputs[0]
    assert re.search(rf"\n  tokenizer.* \(tokenizer {tokenizer.id}\)\n    train\.en.* \(text [0-9a-f]{{16}}\)\n", lineage)
    assert re.search(r"\n  valid\.ko.* \(text [0-9a-f]{16}\)\n", lineage)
    assert "every file as in the manifest" not in ran.out


def test_inspect_as_json_holds_the_manifest(run_cli: Run, tiny_dataset: Path) -> None:
    data = envelope(run_cli("inspect", tiny_dataset, "--json").out)["data"]
    manifest = json.loads((tiny_dataset / "manifest.json").read_text("utf-8"))
    for name in ("kind", "id", "created_by", "command", "config", "metrics", "run", "inputs", "files"):
        assert data[name] == manifest[name]
    assert data["path"] == str(tiny_dataset)
    assert data["bytes"] == sum(entry["bytes"] for entry in manifest["files"])
    assert data["verified"] is False


def test_inspect_verify_says_that_every_file_is_as_it_was(run_cli: Run, tiny_tokenizer: Path) -> None:
    assert "every file as in the manifest" in run_cli("inspect", tiny_tokenizer, "--verify").out
    assert envelope(run_cli("inspect", tiny_tokenizer, "--verify", "--json").out)["data"]["verified"] is True


def test_inspect_verify_names_a_changed_file(run_cli: Run, tiny_tokenizer: Path) -> None:
    shutil.copytree(tiny_tokenizer, "copy")
    with Path("copy/en.vocab").open("a", encoding="utf-8") as f:
        f.write("more\n")
    assert run_cli("inspect", "copy").code == 0
    ran = run_cli("inspect", "copy", "--verify")
    assert (ran.code, ran.out) == (4, "")
    assert "en.vocab" in ran.err


def test_inspect_does_not_take_user_text_for_markup(run_cli: Run, tiny_corpus: Path) -> None:
    shutil.copytree(tiny_corpus, "[bold]ko-en")
    run_cli("data", "prepare", "--data", "./[bold]ko-en", "--src", "ko", "--tgt", "en", "--out", "out")
    assert "[bold]ko-en" in run_cli("inspect", "out").out


def test_the_end_of_a_command_loses_nothing() -> None:
    """What threads still write, what is registered for the end, what a stream has not yet written, and the status."""
    program = """
import atexit, sys, time
from concurrent.futures import ThreadPoolExecutor
from nlpcli.cli.main import end
atexit.register(print, "registered")
ThreadPoolExecutor().submit(lambda: (time.sleep(0.3), print("from a thread")))
print("unflushed", end=" ")
end(7)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (7, "")
    assert ran.stdout.split("\n") == ["unflushed from a thread", "registered", ""]
