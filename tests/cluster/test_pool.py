"""The map over a cluster, on a stand-in for Ray: whatever workers are lost, each result comes once and in its turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import __version__, artifacts
from nlpcli.cluster.folders import on_this_node, send
from nlpcli.cluster.pool import ATTEMPTS, Pool
from nlpcli.errors import BadInput, RunFailed, Unavailable
from nlpcli.tokenization.tokenizer import Tokenizer


class Lost(Exception):
    """As Ray's RayActorError."""


class TaskFailed(Lost):
    """As Ray's RayTaskError."""


class Actor:
    """A worker in this process, lost when `luck` says so."""

    def __init__(self, luck: Callable[[], bool], versions: dict[str, str]) -> None:
        self.luck, self.versions, self.function = luck, versions, None

    def __getattr__(self, name: str) -> Any:
        method = getattr(type(self), f"do_{name}")
        return SimpleNamespace(remote=lambda *arguments: SimpleNamespace(future=lambda: self.answer(method, *arguments)))

    def answer(self, method: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            if self.luck():
                raise Lost("The actor died unexpectedly before finishing this task. Its memory ran out. \n\tpid: 7")
            future.set_result(method(self, *arguments))
        except Lost as e:
            future.set_exception(e)
        return future

    def do_hello(self, names: list[str]) -> tuple[str, dict[str, str]]:
        return "one (10.0.0.1, node ab, process 7)", self.versions

    def do_build(self, make: Any, folders: list[Any]) -> tuple[bool, Any]:
        try:
            self.function = make(folders)
            return True, None
        except Exception as e:
            return False, e

    def do_work(self, item: Any) -> tuple[bool, Any]:
        try:
            return True, self.function(item)
        except Exception as e:
            return False, e


class Shuffled:
    """A queue of which any answer may be the next."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.held = rng, []

    def put(self, answer: Any) -> None:
        self.held.append(answer)

    def get(self, timeout: float) -> Any:
        return self.held.pop(self.rng.randrange(len(self.held)))


def make_pool(
    function: Callable[[Any], Any],
    *,
    size: int = 2,
    seed: int = 0,
    lost: Callable[[], bool] = lambda: False,
    local: bool = False,
    make: Callable[[list[Path]], Any] | None = None,
    versions: dict[str, str] | None = None,
) -> Pool[Any, Any]:
    versions = {"nlpcli": __version__} if versions is None else versions
    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": float(size)},
        put=lambda value: value,
        kill=lambda actor, no_restart: None,
        remote=lambda **_: lambda cls: SimpleNamespace(remote=lambda: Actor(lost, versions)),
        exceptions=SimpleNamespace(RayError=Lost, RayTaskError=TaskFailed),
    )
    pool: Pool[Any, Any] = Pool(ray, make or (lambda _: function), [], local, None)
    pool.answers = Shuffled(random.Random(seed))  # type: ignore[assignment]
    return pool


@given(st.integers(0, 30), st.integers(1, 5), st.integers(0, 10_000), st.booleans())
def test_each_result_comes_once_and_in_order(count: int, size: int, seed: int, unlucky: bool) -> None:
    rng, calls = random.Random(seed), [0]

    def lost() -> bool:  # now and then, but never so often that an item could lose three
        calls[0] += 1
        return unlucky and calls[0] % 7 == 0 and rng.random() < 0.5

    pool = make_pool(lambda n: n * n, size=size, seed=seed, lost=lost)
    assert list(pool.map(range(count))) == [n * n for n in range(count)]
    assert list(pool.map(range(3))) == [0, 1, 4]  # the same workers serve the next map
    assert len(pool.workers) <= size


@pytest.mark.parametrize("in_flight", [1, 3, None])
def test_items_in_flight_are_bounded(in_flight: int | None) -> None:
    taken = []

    def items() -> Iterator[int]:
        for n in range(40):
            taken.append(n)
            yield n

    for done, _ in enumerate(make_pool(lambda n: n, size=3).map(items(), in_flight=in_flight)):
        assert len(taken) - done <= (in_flight or 6)


def test_no_more_workers_are_started_than_there_are_items() -> None:
    pool = make_pool(lambda n: n, size=50)
    assert list(pool.map(range(3))) == [0, 1, 2]
    assert len(pool.workers) == 3


def test_an_item_that_loses_three_workers_ends_the_work_and_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def deadly(n: int) -> int:
        if n == 4:
            raise Lost("The actor died unexpectedly before finishing this task. Its memory ran out")
        return n

    pool = make_pool(deadly)
    Actor.do_work, kept = lambda self, item: (True, self.function(item)), Actor.do_work
    try:
        with pytest.raises(RunFailed, match=f"row 4 was given to {ATTEMPTS} workers and each was lost") as e:
            list(pool.map(range(9), name=lambda number, _: f"row {number}"))
    finally:
        Actor.do_work = kept
    assert "process 7" in e.value.cause
    assert "Its memory ran out" in e.value.cause
    warnings = [line for line in capsys.readouterr().err.splitlines() if "row 4" in line]
    assert len(warnings) == ATTEMPTS - 1
    assert "the worker on one (10.0.0.1, node ab, process 7) was lost, row 4 is done anew by another" in warnings[0]


def test_a_cluster_where_no_worker_can_be_started_ends_the_work() -> None:
    with pytest.raises(RunFailed, match="no worker can be started"):
        list(make_pool(lambda n: n, lost=lambda: True).map(range(9)))


def test_what_the_function_raises_comes_as_itself_in_its_turn() -> None:
    def refuse_five(n: int) -> int:
        if n == 5:
            raise BadInput("five is not welcome", cause="it is five", fix="give another")
        return n

    got, pool = [], make_pool(refuse_five, size=4, seed=3)
    with pytest.raises(BadInput, match="five is not welcome") as e:
        got.extend(n for n in _each(pool.map(range(20)), got))
    assert (e.value.cause, e.value.fix) == ("it is five", "give another")
    assert got == [0, 1, 2, 3, 4]


def _each(results: Iterator[int], got: list[int]) -> Iterator[int]:
    for n in results:
        got.append(n)
    yield from ()


@pytest.mark.parametrize(("local", "where"), [(False, "on one (10.0.0.1, node ab, process 7): "), (True, "")])
def test_a_function_that_cannot_be_made_names_the_node(local: bool, where: str) -> None:
    def make(_: list[Path]) -> Any:
        raise Unavailable("no kiwipiepy")

    with pytest.raises(Unavailable) as e:
        list(make_pool(lambda n: n, make=make, local=local).map([1]))
    assert e.value.message == f"{where}no kiwipiepy"


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ({}, "has no nlpcli, this machine nlpcli"),
        ({"nlpcli": "0.0.1"}, "has nlpcli 0.0.1, this machine nlpcli"),
        ({"nlpcli": __version__, "sentencepiece": "0.1.9"}, "has sentencepiece 0.1.9, this machine sentencepiece"),
    ],
)
def test_a_node_with_other_versions_is_refused_by_name(versions: dict[str, str], says: str) -> None:
    with pytest.raises(Unavailable) as e:
        list(make_pool(lambda n: n, versions=versions).map([1]))
    assert f"node ab, process 7) {says}" in e.value.message
    assert "pip install" in e.value.fix


def test_an_artifact_is_sent_as_bytes_and_unpacked_where_it_is_not_to_be_seen(tiny_tokenizer: Path, tmp_path: Path) -> None:
    ray = SimpleNamespace(put=lambda value: value, get=lambda value: value)
    folder = send(ray, tiny_tokenizer, ship=True)
    with on_this_node(ray, [folder]) as paths:
        assert paths == [tiny_tokenizer]
    elsewhere = folder._replace(path=tmp_path / "unknown" / "tokenizer")
    with on_this_node(ray, [elsewhere]) as paths:
        assert paths[0].name == "tokenizer"
        assert paths[0] not in (tiny_tokenizer, elsewhere.path)
        assert Tokenizer.load(paths[0]).id == artifacts.read_artifact(tiny_tokenizer).id
    assert not paths[0].exists()
    changed = {name: np.append(content, np.uint8(0)) for name, content in folder.content.items() if name != "manifest.json"}
    changed["manifest.json"] = folder.content["manifest.json"]
    with on_this_node(ray, [elsewhere._replace(content=changed)]) as paths, pytest.raises(artifacts.ArtifactError):
        Tokenizer.load(paths[0])


def test_nothing_is_sent_where_all_workers_see_this_disk(tiny_tokenizer: Path) -> None:
    assert send(None, tiny_tokenizer, ship=False).content is None
