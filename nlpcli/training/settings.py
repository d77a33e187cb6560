"""How a model is trained; what the model is stands in its own `Config`. Nothing here loads torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import Meta

from nlpcli.config import AttentionTier

Count = Annotated[int, Meta(gt=0)]
CountOrNone = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Part = Annotated[float, Meta(ge=0, lt=1)]
Share = Annotated[float, Meta(ge=0, le=1)]

Schedule = Literal["constant", "linear", "inverse-sqrt", "cosine", "one-cycle", "plateau"]
Optimizer = Literal["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
Init = Literal["default", "xavier", "he", "normal", "orthogonal"]


class TrainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Budget, batches, optimisation, regularisation, evaluation and device."""

    epochs: Annotated[Count, Meta(description="End after so many passes over the data …")] = 30
    max_steps: Annotated[Union[Count, None], Meta(description="… or so many steps …")] = None
    max_minutes: Annotated[
        Union[Positive, None], Meta(description="… or so many minutes of training, whichever comes first.")
    ] = None
    batch_tokens: Annotated[
        Union[Count, Literal["auto"]],
        Meta(description="Tokens a batch, padding included; auto: as many as memory holds and speed gains from."),
    ] = 4096
    accumulate: Annotated[Count, Meta(description="Batches whose gradients are added up for one step.")] = 1
    max_length: Annotated[
        Count, Meta(description="Pairs with more tokens on a side are left out, and counted; texts to classify are cut.")
    ] = 256
    context_length: Annotated[Count, Meta(description="Language model: tokens a row of a batch.")] = 64
    optimizer: Annotated[Optimizer, Meta(description="Optimiser.")] = "adamw"
    momentum: Annotated[Part, Meta(description="Of momentum, nesterov and rmsprop.")] = 0.9
    adam_beta1: Annotated[Part, Meta(description="Adam: decay of the mean of gradients.")] = 0.9
    adam_beta2: Annotated[Part, Meta(description="Adam: decay of the mean of their squares.")] = 0.98
    learning_rate: Annotated[Positive, Meta(description="Peak learning rate.")] = 1e-3
    warmup_steps: Annotated[CountOrNone, Meta(description="Steps over which the learning rate rises.")] = 200
    schedule: Annotated[Schedule, Meta(description="How the learning rate goes on over the run's budget.")] = "cosine"
    init: Annotated[Init, Meta(description="Initial weights of matrices; default: each layer's own.")] = "default"
    weight_decay: Annotated[NotNegative, Meta(description="Weight decay of matrices, apart from the gradient.")] = 0.01
    l1: Annotated[NotNegative, Meta(description="Sum of absolute weights of matrices, times this, added to the loss.")] = 0.0
    l2: Annotated[
        NotNegative, Meta(description="Half the sum of squared weights of matrices, times this, added to the loss.")
    ] = 0.0
    clip_norm: Annotated[NotNegative, Meta(description="Bound on the norm of all gradients; 0 is none.")] = 1.0
    clip_value: Annotated[NotNegative, Meta(description="Bound on each gradient; 0 is none.")] = 0.0
    label_smoothing: Annotated[Part, Meta(description="Probability mass spread over the vocabulary, less than 1.")] = 0.1
    sampled_softmax: Annotated[
        CountOrNone,
        Meta(description="Train on the words of the batch and so many draws from the vocabulary a step; 0: on all words."),
    ] = 0
    r_drop: Annotated[
        NotNegative, Meta(description="Weight of the divergence between two passes with dropout (Liang et al. 2021).")
    ] = 0.0
    word_dropout: Annotated[Part, Meta(description="Share of input words replaced by the unknown word.")] = 0.0
    teacher_forcing: Annotated[
        Share, Meta(description="Probability of feeding the reference's word, not the model's, at the end of training.")
    ] = 1.0
    teacher_forcing_decay: Annotated[
        Literal["constant", "linear", "exponential", "inverse-sigmoid"],
        Meta(description="How it falls from 1 to --teacher-forcing over the run (Bengio et al. 2015)."),
    ] = "constant"
    guided_alignment: Annotated[
        NotNegative, Meta(description="attention: weight of agreement with train.align (Chen et al. 2016).")
    ] = 0.0
    coverage_loss: Annotated[
        NotNegative, Meta(description="attention: weight of the penalty on attending twice (See et al. 2017).")
    ] = 0.0
    ema: Annotated[Part, Meta(description="Decay of a moving average of the weights, evaluated and kept; 0 is off.")] = 0.0
    average_checkpoints: Annotated[
        Count, Meta(description="Average the weights of so many last evaluations at the end, and keep them if better.")
    ] = 1
    subword_sampling: Annotated[
        Share,
        Meta(description="Draw new segmentations at every step: BPE-dropout's probability, or unigram's smoothing; 0 is off."),
    ] = 0.0
    from_model: Annotated[
        Union[str, None],
        Meta(description="Begin from the weights of this model; what is not given of its settings is taken from it."),
    ] = None
    embeddings: Annotated[
        tuple[str, ...],
        Meta(description="Begin from an embedding artifact, on the side of its language; may be repeated."),
    ] = ()
    freeze_embeddings: Annotated[bool, Meta(description="Keep the vectors of --embeddings as they are.")] = False
    eval_every: Annotated[Count, Meta(description="Steps between evaluations; each saves the state.")] = 250
    eval_sentences: Annotated[Count, Meta(description="Translation: validation lines translated for BLEU.")] = 200
    patience: Annotated[Count, Meta(description="End after so many evaluations without a better one.")] = 8
    best_by: Annotated[
        Literal["auto", "loss", "score"],
        Meta(description="What makes a checkpoint the best; auto: accuracy for classification, else the loss."),
    ] = "auto"
    seed: Annotated[CountOrNone, Meta(description="Seed of every random choice.")] = 1
    device: Annotated[Literal["auto", "cpu", "cuda"], Meta(description="auto, cpu or cuda.")] = "auto"
    devices: Annotated[Count, Meta(description="Processes of this machine that train together, each on a part of a batch.")] = 1
    num_nodes: Annotated[Count, Meta(description="Machines that train together; start the command on each by torchrun.")] = 1
    shard: Annotated[
        bool, Meta(description="Spread the model over the devices (FSDP), for one too large for each to have a copy.")
    ] = False
    precision: Annotated[
        Literal["auto", "32", "bf16", "16"],
        Meta(description="Number format of matrix products; auto: bf16 where the processor has it."),
    ] = "auto"
    attention_tier: Annotated[
        AttentionTier,
        Meta(description="What computes attention where it can; nlpcli doctor says what auto chooses, and why."),
    ] = "auto"
    compile: Annotated[bool, Meta(description="Compile the model (torch.compile); what cannot be compiled runs as it is.")] = (
        False
    )


STATE = "state.pt"  # what an unfinished run is taken up from
MAY_CHANGE = {"epochs", "max_steps", "max_minutes", "patience"}  # on resume: how long to train, not how


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """List what differs between two resolved settings, without the bounds of the run."""
    changed = [k for k in sorted(then | now) if k not in MAY_CHANGE and then.get(k) != now.get(k)]
    return [f"{k}: {then.get(k)} then, {now.get(k)} now" for k in changed]
