"""Every command in README and docs runs, in its order, on the bundled sample; training stops after a few steps."""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nlpcli.cli.train import function
from nlpcli.models.config import CONFIGS

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("data", "fetch", "tokenize", "embed", "train", "translate", "classify", "language-models", "attention", "export")
PAGES = ["README.md", *(f"docs/{page}.md" for page in NAMES)]
WALK = ("README.md", "docs/train.md", "docs/translate.md")  # read one after the other, in one folder
READINGS = [WALK, *((page,) for page in PAGES if page not in WALK)]
PIPELINES = sorted(path.name for path in (ROOT / "pipelines").glob("*.mk"))
KNOWN = {"ctx", "data", "out", "tokenizer", "json_", "quiet", "verbose", "src", "tgt"}  # told elsewhere
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUICK = {"MAX_STEPS": "3", "EVAL_SENTENCES": "2", "D_MODEL": "16", "D_EMBED": "16", "D_FF": "16", "NUM_FILTERS": "4"}
QUICK |= {"ENCODER_LAYERS": "1", "DECODER_LAYERS": "1"}  # what an architecture does not have, it does not read


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for the PATH whose `nlpcli` is there at once."""
    path = tmp_path_factory.mktemp("ready") / "socket"
    process = subprocess.Popen([sys.executable, Path(__file__).with_name("ready.py"), path], env=quick_environment())
    client = path.with_name("socket.bin") / "nlpcli"
    while not os.access(client, os.X_OK):
        assert process.poll() is None
        time.sleep(0.05)
    yield client.parent
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a user's: the pipelines are there, and nothing else."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "pipelines", folder / "pipelines")
    return folder


def quick_environment(*first: Path) -> dict[str, str]:
    """The command on the PATH, and small budgets by the environment, so that the commands stay as written."""
    path = os.pathsep.join(map(str, [*first, Path(sys.executable).parent, os.environ["PATH"]]))
    found = {"PATH": path, "PYTHONWARNINGS": "error"}
    for architecture in CONFIGS:
        found |= {f"NLPCLI_TRAIN_{architecture.upper()}_{name}": value for name, value in QUICK.items()}
    return {**os.environ, **found}


def commands(page: str) -> list[str]:
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [block for block in blocks if not block.startswith("make ")]


@pytest.mark.parametrize("pages", READINGS, ids=" ".join)
def test_commands_of(pages: tuple[str, ...], tmp_path: Path, ready: Path) -> None:
    """Every command of a page, as a reader runs it who has a folder like a user's; README's with the installed command."""
    shutil.copytree(ROOT / "pipelines", tmp_path / "pipelines")
    for page in pages:
        found = commands(page)
        assert found, page
        for block in found:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=tmp_path,
                env=quick_environment(*([] if page == "README.md" else [ready])),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{page}: {block}\n{done.stdout}\n{done.stderr}"


def test_readme_names_the_two_commands_that_make_knows() -> None:
    readme, makefile = (ROOT / "README.md").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [*PAGES, "docs/errors.md", "docs/architecture.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("architecture", CONFIGS)
def test_every_option_of_train_is_explained(architecture: str) -> None:
    told = "".join((ROOT / f"docs/{page}.md").read_text(encoding="utf-8") for page in ("train", "classify", "language-models"))
    told += (ROOT / "docs/translate.md").read_text(encoding="utf-8")
    names = [name for name in inspect.signature(function(architecture)).parameters if name not in KNOWN]
    missing = [name for name in names if not re.search(f"--{name.rstrip('_').replace('_', '-')}\\b(?!-)", told)]
    assert not missing


def made(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("manifest.json")}


def make(workplace: Path, ready: Path, pipeline: str, *words: str) -> list[str]:
    """Run a pipeline as a user would, with small budgets; return the lines it printed."""
    command = ["make", "-s", "-f", f"pipelines/{pipeline}", *words]
    done = subprocess.run(command, cwd=workplace, env=quick_environment(ready), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


@pytest.mark.parametrize("model", [pytest.param("seq2seq", marks=pytest.mark.thorough), "attention"])
def test_pipeline_redoes_only_what_is_missing(model: str, workplace: Path, ready: Path) -> None:
    first = make(workplace, ready, "ko-en.mk", f"MODEL={model}", "WORK=piped", "show")
    assert any(line.startswith("BLEU: nrefs:1|case:mixed") for line in first)
    assert any(line.startswith("next: make -f pipelines/ko-en.mk") for line in first)
    before = made(workplace / "piped")
    assert make(workplace, ready, "ko-en.mk", f"MODEL={model}", "WORK=piped", "show")[-3:] == first[-3:]
    assert made(workplace / "piped") == before


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_pipeline_is_shown_without_being_run(pipeline: str, workplace: Path, ready: Path) -> None:
    shown = make(workplace, ready, pipeline, "-n", "WORK=not-yet")
    assert sum("nlpcli " in line for line in shown) >= 2
    assert not (workplace / "not-yet").exists()


@pytest.mark.parametrize(
    ("pipeline", "model", "kind", "parts"),
    [("sentiment.mk", "cnn", "bpe", 5), ("language-model.mk", "rnn", "char", 5)],
)
def test_pipeline_makes_again_what_was_taken_away(
    pipeline: str, model: str, kind: str, parts: int, workplace: Path, ready: Path
) -> None:
    """From text to scores; then nothing; then, without the scores, the scores alone."""
    words = (f"WORK=made-{model}", f"MODEL={model}", f"KIND={kind}")
    make(workplace, ready, pipeline, *words)
    before = made(workplace / f"made-{model}")
    assert len([path for path in before if path.parent.parent.name == f"made-{model}"]) == parts
    make(workplace, ready, pipeline, *words)
    assert made(workplace / f"made-{model}") == before
    scores = workplace / f"made-{model}" / f"{model}-{kind}-scores"
    shutil.rmtree(scores)
    make(workplace, ready, pipeline, *words)
    after = made(workplace / f"made-{model}")
    assert [path for path in before if after[path] != before[path]] == [scores / "manifest.json"]


def test_sentiment_folds_end_in_their_mean(workplace: Path, ready: Path) -> None:
    folder = workplace / "polarity"
    folder.mkdir()
    for label, word in (("pos", "déjà vu, good"), ("neg", "déjà vu, bad")):
        lines = "".join(f"{word} {i}\n" for i in range(30))
        (folder / f"reviews.{label}").write_bytes(lines.encode("latin-1"))
    printed = make(workplace, ready, "sentiment.mk", "DATA=polarity", "ENCODING=latin-1", "FOLDS=2", "WORK=folded")
    names = [line.split()[0] for line in printed[-3:]]
    assert names == ["fold-1", "fold-2", "mean"]
    mean = sum(float(line.split()[1]) for line in printed[-3:-1]) / 2
    assert printed[-1].startswith(f"mean {mean:.2f}, standard deviation")


def test_documents_are_translated_whole_and_scored_beside_segments(workplace: Path, ready: Path) -> None:
    """A model of segments goes on with documents in rows of many sizes; what each wrote has the form of the data."""
    folder = workplace / "chapters-ko-en"
    folder.mkdir()
    for split, count in (("train", 130), ("test", 4)):
        sides = {
            lang: (ROOT / f"sample_data/ko-en/{split}.{lang}").read_text("utf-8").splitlines()[: 3 * count]
            for lang in ("ko", "en")
        }
        documents = [{"id": str(i), **{lang: lines[3 * i : 3 * i + 3] for lang, lines in sides.items()}} for i in range(count)]
        text = "".join(json.dumps(document, ensure_ascii=False) + "\n" for document in documents)
        (folder / f"{split}.jsonl").write_text(text, "utf-8")
    options = ("DATA=chapters-ko-en", "WORK=read", "CHARS=200", "SIZES=3", "WINDOW=8")
    printed = make(workplace, ready, "documents.mk", *options)
    assert [line for line in printed if line.endswith(":")] == ["segments:", "more-segments:", "documents:"]
    assert [line.split()[:2] for line in printed if line.startswith("all ")] == [["all", "4"]] * 3
    for model in ("segments", "documents"):
        translated = (workplace / f"read/{model}-translated/test.jsonl").read_text("utf-8").splitlines()
        assert [len(json.loads(line)["en"]) for line in translated] == [3, 3, 3, 3]
    in_one = make(workplace, ready, "documents.mk", "one-row", *options)
    assert [line.split()[:2] for line in in_one if line.startswith("all ")] == [["all", "4"]]
    again = make(workplace, ready, "documents.mk", "-n", *options)
    assert not any(word in line for line in again for word in ("nlpcli train", "nlpcli data", "--model"))


def test_ladder_prints_one_table(workplace: Path, ready: Path) -> None:
    printed = make(workplace, ready, "ladder.mk", "WORK=piped", "MODELS=seq2seq attention", "BEAM=1")
    head, *rows = printed[-4:]
    assert head.split() == ["BLEU", "lines", "seq2seq", "attention"]
    assert [row[:20].strip() for row in rows] == ["all", "1-10 source words", "11-20 source words"]
    assert all(len(row[20:].split()) == 3 for row in rows)
