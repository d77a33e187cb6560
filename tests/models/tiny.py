"""Small models and batches, and the settings under which every architecture is tested."""

from __future__ import annotations

from itertools import combinations, product
from typing import Annotated, Any, Iterator, Literal, Sequence, get_args, get_origin

import msgspec
import pytest
import torch
from torch import Tensor

from nlpcli.errors import UsageError
from nlpcli.models.config import CONFIGS, TASKS, Task
from nlpcli.models.load import build_model, check
from nlpcli.tokenization.batches import Batch, TextBatch, pad
from nlpcli.tokenization.blocks import BlockBatch
from nlpcli.tokenization.tokenizer import BOS, EOS

SMALL = {"d_embed": 12, "d_model": 16, "d_ff": 24, "max_positions": 40, "num_filters": 7}
SMALL_LM = {**SMALL, "d_embed": 16}  # embedding and output may be tied
SRC_VOCAB, TGT_VOCAB, CLASSES = 23, 20, 4
CHOICES: dict[str, list[Any]] = {
    "num_layers": [1, 2],
    "encoder_layers": [1, 2],
    "decoder_layers": [1, 2],
    "num_kv_heads": [None, 2, 1],
    "attention_window": [None, 2],
    "widths": [(3, 4, 5), (3, 3), (1, 7)],
}
USED_BY: dict[tuple[str, Task], set[str]] = {  # of architectures whose settings are for several tasks
    ("rnn", "lm"): {"cell", "num_layers", "variational_dropout", "tie_embeddings"},
    ("rnn", "classify"): {"cell", "num_layers", "variational_dropout", "bidirectional", "pooling"},
    ("transformer", "lm"): {
        "num_kv_heads",
        "attention_window",
        "norm",
        "norm_place",
        "activation",
        "positions",
        "tie_embeddings",
    },
    ("transformer", "classify"): {"num_kv_heads", "attention_window", "norm", "norm_place", "activation", "positions"},
}

# Lengths differ within and across the sides; ids 0-3 are marks.
SRC = [[5, 9, 4], [7], [22, 21, 6, 8, 10, 11], [12, 13], [5, 9, 9, 4], [14, 7, 15], [16, 17, 18, 19, 20], [10, 4]]
TGT = [[4, 5, 6, 7], [8], [9, 10], [19, 12, 13, 14, 15], [4, 5, 5], [16, 17, 18], [8, 8, 4, 11, 6], [7, 13]]
LABELS = [0, 1, 2, 3, 3, 2, 1, 0]


def settings_of(config_class: Any, used: set[str] | None = None) -> dict[str, list[Any]]:
    """Return the choices of an architecture with their values: those named by its types, and those of CHOICES."""
    choices: dict[str, list[Any]] = {}
    for field in msgspec.structs.fields(config_class):
        if used is not None and field.name not in used:
            continue
        kind = get_args(field.type)[0] if get_origin(field.type) is Annotated else field.type
        if field.name in CHOICES:
            choices[field.name] = CHOICES[field.name]
        elif kind is bool:
            choices[field.name] = [False, True]
        elif get_origin(kind) is Literal:
            choices[field.name] = list(get_args(kind))
    return choices


def pairwise(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield few of the combinations, such that every two values of different choices meet that can meet at all."""
    pairs = [set(combinations(row.items(), 2)) for row in rows]
    missing = set().union(*pairs)
    while missing:
        best = max(range(len(rows)), key=lambda i: len(pairs[i] & missing))
        missing -= pairs[best]
        yield rows[best]


def can_work(architecture: str, task: Task, settings: dict[str, Any]) -> bool:
    try:
        check(architecture, config_of(architecture, task, settings), task)
    except UsageError:
        return False
    return True


def variants(task: Task) -> list[Any]:
    """Return (architecture, settings) for pytest: each that does the task, in combinations that cover all pairs."""
    made = []
    for name in CONFIGS:
        if task not in TASKS[name]:
            continue
        choices = settings_of(CONFIGS[name], USED_BY.get((name, task)))
        rows = [dict(zip(choices, values)) for values in product(*choices.values())]
        for row in pairwise([row for row in rows if can_work(name, task, row)]):
            made.append(pytest.param(name, row, id="-".join([name, *(f"{k}={v}" for k, v in row.items())])))
    return made


def config_of(architecture: str, task: Task, settings: dict[str, Any]) -> Any:
    small = SMALL_LM if task == "lm" else SMALL
    known = {name: size for name, size in small.items() if name in CONFIGS[architecture].__struct_fields__}
    return CONFIGS[architecture](**{**known, **settings})


def build(
    architecture: str,
    settings: dict[str, Any],
    task: Task = "translation",
    *,
    vocab: tuple[int, int] | None = None,
    seed: int = 0,
) -> Any:
    """Return a small model in eval mode; the same one for the same arguments."""
    joint = settings.get("tie_embeddings") == "all"
    outputs = {"translation": SRC_VOCAB if joint else TGT_VOCAB, "lm": SRC_VOCAB, "classify": CLASSES}[task]
    torch.manual_seed(seed)
    return build_model(architecture, config_of(architecture, task, settings), task, *(vocab or (SRC_VOCAB, outputs))).eval()


def batch_of(src: Sequence[Sequence[int]] = SRC, tgt: Sequence[Sequence[int]] = TGT) -> Batch:
    """Set pairs side by side for teacher forcing."""
    src_bs, lengths_b = pad([[*ids, EOS] for ids in src])
    tgt_in, _ = pad([[BOS, *ids] for ids in tgt])
    tgt_out, _ = pad([[*ids, EOS] for ids in tgt])
    return Batch(src_bs, lengths_b, tgt_in, tgt_out)


def texts_of(texts: Sequence[Sequence[int]] = SRC, labels: Sequence[int] = LABELS) -> TextBatch:
    """Set texts side by side with their classes."""
    ids_bs, lengths_b = pad([[*ids, EOS] for ids in texts])
    return TextBatch(ids_bs, lengths_b, torch.tensor(labels))


def stream_of(rows: int, length: int, seed: int = 0) -> Tensor:
    """Return rows of random words [rows, length]."""
    return torch.randint(EOS + 1, SRC_VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


def block_of(stream: Tensor, first: bool = True) -> BlockBatch:
    """Set each token of rows beside the next one."""
    return BlockBatch(stream[:, :-1], stream[:, 1:], first)


def features_of(model: Any, batch: Batch) -> Tensor:
    """Return teacher-forced features [b, t, h]."""
    features: Tensor = model.decode(batch.tgt_in_bt, model.encode(batch.src_bs, batch.src_lengths_b))
    return features
