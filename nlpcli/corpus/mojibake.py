"""Text that was decoded with the wrong encoding, and how to turn it back.

Two accidents are known here, both by far the most common: UTF-8 read as CP1252 or Latin-1 (`안` becomes `ì•ˆ`, `é` becomes
`Ã©`), and CP949 read as them (`안녕` becomes `¾È³ç`). Nothing is called mojibake on the strength of odd letters alone: the
characters must be bytes that decode, and their order must be one that no spelling has.
"""

from __future__ import annotations

import re

_SPECIALS = {bytes([b]).decode("cp1252"): chr(b) for b in range(0x80, 0xA0) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)}
_TO_LATIN1 = str.maketrans(_SPECIALS)
_LATER = "[\x80-\xbf" + "".join(_SPECIALS) + "]"  # what a byte after the first of a UTF-8 sequence is read as
_SEQUENCE = re.compile(f"[Â-ß]{_LATER}|[à-ï]{_LATER}{{2}}|[ð-ô]{_LATER}{{3}}")
_RUN = re.compile(f"(?:{_SEQUENCE.pattern})+")
_HANGUL_RUN = re.compile("[°-È][¡-þ](?:[ ,.!?]*[°-È][¡-þ]){2,}")
_QUOTES = "‘’“”–—…•‹›"
_AFTER_WORDS = set(_QUOTES + "«»\xa0·°´¿¡®™©ªº²³¹")  # may follow an accented letter in good text: café…”, été »


def unscramble(text: str) -> str:
    """Return the text with its mojibake turned back, or as it is if there is none."""
    text = _HANGUL_RUN.sub(lambda run: _hangul(run[0]) or run[0], text)
    if any(_convincing(run[0]) for run in _RUN.finditer(text)):
        text = _RUN.sub(lambda run: _decoded(run[0]) or run[0], text)
    return text


def _convincing(run: str) -> bool:
    if not _decoded(run):
        return False
    sequences = [found[0] for found in _SEQUENCE.finditer(run)]
    if len(sequences) > 1:
        return True
    lead, later = run[0], run[1:]
    if lead in "ÂÃ":
        return later not in _QUOTES and (lead, later) != ("Ã", "»")
    return run.startswith(("â€", "â‚", "â„", "ï»¿", "ð")) or (len(run) > 2 and not _AFTER_WORDS & set(later))


def _decoded(run: str) -> str:
    """Return what a run of characters says if it is taken as the bytes of UTF-8; nothing if it is not."""
    try:
        return run.translate(_TO_LATIN1).encode("latin-1").decode("utf-8")
    except UnicodeError:
        return ""


def _hangul(run: str) -> str:
    """Return the Korean that a run says as CP949; nothing if it may be UTF-8 (Ã© Ã¨ Ãª) or a row of signs (°±²³´µ)."""
    letters = [c for c in run if not c.isascii()]
    if set(letters[::2]) <= set("ÂÃ") or all(c < "À" for c in letters):
        return ""
    try:
        text = run.encode("latin-1").decode("cp949")
    except UnicodeError:
        return ""
    syllables = {c for c in text if not c.isascii()}
    return text if len(syllables) >= 3 and all("가" <= c <= "힣" for c in syllables) else ""
