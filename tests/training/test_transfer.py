"""Training that begins from word vectors, and training on drawn segmentations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nlpcli import artifacts
from nlpcli.embedding.mapping import map_vectors
from nlpcli.embedding.train import train_embedding
from nlpcli.errors import UsageError
from nlpcli.tokenization.batches import PairBatches, SubwordSampling
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.tokenization.train import train_tokenizer
from nlpcli.training.train import train

SMALL: dict[str, Any] = {"d_embed": 16, "d_model": 16, "batch_tokens": 512, "eval_sentences": 2, "eval_every": 1000}


@pytest.fixture(scope="module")
def vectors(tiny_corpus: Path, tiny_tokenizer: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Embedding artifacts of the two languages' pieces."""
    folder = tmp_path_factory.mktemp("vectors")
    options: dict[str, Any] = {"unit": "pieces", "tokenizer": tiny_tokenizer, "dim": 16, "epochs": 1, "min_count": 1}
    return {
        lang: train_embedding(data=str(tiny_corpus), lang=lang, out=folder / lang, workers=1, **options).path
        for lang in ("ko", "en")
    }


def trained(dataset: Path, out: str, **settings: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    path = train(architecture="attention", data=str(dataset), out=Path(out), **{**SMALL, **settings}).path
    return path, load_file(path / "last.safetensors")


def rows(dataset: Path, embedding: Path, language: str) -> tuple[np.ndarray, np.ndarray]:
    processor = Tokenizer.load(dataset / "tokenizer").of(language)
    mapped = map_vectors(embedding, [processor.id_to_piece(i) for i in range(processor.vocab_size())], 16)
    return mapped.vectors, mapped.found


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def test_frozen_vectors_stay_and_the_others_learn(tiny_dataset: Path, vectors: dict[str, Path]) -> None:
    given: dict[str, Any] = {"embeddings": [str(vectors["ko"]), str(vectors["en"])], "freeze_embeddings": True}
    path, few = trained(tiny_dataset, "few", max_steps=1, **given)
    _, more = trained(tiny_dataset, "more", max_steps=12, **given)
    for language, name in (("ko", "encoder.embed.weight"), ("en", "tgt_embed.weight")):
        matrix, found = rows(tiny_dataset, vectors[language], language)
        weight, after = few[name].numpy(), more[name].numpy()
        assert 0 < found.sum() < len(found)
        assert np.array_equal(weight[found], after[found])
        assert np.allclose(cosines(weight[found], matrix[found]), 1, atol=1e-5)
        assert not np.array_equal(weight[~found], after[~found])
    kinds = [i.kind for i in artifacts.read_artifact(path).manifest.inputs]
    assert kinds == ["dataset", "embedding", "embedding"]


def test_vectors_that_are_not_frozen_learn(tiny_dataset: Path, vectors: dict[str, Path]) -> None:
    _, made = trained(tiny_dataset, "model", max_steps=12, warmup_steps=0, learning_rate=0.01, embeddings=[str(vectors["ko"])])
    matrix, found = rows(tiny_dataset, vectors["ko"], "ko")
    near = cosines(made["encoder.embed.weight"].numpy()[found], matrix[found])
    assert np.median(near) > 0.9
    assert not np.allclose(near, 1, atol=1e-5)


def test_an_embedding_of_another_size_or_language_is_a_usage_error(tiny_dataset: Path, vectors: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="16 dimensions, the model 32"):
        trained(tiny_dataset, "model", d_embed=32, embeddings=[str(vectors["ko"])])
    Path("text.txt").write_text("a b c d e f\n" * 50, "utf-8")
    other = train_embedding(data="text.txt", lang="de", out=Path("de"), dim=16, epochs=1, min_count=1, workers=1)
    with pytest.raises(UsageError, match="which side of ko-en"):
        trained(tiny_dataset, "model", embeddings=[str(other.path)])


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_drawn_segmentations_are_the_same_text_and_follow_from_the_step(
    kind: str, tiny_corpus: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    from nlpcli.tokenization.encode import encode_dataset

    tokenizer = train_tokenizer(data=str(tiny_corpus), out=tmp_path / "tok", kind=kind).path  # type: ignore[arg-type]
    data = Dataset.load(encode_dataset(data=str(tiny_corpus), tokenizer=tokenizer, out=tmp_path / "set").path)
    sampling = SubwordSampling(data.tokenizer, ("ko", "en"), 0.3, seed=1)
    sides = data.side("train", "ko"), data.side("train", "en")
    batches = PairBatches(*sides, batch_tokens=512, max_length=256, seed=1, sampling=sampling)
    some = list(range(20))
    first, again, other, best = (batches.load(some, 7), batches.load(some, 7), batches.load(some, 8), batches.load(some))
    assert torch.equal(first.src_bs, again.src_bs)
    assert torch.equal(first.tgt_out_bt, again.tgt_out_bt)
    assert first.tgt_in_bt.shape != other.tgt_in_bt.shape or not torch.equal(first.tgt_in_bt, other.tgt_in_bt)
    for drawn in (first, other):
        for ids, of_best, language in ((drawn.src_bs, best.src_bs, "ko"), (drawn.tgt_out_bt, best.tgt_out_bt, "en")):
            assert data.tokenizer.decode(ids.tolist(), language) == data.tokenizer.decode(of_best.tolist(), language)
    assert first.tgt_in_bt.ne(0).sum() > best.tgt_in_bt.ne(0).sum()


def test_a_run_on_drawn_segmentations_is_reproducible(tiny_dataset: Path) -> None:
    made = [trained(tiny_dataset, name, max_steps=5, subword_sampling=0.2)[1] for name in ("one", "two")]
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])
    plain = trained(tiny_dataset, "plain", max_steps=5)[1]
    assert not torch.equal(made[0]["tgt_embed.weight"], plain["tgt_embed.weight"])
