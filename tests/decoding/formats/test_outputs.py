"""Which file goes where, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from nlpcli.decoding.formats.outputs import expanded, pair_outputs, translated_name
from nlpcli.errors import BadInput, NlpcliError, UsageError


def make(*names: str) -> None:
    """Create files."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def outputs(inputs: list[str], out: str | None) -> list[str]:
    """Return where the inputs go."""
    return [str(pair.target) for pair in pair_outputs(inputs, out, "ko", "en")]


def refused(kind: type[NlpcliError], inputs: list[str], out: str | None = "out") -> NlpcliError:
    """Return the error with which the inputs are refused."""
    with pytest.raises(kind) as caught:
        pair_outputs(inputs, out, "ko", "en")
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize(
    ("name", "translated"),
    [
        ("article.ko", "article.en"),
        ("article.ko.gz", "article.en.gz"),
        ("dir.ko/article.ko", "article.en"),
        ("page.txt", "page.en.txt"),
        ("page.ko.txt.xz", "page.en.txt.xz"),
        ("film.ko.srt", "film.en.srt"),
        ("film.srt.zst", "film.en.srt.zst"),
        ("table.tsv", "table.en.tsv"),
        ("ko.po", "en.po"),
        ("en.po", "en.po"),
        ("app.en.po", "app.en.po"),
        ("notes", "notes.en"),
        ("notes.gz", "notes.en.gz"),
        ("2024.01.md", "2024.01.en.md"),
        ("korean.txt", "korean.en.txt"),
        ("a.ko.b.txt", "a.ko.b.en.txt"),
    ],
)
def test_names_in_a_folder(name: str, translated: str) -> None:
    assert translated_name(Path(name), "ko", "en") == translated


def test_one_input_goes_to_a_file_or_into_a_folder() -> None:
    make("a.ko", "there/x")
    assert outputs(["a.ko"], "b") == ["b"]
    assert outputs(["a.ko"], "new/") == ["new/a.en"]
    assert outputs(["a.ko"], "there") == ["there/a.en"]
    assert outputs(["-"], "b") == ["b"]
    assert outputs(["a.ko"], None) == outputs(["a.ko"], "-") == outputs(["-"], None) == ["-"]


def test_several_inputs_go_into_a_folder_in_their_order() -> None:
    make("b.ko", "a.ko.gz")
    assert outputs(["b.ko", "a.ko.gz"], "out") == ["out/b.en", "out/a.en.gz"]
    assert outputs(["b.ko", "a.ko.gz"], None) == ["-", "-"]


def test_patterns_are_filled_in_by_name() -> None:
    make("b.ko", "a.ko", "deep/er/c.ko", "x[1].ko")
    assert outputs(["*.ko"], "out") == ["out/a.en", "out/b.en", "out/x[1].en"]
    assert outputs(["**/c.ko"], "out") == ["out/c.en"]  # a folder, though today there is only one
    assert outputs(["x[1].ko"], "out") == ["out"]  # there is a file of this name


def test_inputs_that_are_not_there() -> None:
    make("folder/a.ko")
    assert refused(BadInput, ["*.de"]).message == "no file fits *.de"
    assert refused(BadInput, ["a.ko", "b.ko"]).message == "there is no file a.ko, b.ko"
    error = refused(UsageError, ["folder"])
    assert (error.message, error.fix) == ("folder is a folder", "give 'folder/*.ko'")
    with pytest.raises(UsageError, match="nothing to translate"):
        expanded([])


def test_stdin_stands_alone() -> None:
    make("a.ko", "there/x")
    assert "one of several" in refused(UsageError, ["-", "a.ko"]).message
    assert "stdin has no name in the folder there" in refused(UsageError, ["-"], "there").message


def test_no_output_is_written_twice_or_over_an_input() -> None:
    make("a/x.ko", "b/x.ko", "c/x.ko.txt", "d/x.txt", "x.ko", "x.en", "file")
    error = refused(UsageError, ["a/x.ko", "b/x.ko", "c/x.ko.txt", "d/x.txt"])
    assert error.cause == "a/x.ko and b/x.ko → x.en; c/x.ko.txt and d/x.txt → x.en.txt"
    assert refused(UsageError, ["x.ko"], "x.ko").cause == "x.ko"
    assert refused(UsageError, ["x.ko", "x.en"], ".").message == "several inputs would have one output"
    assert refused(UsageError, ["x.ko", "./x.ko"]).message == "several inputs would have one output"
    assert refused(UsageError, ["x.ko", "d/x.txt"], "file").message == "file is a file, and there are 2 inputs"
    Path("link").symlink_to("x.ko")
    assert refused(UsageError, ["x.ko"], "link").message == "an input would be overwritten"
