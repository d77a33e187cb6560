"""PyTorch behind the interface of engines: every architecture, every setting."""

from __future__ import annotations

import math
from typing import Sequence

import numpy as np
import torch

from nlpcli.decoding.engine import Engine, Hypothesis, Ids, Request
from nlpcli.decoding.ensemble import Ensemble
from nlpcli.decoding.greedy import write
from nlpcli.decoding.penalties import covered, no_attention, teacher_forced
from nlpcli.decoding.sampling import Draws
from nlpcli.decoding.search import beam_search
from nlpcli.decoding.settings import SearchSettings
from nlpcli.errors import RunFailed, UsageError
from nlpcli.models.base import TranslationModel
from nlpcli.tokenization.batches import pad


class TorchEngine(Engine):
    """Translation models that are on `device` already: one, or several whose probabilities are averaged."""

    name = "torch"

    def __init__(self, models: Sequence[TranslationModel], device: str = "cpu") -> None:
        model = models[0] if len(models) == 1 else Ensemble(models)
        self.device = torch.device(device)
        self.model = model.eval()
        self.aligns = self.model.aligns

    def search(self, request: Request, settings: SearchSettings) -> list[list[Hypothesis]]:
        """Return the hypotheses of each sentence, the best first; with `mbr`, its samples.

        Raises:
            UsageError: what `lacks` says.
            RunFailed: the model computes no numbers.
        """
        if not request.sources:
            return []
        if lacking := self.lacks(settings, request):
            raise UsageError("these settings cannot work together", cause=lacking, fix="leave one of them out")
        ids_bs, lengths_b = pad(request.sources)
        src_bs = ids_bs.to(self.device)
        read = self.model, src_bs, lengths_b, request, settings
        if settings.draws:
            samples = settings.mbr or settings.n_best
            found = write(*read, samples, Draws(request.sources, settings, samples, self.device))
        elif settings.beam_size == 1 and not any(map(any, request.required)):
            found = write(*read)
            if settings.coverage_penalty:
                found = covered(self.model, src_bs, lengths_b, found, settings)
        else:
            found = beam_search(*read)
        if not all(hypotheses and all(math.isfinite(h.score) for h in hypotheses) for hypotheses in found):
            raise RunFailed(
                "the model's scores are not numbers",
                cause="its weights are broken, or too large for their number format",
                fix="use --quantization float32, or train again",
            )
        return found

    @torch.inference_mode()
    def align(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        if not self.model.aligns:
            raise no_attention("an alignment", "do without alignments and --keep-tags")
        if not sources:
            return []
        src_bs, lengths_b = pad(sources)
        tgt_in_bt, steps_b = pad(teacher_forced(targets))
        memory = self.model.encode(src_bs.to(self.device), lengths_b)
        weights_bts = self.model.alignment(tgt_in_bt.to(self.device), memory).float().cpu().numpy()
        return [weights[:t, :s] for weights, t, s in zip(weights_bts, steps_b.tolist(), lengths_b.tolist())]

    def lacks(self, settings: SearchSettings, request: Request) -> str:
        lacking = []
        if settings.coverage_penalty and not self.model.aligns:
            lacking.append("--coverage-penalty needs a model with attention, and this one has none")
        if settings.coverage_penalty and settings.draws:
            lacking.append("--coverage-penalty is for search, not for sampling")
        if request.required and settings.draws:
            lacking.append("required words (a glossary) are searched for, they cannot be drawn")
        if request.required and settings.diverse_groups > 1:
            lacking.append("required words (a glossary) share out the beams themselves, so there can be no --diverse-groups")
        return "; ".join(lacking)
