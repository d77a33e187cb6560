"""Settings that go together: four sizes of each architecture, chosen by the data and the device when not given.

They are the weakest source of a setting: flags, environment and files win. Nothing here loads torch.
"""

from __future__ import annotations

from typing import Any, Literal

from nlpcli.errors import UsageError
from nlpcli.models.config import Task

Preset = Literal["auto", "tiny", "small", "base", "big", "deep"]
Settings = dict[str, Any]

RECURRENT: dict[str, Settings] = {
    "tiny": {"d_embed": 128, "d_model": 256},
    "small": {"d_embed": 256, "d_model": 512},
    "base": {"d_embed": 512, "d_model": 1024},
    "big": {"d_embed": 512, "d_model": 1024, "num_layers": 2},
}
SIZES: dict[str, dict[str, Settings]] = {
    "rnn": {
        "tiny": {"d_embed": 128, "d_model": 128},
        "small": {"d_embed": 256, "d_model": 256},
        "base": {"d_embed": 512, "d_model": 512},
        "big": {"d_embed": 1024, "d_model": 1024, "num_layers": 2},
    },
    "seq2seq": RECURRENT,
    "attention": RECURRENT,
    "transformer": {
        "tiny": {"d_model": 128, "d_ff": 512, "num_heads": 4, "encoder_layers": 2, "decoder_layers": 2},
        "small": {"d_model": 256, "d_ff": 1024, "num_heads": 4, "encoder_layers": 3, "decoder_layers": 3},
        "base": {"d_model": 512, "d_ff": 2048, "num_heads": 8, "encoder_layers": 6, "decoder_layers": 6},
        "big": {"d_model": 1024, "d_ff": 4096, "num_heads": 16, "encoder_layers": 6, "decoder_layers": 6},
        # as many parameters as base, most of them where they are read once a sentence (Kasai et al. 2021)
        "deep": {"d_model": 512, "d_ff": 2048, "num_heads": 8, "encoder_layers": 8, "decoder_layers": 2},
    },
    "cnn": {
        "tiny": {"d_embed": 128, "num_filters": 64},
        "small": {"d_embed": 300, "num_filters": 100},
        "base": {"d_embed": 300, "num_filters": 256},
        "big": {"d_embed": 512, "num_filters": 512},
    },
}
FEW_TEXTS = 20_000  # labelled texts up to which many small steps beat few large ones
RATES = {"rnn": 2e-3, "cnn": 1e-3, "transformer": 5e-4}  # peak learning rate of a classifier
SMALL_CORPUS = 50_000  # rows up to which more is dropped
STEEP = {"tiny": 1e-3, "small": 1e-3, "base": 7e-4, "big": 5e-4, "deep": 7e-4}  # peak learning rate of a Transformer
SCHEDULED = {"tiny": 400, "small": 1000, "base": 4000, "big": 4000, "deep": 4000}  # its warm-up in steps


def choose_preset(preset: Preset, architecture: str, rows: int, device: str) -> str:
    """Return the preset asked for, or the one for so many training rows on this device.

    Raises:
        UsageError: the architecture has no such preset.
    """
    if preset != "auto":
        if preset not in SIZES[architecture]:
            raise UsageError(f"{architecture} has no preset {preset}", fix=f"choose one of {', '.join(SIZES[architecture])}")
        return preset
    if rows < 5_000:
        return "tiny"
    if device == "cpu" or rows < 200_000:
        return "small"
    return "base" if rows < 5_000_000 else "big"


def preset_settings(preset: str, architecture: str, task: Task, rows: int) -> Settings:
    """Return the settings of a preset for a task and so many training rows."""
    settings = dict(SIZES[architecture][preset])
    if architecture == "transformer":
        settings |= {"learning_rate": STEEP[preset], "warmup_steps": SCHEDULED[preset]}
        settings["dropout"] = 0.1 if rows > 10 * SMALL_CORPUS else 0.2 if rows > SMALL_CORPUS else 0.3
    if task == "lm":
        settings |= {"label_smoothing": 0.0}
    if task == "classify":
        few = rows < FEW_TEXTS
        settings |= {"label_smoothing": 0.0, "learning_rate": RATES[architecture] * (2 if few else 1)}
        settings |= {"batch_tokens": 1024, "warmup_steps": 100, "eval_every": 100, "epochs": 8} if few else {"epochs": 5}
    return settings
