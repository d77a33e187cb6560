"""`nlpcli tokenize train`: learn SentencePiece vocabularies from the training split of a corpus."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Iterable, Iterator, Literal

import msgspec
import sentencepiece

from nlpcli import artifacts, console
from nlpcli.artifacts import Artifact, reusable
from nlpcli.config import checked
from nlpcli.corpus.names import find_corpus
from nlpcli.corpus.readers import read_pairs
from nlpcli.errors import BadInput, RunFailed
from nlpcli.tokenization.tokenizer import BOS, EOS, JOINT, PAD, UNK, Normalization, normalized

COMMAND = "nlpcli tokenize train"
LARGEST_DEFAULT = 8000
WORDS_A_PIECE = 40  # a piece should be seen often enough to be learnt: one piece for this many running words
SMALLEST_DEFAULT = 500
THREADS = 4  # fixed: unigram training adds floats in an order that depends on it, and the result must not
BYTES = 256

Kind = Literal["unigram", "bpe", "char", "word"]


class TokenizerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the vocabulary is learnt; `vocab_size` None fits it to the corpus.

    BPE is the default because SentencePiece's unigram trainer takes as candidates only substrings that two *different*
    words share: in a small corpus with few word forms, frequent words such as "and" never become pieces.
    """

    kind: Kind = "bpe"
    vocab_size: Annotated[int, msgspec.Meta(gt=EOS + 1)] | None = None  # the marks and one piece at least
    joint: bool = False
    normalization: Normalization = "nfc"
    character_coverage: float = 0.9995
    byte_fallback: bool = True


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
    kind: Kind = "bpe",
    vocab_size: int | None = None,
    joint: bool = False,
    normalization: Normalization = "nfc",
    character_coverage: float = 0.9995,
    byte_fallback: bool = True,
    force: bool = False,
    reuse: bool = False,
    config_source: dict[str, str] | None = None,
) -> TrainedTokenizer:
    """Train one vocabulary a language (or a joint one) on the training split of `data`.

    Separate vocabularies are the default because Korean and English share no script.

    Raises:
        BadInput: the training split is missing, empty or not UTF-8.
    """
    settings = checked(
        TokenizerSettings,
        {
            "kind": kind,
            "vocab_size": vocab_size,
            "joint": joint,
            "normalization": normalization,
            "character_coverage": character_coverage,
            "byte_fallback": byte_fallback,
        },
    )
    corpus = find_corpus(data, src, tgt)
    split = corpus.split("train")
    config = {"src": corpus.src, "tgt": corpus.tgt, **msgspec.to_builtins(settings)}
    if artifacts.is_artifact(corpus.root):
        inputs = [artifacts.open_artifact(corpus.root).as_input("data", out)]
    else:
        inputs = [artifacts.text_input(path.name, path, out) for path in sorted({split.src, split.tgt})]
    if reuse and (found := reusable(out, "tokenizer", config, inputs)):
        return _result(found)
    with artifacts.create(
        out, "tokenizer", command=COMMAND, config=config, config_source=config_source, inputs=inputs, force=force or reuse
    ) as draft:
        pairs = list(read_pairs(split.src, split.tgt, corpus.src, corpus.tgt))
        sides = {corpus.src: [s for s, _ in pairs], corpus.tgt: [t for _, t in pairs]}
        texts = {JOINT: [line for side in sides.values() for line in side]} if settings.joint else sides
        for name, lines in texts.items():
            model = learn_vocabulary(lines, settings, name)
            (draft.path / f"{name}.model").write_bytes(model)
            (draft.path / f"{name}.vocab").write_text("".join(_vocab_lines(model)), encoding="utf-8")
            draft.metrics[name] = _describe(model, lines)
        return _result(draft.publish())


def learn_vocabulary(lines: list[str], settings: TokenizerSettings, name: str) -> bytes:
    """Learn one SentencePiece model, fitting the vocabulary's size to what the text can fill; returns the model's bytes.

    Raises:
        BadInput: there is no text.
        RunFailed: SentencePiece refuses for a reason that another size does not mend.
    """
    lines = normalized(lines, settings.normalization)
    if not any(line.strip() for line in lines):
        raise BadInput(f"{name}: no text to learn a vocabulary from", fix="check the training split")
    size = settings.vocab_size or default_size(lines, settings)
    for _ in range(2):
        try:
            model = _train(lines, settings, size)
            break
        except RuntimeError as e:
            size = _fitting_size(str(e), size, name)
    else:
        raise RunFailed(f"{name}: no vocabulary of {size} pieces can be made", fix="choose another --vocab-size")
    made = sentencepiece.SentencePieceProcessor(model_proto=model).vocab_size()
    asked = f"asked for {settings.vocab_size:,}" if settings.vocab_size else f"up to {LARGEST_DEFAULT:,}"
    words = sum(len(line.split()) for line in lines)
    note = "" if made == settings.vocab_size else f" ({asked}; fitted to {words:,} words)"
    console.info(f"tokenizer: {name}: {settings.kind}, {made:,} pieces{note}")
    return model


def default_size(lines: Iterable[str], settings: TokenizerSettings) -> int:
    """Choose a vocabulary size by the amount of text: one piece for every 40 running words, from 500 to 8,000."""
    words = sum(len(line.split()) for line in lines)
    size = min(LARGEST_DEFAULT, max(SMALLEST_DEFAULT, words // WORDS_A_PIECE))
    return size + (BYTES if uses_bytes(settings) else 0) if size < LARGEST_DEFAULT else size


def uses_bytes(settings: TokenizerSettings) -> bool:
    """Tell whether the vocabulary holds the 256 byte pieces; SentencePiece has them for unigram and BPE only."""
    return settings.byte_fallback and settings.kind in ("unigram", "bpe")


def _train(lines: list[str], settings: TokenizerSettings, size: int) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type=settings.kind,
        vocab_size=size,
        hard_vocab_limit=False,
        use_all_vocab=settings.kind == "char" and settings.vocab_size is None,
        character_coverage=settings.character_coverage,
        byte_fallback=uses_bytes(settings),
        normalization_rule_name="identity",  # NFC is applied before, see Tokenizer
        remove_extra_whitespaces=False,
        max_sentence_length=1_000_000,
        num_threads=THREADS,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        unk_surface="\N{REPLACEMENT CHARACTER}",
        minloglevel=2,
    )
    return model.getvalue()


def _fitting_size(message: str, size: int, name: str) -> int:
    """Read from SentencePiece's refusal the size that it would accept."""
    too_high = re.search(r"set it to a value <= (\d+)", message)
    too_low = re.search(r"smaller than required_chars[^\d]*\d+ vs (\d+)", message)
    if too_high:
        return int(too_high[1])
    if too_low:
        return int(too_low[1]) + 1
    raise RunFailed(f"{name}: SentencePiece refused a vocabulary of {size}", cause=message.strip(), fix="see the cause")


def _vocab_lines(model: bytes) -> Iterator[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    for i in range(processor.vocab_size()):
        yield f"{processor.id_to_piece(i)}\t{processor.get_score(i):g}\n"


def _describe(model: bytes, lines: list[str]) -> dict[str, float]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    sample = lines[:10_000]
    tokens = sum(len(ids) for ids in processor.encode(sample))
    words = sum(len(line.split()) for line in sample)
    return {"vocab_size": processor.vocab_size(), "tokens_per_word": round(tokens / max(words, 1), 3)}


def _result(artifact: Artifact) -> TrainedTokenizer:
    sizes = {name: int(m["vocab_size"]) for name, m in artifact.manifest.metrics.items()}
    return TrainedTokenizer(artifact.path, artifact.id, sizes)
