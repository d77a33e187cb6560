"""The batches of a split, by task."""

from __future__ import annotations

from nlpcli import console
from nlpcli.errors import BadInput
from nlpcli.models.config import Task
from nlpcli.tokenization.alignment import Alignments
from nlpcli.tokenization.batches import LabelledBatches, PairBatches, SubwordSampling
from nlpcli.tokenization.blocks import BlockBatches
from nlpcli.tokenization.dataset import Dataset
from nlpcli.training.settings import TrainSettings


def make_batches(
    dataset: Dataset, split: str, task: Task, settings: TrainSettings, streams: bool = False
) -> PairBatches | BlockBatches | LabelledBatches:
    """Return the batches of a split.

    Args:
        streams: a language model that carries its state reads the text in parallel streams, others in shuffled blocks.

    Raises:
        BadInput: the split has nothing to learn from.
    """
    tokens = settings.batch_tokens
    assert tokens != "auto", "to be found out before"
    if split not in dataset.splits:
        raise _unusable(dataset, split, "the split is missing")
    if task == "translation":
        return _pairs(dataset, split, settings, tokens)
    side = dataset.side(split, dataset.languages[0])
    s = settings
    if task == "lm":
        blocks = BlockBatches(side, batch_tokens=tokens, context=s.context_length, seed=s.seed, streams=streams)
        if not len(blocks.epoch(0)):
            raise _unusable(dataset, split, f"its text is shorter than --context-length {s.context_length} tokens")
        return blocks
    texts = LabelledBatches(side, dataset.label_ids(split), batch_tokens=tokens, max_length=s.max_length, seed=s.seed)
    if not len(texts.rows):
        raise _unusable(dataset, split, "all of its texts are empty")
    if len(texts.empty) or len(texts.cut):
        console.warn(
            f"{split}: {len(texts.cut):,} of {len(side):,} texts are longer than {s.max_length} tokens and are cut, "
            f"{len(texts.empty):,} are empty and are left out"
        )
    return texts


def _pairs(dataset: Dataset, split: str, settings: TrainSettings, batch_tokens: int) -> PairBatches:
    languages = dataset.src, dataset.tgt
    src, tgt = (dataset.side(split, language) for language in languages)
    sampling = None
    if settings.subword_sampling:
        sampling = SubwordSampling(dataset.tokenizer, languages, settings.subword_sampling, settings.seed)
    alignments = None
    if settings.guided_alignment and split == "train":
        if not (path := dataset.alignment(split)):
            raise BadInput(
                f"{dataset.artifact.path} has no alignment to guide attention by",
                cause="--guided-alignment needs train.align beside the training pairs, links such as 0-0 1-2 in each line",
                fix="align the text (fast_align, eflomal), put the file there and make the dataset anew",
            )
        alignments = Alignments(path, dataset.tokenizer, languages)
    batches = PairBatches(
        src,
        tgt,
        batch_tokens=batch_tokens,
        max_length=settings.max_length,
        seed=settings.seed,
        sampling=sampling,
        alignments=alignments,
    )
    if not len(batches.rows):
        cause = f"all are empty on one side or longer than --max-length {settings.max_length} tokens"
        raise _unusable(dataset, split, cause)
    if len(batches.empty) or len(batches.too_long):
        console.warn(
            f"{split}: {len(batches.too_long):,} of {len(batches.src):,} pairs are longer than {settings.max_length} tokens "
            f"and {len(batches.empty):,} have an empty side; they are left out"
        )
    return batches


def _unusable(dataset: Dataset, split: str, cause: str) -> BadInput:
    files = " and ".join(f"{split}.{language}" for language in dataset.languages)
    return BadInput(
        f"{dataset.artifact.path} has nothing to learn from in its split {split}",
        cause=cause,
        fix=f"add {files} to the data, or change the option named",
    )
