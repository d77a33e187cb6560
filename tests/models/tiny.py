"""Small models and batches, and the settings under which every architecture is tested."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any, Iterator, Literal, Sequence, get_args, get_origin

import msgspec
import pytest
import torch
from torch import Tensor

from nlpcli.models import ARCHITECTURES
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import Batch, pad
from nlpcli.tokenization.tokenizer import BOS, EOS

SMALL = {"d_embed": 12, "d_model": 16}
SRC_VOCAB, TGT_VOCAB = 23, 20

# Lengths differ within and across the sides; ids 0-3 are marks.
SRC = [[5, 9, 4], [7], [22, 21, 6, 8, 10, 11], [12, 13], [5, 9, 9, 4], [14, 7, 15], [16, 17, 18, 19, 20], [10, 4]]
TGT = [[4, 5, 6, 7], [8], [9, 10], [19, 12, 13, 14, 15], [4, 5, 5], [16, 17, 18], [8, 8, 4, 11, 6], [7, 13]]


def settings_of(config_class: Any) -> dict[str, list[Any]]:
    """Return every choice of an architecture with its values: those named by its types, and one or two layers."""
    choices: dict[str, list[Any]] = {}
    for field in msgspec.structs.fields(config_class):
        if field.type is bool:
            choices[field.name] = [False, True]
        elif get_origin(field.type) is Literal:
            choices[field.name] = list(get_args(field.type))
        elif field.name == "num_layers":
            choices[field.name] = [1, 2]
    return choices


def pairwise(choices: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Yield few combinations in which every two values of different choices meet at least once."""
    rows = [dict(zip(choices, values)) for values in product(*choices.values())]
    pairs = [set(combinations(row.items(), 2)) for row in rows]
    missing = set().union(*pairs)
    while missing:
        best = max(range(len(rows)), key=lambda i: len(pairs[i] & missing))
        missing -= pairs[best]
        yield rows[best]


def variants() -> list[Any]:
    """Return (architecture, settings) for pytest: every architecture there is, in combinations that cover all pairs."""
    return [
        pytest.param(name, row, id="-".join([name, *(f"{k}={v}" for k, v in row.items())]))
        for name, module in ARCHITECTURES.items()
        for row in pairwise(settings_of(module.Config))
    ]


def build(
    architecture: str, settings: dict[str, Any], *, vocab: tuple[int, int] | None = None, seed: int = 0
) -> TranslationModel:
    """Return a small model in eval mode; the same one for the same arguments."""
    module = ARCHITECTURES[architecture]
    known = {name: size for name, size in SMALL.items() if name in module.Config.__struct_fields__}
    joint = settings.get("tie_embeddings") == "all"
    torch.manual_seed(seed)
    model = module.build(
        module.Config(**{**known, **settings}), *(vocab or ((SRC_VOCAB,) * 2 if joint else (SRC_VOCAB, TGT_VOCAB)))
    )
    return model.eval()


def batch_of(src: Sequence[Sequence[int]] = SRC, tgt: Sequence[Sequence[int]] = TGT) -> Batch:
    """Set pairs side by side for teacher forcing."""
    src_bs, lengths_b = pad([[*ids, EOS] for ids in src])
    tgt_in, _ = pad([[BOS, *ids] for ids in tgt])
    tgt_out, _ = pad([[*ids, EOS] for ids in tgt])
    return Batch(src_bs, lengths_b, tgt_in, tgt_out)


def features_of(model: TranslationModel, batch: Batch) -> Tensor:
    """Return teacher-forced features [b, t, h]."""
    return model.decode(batch.tgt_in_bt, model.encode(batch.src_bs, batch.src_lengths_b))
