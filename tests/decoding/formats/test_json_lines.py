"""JSON Lines and documents: one value changes, all other bytes stay."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.corpus.documents import SEPARATOR
from nlpcli.decoding.formats.base import Options
from nlpcli.decoding.formats.documents import as_row, from_row

from .reading import KO_EN, marked, misused, output, records, refused, same, segments, written

INTO = Options(column="ko", into="en")
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def test_one_value_is_replaced_in_place() -> None:
    text = '\ufeff{ "id":1e3, "ko" : "하나" ,"x": {"ko": "\\ud800"}, "n": 0.10}\r\n\r\n{"ko":""}\n{"ko": null}'
    translated = '\ufeff{ "id":1e3, "ko" : "[하나]" ,"x": {"ko": "\\ud800"}, "n": 0.10}\r\n\r\n{"ko":"[]"}\n{"ko": null}'
    assert output("a.jsonl", text) == translated


def test_the_translation_goes_into_a_key_of_its_own() -> None:
    assert output("a.jsonl", '{"ko": "하나", "n": 1 }\n', options=INTO) == '{"ko": "하나", "n": 1, "en": "[하나]" }\n'
    assert output("a.jsonl", '{"ko":"하나"}\n', options=INTO) == '{"ko":"하나","en":"[하나]"}\n'
    assert output("a.jsonl", '{"en": [1], "ko": "하나"}\n', options=INTO) == '{"en": "[하나]", "ko": "하나"}\n'
    assert output("a.jsonl", '{"ko": null}\n', options=INTO) == '{"ko": null, "en": null}\n'


def test_a_value_of_several_lines() -> None:
    found = records("a.jsonl", '{"ko": "하나\\r\\n\\n둘"}\n')
    assert segments(found) == ["하나", "", "둘"]
    assert json.loads(written(found)) == {"ko": "[하나]\r\n[]\n[둘]"}


def test_an_unchanged_value_keeps_its_escapes() -> None:
    text = '{"ko": "\\ud558\\ub098\\/\\u0041"}\n'
    assert segments(records("a.jsonl", text)) == ["하나/A"]
    assert output("a.jsonl", text, same) == text


@pytest.mark.parametrize(
    ("line", "said", "cause"),
    [
        ('{"en": "one"}', "has no key ko", "it has en"),
        ("{}", "has no key ko", "it has none"),
        ('{"ko": 7}', "has something else than text as ko", ""),
        ('{"ko": ["a"]}', "has something else than text as ko", ""),
        ('{"ko": "\\ud800 a"}', "has half a surrogate pair in ko", "\\ud800"),
        ('["ko"]', "is not a JSON object", "{ expected at character 1"),
        ('{"ko": "a"', "is not a JSON object", ", expected"),
        ('{"ko": "a"} x', "is not a JSON object", "something after"),
        ('{"ko": "a",}', "is not a JSON object", '" expected'),
        ('{ko: "a"}', "is not a JSON object", '" expected'),
        ('{"ko" "a"}', "is not a JSON object", ": expected"),
        ('{"ko": NaN}', "is not a JSON object", "NaN is not JSON"),
        ('{"ko": "a\tb"}', "is not a JSON object", "control character"),
        ('{"ko": "a", "ko": "b"}', "is not a JSON object", "the key ko is there twice"),
        ('{"ko": ' + "[" * 100_000, "is not a JSON object", "recursion"),
    ],
)
def test_lines_that_are_refused(line: str, said: str, cause: str) -> None:
    error = refused("a.jsonl", '{"ko": "하나"}\n' + line + "\n", Options(column="ko"))
    assert error.message == f"a.jsonl: line 2 {said}"
    assert cause in error.cause


def test_a_number_of_any_length_is_left_alone() -> None:
    text = '{"ko": "하나", "n": ' + "7" * 6_000 + "}\n"
    assert output("a.jsonl", text, same) == text


def test_hostile_lines_in_json() -> None:
    for ascii_only in (True, False):
        text = "".join(json.dumps({"n": n, "ko": line}, ensure_ascii=ascii_only) + "\n" for n, line in enumerate(HOSTILE))
        found = records("a.jsonl", text)
        assert segments(found) == HOSTILE
        assert written(found, same).decode() == text
        assert [json.loads(line)["ko"] for line in written(found).decode().split("\n")[:-1]] == [marked(x) for x in HOSTILE]


@given(st.dictionaries(st.text(max_size=4), VALUE, max_size=4), st.text(max_size=9), st.sampled_from([None, 1]), st.booleans())
def test_objects_as_the_json_module_writes_and_reads_them(
    record: dict[str, Any], ko: str, indent: int | None, ascii_only: bool
) -> None:
    record = {**record, "ko": ko}
    line = json.dumps(record, ensure_ascii=ascii_only, indent=indent).replace("\n", " \t")
    try:
        line.encode()
        ko.encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair: refused, as the line above or by `test_lines_that_are_refused`
    assert output("a.jsonl", line, same) == line
    changed = json.loads(output("a.jsonl", line, lambda text: text + "!", INTO))
    assert changed == {**record, "en": re.sub(r"(\r?\n)|\Z", r"!\1", ko)}
    assert list(changed) == [*record, *([] if "en" in record else ["en"])]


# Documents


def test_a_document_gets_its_translation() -> None:
    text = '{"id": "a/1", "ko": ["하나", "", "둘"]}\n{"id":"a/2","ko":[],"en":["old"]}\r\n'
    found = records("d.jsonl", text)
    assert [(record.segments, record.line) for record in found] == [(("하나", "", "둘"), 1), ((), 2)]
    first, second = written(found).decode().split("\n")[:2]
    assert first == '{"id": "a/1", "ko": ["하나", "", "둘"], "en": ["[하나]", "[]", "[둘]"]}'
    assert second == '{"id":"a/2","ko":[],"en":[]}\r'


def test_documents_with_keys_of_other_names() -> None:
    options = Options(column="text", into="out")
    found = records("d.jsonl", '{"text": ["하나"]}\n', options, "documents")
    assert json.loads(written(found)) == {"text": ["하나"], "out": ["[하나]"]}


@pytest.mark.parametrize("value", ['"하나"', '["하나", 1]', '["하나\\n둘"]', '["\\udc00"]', "null"])
def test_documents_that_are_none(value: str) -> None:
    error = refused("d.jsonl", '{"ko": ["하나"]}\n{"ko": ' + value + "}\n")
    assert error.message == "d.jsonl: line 2 is no document with a list of segments as ko"


def test_a_document_needs_both_languages() -> None:
    assert misused("d.jsonl", '{"ko": ["하나"]}\n', Options(src="ko")).message == "a document needs both its languages"


def test_hostile_lines_in_documents() -> None:
    text = msgspec.json.encode({"id": "x", "ko": HOSTILE}).decode() + "\n"
    found = records("d.jsonl", text)
    assert segments(found) == HOSTILE
    assert msgspec.json.decode(written(found, same)) == {"id": "x", "ko": HOSTILE, "en": HOSTILE}


def test_segments_of_a_translated_row() -> None:
    assert as_row(["하나", f"둘{SEPARATOR}셋"]) == "하나 ␞ 둘 셋"
    assert from_row("one ␞ two", 2) == ["one", "two"]
    assert from_row("one ␞ two", 3) is None
    assert from_row("one", 1) == ["one"]


def test_documents_are_chosen_by_the_first_line() -> None:
    assert written(records("d.jsonl", '{"ko": ["하나"]}\n', KO_EN)).decode() == '{"ko": ["하나"], "en": ["[하나]"]}\n'
