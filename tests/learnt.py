"""A model that knows eight sentences by heart: what it translates them to is known beforehand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest


@dataclass(frozen=True)
class Learnt:
    """The model artifact, and the Korean sentences it knows with their English."""

    path: Path
    src: list[str]
    tgt: list[str]


@pytest.fixture(scope="session")
def learnt(tiny_corpus: Path, tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    """Return a small attention model that has been trained until it gives eight pairs of `tiny_corpus` back; read only.

    Its last weights are fresh ones, so that they can be told from the best.
    """
    import torch

    from nlpcli import artifacts
    from nlpcli.models.config import AttentionConfig
    from nlpcli.models.load import build_model, sizes
    from nlpcli.tokenization.batches import Batch, pad
    from nlpcli.tokenization.tokenizer import BOS, EOS, Tokenizer
    from nlpcli.training.checkpoint import save_weights

    tokenizer = Tokenizer.load(tiny_tokenizer)
    src, tgt = zip(*_pairs(tiny_corpus, 8))
    src_ids, tgt_ids = tokenizer.encode(src, "ko"), tokenizer.encode(tgt, "en")
    src_bs, lengths_b = pad([[*ids, EOS] for ids in src_ids])
    batch = Batch(src_bs, lengths_b, pad([[BOS, *ids] for ids in tgt_ids])[0], pad([[*ids, EOS] for ids in tgt_ids])[0])
    config = AttentionConfig(d_embed=24, d_model=32, dropout=0.0)
    torch.manual_seed(3)
    model = build_model("attention", config, "translation", *sizes(tokenizer))
    facts = {"architecture": "attention", "src": "ko", "tgt": "en", "tokenizer_id": tokenizer.id}
    out = tmp_path_factory.mktemp("learnt") / "model"
    with artifacts.create(out, "model", command="nlpcli train attention", config=facts | msgspec.to_builtins(config)) as draft:
        save_weights(draft.path / "last.safetensors", dict(model.named_parameters()))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(300):
            optimizer.zero_grad()
            loss = model(batch) / batch.count
            if loss < 0.05:
                break
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        save_weights(draft.path / "model.safetensors", dict(model.named_parameters()))
        shutil.copytree(tiny_tokenizer, draft.path / "tokenizer")
        draft.publish()
    return Learnt(out, list(src), list(tgt))


def _pairs(corpus: Path, count: int) -> list[tuple[str, str]]:
    """Return the shortest pairs of the training split, no line twice."""
    sides = [(corpus / f"train.{language}").read_text("utf-8").splitlines() for language in ("ko", "en")]

    def unseen() -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for pair in sorted(zip(*sides), key=lambda pair: len(pair[1])):
            if seen.isdisjoint(pair):
                seen.update(pair)
                yield pair

    return [pair for pair, _ in zip(unseen(), range(count))]
