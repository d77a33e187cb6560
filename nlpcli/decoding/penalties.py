"""What is added to a translation's log-probability or divided out of it, so that lengths can be compared."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor

from nlpcli.decoding.engine import Hypothesis
from nlpcli.decoding.settings import SearchSettings
from nlpcli.errors import UsageError
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import pad
from nlpcli.tokenization.tokenizer import BOS, EOS

LEAST = 1e-9  # what a place that was never looked at counts as: its logarithm must be finite


@torch.inference_mode()
def covered(
    model: TranslationModel,
    src_bs: Tensor,
    lengths_b: Tensor,
    found: Sequence[Sequence[Hypothesis]],
    settings: SearchSettings,
) -> list[list[Hypothesis]]:
    """Add the coverage penalty to ended hypotheses, and sort them anew: β · Σ over the source of log min(attention, 1).

    Wu et al. 2016, eq. 14. The attention is read from all tokens at once, when the search is over; it does not say which
    hypotheses live.
    """
    memory = model.encode(src_bs, lengths_b)
    scored: list[list[Hypothesis]] = [[] for _ in found]
    for rank in range(max(map(len, found))):
        rows = [b for b, hypotheses in enumerate(found) if rank < len(hypotheses)]
        chosen = [found[b][rank] for b in rows]
        rows_b = torch.tensor(rows, device=src_bs.device)
        tgt_in_bt, tgt_lengths = pad([[BOS, *h.ids] for h in chosen])
        weights_bts = model.alignment(tgt_in_bt.to(src_bs.device), model.select(memory, rows_b))
        steps = tgt_lengths - torch.tensor([h.cut for h in chosen]).long()  # one that was cut off has not written EOS
        real_bt = torch.arange(tgt_in_bt.size(1)) < steps[:, None]
        paid_bs = (weights_bts * real_bt.to(weights_bts.device)[..., None]).sum(1)
        logs_bs = paid_bs.clamp(LEAST, 1.0).log().masked_fill(src_bs[rows_b].eq(0), 0.0)
        for b, h, penalty in zip(rows, chosen, logs_bs.sum(1).tolist()):
            scored[b].append(h._replace(score=h.score + settings.coverage_penalty * penalty))
    return [sorted(hypotheses, key=lambda h: -h.score) for hypotheses in scored]


def no_attention(what: str, fix: str) -> UsageError:
    """Return the error for what a model without attention cannot do."""
    return UsageError(
        f"{what} needs a model that looks at single words of its source",
        cause="this model reads it into one vector and has no attention",
        fix=f"{fix}, or use a model of nlpcli train attention or nlpcli train transformer",
    )


def teacher_forced(targets: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return what the decoder reads to write each target, which ends with EOS."""
    assert all(ids and ids[-1] == EOS for ids in targets)
    return [[BOS, *ids[:-1]] for ids in targets]
