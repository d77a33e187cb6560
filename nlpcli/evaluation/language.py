"""Perplexity of a language model, by token and in units that do not depend on the tokenizer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Sequence

import numpy as np
import torch

from nlpcli.artifacts import Artifact, Input
from nlpcli.corpus.text import find_text
from nlpcli.devices import pick_device
from nlpcli.errors import BadInput, UsageError
from nlpcli.evaluation.part import Part
from nlpcli.evaluation.scores import Group, Score
from nlpcli.models.base import LanguageModel
from nlpcli.models.load import load_model
from nlpcli.tokenization.blocks import BlockBatches
from nlpcli.tokenization.dataset import Side
from nlpcli.tokenization.tokenizer import Tokenizer


def read_splits(
    artifacts: Sequence[Artifact], data: str, names: Sequence[str], checkpoint: str, device: str, batch_tokens: int, out: Path
) -> tuple[list[Part], list[Input]]:
    """Measure a language model on splits of `data`: every token once, each line ended by EOS.

    A recurrent model reads the text as one stream and carries its state; a Transformer reads it in rows of
    `context_length` tokens, each begun anew.

    Raises:
        BadInput: a split is missing or empty.
        UsageError: there are several models.
    """
    if len(artifacts) > 1:
        raise UsageError("language models are measured one at a time", fix="give --model once")
    [artifact] = artifacts
    model, tokenizer = load_model(artifact, checkpoint)
    assert isinstance(model, LanguageModel)
    model.to(pick_device(device))
    text = find_text(data)
    parts = []
    for name in names:
        lines = list(text.lines(name))
        if not any(lines):
            raise BadInput(f"{text.path(name)} is empty", fix="choose another --split")
        nats, tokens = total_loss(model, tokenizer, lines, artifact.manifest.config, batch_tokens, device)
        words = sum(len(line.split()) for line in lines) + len(lines)  # the end of a line counts as a word
        characters = sum(map(len, lines)) + len(lines)
        values = (_exp(nats / tokens), _exp(nats / words), nats / characters / math.log(2))
        names_of = ("perplexity", "word perplexity", "bits per character")
        parts.append(Part(name, [Group("all", len(lines), [Score(m, v) for m, v in zip(names_of, values)])]))
    return parts, text.inputs(list(names), out)


@torch.no_grad()
def total_loss(
    model: LanguageModel, tokenizer: Tokenizer, lines: list[str], config: dict[str, int], batch_tokens: int, device: str
) -> tuple[float, int]:
    """Return the loss of a text in nats, and its number of tokens with EOS at each line's end."""
    ids, lengths = tokenizer.encode_flat(lines, tokenizer.languages[0])
    side = Side(ids, np.concatenate([[0], lengths.cumsum()]))
    streams = bool(model.carries)
    tokens = len(ids) + len(lines)
    context = config["context_length"]
    budget = context if streams else max(batch_tokens, context)  # one stream: no token is without its past
    batches = BlockBatches(side, batch_tokens=budget, context=context, seed=0, streams=streams)
    nats, count = 0.0, 0
    for rows in batches.in_order():
        batch = batches.load(rows)
        nats += float(model(batch.to(torch.device(pick_device(device)))))
        count += batch.count
    assert count == tokens
    return nats, count


def _exp(x: float) -> float:
    return math.exp(min(x, 700.0))
