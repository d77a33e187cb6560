"""The work of `translate`: windows of records through a translator, and what comes out to where it belongs."""

from __future__ import annotations

from collections import deque
from contextlib import closing
from itertools import islice, repeat
from pathlib import Path
from time import monotonic
from typing import Any, Iterable, Iterator, NamedTuple, Sequence

import msgspec

from nlpcli import console, files
from nlpcli.artifacts import Artifact
from nlpcli.decoding import context
from nlpcli.decoding.details import detail_row
from nlpcli.decoding.formats.base import Options
from nlpcli.decoding.formats.choose import choose_format
from nlpcli.decoding.formats.outputs import STREAM, Pair
from nlpcli.decoding.formats.partial import PARTIAL, PartialOutput
from nlpcli.decoding.issues import issue_rows
from nlpcli.decoding.job import ENDING, InputFacts, Job, JobFacts, Tally, check_same, has_begun
from nlpcli.decoding.lines import FILE_WINDOW, STREAM_WINDOW
from nlpcli.decoding.load import load_translator, longest_input
from nlpcli.decoding.settings import EngineSettings, FileSettings, SearchSettings, TextSettings
from nlpcli.decoding.translator import Hint, Translation, Translator, too_long_error
from nlpcli.decoding.windows import Window, cut, parse_shard, read_hints
from nlpcli.errors import BadInput, Interrupted, NlpcliError, OutputExists, UsageError, first_five
from nlpcli.tokenization.tokenizer import Tokenizer

NAMED = 5  # lines with an issue that are named on stderr

# What the output does not depend on: how many work on it, and what is said beside it.
WITHOUT_EFFECT = {"workers", "threads", "cluster", "device", "strict", "interactive"}


class Settings(NamedTuple):
    """All that can be told."""

    search: SearchSettings
    engine: EngineSettings
    text: TextSettings
    file: FileSettings


class Work:
    """A translation of pairs of files, as one job or as a stream.

    Raises:
        UsageError: settings that do not go with these files.
    """

    def __init__(self, artifacts: list[Artifact], pairs: list[Pair], settings: Settings) -> None:
        self.artifacts, self.pairs, self.settings = artifacts, pairs, settings
        config, file = artifacts[0].manifest.config, settings.file
        self.options = Options(src=config["src"], tgt=config["tgt"], column=file.column, into=file.into, again=file.again)
        self.formats = [choose_format(pair.source, file.format, self.options) for pair in pairs]
        self.details = file.details or settings.search.n_best > 1
        self.segments_a_text = 1.0  # of the window at hand, for the progress: in context a text is a row of several
        self._check()

    def as_job(self, out: Path, force: bool) -> tuple[Tally, int]:
        """Translate files to files so that an interrupted command can be taken up; return what was counted, and how many
        lines an earlier command had done."""
        folder = out.with_name(out.name + ENDING)
        facts = JobFacts(self._settings_that_matter(), [self._survey(pair, i) for i, pair in enumerate(self.pairs)])
        resuming = (folder / "job.json").exists() and self._continues(folder, facts, force)
        if not (force or resuming):
            self._refuse_existing([pair.target for pair in self.pairs])
        with closing(Job(folder, facts)) as job:
            done = job.state.segments
            if resuming:
                console.info(f"going on with {folder}: {done:,} of {sum(i.segments for i in facts.inputs):,} lines are done")
            try:
                _JobWriter(self, job, facts).run()
            except Interrupted as e:
                kept = f"{job.state.segments:,} of {sum(i.segments for i in facts.inputs):,} lines are kept"
                raise Interrupted(
                    f"interrupted; {kept} in {folder}", signum=e.exit_code - 128, fix="the same command goes on from there"
                ) from None
            job.finish()
        return job.state.tally, done

    def as_stream(self, force: bool) -> Tally:
        """Translate to stdout, or from stdin; each window is flushed before the next is read."""
        file, tally = self.settings.file, Tally()
        targets = [pair.target for pair in self.pairs if pair.target != STREAM]
        if not force:
            self._refuse_existing(targets)
        size = 1 if file.interactive else STREAM_WINDOW if self.pairs[0].source == STREAM else FILE_WINDOW
        hints = self.hints(None)
        for number, pair in enumerate(self.pairs):  # a bad line in a file ends it here, before the work
            if pair.source.is_file():
                self._survey(pair, number)
        issues = PartialOutput(file.issues) if file.issues else None
        output = PartialOutput(targets[0]) if targets else None
        translator = self.translator()
        try:
            with console.Progress("translate", None, "lines") as progress:
                for number in range(len(self.pairs)):
                    for window in self.windows(number, 0, size, hints):
                        [(_, settled)] = self.translated(translator, [window])
                        text, rows = self.written(window, settled, tally)
                        output.write(text) if output else console.write_text(text)
                        issues.write(rows) if issues else None
                        progress.update(tally.lines)
            for each in filter(None, (output, issues)):
                each.publish()
        finally:
            translator.close()
            for each in filter(None, (output, issues)):
                each.discard()
        return tally

    def translator(self) -> Translator:
        search, engine, text, file = self.settings
        return load_translator(self.artifacts, search, engine, text, attention=file.alignment or file.attention)

    def windows(self, file: int, first: int, size: int, hints: Iterator[Hint]) -> Iterator[Window]:
        """Yield the windows of a file; the first of them has the number `first`."""
        records = self.formats[file].read(self.pairs[file].source, self.options)
        asks = self.settings.text.prefixes or self.settings.text.require_words
        for number, window in enumerate(cut(records, size), first):
            count = sum(len(record.segments) for record in window)
            own = list(islice(hints, count)) if asks else []
            if asks and len(own) < count:
                raise BadInput(
                    "--prefixes or --require-words has fewer lines than the input", fix="give the file one line for each"
                )
            yield Window(file, number, window, own)

    def hints(self, segments: int | None) -> Iterator[Hint]:
        return read_hints(self.settings.text.prefixes, self.settings.text.require_words, segments)

    def translated(self, translator: Translator, windows: Iterable[Window]) -> Iterator[tuple[Window, list[Translation]]]:
        """Yield each window with the translations of its segments."""
        waiting: deque[Window] = deque()

        def lines() -> Iterator[tuple[list[str], Sequence[Hint]]]:
            for window in windows:
                waiting.append(window)
                texts = context.in_rows(window, translator) if self.in_context else window.segments
                self.segments_a_text = len(window.segments) / max(len(texts), 1)
                yield texts, window.hints

        for translations in translator.stream(lines()):
            window = waiting.popleft()
            yield window, context.by_segment(window, translations, translator) if self.in_context else translations

    def written(self, window: Window, translations: list[Translation], tally: Tally) -> tuple[str, str]:
        """Return the text of a window and the rows of its issues, and count both."""
        each, texts, rows = iter(translations), [], []
        name = self.pairs[window.file].source
        for record in window.records:
            own = [next(each) for _ in record.segments]
            for segment, translation in zip(record.segments, own):
                _count(tally, translation, f"{name}:{record.line}" if len(self.pairs) > 1 else f"{record.line}")
                rows += issue_rows(str(name), record.line, segment, translation.best, translation.issues)
            if self.details:
                texts += [detail_row(record.line, s, t, self.settings.file) for s, t in zip(record.segments, own)]
            else:
                texts.append(record.render([t.best for t in own]))
        return "".join(texts), "".join(rows)

    @property
    def in_context(self) -> bool:
        return self.settings.file.context == "document"

    def _survey(self, pair: Pair, file: int) -> InputFacts:
        """Read a file once, before the work: its digest, its size, and whether all of it can be read."""
        segments = windows = 0
        too_long: list[int] = []
        tokenizer = Tokenizer.load(self.artifacts[0].path / "tokenizer") if self.settings.text.on_long == "error" else None
        for window in self.windows(file, 0, FILE_WINDOW, repeat(Hint())):
            windows += 1
            segments += len(window.segments)
            if tokenizer:
                places = [record.line for record in window.records for _ in record.segments]
                _, lengths = tokenizer.encode_flat(window.segments, self.options.src)
                too_long += [place for place, length in zip(places, lengths.tolist()) if length > self.longest]
        if too_long:
            raise too_long_error(f"{pair.source}: line(s) {first_five(too_long)} are too long", self.longest)
        return InputFacts(str(pair.source), files.file_digest(pair.source), segments, windows, str(pair.target))

    @property
    def longest(self) -> int:
        return self.settings.text.max_input_tokens or longest_input(self.artifacts[0])

    def _settings_that_matter(self) -> dict[str, Any]:
        """Return what the output depends on, as JSON can hold it: files by their digests."""
        asked: dict[str, Any] = {}
        for part in self.settings:
            asked |= msgspec.to_builtins(part, enc_hook=str)
        for name in ("glossary", "suppress_words", "prefixes", "require_words"):
            asked[name] = files.file_digest(Path(asked[name])) if asked[name] else None
        models = [artifact.id for artifact in self.artifacts]
        return {"model": models, **{name: value for name, value in asked.items() if name not in WITHOUT_EFFECT}}

    def _refuse_existing(self, paths: list[Path]) -> None:
        """Refuse to replace outputs; a pipe or a device is written to, which replaces nothing."""
        wanted = [*paths, *filter(None, [self.settings.file.issues])]
        there = [path for path in wanted if path.is_file()]
        if there:
            raise OutputExists(f"{first_five(there)} already exists", fix="choose another --out, or add --force to replace it")

    def _continues(self, folder: Path, facts: JobFacts, force: bool) -> bool:
        """Tell whether this is the command that began a job; another job is removed with what it has written, if `force` says
        so or nothing is done of it."""
        try:
            check_same(folder, facts)
        except NlpcliError:
            if not force and has_begun(folder):
                raise
            with closing(Job(folder, facts)):  # nobody else is at work on it
                for pair in self.pairs:
                    files.remove(pair.target.with_name(pair.target.name + PARTIAL))
                files.remove(folder)
            return False
        return True

    def _check(self) -> None:
        file, text, problems = self.settings.file, self.settings.text, []
        formats = {form.name for form in self.formats}
        from_stdin = self.pairs[0].source == STREAM
        if self.details and formats != {"text"}:
            problems.append("--details and --n-best write JSON Lines in place of the file, so they are for plain text")
        if (file.alignment or file.attention) and not self.details:
            problems.append("--alignment and --attention need --details")
        if (file.alignment or file.attention) and text.keep_tags:
            problems.append("--alignment and --attention are of the text without its tags, so not with --keep-tags")
        if (text.prefixes or text.require_words) and len(self.pairs) > 1:
            problems.append("--prefixes and --require-words go with one file")
        if self.in_context and formats != {"documents"}:
            problems.append("--context document needs documents: JSON Lines with a list of segments a line")
        if file.interactive and not from_stdin:
            problems.append("--interactive is for stdin")
        if file.shard and (from_stdin or self.pairs[0].target == STREAM):
            problems.append("--shard needs a file and --out")
        if problems:
            raise UsageError("these settings cannot work", cause="; ".join(problems), fix="change the options named")


class _JobWriter:
    """Writes a job's windows to its files, one file after the other, and notes after each how far it has come."""

    def __init__(self, work: Work, job: Job, facts: JobFacts) -> None:
        self.work, self.job, self.inputs = work, job, facts.inputs
        self.state = job.state
        issues = work.settings.file.issues
        self.issues = PartialOutput(issues, self.state.issues_size) if issues else None
        self.output: PartialOutput | None = None

    def run(self) -> None:
        """Translate what is left and publish every file."""
        state, before, started = self.state, self.state.seconds, monotonic()
        total = sum(i.segments for i in self.inputs)
        translator = self.work.translator() if self._left() else None
        try:
            with console.Progress("translate", total, "lines", state.segments) as progress:
                if translator:  # a window may take minutes; its texts are about as many as its lines
                    translator.on_batch = lambda texts: progress.update(
                        min(progress.done + round(texts * self.work.segments_a_text), total)
                    )
                for window, translations in self.work.translated(translator, self._left_windows()) if translator else ():
                    self._publish_until(window.file)
                    text, rows = self.work.written(window, translations, state.tally)
                    state.segments += len(translations)
                    state.window, state.seconds = window.number + 1, before + monotonic() - started
                    self._write(text, rows)
                    progress.update(state.segments)  # blank and equal lines, and lines in parts, have made it inexact
            self._publish_until(len(self.inputs))
            if self.issues:
                self.issues.publish()
        finally:
            if translator:
                translator.close()
            for each in filter(None, (self.output, self.issues)):
                each.close()

    def _left(self) -> range:
        """Return the numbers of the windows that are to be translated."""
        shard = parse_shard(self.work.settings.file.shard, sum(i.windows for i in self.inputs))
        return range(max(shard.start, self.state.window), max(shard.stop, self.state.window))

    def _left_windows(self) -> Iterator[Window]:
        left, first = self._left(), 0
        for file, facts in enumerate(self.inputs):
            if first < left.stop and left.start < first + facts.windows:
                hints = self.work.hints(facts.segments)
                yield from (w for w in self.work.windows(file, first, FILE_WINDOW, hints) if w.number in left)
            first += facts.windows

    def _write(self, text: str, rows: str) -> None:
        """Write a window, and note it when it is on disk."""
        output = self._open()
        output.write(text)
        self.state.size = output.end_chunk()
        output.sync()
        if self.issues:
            self.issues.write(rows)
            self.state.issues_size = self.issues.end_chunk()
            self.issues.sync()
        self.job.save(self.state)

    def _open(self) -> PartialOutput:
        if self.output is None:
            self.output = PartialOutput(self.work.pairs[self.state.file].target, self.state.size)
        return self.output

    def _publish_until(self, file: int) -> None:
        """Publish the files before this one that are not published yet; one without any window is empty."""
        while self.state.file < file:
            if not self._is_published():
                self._open().publish()
            self.output = None
            self.state.file, self.state.size = self.state.file + 1, 0
            self.job.save(self.state)

    def _is_published(self) -> bool:
        """Tell whether an earlier command was killed between publishing a file and noting that."""
        target = self.work.pairs[self.state.file].target
        partial = target.with_name(target.name + PARTIAL)
        return self.output is None and self.state.size > 0 and not partial.exists() and target.is_file()


def _count(tally: Tally, translation: Translation, place: str) -> None:
    tally.lines += 1
    tally.blank += not translation.texts
    for kind in dict.fromkeys(issue.kind for issue in translation.issues):
        tally.issues[kind] = tally.issues.get(kind, 0) + 1
        named = tally.first.setdefault(kind, [])
        if len(named) < NAMED:
            named.append(place)
