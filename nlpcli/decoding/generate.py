"""`nlpcli generate`: a language model writes on from a prompt, by sampling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Annotated, Literal

import msgspec
import torch
from msgspec import Meta
from torch import Tensor

from nlpcli.artifacts import open_artifact
from nlpcli.config import Positive, Share, checked
from nlpcli.decoding.sampling import truncated
from nlpcli.devices import pick_device
from nlpcli.errors import ArtifactError
from nlpcli.models.base import LanguageModel, State
from nlpcli.models.config import WEIGHTS, Checkpoint
from nlpcli.models.load import load_model
from nlpcli.tokenization.tokenizer import BOS, EOS, PAD, UNK, Tokenizer


class SamplingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the next token is drawn: temperature 0 takes the most probable one."""

    max_tokens: Positive = 200
    num_samples: Positive = 1
    temperature: Annotated[float, Meta(ge=0)] = 0.8
    top_k: Annotated[int, Meta(ge=0)] = 0
    top_p: Share = 1.0
    seed: Annotated[int, Meta(ge=0)] = 1


@dataclass(frozen=True)
class Generated:
    """What `generate` wrote: each sample with the prompt in front, and tokens a second over all of them."""

    texts: list[str]
    tokens: int
    seconds: float
    tokens_per_second: float


def generate(
    *,
    model: Path,
    prompt: str = "",
    max_tokens: int = 200,
    num_samples: int = 1,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int = 1,
    checkpoint: Checkpoint = "best",
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> Generated:
    """Write on from `prompt`; the end of a line is a token like any other.

    Args:
        temperature: divides the logits; 0 takes the most probable token (greedy).
        top_k: draw from the so many most probable tokens; 0 from all.
        top_p: draw from the most probable tokens that have this probability together (Holtzman et al. 2020, §3.1).

    Raises:
        UsageError: a value out of range.
        ArtifactError: the model is no language model.
    """
    given = {name: value for name, value in locals().items() if name in SamplingSettings.__struct_fields__}
    settings = checked(SamplingSettings, given)
    artifact = open_artifact(model, "model")
    config = artifact.manifest.config
    if config.get("task") != "lm":
        raise ArtifactError(
            f"{artifact.path} is no language model",
            cause=f"it was trained for {config.get('task', 'translation')}",
            fix="give a model made by `nlpcli train rnn|transformer … --task lm`",
        )
    loaded, tokenizer = load_model(artifact, WEIGHTS[checkpoint])
    assert isinstance(loaded, LanguageModel)
    window = None if loaded.carries else int(config["context_length"])
    started = monotonic()
    rows = sample(loaded.to(pick_device(device)), prompt_ids(tokenizer, prompt), settings, window)
    seconds = monotonic() - started
    texts = [_text(tokenizer, ids) for ids in rows]
    tokens = settings.max_tokens * settings.num_samples
    return Generated(texts, tokens, round(seconds, 3), round(tokens / max(seconds, 1e-9), 1))


def prompt_ids(tokenizer: Tokenizer, prompt: str) -> list[int]:
    """Return the tokens of a prompt as the model knows text: EOS before each line."""
    lines = tokenizer.encode(prompt.split("\n"), tokenizer.languages[0])
    return [token for ids in lines for token in (EOS, *ids)]


@torch.inference_mode()
def sample(model: LanguageModel, prompt: list[int], settings: SamplingSettings, window: int | None) -> list[list[int]]:
    """Draw samples side by side; each begins with the prompt.

    Args:
        window: tokens that the model can look back on; when they are full, it reads the later half of them anew.
    """
    device = model.output.weight.device
    generator = torch.Generator(device).manual_seed(settings.seed)
    rows_nt = torch.tensor([prompt] * settings.num_samples, device=device)
    features, state, held = _read(model, rows_nt if window is None else rows_nt[:, -window:])
    for _ in range(settings.max_tokens):
        drawn_n = draw(model.output(features).float(), settings, generator)
        rows_nt = torch.cat([rows_nt, drawn_n[:, None]], 1)
        if window is not None and held >= window:
            features, state, held = _read(model, rows_nt[:, -max(1, window // 2) :])
        else:
            features, state = model.step(drawn_n, state)
            held += 1
    rows: list[list[int]] = rows_nt.tolist()
    return rows


def _read(model: LanguageModel, ids_nt: Tensor) -> tuple[Tensor, State, int]:
    state = model.start(len(ids_nt))
    for tokens_n in ids_nt.unbind(1):
        features, state = model.step(tokens_n, state)
    return features, state, ids_nt.size(1)


def draw(logits_nv: Tensor, settings: SamplingSettings, generator: torch.Generator) -> Tensor:
    """Draw a token for each row; marks other than the end of a line are never drawn."""
    logits_nv[:, [PAD, UNK, BOS]] = float("-inf")
    if settings.temperature == 0:
        return logits_nv.argmax(-1)
    logits_nv = truncated(logits_nv / settings.temperature, settings.top_k, settings.top_p)
    return torch.multinomial(logits_nv.softmax(-1), 1, generator=generator)[:, 0]


def _text(tokenizer: Tokenizer, ids: list[int]) -> str:
    lines: list[list[int]] = [[]]
    for token in ids[1:]:  # the first EOS is the beginning
        if token == EOS:
            lines.append([])
        else:
            lines[-1].append(token)
    return "\n".join(tokenizer.decode(lines, tokenizer.languages[0]))
