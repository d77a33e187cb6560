"""CTranslate2 as an engine: Transformers on a CPU, several workers that share their weights. Nothing here loads torch.

Its beam search keeps the live hypotheses by plain log-probabilities and puts aside those that end among the k best, first
come, first served, as ours does; its penalty only sorts what has ended. So all of them are asked for, their log-probabilities
are taken back from the scores, and our own penalty sorts them. More hypotheses than beams may end, at the last step, and
CTranslate2 leaves out the worst; it is told to divide by a large negative power of the length, so that this is the least
probable one of the last step, which another of the same length beats under every penalty.

CTranslate2 has one length limit for a batch, and its own for input and output (1,024 and 256 tokens) where none is given:
here the longest of a batch is given, and a sentence that went beyond its own limit is searched for again with that.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict, deque
from pathlib import Path
from typing import Any, Iterable, Iterator, Literal, NamedTuple, Sequence, get_args

import msgspec
import numpy as np

from nlpcli.decoding.engine import Engine, Hypothesis, Ids, Request
from nlpcli.decoding.settings import Quantization, SearchSettings
from nlpcli.errors import ArtifactError, BadInput, Unavailable


def _prefer_avx512() -> None:
    """Have CTranslate2, which takes AVX2 on all processors but Intel's, use AVX-512 where there is one for int8: products in
    int8 are 5 to 10 % faster. It asks once, when it is loaded."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and "avx512_vnni" in cpuinfo.read_text("utf-8", "replace"):
        os.environ.setdefault("CT2_FORCE_CPU_ISA", "AVX512")


_prefer_avx512()
import ctranslate2  # noqa: E402

QUANTIZATIONS: tuple[Quantization, ...] = get_args(Quantization)
EOS = 3  # as in tokenizer.py, which loads SentencePiece
IMPOSSIBLE = -1e9  # CTranslate2 gives hypotheses that must not be a log-probability of -1e10
AHEAD = 2  # batches that each worker is given before the first result is asked for
LARGEST = 30.0  # decimal digits that a float32 score may have before the point


class _Found(NamedTuple):
    """A hypothesis with its EOS, if it has one, and its log-probability."""

    tokens: list[str]
    logprob: float


class Pending:
    """A batch that is being translated."""

    def __init__(self, engine: CTranslate2Engine, request: Request, settings: SearchSettings) -> None:
        self._engine, self._request, self._settings = engine, engine._fitting(request), settings
        self._started = engine._start(self._request, settings)

    def result(self) -> list[list[Hypothesis]]:
        """Wait for the batch; return the hypotheses of each sentence, the best first."""
        request, settings, engine = self._request, self._settings, self._engine
        longest = max(request.limits, default=1)
        power = _power(settings, longest)
        found = [_found(started.result(), power) for started in self._started]
        again: dict[int, list[int]] = defaultdict(list)
        for i, (hypotheses, limit) in enumerate(zip(found, request.limits)):
            if limit < longest and any(len(tokens) >= limit for tokens, _ in hypotheses):
                again[limit].append(i)
        for limit, rows in again.items():
            for i, started in zip(rows, engine._start(_part(request, rows), settings)):
                found[i] = _found(started.result(), _power(settings, limit))
        begun = engine._logprobs_of_prefixes(request)
        return [engine._hypotheses(row, settings, logprob) for row, logprob in zip(found, begun)]


class CTranslate2Engine(Engine):
    """A model that `nlpcli.export.ctranslate2` has written to `folder`.

    Args:
        compute_type: the number format to compute in; one in which this machine does.
        workers: batches translated side by side (`inter_threads`); submit at least as many.
        threads: of each worker (`intra_threads`).
        scores: False leaves out what only scores are needed for: greedy search is faster, and its scores are nan.

    Raises:
        ArtifactError: `folder` does not hold such a model.
        Unavailable: this machine does not have the device, or does not compute in this number format.
    """

    name = "ctranslate2"

    def __init__(
        self,
        folder: Path,
        *,
        compute_type: str = "float32",
        workers: int = 1,
        threads: int = 1,
        device: Literal["cpu", "cuda"] = "cpu",
        scores: bool = True,
    ) -> None:
        check_quantization(compute_type, device)
        try:
            src, tgt = _vocabularies(folder)
            self.longest: int | None = msgspec.json.decode((folder / "config.json").read_bytes())["max_positions"]
            self._translator = ctranslate2.Translator(
                str(folder),
                device=device,
                compute_type=compute_type,
                inter_threads=workers,
                intra_threads=threads,
                max_queued_batches=-1,
            )
        except (OSError, KeyError, msgspec.DecodeError, RuntimeError, ValueError) as e:
            raise ArtifactError(
                f"{folder} cannot be read by CTranslate2", cause=f"{type(e).__name__}: {e}"[:300], fix="export the model anew"
            ) from None
        self.compute_type, self.workers, self.scores = compute_type, workers, scores
        self._src_name, self._tgt_name = src.__getitem__, tgt.__getitem__
        self._tgt_id, self._eos = {name: i for i, name in enumerate(tgt)}.__getitem__, tgt[EOS]

    def search(self, request: Request, settings: SearchSettings) -> list[list[Hypothesis]]:
        return self.submit(request, settings).result()

    def submit(self, request: Request, settings: SearchSettings) -> Pending:
        """Begin to translate a batch, which goes to one worker as a whole, and return at once.

        The settings are ones that `lacks` has nothing against.

        Raises:
            BadInput: a source is longer than the model's positions.
        """
        return Pending(self, request, settings)

    def map(self, requests: Iterable[Request], settings: SearchSettings) -> Iterator[list[list[Hypothesis]]]:
        """Search for request after request, in order; the workers have two each to do."""
        waiting: deque[Pending] = deque()
        for request in requests:
            waiting.append(self.submit(request, settings))
            if len(waiting) >= AHEAD * self.workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def lacks(self, settings: SearchSettings, request: Request) -> str:
        return lacks(settings, request)

    def align(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        """Return for each pair the attention [t, s] of the last layer, the mean of its heads."""
        begun = [list(map(self._tgt_name, ids[:-1])) for ids in targets]
        results = self._translator.translate_batch(
            [list(map(self._src_name, ids)) for ids in sources],
            begun if any(begun) else None,
            beam_size=1,
            max_input_length=0,
            max_decoding_length=max(map(len, targets)),
            min_decoding_length=0,
            return_attention=True,
            return_end_token=True,
        )
        return [
            np.asarray(r.attention[0][: len(tgt)], np.float32) if len(src) > 1 else np.ones((len(tgt), 1), np.float32)
            for src, tgt, r in zip(sources, targets, results)
        ]

    def score(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        """Return the log-probabilities [t] of the targets' tokens (each ending with EOS), of the whole vocabulary's."""
        results = self._translator.score_batch(
            [list(map(self._src_name, ids)) for ids in sources],
            [list(map(self._tgt_name, ids[:-1])) for ids in targets],
            max_input_length=0,
        )
        return [np.asarray(result.log_probs, np.float32) for result in results]

    def _start(self, request: Request, settings: SearchSettings) -> list[Any]:
        beams, prefixes, longest = settings.beam_size, None, max(request.limits, default=1)
        if any(request.prefixes):
            prefixes = [list(map(self._tgt_name, ids)) or None for ids in request.prefixes]
        started: list[Any] = self._translator.translate_batch(
            [list(map(self._src_name, ids)) for ids in request.sources],
            prefixes,
            asynchronous=True,
            beam_size=beams,
            num_hypotheses=beams,
            length_penalty=-_power(settings, longest),
            no_repeat_ngram_size=settings.no_repeat_ngram,
            suppress_sequences=[list(map(self._tgt_name, ids)) for ids in request.suppressed if ids] or None,
            return_end_token=True,
            max_input_length=0,
            max_decoding_length=longest,
            min_decoding_length=0,
            return_scores=self.scores or beams > 1,
        )
        return started

    def _hypotheses(self, found: list[_Found], settings: SearchSettings, begun: float) -> list[Hypothesis]:
        """Return hypotheses sorted by our own penalty; one without EOS was cut off by the limit."""
        hypotheses = []
        for tokens, logprob in found:
            cut = bool(tokens) and tokens[-1] != self._eos  # of a source that is EOS alone, CTranslate2 makes nothing
            norm = settings.length_norm(max(len(tokens), 1))
            ids = list(map(self._tgt_id, tokens if cut else tokens[:-1]))
            hypotheses.append(Hypothesis(ids, (logprob + begun) / norm, cut))
        return sorted(hypotheses, key=lambda h: -h.score) if len(hypotheses) > 1 else hypotheses

    def _logprobs_of_prefixes(self, request: Request) -> list[float]:
        """Return the log-probability of what each translation begins with, which CTranslate2 leaves out of its scores."""
        if not self.scores or not any(request.prefixes):
            return [0.0] * len(request.sources)
        scored = self.score(request.sources, [[*ids, EOS] for ids in request.prefixes])
        return [float(logprobs[:-1].sum()) for logprobs in scored]

    def _fitting(self, request: Request) -> Request:
        """Refuse sources that the model has no positions for, and lower limits to where its positions end."""
        if self.longest is None:
            return request
        if (longest := max(map(len, request.sources), default=0)) > self.longest:
            raise BadInput(
                f"a text of {longest:,} tokens is too long for CTranslate2",
                cause=f"this model was exported with {self.longest:,} positions",
                fix="shorten or split the text, or use --engine torch",
            )
        return request._replace(limits=[min(limit, self.longest) for limit in request.limits])


def lacks(settings: SearchSettings, request: Request) -> str:
    """Say what of the settings CTranslate2 cannot do as PyTorch does; nothing if it can do all."""
    s = settings
    missing = [
        (s.draws, "sampling that a seed repeats"),
        (s.diverse_groups > 1, "diverse beams"),
        (s.coverage_penalty > 0, "Wu et al.'s coverage penalty"),
        (s.stop == "best" and s.beam_size > 1, "--stop best"),
        (len(request.prefixes) > 0 and s.beam_size > 1, "beginnings that are given, with several beams"),
        (len(request.required) > 0, "words that must stand in a translation"),
    ]
    return ", ".join(what for is_asked, what in missing if is_asked)


def _power(settings: SearchSettings, longest: int) -> float:
    """Return the power of the length that CTranslate2 multiplies log-probabilities by; greedy search has nothing to sort."""
    return float(int(LARGEST / math.log10(longest + 2))) if settings.beam_size > 1 else 0.0


def _found(result: Any, power: float) -> list[_Found]:
    """Take the power of the length out of the scores again."""
    scores = result.scores or [math.nan]
    rows = [_Found(tokens, score / max(len(tokens), 1) ** power) for tokens, score in zip(result.hypotheses, scores)]
    return [row for row in rows if not row.logprob < IMPOSSIBLE]


def _part(request: Request, rows: list[int]) -> Request:
    prefixes = [request.prefixes[i] for i in rows] if request.prefixes else ()
    return request._replace(
        sources=[request.sources[i] for i in rows], limits=[request.limits[i] for i in rows], prefixes=prefixes
    )


def _vocabularies(folder: Path) -> tuple[list[str], list[str]]:
    shared = folder / "shared_vocabulary.json"
    paths = [shared, shared] if shared.exists() else [folder / f"{side}_vocabulary.json" for side in ("source", "target")]
    src, tgt = (msgspec.json.decode(path.read_bytes(), type=list[str]) for path in paths)
    return src, tgt


def pick_device(device: str) -> Literal["cpu", "cuda"]:
    """Return `cpu` or `cuda` for auto, cpu or cuda, as CTranslate2 sees them."""
    return "cuda" if device == "cuda" or (device == "auto" and ctranslate2.get_cuda_device_count()) else "cpu"


def check_quantization(quantization: str, device: str) -> None:
    """Refuse a number format in which this machine does not compute.

    Raises:
        Unavailable: naming those in which it does.
    """
    if device == "cuda" and not ctranslate2.get_cuda_device_count():
        raise Unavailable(
            "--device cuda: CTranslate2 sees no CUDA device",
            cause="it needs an NVIDIA GPU and the CUDA 12 libraries",
            fix="use --device cpu, or --engine torch",
        )
    has = supported(device)
    if quantization not in has:
        raise Unavailable(
            f"--quantization {quantization}: CTranslate2 does not compute in it on this machine ({device})",
            cause=f"there are {', '.join(has)}",
            fix=f"use --quantization {'int8' if 'int8' in has else has[0]}",
        )


def supported(device: str) -> list[str]:
    """Return the number formats in which CTranslate2 computes on this machine."""
    found = ctranslate2.get_supported_compute_types(device)
    return [name for name in QUANTIZATIONS if name in found]
