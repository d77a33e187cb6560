"""`data clean` keeps what is good, mends what it can, and writes down all that it drops."""

from __future__ import annotations

import json
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli import artifacts
from nlpcli.corpus.check import check_data
from nlpcli.corpus.clean import Cleaned, clean_data
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.prepare import prepare_data
from nlpcli.errors import BadInput, NlpcliError, OutputExists, UsageError

Pairs = list[tuple[str, str]]


def corpus(path: str = "x/ko-en", **splits: Pairs) -> Path:
    """Write a folder of parallel files."""
    Path(path).mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        for i, language in enumerate(("ko", "en")):
            text = "".join(pair[i] + "\n" for pair in pairs)
            Path(path, f"{name}.{language}").write_text(text, "utf-8", newline="")
    return Path(path)


def numbered(count: int, start: int = 0) -> Pairs:
    return [(f"{n}번 문장입니다.", f"This is sentence {n}.") for n in range(start, start + count)]


def cleaned(path: Path | str = "x/ko-en", out: str = "out", **options: Any) -> Cleaned:
    return clean_data(data=str(path), out=Path(out), **options)


def read(name: str, out: str = "out") -> Pairs:
    sides = [Path(out, f"{name}.{language}").read_bytes().decode().split("\n") for language in ("ko", "en")]
    assert [side.pop() for side in sides] == ["", ""]
    return list(zip(*sides, strict=True))


def dropped(out: str = "out") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(out, "dropped.jsonl").read_text("utf-8").splitlines()]


def test_clean_text_stays_as_it_is(tiny_corpus: Path) -> None:
    result = cleaned(tiny_corpus)
    for path in tiny_corpus.iterdir():
        assert Path("out", path.name).read_bytes() == path.read_bytes()
    assert dropped() == []
    assert result.splits["train"] == {"read": 600, "kept": 600, "dropped": 0, "dropped_by": {}, "mended": {}}
    assert find_corpus("./out").splits.keys() == {"train", "valid", "test"}
    assert prepare_data(data="./out", out=Path("again")).pairs["train"] == 600


@pytest.mark.parametrize(
    ("broken", "mended", "rule"),
    [
        ("\ufeff좋은 아침", "좋은 아침", "bom"),
        ("좋은 아침\r", "좋은 아침", "crlf"),
        ("좋은\0 아\x07침", "좋은 아침", "control"),
        ("좋은\x0b아침", "좋은 아침", "control"),
        (unicodedata.normalize("NFD", "좋은 아침"), "좋은 아침", "nfd"),
        ("&quot;좋은&#32;아침&quot; &amp;amp; 밤", '"좋은 아침" & 밤', "entities"),
        ("좋은 아침".encode().decode("latin-1"), "좋은 아침", "mojibake"),
        ("밝은 햇살이 창으로".encode("cp949").decode("latin-1"), "밝은 햇살이 창으로", "mojibake"),
        ("좋은 &lt;아침&gt; donâ€™t", "좋은 <아침> don’t", "entities"),
    ],
)
def test_what_can_be_mended_is_mended(broken: str, mended: str, rule: str) -> None:
    corpus(train=[*numbered(3), (broken, "Good morning")], test=[(broken, "Good night")])
    result = cleaned()
    assert read("train")[-1] == (mended, "Good morning")
    assert read("test") == [(mended, "Good night")]
    assert result.splits["train"]["mended"][rule] == 1
    assert dropped() == []


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (("", ""), "empty"),
        (("문장", " "), "one-sided"),
        (("같은 copy", "같은 copy"), "copied"),
        (("잃어버린 \ufffd 글자", "lost"), "lost"),
        (("Nobody put this into Korean", "Nobody did"), "script"),
        (("긴 " * 700, "long " * 700), "long"),
        (("1번 문장입니다.", "This is sentence 1."), "duplicate"),
        (("1번 문장입니다. ", " This is &#115;entence 1."), "duplicate"),
        (("시험 문장", "A test sentence"), "leak"),
    ],
)
def test_what_cannot_be_mended_is_dropped_and_written_down(row: tuple[str, str], rule: str) -> None:
    corpus(train=[*numbered(5), row, *numbered(5, 10)], test=[("시험 문장", "A test sentence")])
    result = cleaned()
    assert read("train") == numbered(5) + numbered(5, 10)
    assert result.splits["train"] == {"read": 11, "kept": 10, "dropped": 1, "dropped_by": {rule: 1}, "mended": {}}
    assert dropped() == [
        {"split": "train", "file": "train.ko", "line": 6, "rules": [rule], "src": row[0], "tgt": row[1]},
    ]


def test_pairs_out_of_proportion_are_dropped() -> None:
    odd = ("짧다", "but it goes on and on " * 8)
    corpus(
        train=[(f"{n}번 문장은 조금 더 길게 써 둡니다.", f"Sentence {n} is written out at some length.") for n in range(200)]
        + [odd]
    )
    assert cleaned().splits["train"]["dropped_by"] == {"ratio": 1}


def test_every_broken_rule_is_named() -> None:
    corpus(train=[*numbered(2), ("All in English here", "All in English here")])
    cleaned()
    assert sorted(dropped()[0]["rules"]) == ["copied", "script"]


def test_a_held_out_split_is_mended_and_never_dropped_from() -> None:
    rows = [("같은 copy &amp; 글", "같은 copy &amp; 글"), ("", "one side"), *numbered(1), *numbered(1)]
    corpus(train=numbered(5, 10), test=rows, valid=numbered(1, 10))
    result = cleaned()
    assert read("test") == [("같은 copy & 글", "같은 copy & 글"), *rows[1:]]
    assert result.splits["test"]["dropped"] == 0
    assert read("valid") == numbered(1, 10)
    assert read("train") == numbered(4, 11)  # the pair that valid has too went from train


def test_only_what_cannot_be_read_goes_from_a_test_split() -> None:
    data = corpus(train=numbered(5), test=numbered(3, 10))
    (data / "test.ko").write_bytes("가\n".encode() + "낡은 글\n".encode("cp949") + "나\n".encode())
    (data / "test.domain").write_text("one\ntwo\nthree\n")
    assert cleaned().splits["test"]["dropped_by"] == {"not-utf8": 1}
    assert [ko for ko, _ in read("test")] == ["가", "나"]
    assert Path("out/test.domain").read_text() == "one\nthree\n"


def test_domains_stay_aligned() -> None:
    data = corpus(train=[*numbered(2), ("", ""), *numbered(2, 5)])
    (data / "train.domain").write_text("a\nb\nc\nd\ne\n")
    cleaned()
    assert Path("out/train.domain").read_text() == "a\nb\nd\ne\n"
    (data / "train.domain").write_text("a\n")
    with pytest.raises(BadInput, match="1 lines for 5 pairs"):
        cleaned(out="other")


def test_a_file_in_another_encoding_is_recoded_on_the_users_word() -> None:
    data = corpus(train=numbered(20))
    original = (data / "train.ko").read_bytes()
    (data / "train.ko").write_bytes(original.decode().encode("cp949"))
    with pytest.raises(BadInput, match="nothing is left"):
        cleaned()
    result = cleaned(encoding="cp949")
    assert Path("out/train.ko").read_bytes() == original
    assert result.splits["train"]["mended"] == {"recoded": 20}


def test_single_lines_in_another_encoding_are_recoded_and_others_left() -> None:
    data = corpus(train=[("가", "café one"), ("나", "naïve two"), ("다", "x")])
    (data / "train.en").write_bytes("café one\nnaïve two\n".encode() + "três\n".encode("cp1252"))
    cleaned(encoding="cp1252")
    assert [en for _, en in read("train")] == ["café one", "naïve two", "três"]


@pytest.mark.parametrize(("encoding", "told"), [("klingon", "no such encoding"), ("utf-16", "line ends"), ("rot13", "no such")])
def test_an_encoding_that_does_not_fit_is_refused(encoding: str, told: str) -> None:
    corpus(train=numbered(3))
    with pytest.raises(UsageError, match=told):
        cleaned(encoding=encoding)


def test_rules_may_be_kept_or_dropped_by() -> None:
    row = ("같은 &amp; 글", "The same &amp; text")
    corpus(train=[*numbered(2), row, row])
    assert cleaned(keep=["entities", "duplicate"]).splits["train"]["kept"] == 4
    assert read("train")[2:] == [row, row]
    assert cleaned(out="two", drop=["entities"]).splits["train"]["dropped_by"] == {"entities": 2}
    for names, told in ((["entitis"], "did you mean entities"), (["crlf"], "--keep takes"), (["label-rare"], "--keep takes")):
        with pytest.raises(UsageError) as caught:
            cleaned(out="three", keep=names)
        assert told in caught.value.fix


def test_one_side_leaks_are_left_unless_asked_for() -> None:
    corpus(train=[("시험 문장", "Another translation"), ("딴 문장", "A test"), *numbered(3)], test=[("시험 문장", "A test")])
    assert cleaned().splits["train"]["kept"] == 5
    assert cleaned(out="two", drop=["leak-src"]).splits["train"]["dropped_by"] == {"leak-src": 1}
    assert cleaned(out="three", drop=["leak-src", "leak-tgt"]).splits["train"]["kept"] == 3


def test_the_first_good_one_of_repeated_rows_is_kept() -> None:
    corpus(train=[("글자 &amp; 글자", "a &amp; b"), ("글자 & 글자", "a & b"), *numbered(1)])
    cleaned(drop=["entities"])
    assert read("train") == [("글자 & 글자", "a & b"), *numbered(1)]


def test_unequal_sides_are_refused_and_leave_no_trace() -> None:
    data = corpus(train=numbered(3))
    (data / "train.en").write_text("only one\n", "utf-8")
    with pytest.raises(BadInput, match=r"3 lines and .* has 1"):
        cleaned()
    assert {p.name for p in Path.cwd().iterdir()} == {"x"}


def test_an_existing_output_is_refused() -> None:
    corpus(train=numbered(3))
    cleaned()
    with pytest.raises(OutputExists):
        cleaned()


def test_temporary_files_are_gone_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(Path("tmp").resolve()))
    corpus(train=numbered(3))
    cleaned()
    check_data(data="./out")
    monkeypatch.setattr("nlpcli.corpus.clean.open_writer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cleaned(out="other")
    assert list(Path("tmp").iterdir()) == []
    assert not Path("other.partial").exists()


def test_a_line_too_long_to_be_read_is_never_kept_without_its_text() -> None:
    Path("play").mkdir()
    Path("play/input.txt").write_bytes(b"one\n" + b"x" * 3_000_000 + b"\ntwo\n")
    result = cleaned("./play")
    assert Path("out/train.txt").read_text() == "one\ntwo\n"
    assert result.splits["train"]["dropped_by"] == {"oversized": 1}
    assert dropped()[0]["line"] == 2


# Other kinds


def test_labelled_text_keeps_its_columns() -> None:
    Path("r").mkdir()
    rows = [
        "id\tdocument\tlabel",
        '1\t"따옴표" &amp; 글\t1',
        "2\t\t0",
        "3\t재미있다\t 0",
        "4\t시험에도 있다\t1",
        "5\t칸이 모자라다",
    ]
    Path("r/ratings_train.txt").write_text("\r\n".join(rows) + "\r\n", "utf-8", newline="")
    Path("r/ratings_test.txt").write_text("id\tdocument\tlabel\n9\t시험에도 있다\t0\n", "utf-8")
    result = cleaned("./r")
    assert Path("out/train.tsv").read_text("utf-8") == 'id\tdocument\tlabel\n1\t"따옴표" & 글\t1\n3\t재미있다\t0\n'
    assert Path("out/test.tsv").read_text("utf-8") == "id\tdocument\tlabel\n9\t시험에도 있다\t0\n"
    assert result.splits["train"]["dropped_by"] == {"empty": 1, "leak": 1, "record": 1}
    assert [(d["line"], d["rules"], d.get("text")) for d in dropped()] == [
        (3, ["empty"], ""),
        (5, ["leak"], "시험에도 있다"),
        (6, ["record"], "5\t칸이 모자라다"),
    ]
    assert check_data(data="./out", strict=True).problems == 0


def test_files_by_label_stay_files_by_label() -> None:
    Path("mr").mkdir()
    Path("mr/reviews.pos").write_bytes("caf\xe9 scenes\nfine\n".encode("latin-1"))
    Path("mr/reviews.neg").write_bytes(b"dull\n\n")
    cleaned("./mr", encoding="latin-1")
    assert Path("out/reviews.pos").read_text("utf-8") == "café scenes\nfine\n"
    assert Path("out/reviews.neg").read_text("utf-8") == "dull\n"


def test_plain_text_keeps_its_blank_and_repeated_lines() -> None:
    Path("play").mkdir()
    Path("play/input.txt").write_text("KING:\nWho&#63;\n\nKING:\nNobody.\n", "utf-8")
    cleaned("./play")
    assert Path("out/train.txt").read_text("utf-8") == "KING:\nWho?\n\nKING:\nNobody.\n"
    cleaned("./play", out="two", drop=["empty", "duplicate"])
    assert Path("two/train.txt").read_text("utf-8") == "KING:\nWho?\nNobody.\n"


def test_plain_text_is_no_pair_for_other_commands() -> None:
    Path("play").mkdir()
    Path("play/input.txt").write_text("KING:\n", "utf-8")
    cleaned("./play")
    with pytest.raises(UsageError, match="source and target language"):
        prepare_data(data="./out", out=Path("again"), task="translation")


def test_documents_lose_segments_and_stay_aligned() -> None:
    Path("d-ko-en").mkdir()
    documents = [
        {"id": "1", "ko": ["첫째 &amp;", "", "셋째"], "en": ["First &amp;", "Second", "Third"], "by": 7},
        {"id": "2", "ko": ["넷째"], "en": ["Fourth", "More"]},
    ]
    Path("d-ko-en/train.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents), "utf-8")
    cleaned("./d-ko-en")
    assert [json.loads(line) for line in Path("out/train.jsonl").read_text("utf-8").splitlines()] == [
        {"id": "1", "ko": ["첫째 &", "셋째"], "en": ["First &", "Third"], "by": 7}
    ]
    assert [d["rules"] for d in dropped()] == [["one-sided"], ["unequal"]]


def test_pairs_in_columns_become_aligned_files() -> None:
    Path("pairs.tsv").write_text("ko\ten\n가\ta\n나\n다\tc\n", "utf-8")
    cleaned("pairs.tsv")
    assert read("train") == [("가", "a"), ("다", "c")]
    assert dropped()[0]["raw"] == "나"


def test_the_command_prints_the_path_and_the_counts(run_cli: Any) -> None:
    corpus(train=[*numbered(3), ("", "")])
    ran = run_cli("data", "clean", "--data", "x/ko-en", "--out", "out", "--keep", "ratio")
    assert (ran.code, ran.out.strip()) == (0, str(Path("out").resolve()))
    assert "train: 3 of 4 rows kept; dropped 1 empty" in ran.err
    ran = run_cli("data", "clean", "--data", "x/ko-en", "--out", "two", "--json")
    assert json.loads(ran.out)["data"]["splits"]["train"]["dropped_by"] == {"empty": 1}
    assert artifacts.open_artifact("two", "corpus").manifest.metrics["train"]["read"] == 4


def test_what_was_cleaned_has_no_problem_left(tiny_corpus: Path) -> None:
    data = Path(shutil.copytree(tiny_corpus, "ko-en"))
    rows = [line + b"\r\n" for line in (data / "train.ko").read_bytes().split(b"\n")[:-1]]
    rows[3:7] = [b"\xff\r\n", b"\r\n", "&amp;lt; &amp;\0amp; 글\r\n".encode(), rows[9]]
    (data / "train.ko").write_bytes(b"\xef\xbb\xbf" + b"".join(rows))
    assert check_data(data="./ko-en", strict=True).failed
    cleaned("./ko-en")
    assert not check_data(data="./out", strict=True).failed


# Nothing vanishes

ANY = st.lists(
    st.one_of(
        st.binary(max_size=20),
        st.sampled_from(
            [b"\n", b"\r\n", b"\t", b"\0", "안녕".encode(), "안녕".encode("cp949"), b"\xef\xbb\xbf", b"&amp;", b"1"]
        ),
    ),
    max_size=30,
).map(b"".join)


@given(texts=st.lists(st.tuples(ANY, ANY), min_size=1, max_size=8), kind=st.sampled_from(["pairs", "lines", "labels", "table"]))
def test_kept_and_dropped_are_what_was_read(texts: list[tuple[bytes, bytes]], kind: str) -> None:
    for name in ("any", "out"):
        shutil.rmtree(name, ignore_errors=True)
    Path("any").mkdir()
    one, other = (b"\n".join(side) + b"\n" for side in zip(*texts))
    names = {"pairs": ("train.ko", "train.en"), "lines": ("train.txt", "test.txt"), "labels": ("a.pos", "a.neg")}
    head = b"text\tlabel\n" if kind == "table" else b""
    for name, content in zip(names.get(kind, ("train.tsv", "test.tsv")), (one, other)):
        Path("any", name).write_bytes(head + content)
    lines = {path.name: path.read_bytes().count(b"\n") - bool(head) for path in Path("any").iterdir()}
    try:
        result = clean_data(data="./any", out=Path("out"), src="ko" if kind == "pairs" else None)
    except NlpcliError:
        assert not Path("out").exists()
        return
    written = dropped()
    for split, counts in result.splits.items():
        assert counts["kept"] + counts["dropped"] == counts["read"]
        assert counts["dropped"] == sum(entry["split"] == split for entry in written)
    total = sum(counts["read"] for counts in result.splits.values())
    assert total == (lines["train.ko"] if kind == "pairs" else sum(lines.values()))
    kept = sum(counts["kept"] for counts in result.splits.values())
    texts_out = [path for path in Path("out").iterdir() if path.suffix in (".ko", ".txt", ".tsv", ".pos", ".neg")]
    heads = sum(path.suffix == ".tsv" for path in texts_out)
    assert sum(path.read_bytes().count(b"\n") for path in texts_out) - heads == kept
