"""Begin from what was trained before: a whole model (`--from-model DIR`) or word vectors (`--embeddings DIR`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from nlpcli import artifacts, console
from nlpcli.embedding.mapping import map_vectors
from nlpcli.errors import UsageError
from nlpcli.models.base import Model
from nlpcli.models.config import Config
from nlpcli.models.load import build_model, sizes
from nlpcli.tokenization.dataset import Dataset
from nlpcli.tokenization.tokenizer import Tokenizer
from nlpcli.training.averaging import same_shapes, shapes, shapes_in
from nlpcli.training.settings import TrainSettings

SAME = ("task", "src", "tgt", "lang", "labels", "tokenizer_id")  # what a model that goes on learning must have in common


def check_shapes(architecture: str, config: Config, path: str) -> None:
    """Refuse, before text is read, settings for which the weights of the model at `path` do not fit.

    Raises:
        ArtifactError: its weights have other shapes.
    """
    found = artifacts.open_artifact(path, "model")
    before, tokenizer = found.manifest.config, Tokenizer.load(found.path / "tokenizer")
    with torch.device("meta"):
        model = build_model(architecture, config, before["task"], *sizes(tokenizer, len(before.get("labels", []))))
    weights = shapes_in(found.path / "model.safetensors")
    fix = "leave out the settings of the model's size: they are taken from it"
    same_shapes(path, "the model to be trained", weights, shapes(dict(model.named_parameters())), fix)


def load_weights(model: Model, config: dict[str, Any], path: str) -> None:
    """Copy the weights of the model at `path`, the best ones, into a new one with the resolved settings `config`.

    Raises:
        UsageError: its ids, languages, labels or task are others, so that its weights would stand for something else.
    """
    found = artifacts.open_artifact(path, "model")
    before = {name: found.manifest.config.get(name) for name in SAME}
    if differing := [f"{k}: {v} there, {config.get(k)} here" for k, v in before.items() if v != config.get(k)]:
        raise UsageError(
            f"--from-model {path} has learnt from other data than this",
            cause="; ".join(differing),
            fix=f"give text, or a dataset made with --tokenizer {path}/tokenizer",
        )
    weights = load_file(found.path / "model.safetensors")
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(weights[name])
    console.info(f"begins from {path}, step {found.manifest.metrics['best_step']:,}")


def load_embeddings(model: Model, dataset: Dataset, settings: TrainSettings) -> list[tuple[nn.Embedding, Tensor]]:
    """Copy pretrained vectors into the model's embeddings, each into the side of its language; return which rows.

    The vectors are scaled, all by one factor, to the standard deviation that fresh embeddings have: word2vec's are several
    times as long, and would drown what the cell says (and, shared with the output layer, blow up its logits).

    Raises:
        UsageError: an embedding of another language or another size.
    """
    found = []
    for path in settings.embeddings:
        language = _language(path, dataset)
        layer = dict(zip(dataset.languages, model.embeddings()))[language]
        processor = dataset.tokenizer.of(language)
        pieces = [processor.id_to_piece(i) for i in range(processor.vocab_size())]
        mapped = map_vectors(Path(path), pieces, layer.embedding_dim)
        rows, vectors = torch.from_numpy(mapped.found).nonzero()[:, 0], torch.from_numpy(mapped.vectors)
        with torch.no_grad():
            layer.weight[rows] = (vectors[rows] * (layer.embedding_dim**-0.5 / vectors[rows].std())).to(layer.weight)
        found.append((layer, rows))
        console.info(
            f"embeddings: {language}: {len(rows):,} of {len(pieces):,} pieces from {path}"
            f"{', frozen' if settings.freeze_embeddings else ''}"
        )
    return found


def _language(path: str, dataset: Dataset) -> str:
    found = artifacts.read_artifact(path, "embedding").manifest.config["language"]
    if len(dataset.languages) == 1:
        return dataset.languages[0]
    if found not in dataset.languages:
        raise UsageError(
            f"--embeddings {path}: which side of {'-'.join(dataset.languages)} is it for?",
            cause=f"its language is {found or 'not known'}",
            fix=f"train it with {' or '.join(f'--lang {language}' for language in dataset.languages)}",
        )
    return str(found)


def freeze(pretrained: list[tuple[nn.Embedding, Tensor]], optimizer: torch.optim.Optimizer) -> None:
    """Put these rows back after every step, so that they stay as they are to the last bit while the others are learnt.

    Where the output layer shares them (`tie_embeddings`), its rows stay as well.
    """
    kept = [(layer, rows, layer.weight.detach()[rows].clone()) for layer, rows in pretrained]

    @torch.no_grad()
    def put_back(*_: Any) -> None:
        for layer, rows, vectors in kept:
            layer.weight[rows] = vectors

    optimizer.register_step_post_hook(put_back)
