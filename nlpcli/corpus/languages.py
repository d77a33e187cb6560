"""Lines in another language of the same script, told by function words: sure of few, so as not to accuse many.

A line is foreign when it has none of its own language's commonest words and at least three different ones of another's.
"""

from __future__ import annotations

from typing import Sequence

MIN_FOREIGN = 3
_WORDS = {
    "en": "the and to that it for with are this have from by not but you his they she which their has had would",
    "de": "der und ist nicht ein eine einen einem einer mit dem auf für von sich auch sind wird haben ich wir das",
    "fr": "le les des une est pas dans pour qui sur avec il elle nous vous sont ce cette aux et du",
    "es": "el los las una que está con por para como más pero del y es se su",
    "it": "il gli che una non di del della sono per con anche più nel alla è si",
    "pt": "os uma que não com para do da dos em mais por você são ao um",
    "nl": "het een van niet met zijn voor dat op de maar ook naar wordt aan ze",
}
FUNCTION_WORDS = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def foreign_lines(texts: Sequence[str], language: str) -> list[int]:
    """Return the rows of the texts that read like another language; none if this one's words are not known here."""
    own = FUNCTION_WORDS.get(language)
    if own is None:
        return []
    others = [words for name, words in FUNCTION_WORDS.items() if name != language]
    a, b, c = (f" {word} " for word in _WORDS[language].split()[:3])  # spares most lines the slower look
    doubtful = [
        row
        for row, text in enumerate(texts)
        if a not in text and b not in text and c not in text and own.isdisjoint(text.lower().split())
    ]
    return [row for row in doubtful if _most(others, texts[row]) >= MIN_FOREIGN]


def _most(others: list[frozenset[str]], text: str) -> int:
    words = text.lower().split()
    return max(len(known.intersection(words)) for known in others)
