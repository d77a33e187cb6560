"""Word alignments in Pharaoh's format, and what they say of tokens.

`train.align` beside `train.ko` and `train.en` holds a line a pair: `0-0 1-2 2-1` links the words, split at blanks and counted
from 0, of the source with those of the target (fast_align, eflomal and GIZA++ write it).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from pathlib import Path
from typing import Sequence

import torch
from torch import Tensor

from nlpcli.corpus.readers import read_lines
from nlpcli.errors import BadInput
from nlpcli.tokenization.tokenizer import Tokenizer

Link = tuple[int, int]
Span = tuple[int, int]

_LINK = re.compile(r"(\d+)-(\d+)", re.ASCII)
_WORD = re.compile(r"\S+")


def parse_links(line: str, where: str) -> list[Link]:
    """Read a line of links (source word, target word).

    Args:
        where: named in the error, such as `train.align line 7`.

    Raises:
        BadInput: something in the line is not a link.
    """
    links = []
    for written in line.split():
        if not (link := _LINK.fullmatch(written)):
            raise BadInput(
                f"{where}: {written[:40]!r} is not a link",
                cause="a link is a source word and a target word, counted from 0, such as 0-2",
                fix="write the alignment in Pharaoh's format, one line a pair",
            )
        links.append((int(link[1]), int(link[2])))
    return links


def token_links(
    links: Sequence[Link], src: str, src_offsets: Sequence[Span], tgt: str, tgt_offsets: Sequence[Span], where: str
) -> list[Link]:
    """Return links of tokens: every piece of a word is linked with every piece of each word that this one is linked with.

    Args:
        links: of words, as `parse_links` returns them.
        src, tgt: the lines that the pieces were made of.
        src_offsets, tgt_offsets: where each piece lies in its line (`Tokenizer.offsets`).
        where: named in the error.

    Returns:
        Links (source token, target token), sorted, each once.

    Raises:
        BadInput: a link names a word that its line does not have.
    """
    pieces = [_pieces_of_words(line, offsets) for line, offsets in ((src, src_offsets), (tgt, tgt_offsets))]
    found: set[Link] = set()
    for link in links:
        for word, words, side in zip(link, pieces, ("source", "target")):
            if word >= len(words):
                raise BadInput(
                    f"{where}: link {link[0]}-{link[1]}, but the {side} has {len(words)} words",
                    cause="words are split at blanks and counted from 0",
                    fix="align the same lines that are trained on, and leave them as they are",
                )
        found.update((s, t) for s in pieces[0][link[0]] for t in pieces[1][link[1]])
    return sorted(found)


def _pieces_of_words(line: str, offsets: Sequence[Span]) -> list[list[int]]:
    """Return the pieces that share a character with each word; one may belong to several words, or to none."""
    words = [word.span() for word in _WORD.finditer(line)]
    ends = [end for _, end in words]
    pieces: list[list[int]] = [[] for _ in words]
    for i, (begin, end) in enumerate(offsets):
        word = bisect_right(ends, begin)
        while begin < end and word < len(words) and words[word][0] < end:
            pieces[word].append(i)
            word += 1
    return pieces


class Alignments:
    """The links of every pair of a split, as a dataset keeps them, and what they say of its tokens."""

    def __init__(self, path: Path, tokenizer: Tokenizer, languages: tuple[str, str]) -> None:
        self.path, self.tokenizer, self.languages = path, tokenizer, languages
        self.lines = list(read_lines(path))

    def links(self, row: int, src: list[int], tgt: list[int]) -> list[Link]:
        """Return the links of the tokens of one pair, given by their ids without marks.

        Raises:
            BadInput: what stands in the pair's line is no alignment of it.
        """
        where = f"{self.path} line {row + 1}"
        (text, spans), (tgt_text, tgt_spans) = (self._spans(ids, lang) for ids, lang in zip((src, tgt), self.languages))
        return token_links(parse_links(self.lines[row], where), text, spans, tgt_text, tgt_spans, where)

    def _spans(self, ids: list[int], language: str) -> tuple[str, list[Span]]:
        text, processor = self.tokenizer.decode([ids], language)[0], self.tokenizer.of(language)
        return text, self.tokenizer.offsets(text, [processor.id_to_piece(i) for i in ids], language)


def alignment_rows(links: Sequence[Sequence[Link]], tgt_length: int, src_length: int) -> Tensor:
    """Set the token links of a batch side by side as `Batch.align_bts`.

    Returns:
        [b, tgt_length, src_length]: the links of a target token share 1 equally; a token without links has zeros.
    """
    rows = torch.zeros(len(links), tgt_length, src_length)
    for row, of_pair in zip(rows, links):
        for s, t in of_pair:
            row[t, s] = 1.0
    return rows / rows.sum(-1, keepdim=True).clamp_min(1.0)
