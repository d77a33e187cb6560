"""What turns ids into ids: the interface that PyTorch and CTranslate2 both stand behind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Iterable, Iterator, NamedTuple, Sequence

import numpy as np

from nlpcli.decoding.settings import SearchSettings

Ids = list[int]


class Hypothesis(NamedTuple):
    """One translation: its ids without EOS, its score (length-penalised), and whether the length limit cut it off."""

    ids: Ids
    score: float
    cut: bool


class Request(NamedTuple):
    """Sentences to be translated together; the lists have an entry a sentence.

    Args:
        sources: ids ending with EOS.
        limits: the most tokens that each translation may have, EOS not counted.
        prefixes: what each translation begins with; none if empty.
        required: words, as ids, that must stand in each translation; none if empty.
        suppressed: words, as ids, that no translation may hold.
    """

    sources: Sequence[Ids]
    limits: Sequence[int]
    prefixes: Sequence[Ids] = ()
    required: Sequence[Sequence[Ids]] = ()
    suppressed: Sequence[Ids] = ()


class Engine(ABC):
    """A model ready to translate; `aligns` tells whether it has attention."""

    name: str
    aligns: bool = True

    @abstractmethod
    def search(self, request: Request, settings: SearchSettings) -> list[list[Hypothesis]]:
        """Return the hypotheses of each sentence, the best first, at most `beam_size` (or `n_best` samples) of them."""

    @abstractmethod
    def align(self, sources: Sequence[Ids], targets: Sequence[Ids]) -> list[np.ndarray]:
        """Return for each pair (each ending with EOS) the attention [t, s] that its target tokens pay to its source.

        Raises:
            UsageError: the model has no attention.
        """

    def map(self, requests: Iterable[Request], settings: SearchSettings) -> Iterator[list[list[Hypothesis]]]:
        """Search for request after request, in order; an engine with several workers asks for some of them ahead."""
        for request in requests:
            yield self.search(request, settings)

    def close(self) -> None:  # noqa: B027
        """End what the engine has started."""

    def lacks(self, settings: SearchSettings, request: Request) -> str:
        """Say what of the settings this engine cannot do; nothing if it can do all."""
        return ""
