"""`data check` finds what is broken, says where, and finds nothing else; whatever the bytes, it never fails otherwise."""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import unicodedata
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.check import Checked, check_data
from nlpcli.errors import BadInput, NlpcliError, UsageError

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data" / "ko-en"


@pytest.fixture
def data(tiny_corpus: Path) -> Path:
    """A clean folder of 600, 40 and 40 pairs, free to be broken."""
    return Path(shutil.copytree(tiny_corpus, "ko-en"))


def checked(path: Path | str = "./ko-en", **options: Any) -> Checked:
    return check_data(data=str(path), **options)


def found(result: Checked) -> dict[str, int]:
    return {finding.rule: finding.count for finding in result.findings}


def finding(result: Checked, rule: str) -> Any:
    return next(f for f in result.findings if f.rule == rule)


def lines(name: str) -> list[bytes]:
    return Path("ko-en", name).read_bytes().split(b"\n")[:-1]


def write(name: str, new: list[bytes]) -> None:
    Path("ko-en", name).write_bytes(b"".join(line + b"\n" for line in new))


def change(name: str, number: int, how: Callable[[str], str | bytes]) -> None:
    """Change one line of a file."""
    all_lines = lines(name)
    new = how(all_lines[number - 1].decode())
    all_lines[number - 1] = new if isinstance(new, bytes) else new.encode()
    write(name, all_lines)


def reencode(name: str, encoding: str) -> None:
    path = Path("ko-en", name)
    path.write_bytes(path.read_text("utf-8").encode(encoding))


def copy_pair(from_split: str, number: int, to_split: str, sides: str = "ko en") -> None:
    for side in sides.split():
        change(f"{to_split}.{side}", 3, lambda _, s=side: lines(f"{from_split}.{s}")[number - 1])


# Broken on purpose


def test_what_is_broken_below_is_clean_before(data: Path) -> None:
    assert found(checked()) == {}


def test_the_bundled_sample_has_no_problem() -> None:
    result = checked(SAMPLE, strict=True)
    assert (result.problems, result.findings, result.failed) == (0, [], False)
    assert result.rows == {"train": 12000, "valid": 500, "test": 500}


BROKEN: dict[str, tuple[Callable[[], Any], dict[str, int], str]] = {
    "a line lost": (lambda: write("train.en", lines("train.en")[:-1]), {"unequal": 1}, "train.ko"),
    "lines too many": (lambda: write("test.ko", [*lines("test.ko"), b"a", b"b"]), {"unequal": 2}, "test.ko"),
    "Latin-1": (lambda: change("train.en", 7, lambda t: f"caf\xe9 {t}".encode("latin-1")), {"not-utf8": 1}, "train.en:7"),
    "CP949 line": (lambda: change("train.ko", 9, lambda t: t.encode("cp949")), {"not-utf8": 1}, "train.ko:9"),
    "CP949 file": (lambda: reencode("train.ko", "cp949"), {"not-utf8": 600}, "train.ko:1"),
    "UTF-16 file": (lambda: reencode("train.ko", "utf-16"), {"not-utf8": 600}, "train.ko:1"),
    "UTF-16 without a mark": (lambda: reencode("valid.en", "utf-16-le"), {"not-utf8": 40}, "valid.en:1"),
    "BOM": (lambda: change("train.ko", 1, lambda t: "\ufeff" + t), {"bom": 1}, "train.ko:1"),
    "BOM inside": (lambda: change("train.en", 300, lambda t: "\ufeff" + t), {"bom": 1}, "train.en:300"),
    "CRLF": (lambda: write("test.en", [line + b"\r" for line in lines("test.en")]), {"crlf": 40}, "test.en:1"),
    "NUL": (lambda: change("train.en", 5, lambda t: t[:3] + "\0" + t[3:]), {"control": 1}, "train.en:5"),
    "escape": (lambda: change("valid.ko", 2, lambda t: t + "\x1b"), {"control": 1}, "valid.ko:2"),
    "NFD": (lambda: change("train.ko", 8, lambda t: unicodedata.normalize("NFD", t)), {"nfd": 1}, "train.ko:8"),
    "named entity": (lambda: change("train.en", 6, lambda t: t + " Tom &amp; Eun"), {"entities": 1}, "train.en:6"),
    "number entity": (lambda: change("train.en", 6, lambda t: t + " it&#x27;s &#44032;"), {"entities": 1}, "train.en:6"),
    "mojibake": (lambda: change("train.ko", 4, lambda t: t.encode().decode("latin-1")), {"mojibake": 1}, "train.ko:4"),
    "mojibake quote": (lambda: change("train.en", 4, lambda t: t + " donâ€™t"), {"mojibake": 1}, "train.en:4"),
    "CP949 read as Latin-1": (
        lambda: change("train.ko", 4, lambda t: t.encode("cp949").decode("latin-1")),
        {"mojibake": 1},
        "train.ko:4",
    ),
    "U+FFFD": (lambda: change("test.ko", 12, lambda t: t + "\ufffd"), {"lost": 1}, "test.ko:12"),
    "both sides empty": (
        lambda: [change(f"train.{side}", 11, lambda t: " ") for side in ("ko", "en")],
        {"empty": 1},
        "train.ko:11",
    ),
    "one side empty": (lambda: change("train.en", 13, lambda t: ""), {"one-sided": 1}, "train.en:13"),
    "repeated": (lambda: copy_pair("train", 90, "train"), {"duplicate": 1}, "train.ko:90"),
    "leaked": (lambda: copy_pair("train", 90, "test"), {"leak": 1}, "test.ko:3"),
    "leaked into valid": (lambda: copy_pair("train", 90, "valid"), {"leak": 1}, "valid.ko:3"),
    "out of proportion": (lambda: change("train.en", 20, lambda t: f"{t} and so on " * 10), {"ratio": 1}, "train.ko:20"),
    "copied": (lambda: change("train.en", 20, lambda t: lines("train.ko")[19]), {"copied": 1, "script": 1}, "train.ko:20"),
    "copied in capitals": (
        lambda: [change("train.en", 5, lambda t: "Version 2"), change("train.ko", 5, lambda t: " VERSION 2")],
        {"copied": 1},
        "train.ko:5",
    ),
    "wrong script": (
        lambda: change("train.ko", 31, lambda t: "This was never put into the other language."),
        {"script": 1},
        "train.ko:31",
    ),
    "wrong language": (
        lambda: change(
            "train.en", 31, lambda t: "Das ist leider nicht der Satz, den wir haben wollten, und er ist auch zu lang."
        ),
        {"language": 1},
        "train.en:31",
    ),
    "over-long": (
        lambda: [change(f"train.{side}", 41, lambda t: t * (2001 // len(t) + 1)) for side in ("ko", "en")],
        {"long": 2},
        "train.ko:41",
    ),
    "3 MB without a line end": (
        lambda: Path("ko-en/train.ko").write_bytes(Path("ko-en/train.ko").read_bytes() + b"x" * 3_000_000),
        {"unequal": 1},
        "train.ko",
    ),
    "a line of 3 MB": (lambda: change("train.ko", 50, lambda t: t * 40_000), {"oversized": 1}, "train.ko:50"),
    "domains": (lambda: Path("ko-en/test.domain").write_text("chat\n" * 39), {"domain": 1}, "test.domain"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_fault_is_found_and_nothing_else(name: str, data: Path) -> None:
    breaking, expected, where = BROKEN[name]
    breaking()
    result = checked()
    assert found(result) == expected
    assert result.findings[0].where[0] == where
    assert sum(result.findings[0].files.values()) == result.findings[0].count


@pytest.mark.parametrize("side", ["ko", "en"])
def test_one_side_leaked_is_a_note_of_its_own(side: str, data: Path) -> None:
    for name in ("ko", "en"):
        change(f"test.{name}", 3, lambda t, n=name: lines(f"train.{n}")[89] + (b"" if n == side else b" ~"))
    result = checked(strict=True)
    assert found(result) == {{"ko": "leak-src", "en": "leak-tgt"}[side]: 1}
    assert (result.findings[0].severity, result.failed) == ("note", False)


@pytest.mark.parametrize(
    ("breaking", "guess"),
    [
        (lambda: reencode("train.ko", "cp949"), "CP949"),
        (lambda: change("train.en", 7, lambda t: f"caf\xe9 {t}".encode("latin-1")), "CP1252"),
        (lambda: reencode("train.en", "utf-16"), "UTF-16"),
    ],
)
def test_the_encoding_is_recognised(breaking: Callable[[], Any], guess: str, data: Path) -> None:
    breaking()
    assert f"is probably {guess}" in finding(checked(), "not-utf8").meaning


@pytest.mark.parametrize("ending", [".gz", ".xz", ".zst"])
def test_compressed_files_are_checked_like_others(ending: str, data: Path) -> None:
    change("train.ko", 4, lambda t: t + "\0")
    content = (data / "train.ko").read_bytes()
    if ending == ".zst":
        zstd = pytest.importorskip("backports.zstd")
        packed = zstd.compress(content)
    else:
        packed = gzip.compress(content) if ending == ".gz" else lzma.compress(content)
    (data / f"train.ko{ending}").write_bytes(packed)
    (data / "train.ko").unlink()
    result = checked()
    assert found(result) == {"control": 1}
    assert result.findings[0].where == [f"train.ko{ending}:4"]


def test_a_damaged_archive_is_an_error_that_names_it(data: Path) -> None:
    (data / "train.ko.gz").write_bytes(gzip.compress((data / "train.ko").read_bytes())[:-20])
    (data / "train.ko").unlink()
    with pytest.raises(BadInput, match=r"train\.ko\.gz is damaged"):
        checked()


def test_many_faults_are_counted_each_with_five_places(data: Path) -> None:
    for number in range(100, 120):
        change("train.ko", number, lambda t: t + "\x07")
        change("train.en", number + 50, lambda t: t + " &lt;b&gt;")
    result = checked(examples=2)
    assert found(result) == {"control": 20, "entities": 20}
    assert finding(result, "control").where == [f"train.ko:{n}" for n in range(100, 105)]
    assert len(finding(result, "entities").examples) == 2
    assert finding(result, "control").splits == {"train": 20}


def test_no_control_character_reaches_the_terminal(data: Path, run_cli: Any) -> None:
    change("train.ko", 4, lambda t: "\x1b]0;title\x07" + t)
    change("train.en", 5, lambda t: "\u202e" + t + "\0")
    result = run_cli("data", "check", "--data", "./ko-en")
    assert result.code == 0
    assert all(c.isprintable() or c == "\n" for c in result.out)
    assert "\\x1b]0;title\\x07" in result.out


# What only looks broken


@pytest.mark.parametrize(
    "text",
    [
        "R&D; A & B &name; &#0; AT&T",
        "«\xa0Fermé le café\xa0»; «MENÜ“, “MANHÔ, sí…”, “naïve”—ça… À\xa0!",
        "¡¿Qué?! ÄÖÜäöüß ÀÉÎÕÜ 12°±3´",
        "a\u200db 👩‍👩‍👧 \u2028 x\u0331 q\u0323",
        "1 234 567 890 / 12:30 — 50 %",
        "„Der Prozess“ und „Das Schloss“ by Kafka and others: the von der Heydt family",
    ],
)
def test_unusual_but_sound_text_is_left_in_peace(text: str, data: Path) -> None:
    change("train.en", 17, lambda t: f"{text} and more words that follow")
    change("train.ko", 17, lambda t: f"{text} 그리고 이어지는 다른 낱말들")
    assert found(checked()) == {}


def test_korean_lines_with_much_code_are_not_in_the_wrong_script(data: Path) -> None:
    change("train.ko", 17, lambda t: "HTTPBasicAuthHandler 객체와 ProcessingInstruction 객체")
    change("train.en", 17, lambda t: "The objects HTTPBasicAuthHandler and ProcessingInstruction are used there")
    assert found(checked()) == {}


def test_numbers_alone_are_no_copies(data: Path) -> None:
    for side in ("ko", "en"):
        change(f"train.{side}", 17, lambda t: "12 : 30")
    assert found(checked()) == {}


def test_rare_doubts_are_notes_and_frequent_ones_problems(data: Path) -> None:
    change("train.en", 1, lambda t: lines("train.ko")[0])
    assert {f.severity for f in checked().findings} == {"note"}
    for number in range(2, 9):
        change("train.en", number, lambda t, n=number: lines("train.ko")[n - 1])
    result = checked(strict=True)
    assert finding(result, "copied").severity == "problem"
    assert result.failed


# Kinds


def labelled(rows: list[tuple[str, str]], name: str = "reviews/ratings_train.txt") -> None:
    Path(name).parent.mkdir(exist_ok=True)
    body = "".join(f"{i}\t{text}\t{label}\n" for i, (text, label) in enumerate(rows))
    Path(name).write_text("id\tdocument\tlabel\n" + body, "utf-8")


ROWS = [(f"{n}번째 영화는 볼만했어요", str(n % 2)) for n in range(400)]


@pytest.mark.parametrize(
    ("change_rows", "expected"),
    [
        (lambda rows: rows, {}),
        (lambda rows: [*rows, ('"따옴표"로 시작한다 "', "1")], {}),
        (lambda rows: [*rows, ("빈칸이 붙은 표시", "1 ")], {"label-spaces": 1}),
        (lambda rows: [*rows, ("표시가 없다", "")], {"label-empty": 1}),
        (lambda rows: [*rows, ("하나뿐인 표시", "3")], {"label-rare": 1}),
        (lambda rows: [*rows, (rows[0][0], "1")], {"label-conflict": 1}),
        (lambda rows: [*rows, rows[0]], {"duplicate": 1}),
        (lambda rows: [*rows, ("", "1")], {"empty": 1}),
        (lambda rows: [*rows, ("하나\t둘", "1")], {"record": 1}),
    ],
)
def test_labelled_text(change_rows: Any, expected: dict[str, int]) -> None:
    labelled(change_rows(ROWS))
    result = checked("./reviews")
    assert (result.kind, found(result)) == ("labelled", expected)
    if expected:
        first = 2 if "label-conflict" not in expected and "duplicate" not in expected else 0
        assert result.findings[0].where == ["ratings_train.txt:402"], first


def test_labelled_test_texts_that_train_has_are_a_leak_whatever_their_label() -> None:
    labelled(ROWS)
    labelled([("처음 보는 글", "1"), (ROWS[5][0], "0"), (ROWS[6][0], "0"), ("또 다른 글", "9")], "reviews/ratings_test.txt")
    result = checked("./reviews")
    assert found(result) == {"leak": 2, "label-unseen": 1}
    assert finding(result, "leak").where == ["ratings_test.txt:3", "ratings_test.txt:4"]


def test_files_whose_ending_is_the_label() -> None:
    Path("mr").mkdir()
    Path("mr/reviews.pos").write_bytes("a fine film\ncaf\xe9 scenes\na warm film\n".encode("latin-1"))
    Path("mr/reviews.neg").write_bytes(b"a dull film\na fine film\n")
    result = checked("./mr")
    assert (result.kind, result.rows, found(result)) == ("labelled", {"train": 5}, {"label-conflict": 1, "not-utf8": 1})
    assert finding(result, "not-utf8").where == ["reviews.pos:2"]


def test_plain_text_may_have_blank_and_repeated_lines() -> None:
    Path("play").mkdir()
    Path("play/input.txt").write_text("KING:\nWho is there?\n\nKING:\nNobody.\n", "utf-8")
    result = checked("./play", strict=True)
    assert (result.kind, found(result), result.failed) == ("monolingual", {"empty": 1, "duplicate": 1}, False)
    assert found(checked("./play/input.txt")) == {"empty": 1, "duplicate": 1}


def test_text_without_any_line_end_is_one_line() -> None:
    Path("one.txt").write_bytes(b"x" * 3_000_000)
    result = checked("one.txt")
    assert (result.rows, found(result)) == ({"train": 1}, {"oversized": 1})


def test_the_language_of_plain_text_may_be_given() -> None:
    Path("play").mkdir()
    Path("play/input.txt").write_text("누구 있습니까?\nNobody is here at all.\n", "utf-8")
    assert found(checked("./play")) == {}
    assert found(checked("./play", lang="ko")) == {"script": 1}


def test_aligned_documents() -> None:
    documents = [
        {"id": "1", "ko": ["첫째 문장이다", "둘째 문장이다"], "en": ["The first.", "The second."]},
        {"id": "2", "ko": ["셋째 문장이다"], "en": ["The third.", "One too many."]},
        {"id": "3", "ko": ["넷째 문장이다", ""], "en": ["The &quot;fourth&quot;.", "Alone."]},
    ]
    Path("docs-ko-en").mkdir()
    text = "".join(json.dumps(d, ensure_ascii=False) + "\n" for d in documents) + "{broken\n"
    Path("docs-ko-en/train.jsonl").write_text(text, "utf-8")
    result = checked("./docs-ko-en")
    assert (result.kind, result.languages) == ("documents", ["ko", "en"])
    assert found(result) == {"unequal": 1, "record": 1, "entities": 1, "one-sided": 1}
    assert finding(result, "unequal").where == ["train.jsonl:2"]
    assert finding(result, "one-sided").where == ["train.jsonl:3"]


@pytest.mark.parametrize("name", ["pairs.tsv", "pairs.jsonl"])
def test_pairs_in_columns(name: str) -> None:
    pairs = [("가 나 다", "a b c"), ("라 마 바", "d &amp; e")]
    if name.endswith("tsv"):
        Path(name).write_text("en\tko\n" + "".join(f"{en}\t{ko}\n" for ko, en in pairs) + "one cell\n", "utf-8")
    else:
        Path(name).write_text("".join(json.dumps({"ko": ko, "en": en}) + "\n" for ko, en in pairs) + "[]\n", "utf-8")
    result = checked(name, src="ko", tgt="en")
    assert (result.kind, result.languages, found(result)) == ("parallel", ["ko", "en"], {"record": 1, "entities": 1})
    assert finding(result, "record").where == [f"{name}:{4 if name.endswith('tsv') else 3}"]


def test_a_column_of_a_table_by_name_or_number() -> None:
    Path("raw.tsv").write_text("7\tfine\n8\tfine\n9\tdull\x07\n", "utf-8")
    assert found(checked("raw.tsv", column="2")) == {"duplicate": 1, "control": 1}
    Path("named.tsv").write_text("id\ttext\n7\tfine\n8\tfine\n", "utf-8")
    assert found(checked("named.tsv", column="text")) == {"duplicate": 1}
    assert found(checked("named.tsv")) == {"duplicate": 1}
    for column in ("words", "0", "²"):
        with pytest.raises(BadInput, match=f"no column {column}"):
            checked("named.tsv", column=column)
    with pytest.raises(UsageError, match="which column"):
        checked("raw.tsv")


def test_what_is_neither_file_nor_folder_is_refused() -> None:
    with pytest.raises(BadInput, match="neither a file nor a folder"):
        checked("/dev/null")


def test_the_kind_may_be_forced(data: Path) -> None:
    result = checked("./ko-en", kind="monolingual", lang="ko")
    assert (result.kind, result.rows["train"]) == ("monolingual", 600)
    with pytest.raises(BadInput, match="holds no labelled text"):
        checked("./ko-en", kind="labelled")


def test_a_direction_that_is_not_clear_is_asked_for(data: Path) -> None:
    data.rename("text")
    with pytest.raises(UsageError):
        checked("./text")
    assert checked("./text", src="ko", tgt="en").languages == ["ko", "en"]


# The command


def test_a_clean_corpus_says_so_in_one_line(data: Path, run_cli: Any) -> None:
    result = run_cli("data", "check", "--data", "./ko-en", "--strict")
    assert (result.code, result.out) == (
        0,
        "ko-en: parallel ko-en, pairs: train 600, valid 40, test 40: nothing wrong found\n",
    )


def test_strict_exits_8_and_still_prints_the_findings(data: Path, run_cli: Any) -> None:
    change("train.ko", 4, lambda t: t + "\0")
    result = run_cli("data", "check", "--data", "./ko-en", "--strict")
    assert result.code == 8
    assert "train.ko:4" in result.out
    assert "nlpcli data clean" in result.err
    assert run_cli("data", "check", "--data", "./ko-en").code == 0


def test_json_holds_all_findings_also_when_the_gate_fails(data: Path, run_cli: Any) -> None:
    change("train.ko", 4, lambda t: t + "\0")
    for strict, code in (([], 0), (["--strict"], 8)):
        ran = run_cli("data", "check", "--data", "./ko-en", "--json", *strict)
        envelope = json.loads(ran.out)
        assert (ran.code, envelope["exit_code"]) == (code, code)
        assert [f["rule"] for f in envelope["data"]["findings"]] == ["control"]


def test_the_table_fits_100_columns(data: Path, run_cli: Any) -> None:
    from rich.cells import cell_len

    for number in (1, 200, 300, 400, 500, 600):
        change("train.ko", number, lambda t: t * 3 + "\0 &amp;")
    out = run_cli("data", "check", "--data", "./ko-en").out
    assert max(map(cell_len, out.splitlines())) <= 100


# Whatever the bytes

ANY = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.sampled_from(
            [b"\n", b"\r\n", b"\t", b"\0", "안녕".encode(), "안녕".encode("cp949"), b"\xef\xbb\xbf", b'{"ko":"a"}', b"&amp;"]
        ),
    ),
    max_size=30,
).map(b"".join)


@given(src=ANY, tgt=ANY, kind=st.sampled_from(["lines", "tsv", "jsonl", "labelled", "mono"]))
def test_arbitrary_bytes_give_findings_or_an_error_that_explains(src: bytes, tgt: bytes, kind: str) -> None:
    shutil.rmtree("any", ignore_errors=True)
    Path("any").mkdir()
    names = {"lines": ["train.ko", "train.en"], "labelled": ["a.pos", "a.neg"], "mono": ["train.txt", "test.txt"]}
    for name, content in zip(names.get(kind, [f"train.{kind}", f"test.{kind}"]), (src, tgt)):
        Path("any", name).write_bytes(content)
    try:
        result = checked("./any", src="ko", tgt="en")
    except NlpcliError:
        return
    json.dumps([f.examples for f in result.findings]).encode("utf-8")
    assert all(f.count > 0 and f.where for f in result.findings)
