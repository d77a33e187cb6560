"""Artifacts are whole or absent, say what they are made from, and are never trusted unread."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nlpcli import artifacts, files
from nlpcli.artifacts import Artifact, Input
from nlpcli.errors import ArtifactError, BadInput, OutputExists

Payload = dict[str, str]
CONTENT: Payload = {"train.ko": "안녕하세요\n", "sub/train.en": "Hello\n"}


def make(
    out: Path | str = "art",
    kind: str = "corpus",
    payload: Payload | None = None,
    logs: Payload | None = None,
    scratch: Payload | None = None,
    config: dict[str, Any] | None = None,
    **options: Any,
) -> Artifact:
    """Publish an artifact with these files."""
    options = {"command": f"nlpcli make {kind}", **options}
    with artifacts.create(Path(out), kind, config={"src": "ko"} if config is None else config, **options) as draft:
        for name, text in {**(CONTENT if payload is None else payload), **(logs or {}), **(scratch or {})}.items():
            (draft.path / name).parent.mkdir(parents=True, exist_ok=True)
            (draft.path / name).write_text(text, "utf-8")
        draft.logs |= set(logs or {})
        draft.scratch |= set(scratch or {})
        draft.metrics["pairs"] = 1
        return draft.publish()


def manifest_of(path: Path | str) -> dict[str, Any]:
    return json.loads((Path(path) / "manifest.json").read_text("utf-8"))


def rewrite_manifest(path: Path | str, **changes: Any) -> None:
    (Path(path) / "manifest.json").write_text(json.dumps(manifest_of(path) | changes), "utf-8")


def everything_in(folder: Path | str) -> set[str]:
    return {p.name for p in Path(folder).iterdir()}


class Interruption(Exception):
    """Stands for whatever may go wrong while an artifact is made."""


def begin(
    out: str = "art", payload: Payload | None = None, failure: type[BaseException] = Interruption, **options: Any
) -> None:
    """Write files of an artifact, then fail before it is published."""
    with artifacts.create(Path(out), "model", command="c", config={}, **options) as draft:
        for name, text in (payload or {"a": "half"}).items():
            (draft.path / name).write_text(text, "utf-8")
        raise failure


@pytest.fixture
def failing_fsync(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Return a function after which the nth flush to disk finds the disk full."""
    real = os.fsync
    left = [0]

    def fsync(descriptor: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    def fail_at(n: int) -> None:
        left[0] = n

    monkeypatch.setattr(os, "fsync", fsync)
    yield fail_at
    left[0] = 0


# Making


def test_what_is_published_is_read_back() -> None:
    made = make(config={"src": "ko", "joint": False}, seed=7, config_source={"src": "flag"})
    found = artifacts.open_artifact("art", "corpus")
    assert found == made
    assert found.path == Path.cwd() / "art"
    assert {f.path for f in found.manifest.files} == set(CONTENT)
    assert found.manifest.config == {"src": "ko", "joint": False}
    assert found.manifest.config_source == {"src": "flag"}
    assert (found.manifest.seed, found.manifest.metrics) == (7, {"pairs": 1})
    assert found.manifest.command == "nlpcli make corpus"
    assert {name: (found.path / name).read_text("utf-8") for name in CONTENT} == CONTENT


def test_the_manifest_records_size_and_digest_as_other_tools_compute_them() -> None:
    make()
    for entry in manifest_of("art")["files"]:
        path = Path("art", entry["path"])
        line = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
        assert (entry["sha256"], entry["bytes"]) == (line.split()[0], path.stat().st_size)


def test_nothing_stands_at_the_output_until_it_is_published() -> None:
    with artifacts.create(Path("art"), "corpus", command="c", config={}) as draft:
        (draft.path / "train.ko").write_text("x\n", "utf-8")
        assert everything_in(".") == {"art.partial"}
        assert not artifacts.is_artifact("art.partial")
        draft.publish()
        assert everything_in(".") == {"art"}
    assert everything_in(".") == {"art"}
    assert everything_in("art") == {"train.ko", "manifest.json", "README.md"}


def test_parent_folders_of_the_output_are_made() -> None:
    make("deep/er/art")
    assert artifacts.open_artifact("deep/er/art").manifest.kind == "corpus"


@pytest.mark.parametrize("failure", [Interruption, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_no_trace(failure: type[BaseException]) -> None:
    with pytest.raises(failure):
        begin(failure=failure)
    assert everything_in(".") == set()


def test_a_failure_with_keep_leaves_only_the_partial_folder_which_is_no_artifact() -> None:
    with pytest.raises(Interruption):
        begin(payload={"state": "step 40"}, keep=True)
    assert everything_in(".") == {"art.partial"}
    assert Path("art.partial/state").read_text("utf-8") == "step 40"
    with pytest.raises(ArtifactError):
        artifacts.open_artifact("art.partial")


def test_leaving_without_publish_is_a_programming_error_and_leaves_no_trace() -> None:
    with pytest.raises(AssertionError), artifacts.create(Path("art"), "corpus", command="c", config={}):
        pass
    assert everything_in(".") == set()


def test_resume_takes_up_what_was_kept_and_a_new_start_does_not() -> None:
    def kept_and_taken_up(**options: Any) -> tuple[bool, set[str]]:
        with pytest.raises(Interruption):
            begin(payload={"state": "step 40"}, keep=True)
        Path("art.partial/folder").mkdir()
        with artifacts.create(Path("art"), "model", command="c", config={}, force=True, **options) as draft:
            found = everything_in(draft.path) - {artifacts.LOCK}
            draft.publish()
        return draft.resumed, found

    assert kept_and_taken_up(resume=True) == (True, {"state", "folder"})
    Path("art").rename("first")
    assert kept_and_taken_up() == (False, set())
    assert everything_in(".") == {"first", "art"}


KILLED_WHILE_IT_WRITES = """
import os, signal
from pathlib import Path
from nlpcli import artifacts, files

with artifacts.create(Path("art"), "model", command="c", config={}, resume=True, keep=True) as draft:
    files.write_text(draft.path / "state", "1")
    files.os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
    files.write_text(draft.path / "state", "2")
"""


def test_what_a_killed_write_left_does_not_get_into_the_artifact() -> None:
    process = subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_WRITES], check=False)
    assert process.returncode == -signal.SIGKILL
    assert len(list(Path("art.partial").glob("state*"))) == 2
    with artifacts.create(Path("art"), "model", command="c", config={}, resume=True) as draft:
        assert draft.resumed
        assert (draft.path / "state").read_text() == "1"
        made = draft.publish()
    assert [f.path for f in made.manifest.files] == ["state"]


def test_resume_with_nothing_to_take_up_starts_anew() -> None:
    with artifacts.create(Path("art"), "model", command="c", config={}, resume=True) as draft:
        assert not draft.resumed
        draft.publish()


def test_scratch_files_are_gone_from_the_published_artifact() -> None:
    make(scratch={"resume.pt": "state"})
    assert everything_in("art") == {"train.ko", "sub", "manifest.json", "README.md"}
    assert artifacts.open_artifact("art").id == make("other").id


def test_an_existing_output_is_not_touched_without_force() -> None:
    make(payload={"a": "old"})
    with pytest.raises(OutputExists) as caught:
        make(payload={"a": "new"})
    assert str(Path.cwd() / "art") in caught.value.message
    assert "--force" in caught.value.fix
    assert caught.value.exit_code == 5
    assert Path("art/a").read_text("utf-8") == "old"
    assert everything_in(".") == {"art"}


def test_an_output_that_appears_meanwhile_is_not_touched_without_force() -> None:
    def late() -> None:
        with artifacts.create(Path("art"), "corpus", command="c", config={}) as draft:
            Path("art").mkdir()
            Path("art/precious").write_text("mine", "utf-8")
            draft.publish()

    with pytest.raises(OutputExists):
        late()
    assert Path("art/precious").read_text("utf-8") == "mine"
    assert everything_in(".") == {"art"}


def test_force_replaces_the_whole_folder() -> None:
    make(payload={"a": "old", "b": "old"})
    made = make(payload={"a": "new"}, force=True)
    assert artifacts.open_artifact("art") == made
    assert everything_in("art") == {"a", "manifest.json", "README.md"}
    assert everything_in(".") == {"art"}


def test_force_replaces_a_plain_file_too() -> None:
    Path("art").write_text("a file", "utf-8")
    make(force=True)
    assert artifacts.is_artifact("art")
    assert everything_in(".") == {"art"}


def test_with_force_the_old_artifact_stays_when_making_the_new_one_fails() -> None:
    old = make(payload={"a": "old"})
    with pytest.raises(Interruption):
        begin(payload={"a": "new"}, force=True)
    assert artifacts.open_artifact("art") == old
    assert everything_in(".") == {"art"}


def test_a_publish_that_fails_at_any_flush_leaves_the_old_or_the_new_artifact_whole(
    failing_fsync: Callable[[int], None],
) -> None:
    make(payload={"a": "old", "sub/b": "old"})
    for n in range(1, 100):
        failing_fsync(n)
        try:
            make(payload={"a": "new", "sub/b": "new"}, force=True)
        except OSError:
            artifacts.open_artifact("art")
            assert Path("art/a").read_bytes() == Path("art/sub/b").read_bytes()
            assert everything_in(".") == {"art"}, f"flush {n} failed"
        else:
            break
    assert 5 <= n < 99  # two files, the manifest, a folder and the parent at least are flushed


def test_a_partial_folder_has_a_manifest_only_when_every_file_is_in_it(failing_fsync: Callable[[int], None]) -> None:
    with_manifest = []
    for n in range(1, 100):
        failing_fsync(n)
        try:
            make(payload={"a": "x", "sub/b": "y"}, keep=True)
        except OSError:
            if Path("art.partial").exists():
                with_manifest.append(artifacts.is_artifact("art.partial"))
                shutil.rmtree("art.partial")
            if with_manifest and with_manifest[-1]:
                break
        else:
            break
    assert with_manifest[:3] == [False, False, False]  # two files and the manifest itself were not yet on the disk


OTHER_PROCESS = """
import sys
from pathlib import Path
from nlpcli import artifacts
with artifacts.create(Path("art"), "corpus", command="c", config={}) as draft:
    (draft.path / "a").write_text("theirs")
    print("writing", flush=True)
    sys.stdin.readline()
    draft.publish()
"""


def test_of_two_processes_making_one_output_the_second_is_refused_and_the_first_is_not_disturbed() -> None:
    with subprocess.Popen([sys.executable, "-c", OTHER_PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == b"writing\n"
        for force in (False, True):
            with pytest.raises(OutputExists, match="another process"):
                make(payload={"a": "mine"}, force=force)
        other.stdin.write(b"go on\n")
    assert other.returncode == 0
    assert artifacts.open_artifact("art").manifest.command == "c"
    assert Path("art/a").read_text("utf-8") == "theirs"
    assert everything_in(".") == {"art"}


def test_a_partial_folder_left_by_a_killed_process_is_no_obstacle() -> None:
    Path("art.partial").mkdir()
    for name in (artifacts.LOCK, "a", "rest"):
        Path("art.partial", name).write_text("from before", "utf-8")
    make(payload={"a": "new"})
    assert everything_in("art") == {"a", "manifest.json", "README.md"}


# The id


def test_the_id_does_not_depend_on_time_place_log_files_or_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("one", logs={"log.jsonl": "12:00 started"})
    later = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: later)
    second = make("folder/two", logs={"log.jsonl": "18:00 started", "more.log": "x"})
    assert first.id == second.id
    assert first.manifest.run != second.manifest.run
    assert artifacts.open_artifact("folder/two").id == first.id


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "model"},
        {"config": {"src": "en"}},
        {"payload": {**CONTENT, "train.ko": "안녕\n"}},
        {"payload": {**CONTENT, "more": ""}},
        {"payload": {"renamed.ko": CONTENT["train.ko"], "sub/train.en": CONTENT["sub/train.en"]}},
        {"inputs": [Input(role="data", path="p", id="other")]},
        {"inputs": [Input(role="else", path="p", id="one")]},
    ],
)
def test_the_id_changes_with_kind_config_inputs_and_payload(change: dict[str, Any]) -> None:
    base = {"inputs": [Input(role="data", path="p", id="one")]}
    assert make("one", **base).id != make("two", **(base | change)).id


def test_the_id_does_not_depend_on_where_an_input_lies_or_on_the_order_of_settings() -> None:
    one = make("one", config={"a": 1, "b": 2}, inputs=[Input(role="data", path="here", id="x")])
    two = make("two", config={"b": 2, "a": 1}, inputs=[Input(role="data", path="there", id="x")])
    assert one.id == two.id


def test_times_stand_under_run_only() -> None:
    make("one")
    time.sleep(0.002)
    make("two")
    one, two = manifest_of("one"), manifest_of("two")
    for manifest in (one, two):
        manifest.pop("run")
        manifest.pop("environment")
    assert one == two


# Opening


def test_a_changed_file_of_the_same_size_is_refused_by_name() -> None:
    make()
    path = Path("art/sub/train.en")
    path.write_text(path.read_text("utf-8").swapcase(), "utf-8")
    with pytest.raises(ArtifactError) as caught:
        artifacts.open_artifact("art")
    assert "sub/train.en" in caught.value.cause
    assert "train.ko" not in caught.value.cause


def test_a_truncated_file_is_refused_by_name_and_with_both_sizes() -> None:
    make(payload={"a.npy": "0123456789", "b": "whole"})
    os.truncate("art/a.npy", 4)
    with pytest.raises(ArtifactError) as caught:
        artifacts.open_artifact("art")
    assert "a.npy" in caught.value.cause
    assert "4" in caught.value.cause
    assert "10" in caught.value.cause
    assert "b " not in caught.value.cause


def test_a_missing_file_is_refused_by_name() -> None:
    make()
    Path("art/train.ko").unlink()
    with pytest.raises(ArtifactError) as caught:
        artifacts.open_artifact("art")
    assert "train.ko is missing" in caught.value.cause
    assert caught.value.exit_code == 4
    assert "nlpcli make corpus" in caught.value.fix


def test_all_differing_files_are_counted_and_the_first_five_named() -> None:
    make(payload={f"f{i}": "x" for i in range(7)})
    for i in range(7):
        Path(f"art/f{i}").unlink()
    with pytest.raises(ArtifactError, match="7 file") as caught:
        artifacts.open_artifact("art")
    assert all(f"f{i} is missing" in caught.value.cause for i in range(5))
    assert "2 more" in caught.value.cause


def test_a_manifest_whose_settings_were_edited_is_refused() -> None:
    make(config={"d_model": 32})
    rewrite_manifest("art", config={"d_model": 64})
    with pytest.raises(ArtifactError):
        artifacts.open_artifact("art")


def test_reading_without_verification_does_not_look_at_the_payload() -> None:
    made = make()
    Path("art/train.ko").unlink()
    assert artifacts.read_artifact("art").manifest == made.manifest


def test_a_newer_format_is_refused_by_number() -> None:
    make()
    newer = artifacts.FORMAT_VERSION + 41
    rewrite_manifest("art", format_version=newer, created_by="nlpcli 99.0", kind={"not": "known yet"})
    with pytest.raises(ArtifactError) as caught:
        artifacts.open_artifact("art")
    assert str(newer) in caught.value.message
    assert f"up to {artifacts.FORMAT_VERSION}" in caught.value.message
    assert "nlpcli 99.0" in caught.value.cause


@pytest.mark.parametrize(
    "change", [{"format_version": "1"}, {"format_version": None}, {"files": {}}, {"kind": None}, {"config": []}]
)
def test_a_manifest_with_a_field_of_the_wrong_type_is_refused(change: dict[str, Any]) -> None:
    make()
    rewrite_manifest("art", **change)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        artifacts.open_artifact("art")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b'{"name": "other tool"}', b"\xff\xfe", b'{"schema": "nlpcli.manifest"}']
)
def test_a_foreign_or_damaged_manifest_is_refused(raw: bytes) -> None:
    make()
    Path("art/manifest.json").write_bytes(raw)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        artifacts.open_artifact("art")


@pytest.mark.parametrize("outside", ["../secret", "sub/../../secret", "/etc/hostname"])
def test_a_manifest_naming_a_file_outside_the_artifact_is_refused(outside: str) -> None:
    make()
    Path("secret").write_text("x", "utf-8")
    digest = files.file_digest(Path("secret"))
    rewrite_manifest("art", files=[{"path": outside, "bytes": 1, "sha256": digest}])
    with pytest.raises(ArtifactError) as caught:
        artifacts.read_artifact("art")
    assert outside in caught.value.message


def test_a_folder_without_manifest_is_refused_as_unfinished() -> None:
    make()
    Path("art/manifest.json").unlink()
    with pytest.raises(ArtifactError, match="not a finished"):
        artifacts.open_artifact("art")


def test_a_plain_file_is_refused() -> None:
    Path("art").write_text("text", "utf-8")
    with pytest.raises(ArtifactError, match="not a finished"):
        artifacts.open_artifact("art")


def test_where_only_the_partial_folder_stands_the_artifact_is_called_not_finished() -> None:
    Path("art.partial").mkdir()
    with pytest.raises(ArtifactError, match="not finished") as caught:
        artifacts.open_artifact("art")
    assert "art.partial" in caught.value.cause


def test_nothing_there_is_bad_input() -> None:
    with pytest.raises(BadInput, match="does not exist"):
        artifacts.open_artifact("nowhere")


@pytest.mark.parametrize("opened", [artifacts.open_artifact, artifacts.read_artifact])
def test_the_wrong_kind_is_refused_with_both_kinds_named(opened: Callable[..., Artifact]) -> None:
    make(kind="tokenizer")
    with pytest.raises(ArtifactError) as caught:
        opened("art", "model")
    assert "is a tokenizer, not a model" in caught.value.message
    assert opened("art", "tokenizer").manifest.kind == "tokenizer"


# Lineage


def test_lineage_is_nested_back_to_the_text() -> None:
    text = Path("raw/train.ko")
    text.parent.mkdir()
    text.write_text("안녕\n", "utf-8")
    corpus = make("work/data", "corpus", inputs=[artifacts.text_input("train.ko", text, Path("work/data"))])
    tokenizer = make("work/tok", "tokenizer", inputs=[corpus.as_input("data", Path("work/tok"))])
    make("work/set", "dataset", inputs=[tokenizer.as_input("tokenizer", Path("work/set"))])
    entry = artifacts.open_artifact("work/set").manifest.inputs[0]
    assert (entry.role, entry.kind, entry.id, entry.path) == ("tokenizer", "tokenizer", tokenizer.id, "../tok")
    entry = entry.inputs[0]
    assert (entry.role, entry.kind, entry.id, entry.path) == ("data", "corpus", corpus.id, "../data")
    entry = entry.inputs[0]
    digest = files.file_digest(text)
    assert (entry.role, entry.kind, entry.id, entry.path) == ("train.ko", "text", f"sha256:{digest}", "../../raw/train.ko")
    assert entry.inputs == []


# Single files


def test_write_bytes_leaves_the_old_content_and_no_other_file_when_the_disk_is_full(
    failing_fsync: Callable[[int], None],
) -> None:
    path = Path("file")
    files.write_bytes(path, b"old")
    failing_fsync(1)
    with pytest.raises(OSError, match="No space left"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert everything_in(".") == {"file"}
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


def test_write_text_is_utf8_without_translated_line_ends() -> None:
    files.write_text(Path("file"), "안녕\r\nx\n")
    assert Path("file").read_bytes() == "안녕\r\nx\n".encode()
