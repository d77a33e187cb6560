"""Lines that careless readers stumble over, through every engine and the formats that can hold them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE

from nlpcli.decoding.translate import translate
from nlpcli.kernels import attend

from .conftest import Make

ENGINES = ["torch", "ctranslate2"]


def run(transformer: Make, file: Path, out: Path, engine: str, **options: Any) -> Any:
    model = transformer(positions="sinusoidal").path
    return translate(
        model=model,
        files=[file],
        out=out,
        engine=engine,
        workers=1,
        issues=Path("issues.jsonl"),
        max_input_tokens=48,
        **options,
    )


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_as_text(transformer: Make, engine: str) -> None:
    Path("in.ko").write_bytes("".join(line + "\n" for line in HOSTILE).encode())
    result = run(transformer, Path("in.ko"), Path("out.en"), engine)
    lines = Path("out.en").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == result.lines == len(HOSTILE)
    named = {(row["line"], row["issue"]) for row in map(json.loads, Path("issues.jsonl").read_text("utf-8").split("\n")[:-1])}
    for number, (source, translation) in enumerate(zip(HOSTILE, lines), 1):
        assert not (translation and not source.strip())
        assert translation.strip() or not source.strip() or (number, "empty") in named
        assert len(source) < 1_000 or (number, "split") in named


def test_engines_say_the_same(transformer: Make) -> None:
    Path("in.ko").write_bytes("".join(line + "\n" for line in HOSTILE).encode())
    for engine in ENGINES:
        run(transformer, Path("in.ko"), Path(f"{engine}.en"), engine, force=True)
    one, other = (Path(f"{engine}.en").read_text("utf-8").split("\n") for engine in ENGINES)
    assert sum(a == b for a, b in zip(one, other, strict=True)) >= 0.95 * len(HOSTILE)


def test_as_json_lines(transformer: Make, engine: str) -> None:
    Path("in.jsonl").write_text("".join(json.dumps({"ko": line, "n": n}) + "\n" for n, line in enumerate(HOSTILE)), "utf-8")
    run(transformer, Path("in.jsonl"), Path("out.jsonl"), engine, into="en")
    rows = [json.loads(line) for line in Path("out.jsonl").read_bytes().decode().split("\n")[:-1]]
    assert [(row["ko"], row["n"]) for row in rows] == [(line, n) for n, line in enumerate(HOSTILE)]
    assert all(isinstance(row["en"], str) for row in rows)


def test_as_a_column_of_a_table(transformer: Make, engine: str) -> None:
    with Path("in.csv").open("w", encoding="utf-8", newline="") as f:
        csv.writer(f).writerows([["ko", "n"], *([line, n] for n, line in enumerate(HOSTILE))])
    run(transformer, Path("in.csv"), Path("out.csv"), engine, into="en")
    csv.field_size_limit(1 << 24)
    rows = list(csv.reader(io.StringIO(Path("out.csv").read_bytes().decode(), newline="")))
    assert [row[:2] for row in rows[1:]] == [[line, str(n)] for n, line in enumerate(HOSTILE)]
    assert all(len(row) == 3 for row in rows)


def test_with_windows_line_ends_and_a_byte_order_mark(transformer: Make, engine: str) -> None:
    Path("in.ko").write_bytes(b"\xef\xbb\xbf" + "".join(line + "\r\n" for line in ["가나", "", "다라"]).encode())
    Path("plain.ko").write_bytes("".join(line + "\n" for line in ["가나", "", "다라"]).encode())
    for name in ("in", "plain"):
        run(transformer, Path(f"{name}.ko"), Path(f"{name}.en"), engine, force=True)
    assert Path("in.en").read_bytes() == Path("plain.en").read_bytes()


def test_tiers_of_attention_say_the_same(transformer: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("in.ko").write_bytes("".join(line + "\n" for line in HOSTILE[:20]).encode())
    run(transformer, Path("in.ko"), Path("auto.en"), "torch")
    used, chosen = set(), attend.choose

    def choose(*given: Any, **named: Any) -> Any:
        choice = chosen(*given, **named)
        used.add(choice.tier)
        return choice

    monkeypatch.setattr(attend, "choose", choose)
    run(
        transformer, Path("in.ko"), Path("reference.en"), "auto", attention_tier="reference", force=True
    )  # so not by CTranslate2
    assert used == {"reference"}
    assert Path("reference.en").read_bytes() == Path("auto.en").read_bytes()
