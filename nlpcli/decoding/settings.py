"""How a translation is searched for: bounds, and the help that the command line shows.

Nothing here loads torch, so that `nlpcli translate --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from nlpcli.config import NotNegative, NotNegativeFloat, Positive, Share
from nlpcli.errors import UsageError

LengthPenaltyForm = Literal["wu", "marian"]
Stop = Literal["first", "best"]


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Beam search, sampling, or minimum Bayes risk over samples; beam 1 without sampling is greedy search."""

    beam_size: Annotated[Positive, Meta(description="Beams; 1 is greedy search.")] = 1
    n_best: Annotated[Positive, Meta(description="Hypotheses kept of each line.")] = 1
    length_penalty: Annotated[
        NotNegativeFloat,
        Meta(description="α: scores are divided by a power of the length; 0 compares plain log-probabilities."),
    ] = 1.0
    length_penalty_form: Annotated[
        LengthPenaltyForm, Meta(description="Divide by ((5 + n) / 6)^α (Wu et al. 2016), or by n^α (Marian).")
    ] = "wu"
    coverage_penalty: Annotated[
        NotNegativeFloat, Meta(description="β: take from a score what of the source was not attended to (Wu et al. 2016).")
    ] = 0.0
    stop: Annotated[
        Stop,
        Meta(description="End a line when as many hypotheses as beams have ended, or when no live one can become the best."),
    ] = "first"
    no_repeat_ngram: Annotated[NotNegative, Meta(description="Never write the same so many tokens twice; 0 allows it.")] = 0
    diverse_groups: Annotated[
        Positive, Meta(description="Groups that the beams are divided into, each told apart from those before it.")
    ] = 1
    diversity: Annotated[
        NotNegativeFloat, Meta(description="What a group pays for a token another group has chosen at this step.")
    ] = 0.5
    sample: Annotated[bool, Meta(description="Draw tokens instead of searching for the most probable.")] = False
    temperature: Annotated[float, Meta(gt=0, description="Sampling: divides the logits.")] = 1.0
    top_k: Annotated[NotNegative, Meta(description="Sampling: from the so many most probable tokens; 0 from all.")] = 0
    top_p: Annotated[Share, Meta(description="Sampling: from the most probable tokens with this probability together.")] = 1.0
    epsilon: Annotated[Share, Meta(description="Sampling: from tokens of at least this probability.")] = 0.0
    mbr: Annotated[
        NotNegative, Meta(description="Draw so many samples and take the one most alike to all, by chrF; 0 does not.")
    ] = 0
    seed: Annotated[NotNegative, Meta(description="Sampling: the same seed draws the same for the same line.")] = 1

    @property
    def draws(self) -> bool:
        """Tell whether tokens are drawn."""
        return self.sample or self.mbr > 0


def check_search(settings: SearchSettings) -> None:
    """Refuse settings that contradict each other, all of them at once.

    Raises:
        UsageError: one or more.
    """
    s, problems = settings, []
    width = s.mbr or (s.n_best if s.sample else s.beam_size)
    if s.n_best > width:
        problems.append(f"--n-best {s.n_best} needs --{'mbr' if s.mbr else 'beam-size'} {s.n_best}")
    if s.draws and s.beam_size > 1:
        problems.append("--beam-size is for search, not for sampling; how many samples there are is --n-best or --mbr")
    if s.beam_size % s.diverse_groups:
        problems.append(f"--diverse-groups {s.diverse_groups} does not divide --beam-size {s.beam_size}")
    if not s.draws and (s.temperature != 1.0 or s.top_k or s.top_p < 1.0 or s.epsilon):
        problems.append("--temperature, --top-k, --top-p and --epsilon need --sample or --mbr")
    if problems:
        raise UsageError("these settings cannot work", cause="; ".join(problems), fix="change the options named")
