"""Segmentations are drawn as SentencePiece draws them, but the same seed gives the same draw in every process."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import sentencepiece

from nlpcli.tokenization.sampling import BLANK, SubwordSampler
from nlpcli.tokenization.tokenizer import Tokenizer

Learn = Callable[..., Tokenizer]
WORDS = ["housework", "grandmother and", "12 songs!", "학교에서", "저는 집"]
DRAWS = 3000


def sampler(learnt: Learn, kind: str, language: str = "en") -> tuple[sentencepiece.SentencePieceProcessor, SubwordSampler]:
    tokenizer = learnt(kind=kind, vocab_size=1500, sample_lines=400)
    return tokenizer.of(language), SubwordSampler(tokenizer.of(language), kind)  # type: ignore[arg-type]


def distance(one: Counter[str], two: Counter[str]) -> float:
    """Return the total variation distance of two samples."""
    return sum(abs(one[key] / one.total() - two[key] / two.total()) for key in one | two) / 2


def noise(*samples: Counter[str]) -> float:
    """Return what two samples of one distribution differ by at most, but for one case in thousands."""
    seen = len(set().union(*samples))
    return 1.5 * math.sqrt(seen / DRAWS) + 0.02


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(("kind", "alpha"), [("bpe", 0.1), ("bpe", 0.5), ("unigram", 0.2), ("unigram", 1.0)])
def test_draws_are_distributed_as_sentencepieces(learnt: Learn, kind: str, alpha: float, word: str) -> None:
    processor, own = sampler(learnt, kind)
    rng = random.Random(1)
    ours = Counter(" ".join(own.sample(word, alpha, rng)) for _ in range(DRAWS))
    sampled = processor.encode([word] * DRAWS, out_type=str, enable_sampling=True, alpha=alpha, nbest_size=-1)
    theirs = Counter(" ".join(row) for row in sampled)
    assert distance(ours, theirs) < noise(ours, theirs)


def ways(word: str, known: Callable[[str], bool]) -> Iterator[list[str]]:
    """Yield every segmentation of a word into known pieces and single characters."""
    if not word:
        yield []
    for end in range(1, len(word) + 1):
        if end == 1 or known(word[:end]):
            yield from ([word[:end], *rest] for rest in ways(word[end:], known))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_a_unigram_way_is_as_likely_as_its_probability_to_the_power_of_alpha(learnt: Learn, alpha: float) -> None:
    _, own = sampler(learnt, "unigram")
    word = "songs"
    found = list(ways(BLANK + word, own.scores.__contains__))
    weights = [math.exp(alpha * sum(own.scores.get(piece, own.unknown) for piece in way)) for way in found]
    rng = random.Random(2)
    drawn = Counter(" ".join(own.sample(word, alpha, rng)) for _ in range(DRAWS))
    assert len(found) > 3
    for way, weight in zip(found, weights):
        expected = weight / sum(weights)
        deviation = math.sqrt(expected * (1 - expected) / DRAWS)
        assert abs(drawn[" ".join(way)] / DRAWS - expected) < 5 * deviation + 1e-9


def test_a_merge_is_dropped_with_the_probability_asked_for(learnt: Learn) -> None:
    _, own = sampler(learnt, "bpe")
    pair = next(
        piece
        for piece in own.scores
        if len(piece) == 2 and BLANK not in piece and not own.scores.keys() & {BLANK + piece, BLANK + piece[0]}
    )
    rng = random.Random(3)
    whole = sum(pair in own.sample(pair, 0.3, rng) for _ in range(DRAWS))
    assert abs(whole / DRAWS - 0.7) < 5 * math.sqrt(0.21 / DRAWS)


def test_without_dropout_bpe_is_the_best_segmentation(learnt: Learn, sentences: dict[str, list[str]]) -> None:
    for language in ("ko", "en"):
        processor, own = sampler(learnt, "bpe", language)
        lines = [*sentences[language], "  two  blanks ", "뷁 𝒳"]
        assert [own.sample(line, 0.0, random.Random(1)) for line in lines] == processor.encode(lines, out_type=str)


def test_symbols_are_never_cut(learnt: Learn) -> None:
    tokenizer = learnt(user_symbol=("<sep>", "<sep>x"), kind="unigram")
    own = SubwordSampler(tokenizer.of("en"), "unigram", ["<sep>", "<sep>x"])
    for seed in range(50):
        drawn = own.sample("a<sep>b<sep>x", 0.0, random.Random(seed))
        assert [piece for piece in drawn if "<" in piece] == ["<sep>", "<sep>x"]


def test_the_same_seed_draws_the_same_in_another_process(learnt: Learn, sentences: dict[str, list[str]]) -> None:
    tokenizer = learnt(kind="bpe")
    command = [sys.executable, "-m", "nlpcli", "tokenize", "encode", "--tokenizer", str(tokenizer.artifact.path)]
    command += ["--lang", "en", "--sample", "0.3", "--seed", "5"]
    text = "".join(f"{line}\n" for line in sentences["en"])
    runs = [subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs[0] == runs[1]
