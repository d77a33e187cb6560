"""What CTranslate2 can do with a model, and on this machine; nothing here loads torch."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import msgspec

from nlpcli.artifacts import Artifact
from nlpcli.files import write_text
from nlpcli.models.config import TransformerConfig

PAIRS = 200  # of the validation split that a model keeps
KEPT = ("valid.src", "valid.tgt")
POSITIONS = 4096  # of the table of sines; texts that are longer are for PyTorch


def why_not(artifact: Artifact) -> str:
    """Say why CTranslate2 cannot compute a model; nothing if it can."""
    config = artifact.manifest.config
    if config["architecture"] != "transformer":
        return f"it has Transformers, not {config['architecture']} models"
    if (task := config.get("task", "translation")) != "translation":
        return f"a model for {task} does not translate"
    return lacks(transformer_config(artifact))


def transformer_config(artifact: Artifact) -> TransformerConfig:
    """Return the settings of a Transformer."""
    config = artifact.manifest.config
    return msgspec.convert({k: config[k] for k in TransformerConfig.__struct_fields__ if k in config}, TransformerConfig)


def lacks(config: TransformerConfig) -> str:
    """Say what of a Transformer CTranslate2 does not have; nothing if it has all."""
    if config.positions == "alibi":
        return "it has --positions alibi for decoders alone"
    if config.attention_window is not None:
        return "it has no --attention-window for encoder-decoders"
    return ""


def positions_of(config: TransformerConfig) -> int | None:
    """Return how many tokens a text may have at most; None is without end (rotary positions are computed)."""
    return {"learned": config.max_positions, "rotary": None}.get(config.positions, POSITIONS)


def spread(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return up to 200 pairs that are not blank, from all over a split."""
    whole = [pair for pair in pairs if pair[0].strip() and pair[1].strip()]
    return whole[:: max(1, -(-len(whole) // PAIRS))]


def write_validation(folder: Path, src: Sequence[str], tgt: Sequence[str]) -> None:
    """Keep in a model artifact what a copy of the model in another format is compared on."""
    pairs = spread(list(zip(src, tgt)))
    for name, lines in zip(KEPT, zip(*pairs)):
        write_text(folder / name, "".join(line + "\n" for line in lines))
