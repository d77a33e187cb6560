"""`--data` means one corpus: which place, which files, which direction."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path

import pytest

from nlpcli.corpus.kinds import find_material
from nlpcli.corpus.names import Corpus, bundled_samples, find_corpus
from nlpcli.corpus.prepare import prepare_data
from nlpcli.corpus.tables import read_pairs
from nlpcli.errors import BadInput, NlpcliError, UsageError


def folder(path: str, *names: str) -> Path:
    """Make a folder of files, each of which holds its own path."""
    for name in names:
        file = Path(path, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{file}\n", "utf-8")
    return Path(path)


def table(path: str, *columns: str) -> Path:
    """Make a TSV file with one pair, each cell of which holds its column's name."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("\t".join(columns) + "\n" + "\t".join(f"text {c}" for c in columns) + "\n", "utf-8")
    return Path(path)


def files(corpus: Corpus) -> dict[str, tuple[str, str]]:
    """Return each split's two files as paths seen from the corpus."""
    root = corpus.root if corpus.root.is_dir() else corpus.root.parent
    return {
        name: (split.src.relative_to(root).as_posix(), split.tgt.relative_to(root).as_posix())
        for name, split in corpus.splits.items()
    }


# Places


def test_a_name_is_looked_for_here_then_in_home_then_among_the_samples(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def said() -> tuple[Path, str]:
        capfd.readouterr()
        root = find_corpus("ko-en").root.resolve()
        out, err = capfd.readouterr()
        assert out == ""
        return root, err

    root, err = said()
    assert root == (bundled_samples() / "ko-en").resolve()
    assert f"bundled sample ({bundled_samples() / 'ko-en'})" in err

    home = folder("home/data/ko-en", "train.ko", "train.en").resolve()
    monkeypatch.setenv("NLPCLI_HOME", str(Path("home").resolve()))
    root, err = said()
    assert root == home
    assert "$NLPCLI_HOME" in err
    assert str(home) in err

    here = folder("data/ko-en", "train.ko", "train.en").resolve()
    root, err = said()
    assert root == here
    assert "in this folder (data/ko-en)" in err


def test_a_folder_of_that_name_beside_is_taken_last(capfd: pytest.CaptureFixture[str]) -> None:
    folder("mine.ko-en", "train.ko", "train.en")
    assert find_corpus("mine.ko-en").root == Path("mine.ko-en")
    folder("ko-en", "train.ko", "train.en")
    assert find_corpus("ko-en").root == bundled_samples() / "ko-en"
    assert find_corpus("./ko-en").root == Path("ko-en")


def test_a_path_is_never_looked_up_as_a_name() -> None:
    folder("data/ko-en", "train.ko", "train.en")
    with pytest.raises(BadInput, match="does not exist"):
        find_corpus("./ko-en")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    folder("data/movies-ko-en", "train.ko", "train.en")
    with pytest.raises(BadInput, match="unknown data name: movie-ko-en") as caught:
        find_corpus("movie-ko-en")
    assert "did you mean movies-ko-en?" in caught.value.fix
    with pytest.raises(BadInput) as caught:
        find_corpus("ko-enn")
    assert "did you mean ko-en?" in caught.value.fix


def test_an_unknown_name_near_none_is_answered_with_all_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    folder("home/data/from-home", "train.ko")
    monkeypatch.setenv("NLPCLI_HOME", "home")
    with pytest.raises(BadInput) as caught:
        find_corpus("xyzzy")
    assert "from-home" in caught.value.fix
    assert "ko-en" in caught.value.fix
    assert "./xyzzy" in caught.value.fix


def test_only_data_is_offered_as_known() -> None:
    with pytest.raises(BadInput) as caught:
        find_corpus("xyzzy")
    offered = caught.value.fix.removeprefix("known names: ").split(";")[0].split(", ")
    assert "ko-en" in offered
    for name in offered:
        assert find_material(name).splits


def test_a_missing_path_is_answered_with_the_nearest_beside_it() -> None:
    folder("corpora/news", "train.ko")
    with pytest.raises(BadInput, match="corpora/new does not exist") as caught:
        find_corpus("corpora/new")
    assert "corpora/news" in caught.value.fix
    with pytest.raises(BadInput, match="no/such does not exist"):
        find_corpus("no/such")


# Direction


def test_the_direction_comes_from_the_name() -> None:
    for name, direction in (("ko-en", ("ko", "en")), ("en-ko", ("en", "ko")), ("big_en-ko_v2", ("en", "ko"))):
        corpus = find_corpus(str(folder(f"x/{name}", "train.ko", "train.en")))
        assert (corpus.src, corpus.tgt) == direction
        assert files(corpus)["train"] == tuple(f"train.{language}" for language in direction)


def test_src_and_tgt_turn_the_direction_round() -> None:
    data = str(folder("x/ko-en", "train.ko", "train.en"))
    for options in ({"src": "en", "tgt": "ko"}, {"src": "en"}, {"tgt": "ko"}):
        corpus = find_corpus(data, **options)
        assert (corpus.src, corpus.tgt) == ("en", "ko")
        assert files(corpus)["train"] == ("train.en", "train.ko")


def test_one_side_is_enough_where_the_folder_has_two_languages() -> None:
    data = str(folder("x/stories", "train.ko", "train.en"))
    assert find_corpus(data, tgt="ko").src == "en"
    assert find_corpus(data, src="ko").tgt == "en"


def test_words_of_the_name_that_are_no_languages_of_the_folder_are_no_direction() -> None:
    corpus = find_corpus(str(folder("x/the-big-ko-en", "train.ko", "train.en")))
    assert (corpus.src, corpus.tgt) == ("ko", "en")


def test_an_unclear_direction_is_a_usage_error_that_names_the_options() -> None:
    data = str(folder("x/stories", "train.ko", "train.en"))
    with pytest.raises(UsageError) as caught:
        find_corpus(data)
    assert caught.value.exit_code == 2
    assert "en, ko" in caught.value.cause
    assert "--src" in caught.value.fix
    assert "--tgt" in caught.value.fix


def test_the_current_folder_has_its_name_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder("x/ko-en", "train.ko", "train.en"))
    corpus = find_corpus(".")
    assert (corpus.src, corpus.tgt) == ("ko", "en")


def test_a_language_that_is_not_there_is_bad_input() -> None:
    data = str(folder("x/ko-en", "train.ko", "train.en"))
    with pytest.raises(BadInput, match="no parallel text for ko and de"):
        find_corpus(data, src="ko", tgt="de")


# Splits


def test_all_splits_are_found_in_their_order_and_nothing_else() -> None:
    names = [f"{s}.{lang}" for s in ("test", "valid", "train", "test.news", "test.chat.2019") for lang in ("ko", "en")]
    data = folder("x/ko-en", *names, "README.md", "LICENSE", "test.domain", "other.ko", "other.en", "train.ja", "valid.bak2")
    (data / "train.d").mkdir()
    corpus = find_corpus(str(data))
    assert list(corpus.splits) == ["train", "valid", "test", "test.chat.2019", "test.news"]
    assert files(corpus)["test.chat.2019"] == ("test.chat.2019.ko", "test.chat.2019.en")


def test_dev_is_valid() -> None:
    corpus = find_corpus(str(folder("x/ko-en", "train.ko", "train.en", "dev.ko", "dev.en")))
    assert files(corpus)["valid"] == ("dev.ko", "dev.en")


def test_a_split_with_one_side_only_is_left_out() -> None:
    corpus = find_corpus(str(folder("x/ko-en", "train.ko", "train.en", "test.ko")))
    assert list(corpus.splits) == ["train"]


def test_a_missing_split_is_refused_with_those_there_are() -> None:
    corpus = find_corpus(str(folder("x/ko-en", "train.ko", "train.en", "test.ko", "test.en")))
    with pytest.raises(BadInput, match="no split valid") as caught:
        corpus.split("valid")
    assert "train, test" in caught.value.cause
    assert "valid.ko" in caught.value.fix


def test_a_folder_without_parallel_text_is_refused() -> None:
    for place, name in (("a", "notes.txt"), ("b", "train.ko")):
        data = str(folder(f"{place}/ko-en", name))
        with pytest.raises(NlpcliError) as caught:
            find_corpus(data, "ko", "en")
        assert caught.value.exit_code == 3
        assert "train.ko" in caught.value.cause


# Forms


def test_compressed_files_are_found_and_may_be_mixed() -> None:
    data = folder("x/ko-en", "valid.ko", "valid.en")
    (data / "train.ko.gz").write_bytes(gzip.compress("가\n".encode()))
    (data / "train.en.xz").write_bytes(lzma.compress(b"a\n"))
    corpus = find_corpus(str(data))
    assert files(corpus) == {"train": ("train.ko.gz", "train.en.xz"), "valid": ("valid.ko", "valid.en")}
    split = corpus.split("train")
    assert list(read_pairs(split.src, split.tgt, corpus.src, corpus.tgt)) == [("가", "a")]


def test_a_folder_of_tables() -> None:
    table("x/ko-en/train.tsv", "ko", "en")
    table("x/ko-en/test.news.tsv", "ko", "en")
    Path("x/ko-en/dev.jsonl").write_text('{"ko": "가", "en": "a"}\n', "utf-8")
    corpus = find_corpus("x/ko-en")
    assert list(corpus.splits) == ["train", "valid", "test.news"]
    assert files(corpus)["valid"] == ("dev.jsonl", "dev.jsonl")


@pytest.mark.parametrize("name", ["mine.ko-en.tsv", "mine.ko-en.jsonl", "mine.ko-en.tsv.gz"])
def test_a_lone_table_is_the_training_split_and_its_name_gives_the_direction(name: str) -> None:
    Path(name).write_bytes(b"")
    corpus = find_corpus(name)
    assert (corpus.src, corpus.tgt, corpus.name) == ("ko", "en", "mine.ko-en")
    assert files(corpus) == {"train": (name, name)}


def test_the_columns_of_a_lone_table_may_be_named_by_options() -> None:
    path = table("stories.tsv", "ko", "en", "ja")
    with pytest.raises(UsageError):
        find_corpus(str(path))
    corpus = find_corpus(str(path), src="en", tgt="ja")
    split = corpus.split("train")
    assert list(read_pairs(split.src, split.tgt, corpus.src, corpus.tgt)) == [("text en", "text ja")]


# Corpus artifacts


@pytest.fixture
def artifact() -> str:
    """Return a corpus artifact, made from Korean to English, whose folder's name says nothing."""
    folder("x/ko-en", "train.ko", "train.en", "valid.ko", "valid.en")
    prepare_data(data="x/ko-en", out=Path("work/prepared"))
    return "work/prepared"


def test_an_artifact_knows_its_name_and_direction(artifact: str) -> None:
    corpus = find_corpus(artifact)
    assert (corpus.name, corpus.src, corpus.tgt) == ("ko-en", "ko", "en")
    assert list(corpus.splits) == ["train", "valid"]


@pytest.mark.parametrize("options", [{"src": "en", "tgt": "ko"}, {"src": "en"}, {"tgt": "ko"}])
def test_the_direction_of_an_artifact_can_be_turned_round(artifact: str, options: dict[str, str]) -> None:
    corpus = find_corpus(artifact, **options)
    assert (corpus.src, corpus.tgt) == ("en", "ko")
    assert files(corpus)["train"] == ("train.en", "train.ko")


def test_a_changed_artifact_is_refused(artifact: str) -> None:
    Path(artifact, "train.ko").write_text("changed\n", "utf-8")
    with pytest.raises(NlpcliError) as caught:
        find_corpus(artifact)
    assert caught.value.exit_code == 4


def test_an_artifact_of_another_kind_is_refused(tiny_tokenizer: Path) -> None:
    with pytest.raises(NlpcliError, match="is a tokenizer, not a corpus") as caught:
        find_corpus(str(tiny_tokenizer))
    assert caught.value.exit_code == 4
