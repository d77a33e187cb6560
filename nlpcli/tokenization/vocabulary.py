"""Learn one SentencePiece vocabulary, of a size that the text can fill."""

from __future__ import annotations

import io
import re
from typing import Annotated, Any, Iterable, Iterator, Literal

import msgspec
import sentencepiece

from nlpcli import console
from nlpcli.config import Positive, Share
from nlpcli.errors import BadInput, RunFailed
from nlpcli.tokenization.packing import round_scores
from nlpcli.tokenization.tokenizer import BOS, EOS, MARK, PAD, UNK, Normalization, Pretokenizer, model_symbols

LARGEST_DEFAULT = 8000
MOST_WORDS = 100_000  # of a vocabulary of whole words, where nobody said a size
WORDS_A_PIECE = 40  # a piece should be seen often enough to be learnt: one piece for this many running words
SMALLEST_DEFAULT = 500
THREADS = 4  # fixed: unigram training adds floats in an order that depends on it, and the result must not
BYTES = 256

Kind = Literal["unigram", "bpe", "char", "word"]


class TokenizerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the vocabulary is learnt; `vocab_size` None fits it to the corpus: of kind `char` and `word` all that occurs.

    BPE is the default because SentencePiece's unigram trainer takes as candidates only substrings that two *different*
    words share: in a small corpus with few word forms, frequent words such as "and" never become pieces.
    """

    kind: Kind = "bpe"
    vocab_size: Annotated[int, msgspec.Meta(gt=EOS + 1)] | None = None  # the marks and one piece at least
    joint: bool = False
    normalization: Normalization = "nfc"
    pretokenizer: Pretokenizer = "none"
    jamo: bool = False
    split_digits: bool = False
    user_symbol: tuple[str, ...] = ()
    character_coverage: Share = 0.9995
    byte_fallback: bool = True
    sample_lines: Positive = 1_000_000
    seed: int = 1


def learn_vocabulary(lines: list[str], settings: TokenizerSettings, name: str) -> bytes:
    """Learn one SentencePiece model, fitting the vocabulary's size to what the text can fill; returns the model's bytes.

    Args:
        lines: as the tokenizer will give them to SentencePiece: in their Unicode form, cut into morphemes and jamo.

    Raises:
        BadInput: there is no text.
        RunFailed: SentencePiece refuses for a reason that another size does not mend.
    """
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
    console.info(f"tokenizer: {name}: {settings.kind}, {made:,} pieces{_note(made, lines, settings)}")
    return model


def default_size(lines: Iterable[str], settings: TokenizerSettings) -> int:
    """Choose a vocabulary size by the amount of text: one piece for every 40 running words, from 500 to 8,000.

    Of kind `word` it is every word, or the 100,000 most frequent.
    """
    if settings.kind == "word":
        return min(len(_different_words(lines)) + EOS + 1, MOST_WORDS)
    words = sum(len(line.split()) for line in lines)
    size = min(LARGEST_DEFAULT, max(SMALLEST_DEFAULT, words // WORDS_A_PIECE))
    return size + (BYTES if uses_bytes(settings) else 0) if size < LARGEST_DEFAULT else size


def uses_bytes(settings: TokenizerSettings) -> bool:
    """Tell whether the vocabulary holds the 256 byte pieces; SentencePiece has them for unigram and BPE only."""
    return settings.byte_fallback and settings.kind in ("unigram", "bpe")


def vocab_lines(model: bytes) -> Iterator[str]:
    """Yield the pieces with their scores, as in SentencePiece's `.vocab` files."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    for i in range(processor.vocab_size()):
        yield f"{processor.id_to_piece(i)}\t{processor.get_score(i):g}\n"


def describe(model: bytes, lines: list[str]) -> dict[str, float]:
    """Return the vocabulary's size and the tokens a word of some lines."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    sample = lines[:10_000]
    tokens = sum(len(ids) for ids in processor.encode(sample)) - sum(line.count(MARK) for line in sample)
    words = sum(len(line.split()) for line in sample)
    return {"vocab_size": processor.vocab_size(), "tokens_per_word": round(tokens / max(words, 1), 3)}


def _different_words(lines: Iterable[str]) -> set[str]:
    return {word for line in lines for word in line.split()}


def _note(made: int, lines: list[str], settings: TokenizerSettings) -> str:
    """Say why a vocabulary has the size it has, if not because it was asked for."""
    if made == settings.vocab_size:
        return ""
    if settings.vocab_size is None and settings.kind == "char":
        return " (every character that occurs)"
    if settings.vocab_size is None and settings.kind == "word":
        words = len(_different_words(lines))
        return f" (the most frequent of {words:,} words)" if made == MOST_WORDS else " (every word that occurs)"
    asked = f"asked for {settings.vocab_size:,}" if settings.vocab_size else f"up to {LARGEST_DEFAULT:,}"
    return f" ({asked}; fitted to {sum(len(line.split()) for line in lines):,} words)"


def _train(lines: list[str], settings: TokenizerSettings, size: int) -> bytes:
    model = io.BytesIO()
    # a line of characters has no blank before it; said to SentencePiece for these alone, as a model holds what was said
    no_blank: dict[str, Any] = {"add_dummy_prefix": False} if settings.kind == "char" else {}
    symbols = [*model_symbols(settings.user_symbol, settings.jamo), *([MARK] if settings.pretokenizer != "none" else [])]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        model_type=settings.kind,
        vocab_size=size,
        hard_vocab_limit=False,
        use_all_vocab=settings.vocab_size is None
        and (settings.kind == "char" or (settings.kind == "word" and size < MOST_WORDS)),
        character_coverage=1.0 if settings.kind == "word" else settings.character_coverage,  # else a word of rare ones is lost
        byte_fallback=uses_bytes(settings),
        split_digits=settings.split_digits,
        user_defined_symbols=symbols,
        normalization_rule_name="identity",  # NFC is applied before, see Tokenizer
        remove_extra_whitespaces=settings.kind == "word",  # of words white space is no part, see units.py
        max_sentence_length=1 << 20,
        num_threads=THREADS,
        pad_id=PAD,
        unk_id=UNK,
        bos_id=BOS,
        eos_id=EOS,
        unk_surface="\N{REPLACEMENT CHARACTER}",
        minloglevel=2,
        **no_blank,
    )
    return round_scores(model.getvalue()) if settings.kind == "unigram" else model.getvalue()


def _fitting_size(message: str, size: int, name: str) -> int:
    """Read from SentencePiece's refusal the size that it would accept."""
    too_high = re.search(r"set it to a value <= (\d+)", message)
    too_low = re.search(r"smaller than required_chars[^\d]*\d+ vs (\d+)", message)
    if too_high:
        return int(too_high[1])
    if too_low:
        return int(too_low[1]) + 1
    raise RunFailed(f"{name}: SentencePiece refused a vocabulary of {size}", cause=message.strip(), fix="see the cause")
