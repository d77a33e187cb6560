"""`nlpcli tokenize train`: learn SentencePiece vocabularies from the training split of a corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Sequence

import msgspec

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, Draft, reusable
from nlpcli.config import checked
from nlpcli.corpus.documents import separator_of
from nlpcli.corpus.readers import OnError, Skipped
from nlpcli.corpus.rows import Rows, find_rows
from nlpcli.errors import UsageError
from nlpcli.tokenization.parallel import chunks, ordered_map, processors
from nlpcli.tokenization.sample import reservoir
from nlpcli.tokenization.sampling import BLANK
from nlpcli.tokenization.tokenizer import JOINT, MARK, Normalization, Pretokenizer, normalized, to_model
from nlpcli.tokenization.vocabulary import Kind, TokenizerSettings, describe, learn_vocabulary, vocab_lines

COMMAND = "nlpcli tokenize train"
NO_SYMBOL = re.compile(rf"<(pad|unk|s|/s|0x[0-9A-F]{{2}})>|(.*[ \n{BLANK}{MARK}].*)?", re.DOTALL)
CHUNK = 2000  # lines a worker cuts at a time


@dataclass(frozen=True)
class TrainedTokenizer:
    """What `tokenize train` made: the vocabulary sizes by model name (a language, or `joint`)."""

    path: Path
    id: str
    vocab_sizes: dict[str, int]


def train_tokenizer(
    *,
    data: str,
    out: Path,
    src: str | None = None,
    tgt: str | None = None,
    lang: str | None = None,
    column: str | None = None,
    kind: Kind = "bpe",
    vocab_size: int | None = None,
    joint: bool = False,
    normalization: Normalization = "nfc",
    pretokenizer: Pretokenizer = "none",
    jamo: bool = False,
    split_digits: bool = False,
    user_symbol: Sequence[str] = (),
    character_coverage: float = 0.9995,
    byte_fallback: bool = True,
    sample_lines: int = 1_000_000,
    seed: int = 1,
    on_error: OnError = "stop",
    workers: int | None = None,
    force: bool = False,
    reuse: bool = False,
    config_source: dict[str, str] | None = None,
) -> TrainedTokenizer:
    """Train one vocabulary a language (or a joint one) on the training split of `data`.

    Separate vocabularies are the default because Korean and English share no script. The result does not depend on the
    number of workers.

    Args:
        lang, column: for text in one language, see `find_text`.
        sample_lines: of a longer training split so many rows are drawn at random, so that memory is bounded.
        user_symbol: texts that are always one piece; what separates the segments of whole documents is one without being
            named.

    Raises:
        BadInput: the training split is missing, empty or not UTF-8.
    """
    given = {name: value for name, value in locals().items() if name in TokenizerSettings.__struct_fields__}
    given["user_symbol"] = normalized(user_symbol, normalization)
    settings = checked(TokenizerSettings, given)
    rows = find_rows(data, src, tgt, lang, column)
    if (separator := separator_of(data)) and separator not in settings.user_symbol:
        settings = msgspec.structs.replace(settings, user_symbol=(*settings.user_symbol, separator))
    _check(settings, rows.languages)
    config = {**_languages(rows.languages), **msgspec.json.decode(msgspec.json.encode(settings)), "on_error": on_error}
    config["column"] = column
    inputs = rows.inputs(["train"], out)
    if reuse and (found := reusable(out, "tokenizer", config, inputs, force)):
        return _result(found)
    with artifacts.create(
        out, "tokenizer", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force
    ) as draft:
        for name, lines in _texts(rows, settings, draft, on_error, workers or processors()).items():
            model = learn_vocabulary(lines, settings, name)
            (draft.path / f"{name}.model").write_bytes(model)
            (draft.path / f"{name}.vocab").write_text("".join(vocab_lines(model)), encoding="utf-8")
            draft.metrics[name] = describe(model, lines)
        return _result(draft.publish())


def _check(settings: TokenizerSettings, languages: tuple[str, ...]) -> None:
    if settings.pretokenizer == "kiwi" and "ko" not in languages:
        raise UsageError(
            "--pretokenizer kiwi cuts Korean, and there is none",
            cause=f"the data's language is {' and '.join(languages)}",
            fix="add --lang ko if the text is Korean",
        )
    if settings.pretokenizer == "kiwi" and settings.kind == "word":
        raise UsageError("--pretokenizer kiwi cuts words, which --kind word keeps whole", fix="--kind bpe or --kind unigram")
    if settings.jamo and settings.normalization == "none":
        raise UsageError("--jamo needs text in NFC", cause="decoding puts jamo together by NFC", fix="--normalization nfc")
    symbols = settings.user_symbol
    if bad := [symbol for symbol in symbols if NO_SYMBOL.fullmatch(symbol) or symbols.count(symbol) > 1]:
        raise UsageError(
            f"--user-symbol {bad[0]!r} cannot be a piece",
            cause="it is given twice, is a mark or byte of the vocabulary, or has a blank in it",
            fix="give each word or sign once, such as '<sep>'",
        )


def _languages(languages: tuple[str, ...]) -> dict[str, Any]:
    one = len(languages) == 1
    return {"src": None if one else languages[0], "tgt": None if one else languages[1], "lang": languages[0] if one else None}


def _texts(rows: Rows, settings: TokenizerSettings, draft: Draft, on_error: OnError, workers: int) -> dict[str, list[str]]:
    """Return by model name the lines to learn from, as SentencePiece will see them."""
    skipped = Skipped(draft.path) if on_error == "skip" else None
    sample, count = reservoir(rows.source("train").texts(skipped), settings.sample_lines, settings.seed)
    if skipped:
        skipped.close()
    if len(sample) < count:
        console.info(f"tokenizer: learning from {len(sample):,} of {count:,} rows, drawn with seed {settings.seed}")
    sides = {}
    for language, lines in zip(rows.languages, list(zip(*sample)) or [()] * len(rows.languages)):
        prepare = partial(_prepare, settings=settings, language=language)
        sides[language] = [line for part in ordered_map(prepare, chunks(lines, CHUNK), workers) for line in part]
    return {JOINT: [line for side in sides.values() for line in side]} if settings.joint else sides


def _prepare(lines: list[str], settings: TokenizerSettings, language: str) -> list[str]:
    texts = [text.replace(MARK, "") for text in normalized(lines, settings.normalization)]
    if settings.kind == "word":
        texts = [" ".join(text.split()) for text in texts]  # white space only separates
    cut_ko = settings.pretokenizer == "kiwi" and language == "ko"
    return to_model(texts, cut_ko=cut_ko, jamo=settings.jamo, symbols=settings.user_symbol)


def _result(artifact: Artifact) -> TrainedTokenizer:
    sizes = {name: int(m["vocab_size"]) for name, m in artifact.manifest.metrics.items()}
    return TrainedTokenizer(artifact.path, artifact.id, sizes)
