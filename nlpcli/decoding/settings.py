"""How a translation is searched for: bounds, and the help that the command line shows.

Nothing here loads torch, so that `nlpcli translate --help` answers at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Union

import msgspec
from msgspec import Meta

from nlpcli.config import AttentionTier, NotNegative, NotNegativeFloat, Positive, Share
from nlpcli.errors import UsageError

LengthPenaltyForm = Literal["wu", "marian"]
Stop = Literal["first", "best"]
OnLong = Literal["split", "truncate", "error"]
EngineName = Literal["auto", "torch", "ctranslate2"]
Quantization = Literal["float32", "bfloat16", "int8", "int8_bfloat16", "float16", "int8_float16"]


class SearchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Beam search, sampling, or minimum Bayes risk over samples; beam 1 without sampling is greedy search."""

    beam_size: Annotated[Positive, Meta(description="Beams; 1 is greedy search.")] = 1
    n_best: Annotated[Positive, Meta(description="Hypotheses kept of each line.")] = 1
    length_penalty: Annotated[
        NotNegativeFloat,
        Meta(description="α: divides scores by a power of the length; 0 compares plain log-probabilities."),
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

    def length_norm(self, length: int) -> float:
        """Return what a log-probability is divided by; `length` counts the tokens with EOS.

        "wu" is ((5 + n) / 6)^α (Wu et al. 2016, eq. 14), "marian" is n^α, as in Marian and CTranslate2.
        """
        return float(((5 + length) / 6 if self.length_penalty_form == "wu" else length) ** self.length_penalty)


class TextSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is done to lines before and after the search."""

    on_long: Annotated[
        OnLong,
        Meta(description="Lines longer than the model reads: translate them in parts, leave out their end, or refuse them."),
    ] = "split"
    max_input_tokens: Annotated[
        Union[Positive, None], Meta(description="The longest line read at once; the longest of training if not given.")
    ] = None
    keep_tags: Annotated[
        bool, Meta(description="Keep markup (<b>, {0}, %s, addresses) out of the model, and put it back where it belongs.")
    ] = False
    glossary: Annotated[
        Union[Path, None], Meta(description="TSV of terms and their translations, which must stand in the output.")
    ] = None
    suppress_words: Annotated[Union[Path, None], Meta(description="File of words never to be written, one a line.")] = None
    prefixes: Annotated[
        Union[Path, None], Meta(description="File with a line for each line of the input: how its translation begins.")
    ] = None
    require_words: Annotated[
        Union[Path, None], Meta(description="File with a line for each line of the input: words to be used, between tabs.")
    ] = None


class FileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the files, and what else is written."""

    format: Annotated[
        Literal["auto", "text", "tsv", "csv", "jsonl", "srt", "po", "documents"],
        Meta(description="How the input is read and the output written; auto: by its ending."),
    ] = "auto"
    column: Annotated[
        Union[str, None], Meta(description="Tables and JSON Lines: the column to translate, by name or number from 1.")
    ] = None
    into: Annotated[
        Union[str, None], Meta(description="Tables and JSON Lines: the column to write; --column itself if not given.")
    ] = None
    again: Annotated[bool, Meta(description="PO: translate entries that have a translation, too.")] = False
    context: Annotated[
        Literal["line", "document"],
        Meta(description="document: translate a document's sentences together, with a model trained on documents."),
    ] = "line"
    details: Annotated[
        bool, Meta(description="Write JSON Lines: each line's hypotheses with their scores; --n-best 2 and more do so too.")
    ] = False
    alignment: Annotated[
        bool, Meta(description="With --details: which word was translated to which, from the model's attention.")
    ] = False
    attention: Annotated[bool, Meta(description="With --details: the attention of every target token.")] = False
    issues: Annotated[
        Union[Path, None], Meta(description="JSON Lines to write: every line that was cut, unknown, repeated, empty, …")
    ] = None
    strict: Annotated[bool, Meta(description="Exit 8 if there is an issue with any line; the output is written.")] = False
    shard: Annotated[
        Union[str, None], Meta(description="I/N: the Ith of N parts of the input alone, for arrays of jobs; cat joins them.")
    ] = None
    interactive: Annotated[bool, Meta(description="From stdin: translate each line as it comes.")] = False


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What computes, and on what."""

    engine: Annotated[
        EngineName, Meta(description="auto: CTranslate2 where it can do what is asked and gives the same, else PyTorch.")
    ] = "auto"
    quantization: Annotated[
        Quantization, Meta(description="Number format of the weights; what is not float32 is compared with it before use.")
    ] = "float32"
    workers: Annotated[
        Union[Positive, None], Meta(description="Sentences are shared among so many workers; all processors if not given.")
    ] = None
    threads: Annotated[Positive, Meta(description="Threads of a worker.")] = 1
    cluster: Annotated[
        Union[str, None], Meta(description="Work on a Ray cluster (extra [cluster]): local, ray://HOST:PORT or HOST:PORT.")
    ] = None
    batch_tokens: Annotated[
        Union[Positive, None],
        Meta(description="Tokens a batch, padding and beams included; PyTorch: 4096, CTranslate2: 1024 a beam if not given."),
    ] = None
    checkpoint: Annotated[Literal["best", "last"], Meta(description="Which weights of the model.")] = "best"
    device: Annotated[Literal["auto", "cpu", "cuda"], Meta(description="auto, cpu or cuda.")] = "auto"
    attention_tier: Annotated[
        AttentionTier, Meta(description="PyTorch, Transformers: what computes attention where it can; see nlpcli doctor.")
    ] = "auto"


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
