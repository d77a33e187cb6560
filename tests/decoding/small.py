"""Models that have begun to learn something, and what is known of them without any search."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nlpcli.decoding.engine import Hypothesis, Request
from nlpcli.decoding.settings import SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
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


def search(
    model: TranslationModel,
    sources: list[list[int]],
    limits: list[int],
    *,
    prefixes: Any = (),
    required: Any = (),
    suppressed: Any = (),
    **options: Any,
) -> list[list[Hypothesis]]:
    """Search with `options`; as many hypotheses are kept as there are beams, if not told otherwise."""
    if "sample" not in options:
        options.setdefault("n_best", options.get("beam_size", 1))
    request = Request([[*ids, EOS] for ids in sources], limits, prefixes, required, suppressed)
    return TorchEngine([model]).search(request, SearchSettings(**options))


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


def rescored(model: TranslationModel, source: list[int], hypothesis: Hypothesis, alpha: float, form: str = "wu") -> float:
    """Return the score of a hypothesis by teacher forcing."""
    words = hypothesis.ids if hypothesis.cut else [*hypothesis.ids, EOS]
    total = sum(next_logprobs(model, source, words[:t])[word] for t, word in enumerate(words))
    return float(total / (((5 + len(words)) / 6) if form == "wu" else len(words)) ** alpha)


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
