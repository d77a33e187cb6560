"""Every command in README and docs runs, in its order, on the bundled sample; training stops after a few steps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *(f"docs/{page}.md" for page in ("data", "fetch", "tokenize", "embed", "train", "translate"))]
WALK = ["README.md", "docs/train.md", "docs/translate.md"]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUICK = {"MAX_STEPS": "3", "EVAL_SENTENCES": "2", "D_MODEL": "16", "D_EMBED": "16"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like a user's: the pipelines are there, and nothing else."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "pipelines", folder / "pipelines")
    return folder


def quick_environment() -> dict[str, str]:
    """The installed command on the PATH, and small budgets by the environment, so that the commands stay as written."""
    found = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONWARNINGS": "error"}
    for architecture in ("SEQ2SEQ", "ATTENTION"):
        found |= {f"NLPCLI_TRAIN_{architecture}_{name}": value for name, value in QUICK.items()}
    return {**os.environ, **found}


def commands(page: str) -> list[str]:
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [block for block in blocks if not block.startswith("make ")]


@pytest.mark.parametrize("page", PAGES)
def test_commands_of(page: str, workplace: Path, tmp_path: Path) -> None:
    """README, train and translate are read one after the other; each other page in a folder of its own."""
    folder = workplace if page in WALK else tmp_path
    found = commands(page)
    assert found
    for block in found:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=folder,
            env=quick_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def test_readme_names_the_two_commands_that_make_knows() -> None:
    readme, makefile = (ROOT / "README.md").read_text("utf-8"), (ROOT / "Makefile").read_text("utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in readme
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [*PAGES, "docs/errors.md", "docs/architecture.md"]:
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("model", ["seq2seq", "attention"])
def test_pipeline_redoes_only_what_is_missing(model: str, workplace: Path) -> None:
    make = ["make", "-s", "-f", "pipelines/ko-en.mk", f"MODEL={model}", "WORK=piped", "show"]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(make, cwd=workplace, env=quick_environment(), capture_output=True, text=True, check=True)

    first = run()
    assert "BLEU: nrefs:1|case:mixed" in first.stdout
    assert "next: make -f pipelines/ko-en.mk" in first.stdout
    made = {path: path.stat().st_mtime_ns for path in (workplace / "piped").rglob("manifest.json")}
    assert run().stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]
    assert {path: path.stat().st_mtime_ns for path in (workplace / "piped").rglob("manifest.json")} == made
