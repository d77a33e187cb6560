"""`nlpcli embed train`: text to word vectors."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import Draft
from nlpcli.config import checked
from nlpcli.corpus.readers import OnError, Skipped
from nlpcli.corpus.text import Text, find_text
from nlpcli.embedding.sentences import MOST_COUNTED, CorpusFile, Entry, join_phrases, write_corpus
from nlpcli.embedding.settings import EmbeddingSettings, Loss, Model, Objective, Unit, check
from nlpcli.embedding.units import Cutter
from nlpcli.embedding.vectors import KIND, TOKENIZER, write_vectors
from nlpcli.environment import peak_memory_bytes
from nlpcli.errors import BadInput, UsageError
from nlpcli.tokenization.parallel import processors
from nlpcli.tokenization.tokenizer import Tokenizer

COMMAND = "nlpcli embed train"
SENTENCES, PHRASES = "sentences.txt", "phrases.txt"


@dataclass(frozen=True)
class TrainedEmbedding:
    """What `embed train` made. `words` counts all units of the text; `loss` is that of a sample after each epoch."""

    path: Path
    id: str
    vocabulary: int
    dim: int
    sentences: int
    words: int
    words_per_second: float
    loss: list[float]


def train_embedding(
    *,
    data: str,
    out: Path,
    lang: str | None = None,
    column: str | None = None,
    unit: Unit = "words",
    tokenizer: Path | None = None,
    lowercase: bool = False,
    strip_punctuation: bool = True,
    phrases: bool = False,
    phrase_threshold: float = 10.0,
    model: Model = "word2vec",
    objective: Objective = "skipgram",
    loss: Loss = "negative",
    dim: int = 100,
    window: int = 5,
    min_count: int = 5,
    max_vocab: int = 500_000,
    sample: float = 0.001,
    negative: int = 5,
    epochs: int = 5,
    min_n: int = 3,
    max_n: int = 6,
    bucket: int = 500_000,
    jamo: bool = False,
    workers: int | None = None,
    seed: int = 1,
    on_error: OnError = "stop",
    force: bool = False,
    config_source: dict[str, str] | None = None,
) -> TrainedEmbedding:
    """Learn a vector for each frequent unit of the training split of `data`.

    Args:
        data, lang, column: text in one language, see `find_text`.
        tokenizer: a tokenizer artifact, for `unit="pieces"`.
        workers: threads that train, and processes that cut; as many as there are processors if not given. With one, the
            same text and settings give the same artifact.
        on_error: what becomes of lines that cannot be read: an error, or `skipped.jsonl` in the artifact.

    Raises:
        BadInput: no text, a line that cannot be read, or no unit that is frequent enough.
        UsageError: options that do not fit together.
    """
    given = {k: v for k, v in locals().items() if k in EmbeddingSettings.__struct_fields__}
    settings = checked(EmbeddingSettings, given | {"workers": workers or processors()})
    check(settings, tokenizer)
    text = find_text(data, lang, column)
    cutter = _cutter(settings, tokenizer, text.language)
    inputs = text.inputs(["train"], out)
    config = {"lang": lang, "language": text.language, "column": column, "on_error": on_error, **msgspec.to_builtins(settings)}
    if cutter.tokenizer is not None:
        config["tokenizer_id"] = cutter.tokenizer.id
        inputs.insert(0, cutter.tokenizer.artifact.as_input("tokenizer", out))
    with artifacts.create(
        out, KIND, command=COMMAND, config=config, config_source=config_source, inputs=inputs, seed=seed, force=force
    ) as draft:
        corpus = _read(text, cutter, settings, draft, skip=on_error == "skip")
        return _train(corpus, settings, cutter, draft)


def _cutter(settings: EmbeddingSettings, tokenizer: Path | None, language: str) -> Cutter:
    if tokenizer is None:
        return Cutter(settings.unit, settings.lowercase, settings.strip_punctuation)
    loaded = Tokenizer.load(tokenizer)
    if language not in loaded.languages:
        raise UsageError(
            f"{tokenizer} is for {' and '.join(loaded.languages)}",
            cause=f"the text is in {language}" if language else "nobody said what language the text is in",
            fix=f"add --lang {loaded.languages[0]}",
        )
    return Cutter(settings.unit, settings.lowercase, False, loaded, language)


def _read(text: Text, cutter: Cutter, settings: EmbeddingSettings, draft: Draft, *, skip: bool) -> CorpusFile:
    draft.scratch |= {SENTENCES, PHRASES}
    skipped = Skipped(draft.path) if skip else None
    lines = text.lines("train", skipped)
    corpus = write_corpus(lines, draft.path / SENTENCES, cutter, settings.workers)
    if skipped is not None:
        draft.metrics["skipped"] = skipped.close()
    if not corpus.words:
        raise BadInput(f"{text.path('train')} has no {settings.unit}", cause="it is empty, or blank", fix="put text into it")
    console.info(f"embed: {corpus.lines:,} lines, {corpus.words:,} {settings.unit}, {len(corpus.counts):,} different")
    if settings.phrases:
        plain = corpus.path
        corpus = join_phrases(corpus, draft.path / PHRASES, min_count=settings.min_count, threshold=settings.phrase_threshold)
        plain.unlink()
    if corpus.pruned:
        console.warn(
            f"more than {MOST_COUNTED:,} different {settings.unit}: those seen up to {corpus.pruned} times so far were "
            "forgotten now and then, so counts near that number may be too small"
        )
    return corpus


def _train(corpus: CorpusFile, settings: EmbeddingSettings, cutter: Cutter, draft: Draft) -> TrainedEmbedding:
    from nlpcli.embedding.fit import fit, useful_workers

    vocabulary = corpus.vocabulary(settings.min_count, settings.max_vocab)
    if not vocabulary:
        most = max(corpus.counts.values(), default=1)
        raise BadInput(
            f"no unit stands in the text {settings.min_count} times",
            cause=f"the most frequent one, of {len(corpus.counts):,}, stands there {most} times",
            fix=f"give more text, or --min-count {most}",
        )
    _describe(corpus, vocabulary, settings, useful_workers(settings.workers, corpus.words))
    corpus.codes.clear()
    corpus.counts.clear()
    fitted = fit(corpus, settings, vocabulary)
    write_vectors(draft.path, fitted.words, fitted.counts, fitted.vectors, fitted.ngrams)
    if cutter.tokenizer is not None:
        shutil.copytree(cutter.tokenizer.artifact.path, draft.path / TOKENIZER)
    draft.metrics.update(
        sentences=corpus.sentences,
        words=corpus.words,
        vocabulary=len(fitted.words),
        coverage=round(sum(fitted.counts) / corpus.words, 4),
        loss=fitted.loss,
    )
    draft.manifest.run.update(words_per_second=round(fitted.words_per_second), peak_memory=peak_memory_bytes())
    made = draft.publish()
    return TrainedEmbedding(
        path=made.path,
        id=made.id,
        vocabulary=len(fitted.words),
        dim=settings.dim,
        sentences=corpus.sentences,
        words=corpus.words,
        words_per_second=round(fitted.words_per_second),
        loss=fitted.loss,
    )


def _describe(corpus: CorpusFile, vocabulary: list[Entry], settings: EmbeddingSettings, workers: int) -> None:
    share = sum(entry.seen for entry in vocabulary) / corpus.words
    least = min(entry.seen for entry in vocabulary)
    console.info(
        f"embed: {len(vocabulary):,} {settings.unit} get a vector, each seen {least} times or more ({share:.1%} of the text)"
    )
    if workers < settings.workers:
        console.info(f"embed: the text is enough for {workers} worker(s) of {settings.workers}")
    if workers > 1:
        console.info(f"embed: {workers} workers; the result differs a little each time (--workers 1 repeats exactly)")
    else:
        console.info("embed: 1 worker; the same text and settings give the same vectors")
