"""gettext catalogues: what is missing is filled in and marked, all else stays, and gettext's tools can read it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import polib
import pytest
from hostile import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from nlpcli.decoding.formats.base import Options

from .reading import output, records, refused, same, segments, written

HEADER = """# Translators' notes.
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=n != 1;\\n"

"""
CATALOGUE = (
    HEADER
    + """#. said in the morning
#: main.c:7
msgid "Good morning"
msgstr ""

#: main.c:9
#, c-format
#| msgid "%d old file"
msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#, fuzzy
msgctxt "menu"
msgid "Open"
msgstr "열"

msgid ""
"two lines\\n"
"with a \\"quote\\"\\n"
msgstr ""
# without a blank line
msgid "Done"
msgstr "끝"

#, fuzzy
#~ msgid "Gone"
#~ msgstr ""
"""
)
FILLED = (
    HEADER
    + """#. said in the morning
#: main.c:7
#, fuzzy
msgid "Good morning"
msgstr "[Good morning]"

#: main.c:9
#, fuzzy, c-format
#| msgid "%d old file"
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "[%d file]"
msgstr[1] "[%d files]"

#, fuzzy
msgctxt "menu"
msgid "Open"
msgstr "열"

#, fuzzy
msgid ""
"two lines\\n"
"with a \\"quote\\"\\n"
msgstr ""
"[two lines]\\n"
"[with a \\"quote\\"]\\n"
# without a blank line
msgid "Done"
msgstr "끝"

#, fuzzy
#~ msgid "Gone"
#~ msgstr ""
"""
)


def marked(text: str) -> str:
    """Translate so that it can be seen, blank for blank."""
    return f"[{text}]" if text.strip() else text


def checked(text: str) -> polib.POFile:
    """Read a catalogue by polib, and by gettext's own msgfmt where it is installed."""
    Path("checked.po").write_bytes(text.encode())
    if shutil.which("msgfmt"):
        ran = subprocess.run(["msgfmt", "-c", "-o", "/dev/null", "checked.po"], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    return polib.pofile("checked.po")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_what_is_missing_is_filled_in(end: str, mark: str) -> None:
    assert output("a.po", mark + CATALOGUE.replace("\n", end), marked) == mark + FILLED.replace("\n", end)


def test_gettext_reads_the_result() -> None:
    found = checked(output("a.po", CATALOGUE, marked))
    assert [entry.msgstr for entry in found if not entry.obsolete] == [
        "[Good morning]",
        "",
        "열",
        '[two lines]\n[with a "quote"]\n',
        "끝",
    ]
    assert found[1].msgstr_plural == {0: "[%d file]", 1: "[%d files]"}
    assert [entry.fuzzy for entry in found if not entry.obsolete] == [True, True, True, True, False]


def test_segments_and_lines() -> None:
    found = records("a.po", CATALOGUE)
    assert segments(found) == ["Good morning", "%d file", "%d files", "two lines", 'with a "quote"', ""]
    assert [record.line for record in found] == [1, 7, 12, 20, 25, 29, 33]


def test_translated_entries_are_done_again_if_asked() -> None:
    found = output("a.po", CATALOGUE, marked, Options(again=True))
    assert [entry.msgstr for entry in checked(found)][2:5] == ["[Open]", '[two lines]\n[with a "quote"]\n', "[Done]"]
    assert 'charset=UTF-8\\n"\n"Plural' in found
    assert "# without a blank line\n#, fuzzy\nmsgid" in found


def test_what_comes_out_empty_stays_untranslated() -> None:
    assert output("a.po", CATALOGUE, lambda _: "") == CATALOGUE


def test_a_full_catalogue_comes_back() -> None:
    assert output("a.po", FILLED, marked) == FILLED


def test_one_plural_form_is_that_of_many() -> None:
    text = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""'
    assert output("a.po", text, marked) == f'#, fuzzy\n{text[:-2]}"[%d files]"'


def test_forms_that_are_there_stay() -> None:
    text = 'msgid "a"\nmsgid_plural "b"\nmsgstr[0] "x"\nmsgstr[1] ""\nmsgstr[2] ""\n'
    assert output("a.po", text, marked).endswith('msgstr[0] "x"\nmsgstr[1] "[b]"\nmsgstr[2] "[b]"\n')
    assert segments(records("a.po", text)) == ["b"]


def test_escapes() -> None:
    text = 'msgid "tab\\tquote\\"back\\\\slash\\x41\\101\\a"\nmsgstr ""\n'
    assert segments(records("a.po", text)) == ['tab\tquote"back\\slashAA\a']
    assert output("a.po", text, same).endswith('msgstr "tab\\tquote\\"back\\\\slashAA\\a"\n')


def test_the_layout_of_the_file_stays() -> None:
    text = '\n\n# notes\n\n  msgid "a"\n\n  msgstr ""\n  ""\n\n\nmsgid "b"\nmsgstr "c"\nmsgid "d"\nmsgstr ""'
    expected = (
        '\n\n# notes\n\n#, fuzzy\n  msgid "a"\n\n  msgstr "[a]"\n\n\nmsgid "b"\nmsgstr "c"\n#, fuzzy\nmsgid "d"\nmsgstr "[d]"'
    )
    assert output("a.po", text, marked) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('msgid "a\nmsgstr ""\n', "line 1 is not PO"),
        ('msgid "a"\nmsgstr x\n', "line 2 is not PO"),
        ('msgid "a"\n\nmsgid "b"\nmsgstr ""\n', "line 1 begins an entry without msgstr"),
        ('# a\nmsgstr ""\n', "line 2 begins an entry without msgid"),
        ('"a"\n', "line 1 is a string without its keyword"),
        ('msgid "a"\nmsgstr ""\nmsgstr ""\n', "line 3 has the second msgstr of its entry"),
        ('msgid "a"\nmsgid_plural "b"\nmsgstr ""\n', "line 1 begins an entry whose msgstr do not fit"),
        ('msgid "a"\nmsgstr[0] ""\n', "line 1 begins an entry whose msgstr do not fit"),
        ('msgid "\\q"\nmsgstr ""\n', "line 1 has the escape \\q, which stands for no character"),
        ('msgid "\\xff"\nmsgstr ""\n', "line 1 has the escape \\xff, which stands for no character"),
    ],
)
def test_what_is_no_catalogue_is_refused(text: str, said: str) -> None:
    assert refused("a.po", text).message == f"a.po: {said}"


@pytest.mark.parametrize("charset", ["CHARSET", "EUC-KR"])
def test_another_encoding_in_the_header_is_refused(charset: str) -> None:
    error = refused("a.po", HEADER.replace("UTF-8", charset))
    assert error.message == f"a.po: its header says charset={charset}"
    assert error.fix == f"sed -i s/charset={charset}/charset=UTF-8/ a.po"


def test_hostile_lines_in_catalogues() -> None:
    signs = {"\\": "\\\\", '"': '\\"', "\t": "\\t", "\x0b": "\\v", "\x0c": "\\f", "\x07": "\\a", "\x08": "\\b"}
    lines = [line for line in HOSTILE if line]
    text = HEADER + "".join(
        f'msgctxt "{n}"\nmsgid "{"".join(signs.get(sign, sign) for sign in line)}"\nmsgstr ""\n\n'
        for n, line in enumerate(lines)
    )
    found = records("a.po", text)
    assert segments(found) == lines
    Path("again.po").write_bytes(written(found, lambda text: text + "!"))
    again = [
        record
        for record in records("again.po", written(found, lambda text: text + "!"), Options(again=True))
        if record.segments
    ]
    assert [record.segments for record in again] == [(line,) for line in lines]
    full = written(again, lambda text: text + "!").decode()
    assert full.count("!") == sum(line.count("!") for line in lines) * 2 + len(lines)


MESSAGE = st.text(st.sampled_from('ab \n"\\\t가%'), min_size=1, max_size=60).filter(str.strip)


@given(st.lists(st.tuples(MESSAGE, st.booleans(), st.booleans()), max_size=5), st.sampled_from([20, 78]), st.booleans())
def test_catalogues_as_polib_writes_and_reads_them(messages: list[tuple[str, bool, bool]], wrapwidth: int, cut: bool) -> None:
    made = polib.POFile(wrapwidth=wrapwidth)
    made.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Plural-Forms": "nplurals=2; plural=n != 1;"}
    for number, (text, done, plural) in enumerate(messages):
        entry = polib.POEntry(msgctxt=str(number), msgid=text, comment="note\nnote", occurrences=[("a.c", "7")])
        if plural:
            entry.msgid_plural, entry.msgstr_plural = text, {0: text if done else "", 1: text if done else ""}
        else:
            entry.msgstr = text if done else ""
        made.append(entry)
    text = str(made)
    text = text.rstrip("\n") if cut else text
    found = checked(output("a.po", text, lambda line: line))
    assert [entry.msgid for entry in found] == [text for text, _, _ in messages]
    for entry, (text, done, plural) in zip(found, messages):
        assert (entry.msgstr_plural if plural else entry.msgstr) == ({0: text, 1: text} if plural else text)
        assert entry.fuzzy != done
        assert (entry.comment, entry.occurrences) == ("note\nnote", [("a.c", "7")])
