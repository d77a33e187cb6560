"""Lines through an engine: cut where they are too long, translated in batches, put together again; none is lost.

A line becomes units, the texts that the engine is given: itself, or parts of it. Equal units of a window are translated
once. What the user should know of a line stands in its translation's `issues`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from typing import Callable, Iterable, Iterator, NamedTuple, Sequence

import numpy as np

from nlpcli.corpus.documents import SEPARATOR
from nlpcli.decoding.engine import Engine, Hypothesis, Ids, Request
from nlpcli.decoding.glossary import Glossary, missing
from nlpcli.decoding.issues import Issue
from nlpcli.decoding.loops import loops
from nlpcli.decoding.mbr import minimum_bayes_risk
from nlpcli.decoding.sentences import Part, join_parts, split_long
from nlpcli.decoding.settings import OnLong, SearchSettings
from nlpcli.decoding.tags import Stripped, divide, restore, strip
from nlpcli.errors import BadInput, first_five
from nlpcli.tokenization.cut import by_token_budget
from nlpcli.tokenization.tokenizer import EOS, UNK, Tokenizer, normalized

LENGTH_FACTOR, LENGTH_EXTRA = 2, 20  # a translation may have this many tokens a source token, and so many more
LENGTH_STEP = 16  # source tokens, rounded up to a multiple of this


class Hint(NamedTuple):
    """What is asked of one line's translation: how it begins, and words that it must hold."""

    prefix: str = ""
    required: tuple[str, ...] = ()


class Attention(NamedTuple):
    """The attention [t, s] that target tokens paid to source tokens, EOS aside, and where each token stands in its text."""

    weights: np.ndarray
    src_at: list[tuple[int, int]]
    tgt_at: list[tuple[int, int]]


@dataclass(frozen=True)
class Translation:
    """One line's hypotheses, the best first, and the attention of each if it is asked for; none for a blank line."""

    texts: list[str]
    hypotheses: list[Hypothesis] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    attention: list[Attention] = field(default_factory=list)

    @property
    def best(self) -> str:
        return self.texts[0] if self.texts else ""


@dataclass
class _Unit:
    """A text that the engine is given, and what it answers."""

    text: str
    ids: Ids  # ending with EOS
    prefix: Ids
    required: list[Ids]
    hypotheses: list[Hypothesis] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def is_row(self) -> bool:
        """Tell whether it is several segments of a document."""
        return SEPARATOR in self.text

    @property
    def limit(self) -> int:
        """The most tokens of the translation; the same for sources of about the same length, which make a batch."""
        return LENGTH_FACTOR * -(-len(self.ids) // LENGTH_STEP) * LENGTH_STEP + LENGTH_EXTRA


@dataclass
class _Line:
    """A line on its way: its parts, where they begin, and their units; and what is known of it so far."""

    source: str
    parts: list[Part] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    units: list[_Unit] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    stripped: Stripped | None = None
    wanted: tuple[str, ...] = ()

    @property
    def marked(self) -> bool:
        return self.stripped is not None and bool(self.stripped.marks)


@dataclass
class _Window:
    """Lines that are sorted and translated together."""

    lines: list[_Line]
    batches: list[list[_Unit]]
    answered: int = 0


_Units = dict[str, dict[Hint, _Unit]]


class Translator:
    """Translates lines with an engine and a tokenizer.

    Args:
        src, tgt: the languages.
        search: how translations are searched for.
        on_long: what to do with lines of more than `max_input_tokens` tokens.
        batch_tokens: bound on rows × longest row × beams of a batch.
        keep_tags: keep markup and placeholders out of the search, and put them back.
        attention: tell what each translation paid attention to.
        glossary: terms that translations must hold where their source does.
        suppressed: words that no translation may hold.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        src: str,
        tgt: str,
        *,
        search: SearchSettings = SearchSettings(),
        on_long: OnLong = "split",
        max_input_tokens: int = 256,
        batch_tokens: int = 4096,
        keep_tags: bool = False,
        attention: bool = False,
        glossary: Glossary | None = None,
        suppressed: Sequence[str] = (),
    ) -> None:
        self.engine, self.tokenizer, self.src, self.tgt = engine, tokenizer, src, tgt
        self.search, self.glossary = search, glossary
        self.on_long, self.max_input_tokens, self.batch_tokens = on_long, max_input_tokens, batch_tokens
        self.keep_tags, self.attention = keep_tags, attention
        self.on_batch: Callable[[int], None] | None = None  # is told how many texts of a window have come, for the progress
        self.suppressed = tokenizer.encode(suppressed, tgt) if suppressed else []
        self.separators = [[i] for i in tokenizer.ids_of([SEPARATOR], tgt) if i != UNK]  # only a row of segments has one

    def translate(self, lines: Sequence[str], hints: Sequence[Hint] = ()) -> list[Translation]:
        """Translate lines; blank ones (nothing but white space) stay blank. One result a line, in their order."""
        [found] = self.stream([(lines, hints)])
        return found

    def stream(self, windows: Iterable[tuple[Sequence[str], Sequence[Hint]]]) -> Iterator[list[Translation]]:
        """Translate window after window; the engine is given the next one's batches before the last one's have come.

        Raises:
            BadInput: a line is too long, and `on_long` is "error".
        """
        waiting: deque[_Window] = deque()

        def requests() -> Iterator[Request]:
            for lines, hints in windows:
                window = self._plan(lines, hints)
                waiting.append(window)
                yield from map(self._request, window.batches)

        for found in self.engine.map(requests(), self.search):
            yield from self._done(waiting)
            window = waiting[0]
            self._answer(window.batches[window.answered], found)
            window.answered += 1
            if self.on_batch:
                self.on_batch(len(found))
            yield from self._done(waiting)
        yield from self._done(waiting)

    def _done(self, waiting: deque[_Window]) -> Iterator[list[Translation]]:
        while waiting and waiting[0].answered == len(waiting[0].batches):
            yield [self._finish(line) for line in waiting.popleft().lines]

    def count(self, lines: Sequence[str]) -> list[int]:
        """Return the number of tokens of each line."""
        _, lengths = self.tokenizer.encode_flat(lines, self.src)
        return lengths.tolist()  # type: ignore[no-any-return]

    def close(self) -> None:
        """End what the engine has started."""
        self.engine.close()

    def _plan(self, lines: Sequence[str], hints: Sequence[Hint]) -> _Window:
        """Cut lines into units and units into batches, the longest first."""
        planned = [_Line(line) for line in lines]
        if self.keep_tags:
            for line, text in zip(planned, normalized(lines, self.tokenizer.normalization)):
                line.stripped = strip(text)
        texts = [line.source if line.stripped is None else line.stripped.text for line in planned]
        kept = [i for i, line in enumerate(planned) if texts[i].strip() and (not line.stripped or line.stripped.translatable)]
        units: _Units = {}
        for i, ids in zip(kept, self.tokenizer.encode([texts[i] for i in kept], self.src)):
            given = hints[i] if hints else Hint()
            hint = Hint(given.prefix, (*given.required, *self._terms(texts[i])))
            planned[i].wanted = hint.required
            if len(ids) <= self.max_input_tokens:
                self._add(units, planned[i], Part(texts[i], ""), ids, hint)
            else:
                self._add_long(units, planned[i], texts[i], ids, hint)
        every = (unit for same in units.values() for unit in same.values())
        ordered = sorted(every, key=lambda unit: (unit.is_row, -len(unit.ids)))
        budget = max(1, self.batch_tokens // max(self.search.beam_size, self.search.mbr))
        batches = []
        for _, alike in groupby(ordered, key=lambda unit: (unit.is_row, unit.limit)):  # an engine may have one for a batch
            group = list(alike)
            cut = by_token_budget(range(len(group)), [len(unit.ids) for unit in group], budget)
            batches += [[group[row] for row in rows] for rows in cut]
        return _Window(planned, batches)

    def _add_long(self, units: _Units, line: _Line, text: str, ids: Ids, hint: Hint) -> None:
        """Do with a line that is too long what was asked for."""
        longest, size = self.max_input_tokens, len(ids)
        if self.on_long == "error":
            raise too_long_error(f"a line has {size:,} tokens: {text[:60]}…", longest)
        if self.on_long == "truncate":
            line.issues.append(Issue("truncated", f"{size} tokens, of which {longest} were read"))
            self._add(units, line, Part(text, ""), ids[:longest], hint)
            return
        parts = split_long(text, self.src, lambda piece: self.count([piece])[0], longest)
        begin = 0
        for part, part_ids in zip(parts, self.tokenizer.encode([part.text for part in parts], self.src)):
            if part.text:  # else it is white space before the first
                first = hint.prefix if not line.units else ""
                self._add(units, line, part, part_ids, Hint(first, tuple(self._terms(part.text))), begin)
            begin += len(part.text) + len(part.space_after)
        line.issues.append(Issue("split", f"{size} tokens in {len(line.parts)} parts"))

    def _add(self, units: _Units, line: _Line, part: Part, ids: Ids, hint: Hint, begin: int = 0) -> None:
        """Give a part of a line, which begins at a character, its unit: a new one if none is equal to it."""
        text = part.text
        if hint not in units.setdefault(text, {}):
            prefix = self.tokenizer.encode([hint.prefix], self.tgt)[0] if hint.prefix else []
            required = self.tokenizer.encode(hint.required, self.tgt) if hint.required else []
            units[text][hint] = _Unit(text, [*ids, EOS], prefix, required)
        line.parts.append(part)
        line.begins.append(begin)
        line.units.append(units[text][hint])
        if UNK in ids:
            line.issues.append(Issue("unknown", first_five(self._unknown(text))))

    def _terms(self, text: str) -> list[str]:
        return [match.tgt for match in self.glossary.find(text)] if self.glossary else []

    def _unknown(self, text: str) -> list[str]:
        pieces = self.tokenizer.encode_pieces([text], self.src)[0]
        return [piece for piece, i in zip(pieces, self.tokenizer.ids_of(pieces, self.src)) if i == UNK]

    def _request(self, units: list[_Unit]) -> Request:
        return Request(
            [unit.ids for unit in units],
            [unit.limit for unit in units],
            [unit.prefix for unit in units] if any(unit.prefix for unit in units) else (),
            [unit.required for unit in units] if any(unit.required for unit in units) else (),
            self.suppressed if units[0].is_row else [*self.suppressed, *self.separators],
        )

    def _answer(self, units: list[_Unit], found: list[list[Hypothesis]]) -> None:
        """Take what the engine found for a batch: decode it, choose among samples, keep the best."""
        texts = iter(self.tokenizer.decode([h.ids for hypotheses in found for h in hypotheses], self.tgt))
        for unit, hypotheses in zip(units, found):
            written = [_one_line(next(texts)) for _ in hypotheses]
            order = minimum_bayes_risk(written) if self.search.mbr else range(len(written))
            best = list(order)[: self.search.n_best]
            unit.hypotheses, unit.texts = [hypotheses[i] for i in best], [written[i] for i in best]

    def _finish(self, line: _Line) -> Translation:
        """Put a line together from its units, and look at what came out."""
        if not line.units:
            return Translation([line.source] if line.source.strip() else [])
        ways = range(min(len(unit.texts) for unit in line.units))
        looked = [self._attention(line.units, way) for way in ways] if line.marked or self.attention else []
        texts = []
        for way in ways:
            written = [unit.texts[way] for unit in line.units]
            if line.stripped:
                written = self._with_marks(line, line.stripped, written, looked[way] if looked else None)
            texts.append(join_parts(line.parts, written, self.tgt))
        hypotheses = [_joined([unit.hypotheses[way] for unit in line.units]) for way in ways]
        issues = line.issues + self._looked_at(line, texts[0], hypotheses[0])
        attention = [self._of_line(line, way, looked[way]) for way in ways] if self.attention else []
        return Translation(texts, hypotheses, issues, attention)

    def _with_marks(self, line: _Line, stripped: Stripped, written: list[str], looked: list[Attention] | None) -> list[str]:
        """Put tags and placeholders into the translations of a line's parts, where attention says they belong."""
        if looked is None:
            return [stripped.escape(text) for text in written]
        spans = [(begin, begin + len(part.text)) for begin, part in zip(line.begins, line.parts)]
        shares = divide(stripped, spans) if len(spans) > 1 else [stripped]
        return [restore(text, a.src_at, a.tgt_at, a.weights, share) for text, a, share in zip(written, looked, shares)]

    def _looked_at(self, line: _Line, text: str, hypothesis: Hypothesis) -> list[Issue]:
        issues = []
        if hypothesis.cut:
            issues.append(Issue("limit", f"{len(hypothesis.ids)} tokens"))
        if not text.strip():
            issues.append(Issue("empty"))
        if found := loops(line.source, text):
            issues.append(Issue("loop", found))
        if absent := missing(text, line.wanted):
            issues.append(Issue("glossary", ", ".join(absent)))
        return issues

    def _attention(self, units: list[_Unit], way: int) -> list[Attention]:
        """Return what the translation of each unit paid attention to."""
        sources, targets = [u.ids for u in units], [[*u.hypotheses[way].ids, EOS] for u in units]
        found = self.engine.align(sources, targets) if self.engine.aligns else map(_proportional, sources, targets)
        return [
            Attention(
                weights[:-1, :-1],
                self._places(unit.text, unit.ids[:-1], self.src),
                self._places(unit.texts[way], unit.hypotheses[way].ids, self.tgt),
            )
            for unit, weights in zip(units, found)
        ]

    def _of_line(self, line: _Line, way: int, looked: list[Attention]) -> Attention:
        """Return the attention of all parts as that of the line."""
        texts: list[str] = []
        whole = Attention(np.zeros((0, 0), np.float32), [], [])
        for unit, begin, part in zip(line.units, line.begins, looked):
            written = len(join_parts([*line.parts[: len(texts)], Part("", "")], [*texts, ""], self.tgt))
            whole = Attention(
                _block_diagonal(whole.weights, part.weights),
                whole.src_at + [(begin + a, begin + b) for a, b in part.src_at],
                whole.tgt_at + [(written + a, written + b) for a, b in part.tgt_at],
            )
            texts.append(unit.texts[way])
        return whole

    def _places(self, text: str, ids: Ids, language: str) -> list[tuple[int, int]]:
        """Return where each token stands in its text."""
        processor = self.tokenizer.of(language)
        spans = self.tokenizer.offsets(text, [processor.id_to_piece(i) for i in ids], language)
        return [(min(begin, len(text)), min(end, len(text))) for begin, end in spans]


def too_long_error(which: str, longest: int) -> BadInput:
    """Return the error for lines of more than `longest` tokens."""
    return BadInput(
        which,
        cause=f"the model reads at most {longest} tokens a line",
        fix="--on-long split translates long lines in parts; --max-input-tokens raises the limit",
    )


def _joined(hypotheses: list[Hypothesis]) -> Hypothesis:
    """Return the hypotheses of a line's parts as one."""
    if len(hypotheses) == 1:
        return hypotheses[0]
    ids = [i for hypothesis in hypotheses for i in hypothesis.ids]
    return Hypothesis(ids, sum(h.score for h in hypotheses), any(h.cut for h in hypotheses))


def _proportional(source: Ids, target: Ids) -> np.ndarray:
    """Return what stands for attention where a model has none: each token looks at the same share of the source."""
    places = np.arange(len(target)) * len(source) // len(target)
    return np.eye(len(source), dtype=np.float32)[places]


def _block_diagonal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    joined = np.zeros((len(a) + len(b), a.shape[1] + b.shape[1]), np.float32)
    joined[: len(a), : a.shape[1]], joined[len(a) :, a.shape[1] :] = a, b
    return joined


def _one_line(text: str) -> str:
    """A translation is one line whatever the model writes: line breaks in it become blanks."""
    return text.replace("\r", " ").replace("\n", " ")
