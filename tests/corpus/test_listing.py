"""`data list` shows what `--data` would resolve to, in the order of looking, and what could be fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nlpcli
from nlpcli.corpus.listing import Found, list_data
from nlpcli.corpus.names import bundled_samples, resolve
from nlpcli.corpus.registry import registry

Run = Callable[..., Any]


def put(folder: str, **files: str) -> Path:
    Path(folder).mkdir(parents=True)
    for name, text in files.items():
        Path(folder, name.replace("_", ".")).write_text(text, "utf-8")
    return Path(folder)


def samples() -> set[str]:
    return {path.name for path in bundled_samples().iterdir() if (path / "LICENSE").is_file()}


def found(name: str) -> list[Found]:
    return [one for one in list_data().found if one.name == name]


def test_the_bundled_sample_is_listed_as_it_is() -> None:
    (sample,) = found("ko-en")
    assert (sample.kind, sample.languages, sample.licence) == ("parallel", ["en", "ko"], "CC0 1.0")
    assert list(sample.splits) == ["train", "valid", "test"]
    assert sample.bytes == sum(path.stat().st_size for path in sample.path.iterdir())


def test_names_stand_in_the_order_of_looking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NLPCLI_HOME", str(tmp_path / "home"))
    put("data/ko-en", train_ko="가\n", train_en="a\n")
    put("home/data/ko-en", train_ko="가\n", train_en="a\n")
    put("home/data/reviews", train_txt="x\n", LICENSE="All mine\nreally")
    here, home, sample = found("ko-en")
    assert [one.path.resolve() for one in (here, home)] == [tmp_path / "data/ko-en", tmp_path / "home/data/ko-en"]
    assert (here.shadowed, home.shadowed, sample.shadowed) == ("", "in this folder", "in this folder")
    assert resolve("ko-en").resolve() == here.path.resolve()
    (reviews,) = found("reviews")
    assert (reviews.kind, list(reviews.splits), reviews.licence) == ("text", ["train"], "All mine")


def test_what_is_no_data_is_not_listed() -> None:
    put("data/empty")
    put("data/pictures", a_png="x")
    put("data/half.partial", train_ko="가\n", train_en="a\n")
    Path("data/file.txt").write_text("x", "utf-8")
    assert {one.name for one in list_data().found} == samples()


def test_counts_come_from_the_manifest() -> None:
    nlpcli.split_data(data="ko-en", out=Path("data/mine"), valid="0", test="0")
    (mine,) = found("mine")
    sample = next(one for one in found("ko-en"))
    assert mine.splits == {name: len((sample.path / f"{name}.ko").read_text("utf-8").split("\n")) - 1 for name in mine.splits}
    (Path("data/mine") / "manifest.json").write_text("{}", "utf-8")
    assert found("mine")[0].kind == "unusable"


def test_what_is_fetched_is_no_longer_on_offer() -> None:
    put("data/tatoeba", train_ko="가\n", train_en="a\n")
    offers = {offer.name: offer for offer in list_data().registry}
    assert set(offers) == set(registry())
    assert (offers["tatoeba"].here, offers["kde4"].here) == (True, False)
    assert offers["nsmc"].verified
    assert offers["nsmc"].bytes == 14_628_807 + 4_893_335
    assert offers["tatoeba"].bytes is None


def test_the_command_shows_both(run_cli: Run) -> None:
    ran = run_cli("data", "list")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.split("\n")
    assert lines[0].split()[:2] == ["name", "kind"]
    assert any(line.startswith("ko-en ") and "CC0 1.0" in line for line in lines)
    assert any(line.startswith("tatoeba ") and "CC BY 2.0 FR" in line for line in lines)
    data = json.loads(run_cli("data", "list", "--json").out)["data"]
    assert {one["name"] for one in data["found"]} == samples()


def test_a_name_with_control_characters_does_not_reach_the_terminal(run_cli: Run) -> None:
    put("data/a\x1b[2Jb", train_ko="가\n", train_en="a\n")
    assert "\x1b[2J" not in run_cli("data", "list").out
