"""Search over the protocol, against enumeration and against plain loops that know no batch, no beam rows and no state."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nlpcli.decoding.search import Hypothesis, beam_search
from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.models.config import CONFIGS
from nlpcli.models.load import build_model
from nlpcli.tokenization.batches import Batch, pad
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD

SRC = [[5, 4, 6], [7], [9, 8, 5, 4, 7, 6], [4, 4], [8, 9, 10, 11], [11, 6, 5], [10, 7, 9, 8, 8]]
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("seq2seq", {"cell": "lstm"}),
    "gru": ("seq2seq", {"cell": "gru", "context": "first"}),
    "additive": ("attention", {"attention": "additive"}),
    "input-feeding": ("attention", {"cell": "lstm", "attention": "dot", "input_feeding": True}),
    "coverage": ("attention", {"attention": "concat", "coverage": True}),
    "transformer": ("transformer", {"encoder_layers": 1, "decoder_layers": 2, "positions": "rotary"}),
}
EITHER = pytest.mark.parametrize("kind", MODELS)


@cache
def build(kind: str, vocab: int = 14, eos: float = 0.0) -> Any:
    """Return a model that has begun to learn to copy: it has preferences, and ends sentences at different lengths.

    `eos` makes it end them more (> 0) or less readily.
    """
    architecture, options = MODELS[kind]
    sizes = {"d_ff": 8, "num_heads": 2} if architecture == "transformer" else {"d_embed": 8}
    config: Any = CONFIGS[architecture](d_model=8, tie_embeddings="none", dropout=0.0, **sizes, **options)
    torch.manual_seed(5)
    model = build_model(architecture, config, "translation", 14, vocab).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    tgt = [[4 + i % (vocab - 4) for i in ids] for ids in SRC]
    src_bs, lengths_b = pad([[*ids, EOS] for ids in SRC])
    batch = Batch(src_bs, lengths_b, pad([[BOS, *ids] for ids in tgt])[0], pad([[*ids, EOS] for ids in tgt])[0])
    for _ in range(30):
        optimizer.zero_grad()
        model(batch).backward()
        optimizer.step()
    with torch.no_grad():
        model.output.bias[EOS] += eos
    return model.eval()


def search(model: TranslationModel, sources: list[list[int]], limits: list[int], **options: Any) -> list[list[Hypothesis]]:
    src_bs, lengths_b = pad([[*ids, EOS] for ids in sources])
    return beam_search(model, src_bs, lengths_b, limits=limits, **options)


@cache
@torch.no_grad()
def read_again(model: TranslationModel, source: tuple[int, ...], prefix: tuple[int, ...]) -> list[float]:
    src_bs, lengths_b = pad([[*source, EOS]])
    logits = model.output(model.decode(torch.tensor([[BOS, *prefix]]), model.encode(src_bs, lengths_b))[0, -1])
    logits[[PAD, BOS]] = float("-inf")
    return [float(x) for x in logits.log_softmax(-1)]


def next_logprobs(model: TranslationModel, source: list[int], prefix: list[int]) -> list[float]:
    """Return log p of every next token, from the whole prefix; padding and BOS can never be written."""
    return read_again(model, tuple(source), tuple(prefix))


def rescored(model: TranslationModel, source: list[int], hypothesis: Hypothesis, alpha: float) -> float:
    """Return the score of a hypothesis by teacher forcing."""
    words = hypothesis.ids if hypothesis.cut else [*hypothesis.ids, EOS]
    total = sum(next_logprobs(model, source, words[:t])[word] for t, word in enumerate(words))
    return float(total / ((5 + len(words)) / 6) ** alpha)


def naive_beam_search(model: TranslationModel, source: list[int], limit: int, k: int, alpha: float) -> list[Hypothesis]:
    """The search of one sentence with lists: k hypotheses that go on, ends among the k best, over when k have ended."""

    def score(logprob: float, length: int) -> float:
        return float(logprob / ((5 + length) / 6) ** alpha)

    live: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[Hypothesis] = []
    for length in range(1, limit + 1):
        grown = [
            (s + p, [*ids, w])
            for s, ids in live
            for w, p in enumerate(next_logprobs(model, source, ids))
            if w not in (PAD, BOS)
        ]
        best = sorted(grown, key=lambda candidate: -candidate[0])[: 2 * k]
        ended += [Hypothesis(ids[:-1], score(s, length), False) for s, ids in best[:k] if ids[-1] == EOS]
        live = [candidate for candidate in best if candidate[1][-1] != EOS][:k]
        if len(ended) >= k:
            break
    else:
        ended += [Hypothesis(ids, score(s, limit), True) for s, ids in live[: k - len(ended)]]
    return sorted(ended, key=lambda h: -h.score)[:k]


def assert_same(found: list[Hypothesis], expected: list[Hypothesis]) -> None:
    assert [(h.ids, h.cut) for h in found] == [(h.ids, h.cut) for h in expected]
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@EITHER
def test_a_beam_as_wide_as_the_space_finds_what_enumeration_finds(kind: str, alpha: float) -> None:
    model = build(kind, vocab=6)
    words, limits = [w for w in range(6) if w not in (PAD, BOS, EOS)], [4, 1, 3]
    space = len(words) ** 4 + sum(len(words) ** n for n in range(4))
    found = search(model, SRC[:3], limits, beam_size=space, length_penalty=alpha)
    for source, limit, hypotheses in zip(SRC, limits, found):
        every = [Hypothesis(list(ids), 0.0, cut=n == limit) for n in range(limit + 1) for ids in product(words, repeat=n)]
        ranked = [h._replace(score=rescored(model, source, h, alpha)) for h in every]
        assert_same(hypotheses, sorted(ranked, key=lambda h: -h.score))


@EITHER
def test_one_beam_is_the_argmax_loop(kind: str) -> None:
    model = build(kind)
    found = search(model, SRC, [8] * len(SRC))
    for source, [hypothesis] in zip(SRC, found):
        ids: list[int] = []
        while len(ids) < 8 and EOS not in ids:
            logprobs = next_logprobs(model, source, ids)
            ids.append(logprobs.index(max(logprobs)))
        assert hypothesis.ids == [word for word in ids if word != EOS]
        assert hypothesis.cut == (EOS not in ids)
        assert hypothesis.score == pytest.approx(rescored(model, source, hypothesis, 1.0), abs=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beam_size", [2, 3, 5])
@EITHER
def test_it_is_the_naive_beam_search(kind: str, beam_size: int, alpha: float) -> None:
    model = build(kind)
    limits = [7, 3, 7, 5, 1, 7, 6]
    found = search(model, SRC, limits, beam_size=beam_size, length_penalty=alpha)
    for source, limit, hypotheses in zip(SRC, limits, found):
        assert_same(hypotheses, naive_beam_search(model, source, limit, beam_size, alpha))


LIMITS = [9, 2, 12, 5, 7, 1, 10]


@cache
def alone(beam_size: int) -> list[list[Hypothesis]]:
    return [search(build("additive"), [s], [limit], beam_size=beam_size)[0] for s, limit in zip(SRC, LIMITS)]


@settings(max_examples=30)
@given(order=st.lists(st.integers(0, len(SRC) - 1), min_size=1, max_size=10), beam_size=st.sampled_from([1, 4]))
def test_company_and_order_change_no_translation(order: list[int], beam_size: int) -> None:
    """Sentences end at different steps, so this also says that one leaving the batch disturbs no other."""
    found = search(build("additive"), [SRC[i] for i in order], [LIMITS[i] for i in order], beam_size=beam_size)
    for i, hypotheses in zip(order, found):
        assert_same(hypotheses, alone(beam_size)[i])


def test_these_sentences_end_at_different_steps() -> None:
    assert len({len(hypotheses[0].ids) for hypotheses in alone(1)}) >= 4
    assert {h.cut for hypotheses in alone(4) for h in hypotheses} == {True, False}


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@EITHER
def test_the_n_best_are_sorted_distinct_and_rightly_scored(kind: str, alpha: float) -> None:
    model = build(kind)
    for source, hypotheses in zip(SRC, search(model, SRC, [6] * len(SRC), beam_size=5, length_penalty=alpha)):
        scores = [h.score for h in hypotheses]
        assert len(hypotheses) == 5
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(h.ids) for h in hypotheses}) == 5
        assert scores == pytest.approx([rescored(model, source, h, alpha) for h in hypotheses], abs=1e-5)


@pytest.mark.parametrize("beam_size", [1, 3])
@EITHER
def test_padding_and_bos_are_never_written(kind: str, beam_size: int) -> None:
    model = deepcopy(build(kind))
    with torch.no_grad():
        model.output.bias[[PAD, BOS]] += 100.0
    for hypotheses in search(model, SRC, [6] * len(SRC), beam_size=beam_size):
        assert all(word not in (PAD, BOS, EOS) for h in hypotheses for word in h.ids)
        assert all(h.score > -90 for h in hypotheses)  # what cannot be written takes no probability away


@pytest.mark.parametrize("beam_size", [1, 3])
def test_hypotheses_stop_at_their_limit_and_say_so(beam_size: int) -> None:
    model = build("additive", eos=-100.0)
    for limit, hypotheses in zip(LIMITS, search(model, SRC, LIMITS, beam_size=beam_size)):
        assert {(len(h.ids), h.cut) for h in hypotheses} == {(limit, True)}


def test_what_ends_by_itself_is_not_called_cut() -> None:
    model = build("additive", eos=100.0)
    for hypotheses in search(model, SRC, LIMITS, beam_size=1):
        assert (hypotheses[0].ids, hypotheses[0].cut) == ([], False)
        assert hypotheses[0].score == pytest.approx(0.0, abs=1e-5)


def test_more_beams_than_words_leave_no_gap() -> None:
    model = build("additive", vocab=5)
    [hypotheses] = search(model, SRC[:1], [2], beam_size=50)
    assert sorted(h.ids for h in hypotheses) == sorted([[], [1], [4], [1, 1], [1, 4], [4, 1], [4, 4]])
    assert all(h.score > float("-inf") for h in hypotheses)


class Scripted(TranslationModel):
    """Writes what its table says, whatever the source: `table[t]` are the probabilities of the words at step t."""

    def __init__(self, table: list[dict[int, float]], vocab: int = 8) -> None:
        super().__init__()
        self.logits = torch.full((len(table), vocab), -1e9)
        for t, row in enumerate(table):
            for word, probability in row.items():
                self.logits[t, word] = torch.tensor(probability).log()
        self.output = nn.Linear(vocab, vocab, bias=False)
        nn.init.eye_(self.output.weight)
        self.embed = nn.Embedding(vocab, 1)
        self.steps = 0

    def embeddings(self) -> tuple[nn.Embedding, nn.Embedding]:
        return self.embed, self.embed

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        return {"sentence": src_bs[:, 0]}

    def start(self, memory: Memory, beams: int) -> State:
        return {"t": torch.zeros(len(memory["sentence"]) * beams, dtype=torch.long)}

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        self.steps += 1
        return self.logits[state["t"]], {"t": state["t"] + 1}

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        raise NotImplementedError


def test_the_length_penalty_counts_eos() -> None:
    model = Scripted([{4: 1.0}, {5: 0.5, 6: 0.3, 7: 0.2}, {EOS: 1.0}])
    [[hypothesis]] = search(model, [[4]], [9], length_penalty=1.0)
    assert hypothesis.ids == [4, 5]
    assert hypothesis.score == pytest.approx(float(torch.tensor(0.5).log()) / ((5 + 3) / 6), abs=1e-6)


@pytest.mark.parametrize(("alpha", "length"), [(0.0, 1), (2.0, 5)])
def test_a_length_penalty_favours_longer_translations(alpha: float, length: int) -> None:
    """After one word, the end has 0.55 and four more words together 0.45: they win when length is made up for."""
    table = [{4: 1.0}, {EOS: 0.55, 6: 0.45}, {7: 1.0}, {7: 1.0}, {7: 1.0}, {EOS: 1.0}]
    [[first, *_]] = search(Scripted(table), [[4]], [9], beam_size=2, length_penalty=alpha)
    assert len(first.ids) == length


def test_a_beam_finds_what_greed_passes_by() -> None:
    """A word at 0.6 leads nowhere good; the one at 0.4 leads to a sure end."""

    class Garden(Scripted):
        def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
            rows = torch.where(tokens_n.eq(4), 1, torch.where(tokens_n.eq(BOS), 0, 2))
            return self.logits[rows], {"t": state["t"] + 1}

    model = Garden([{4: 0.6, 5: 0.4}, {EOS: 0.3, 6: 0.3, 7: 0.4}, {EOS: 1.0}])
    [[greedy]] = search(model, [[4]], [9], length_penalty=0.0)
    [[found, *_]] = search(model, [[4]], [9], beam_size=2, length_penalty=0.0)
    assert greedy.ids == [4, 7]
    assert found.ids == [5]
    assert found.score > greedy.score


def test_search_is_over_when_the_beam_has_ended() -> None:
    model = Scripted([{4: 0.6, 5: 0.4}, {EOS: 1.0}, {7: 1.0}, {7: 1.0}])
    [hypotheses] = search(model, [[4]], [50], beam_size=2)
    assert [h.ids for h in hypotheses] == [[4], [5]]
    assert model.steps == 2


def test_a_search_leaves_the_model_as_it_was() -> None:
    model = build("additive")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = search(model, SRC, LIMITS, beam_size=3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert search(model, SRC, LIMITS, beam_size=3) == first
    assert torch.is_grad_enabled()
