"""Markup and placeholders in a line of text: what they look like, and which tags belong together.

Found are tags of XML and HTML, also written with entities (`&lt;b&gt;`) and as SRT has them (`{\\an8}`); and words that must
stand in a translation as they are: placeholders of Python, C, gettext, Java, shells and template languages, addresses of the
web (RFC 3986, with letters of other scripts in paths) and of mail.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Kind = Literal["open", "close", "empty", "word"]

DEEPEST = 40  # tags within tags; no document has more, and a hostile line may

_ATTRIBUTE = r"""\s++[\w:.@-]++(?:\s*+=\s*+(?:"[^"<>]*+"|'[^'<>]*+'|[^\s"'<>=]++))?"""
_FOUND = re.compile(
    rf"""
      (?P<comment> <!--(?:(?!-->)[^<])*+--> | <\?[^<>]*+\?> | \{{\\[^{{}}\s]++\}} )
    | (?P<tag> <(?P<end>/?)(?P<name>[A-Za-z_][\w:.-]*+)(?P<attributes>(?:{_ATTRIBUTE})*+)\s*+(?P<self>/?)> )
    | (?P<escaped> &lt;(?P<end2>/?)(?P<name2>[A-Za-z][\w:.-]*+)(?:\s[^<>]{{0,300}}?)??(?P<self2>/?)&gt; )
    | (?P<url> (?:https?|ftp)://(?:[\w\-.~:/?\#\[\]@!$&'()*+,;=%]|(?<=[/=_\-\#])[^\x00-\x7f\s]++)++
             | (?<![\w.])www\.(?:[\w\-.~:/?\#@!$&*+=%])++ )
    | (?P<mail> (?<![\w.%+-])[\w.%+-]++@[\w-]++(?:\.[\w-]++)++ )
    | (?P<field> \{{\{{[^{{}}]{{1,200}}\}}\}} | \{{%[^{{}}%]{{1,200}}%\}} | [$\#%@]?\{{[^{{}}\s]{{0,200}}\}}
             | %\(\w++\)[-+0\#]*+\d*+(?:\.\d++)?[a-zA-Z] | %\d++\$[-+0\#]*+\d*+(?:\.\d++)?(?:hh?|ll?|[Lzjt])?[a-zA-Z@]
             | (?<!\d)%(?:%|[-+0\#]*+\d*+(?:\.\d++)?(?:hh?|ll?|[Lzjt])?[diouxXeEfFgGcrsap@]) )
    """,
    re.VERBOSE | re.ASCII,
)
_AROUND = {"(": ")", "[": "]", '"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "『": "』", "<": ">", "`": "`"}


class Found(NamedTuple):
    """Markup from `begin` up to `end`; `partner` is the number of the tag that opens or closes it, -1 without one."""

    begin: int
    end: int
    kind: Kind
    partner: int = -1


def find_markup(text: str) -> list[Found]:
    """Return the markup of a line in its order; what opens and closes is properly nested, all other tags are empty.

    Brackets and quotation marks that hold nothing but a placeholder belong to it, and so do backticks around a tag.
    """
    found: list[Found] = []
    opened: list[tuple[str, int]] = []
    waiting: dict[str, int] = {}  # how many of a name are open
    at = 0
    for match in _FOUND.finditer(text):
        begin, end = _extent(text, match, at)
        if begin < at or begin == end:
            continue
        name = None if begin < match.start() else match["name"] or match["name2"]  # `<b>`: a tag that is spoken of
        if name is None or match["self"] or match["self2"]:
            found.append(Found(begin, end, "empty" if name or match["comment"] else "word"))
        elif not (match["end"] or match["end2"]):
            found.append(Found(begin, end, "empty"))
            if len(opened) < DEEPEST:
                opened.append((name, len(found) - 1))
                waiting[name] = waiting.get(name, 0) + 1
        else:
            found.append(Found(begin, end, "empty"))
            while waiting.get(name):
                last, number = opened.pop()
                waiting[last] -= 1
                if last == name:
                    found[number] = found[number]._replace(kind="open", partner=len(found) - 1)
                    found[-1] = Found(begin, end, "close", number)
                    break
        at = end
    return found


def _extent(text: str, match: re.Match[str], at: int) -> tuple[int, int]:
    """Return where markup begins and ends, or an empty span if it only looks like markup."""
    begin, end = match.span()
    if match["attributes"] and "=" not in match["attributes"]:
        return begin, begin  # if x <y and y> z
    if match["url"]:
        end = _address_end(text, begin, end)
    word = match["url"] or match["mail"] or match["field"]
    while begin > at and _AROUND.get(text[begin - 1]) == text[end : end + 1] and (word or text[begin - 1] == "`"):
        begin, end = begin - 1, end + 1
    return begin, end


def _address_end(text: str, begin: int, end: int) -> int:
    """Return where an address ends: before the punctuation of the sentence, and brackets that opened before it."""
    excess = {closing: text.count(closing, begin, end) - text.count(opening, begin, end) for opening, closing in ("()", "[]")}
    while (last := text[end - 1]) in ".,;:!?'*" or excess.get(last, 0) > 0:
        end -= 1
        if last in excess:
            excess[last] -= 1
    return end
