"""`--task auto` sees what data is for, and options of another task are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlpcli.corpus.prepare import prepare_data
from nlpcli.corpus.tasks import find_task
from nlpcli.errors import UsageError


def put(path: str, text: str = "x\n") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, "utf-8")


def task_of(root: str, **given: Any) -> str:
    options = dict.fromkeys(("src", "tgt", "lang", "column", "label_column", "fold")) | given
    return find_task(Path(root), "auto", **options, encoding="utf-8")


FILES = {
    "translation": [
        {"x/train.ko": "가\n", "x/train.de": "a\n"},
        {"ko-en/train.tsv": "ko\ten\n가\ta\n"},
        {"ko-en/train.jsonl": '{"ko": "가", "en": "a"}\n'},
        {"ko-en/train.ko": "가\n"},  # one side is missing, which is an error and no other task
        {"x/train.tsv": "ko\ten\n가\ta\n"},
    ],
    "classify": [
        {"x/train.tsv": "text\tlabel\na\tb\n"},
        {"sst-en/train.tsv": "sentence\tlabel\na\tb\n"},
        {"x/train.csv": "text,label\na,b\n"},
        {"x/train.jsonl": '{"text": "a", "label": 0}\n'},
        {"x/ratings_train.txt": "id\tdocument\tlabel\n"},
        {"x/a.pos": "a\n", "x/a.neg": "b\n"},
        {"x/train.txt": "a\n", "x/train.label": "b\n"},
        {"x/train.ko": "a\n", "x/train.label": "b\n"},
    ],
    "lm": [
        {"x/train.txt": "a\n", "x/valid.txt": "b\n"},
        {"x/input.txt": "a\n"},
        {"x/train.ko": "a\n"},
        {"my-lm/train.txt": "a\n"},
        {"x/train.tsv": "id\ttext\n1\ta\n"},
    ],
}


@pytest.mark.parametrize(("task", "files"), [(task, files) for task, forms in FILES.items() for files in forms], ids=str)
def test_the_files_say_what_data_is_for(task: str, files: dict[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    for path, text in files.items():
        put(path, text)
    assert task_of(next(iter(files)).split("/")[0]) == task
    assert ("--task says otherwise" in capfd.readouterr().err) == (task != "translation")


def test_options_say_what_data_is_for() -> None:
    put("ko-en/train.ko")
    put("ko-en/train.en")
    put("a.tsv", "a\tb\n1\t2\n")
    put("b.tsv", "text\tlabel\n1\t2\n")
    assert task_of("ko-en") == "translation"
    assert task_of("ko-en", lang="ko") == "lm"
    assert task_of("a.tsv", src="a", tgt="b") == "translation"
    assert task_of("a.tsv", column="b") == "lm"
    assert task_of("a.tsv", label_column="b") == "classify"
    assert task_of("b.tsv", lang="ko") == "classify"
    assert task_of("b.tsv", fold="1/10") == "classify"


def test_a_corpus_keeps_its_task(tiny_corpus: Path) -> None:
    put("a.tsv", "text\tlabel\n" + "".join(f"text {n}\t{n % 2}\n" for n in range(40)))
    put("b.txt", "line\n" * 40)
    for data, expected in ((str(tiny_corpus), "translation"), ("a.tsv", "classify"), ("b.txt", "lm")):
        prepare_data(data=data, out=Path(expected))
        assert task_of(expected) == expected


def test_a_corpus_of_text_is_no_pair() -> None:
    put("b.txt", "line\n" * 40)
    prepare_data(data="b.txt", out=Path("made"))
    with pytest.raises(UsageError, match="source and target language are not clear"):
        prepare_data(data="./made", out=Path("out"), task="translation")


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [
        ("translation", "lang", "ko"),
        ("translation", "fold", "1/10"),
        ("translation", "encoding", "latin-1"),
        ("lm", "src", "ko"),
        ("lm", "label_column", "label"),
        ("lm", "text_column", "text"),
        ("classify", "tgt", "en"),
    ],
)
def test_an_option_of_another_task_is_refused(tiny_corpus: Path, task: Any, option: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"--{option.replace('_', '-')}") as caught:
        prepare_data(data=str(tiny_corpus), out=Path("out"), task=task, **{option: value})  # type: ignore[arg-type]
    assert "--task" in caught.value.fix


def test_the_command_prepares_labelled_text(run_cli: Any) -> None:
    put("a.tsv", "note\tstars\n" + "".join(f"text {n}\t{n % 2}\n" for n in range(40)))
    ran = run_cli("data", "prepare", "--data", "./a.tsv", "--label-column", "stars", "--fold", "1/4", "--out", "out")
    assert (ran.code, ran.out) == (0, f"{Path('out').resolve()}\n")
    assert "test (fold 1/4): 10 texts in 2 classes" in ran.err
    assert run_cli("data", "prepare", "--data", "./a.tsv", "--fold", "1/4", "--out", "two").code == 2
