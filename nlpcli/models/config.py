"""What a model is: one `Config` an architecture, each field with its bounds and the help that the command line shows.

Nothing here loads torch, so that `nlpcli train … --help` answers at once. The module of an architecture stands in the file of
its name.
"""

from __future__ import annotations

from typing import Annotated, Literal, Union

import msgspec
from msgspec import Meta

Task = Literal["translation", "lm", "classify"]
Cell = Literal["rnn", "lstm", "gru"]
Tie = Literal["none", "decoder", "all"]
Score = Literal["additive", "dot", "general", "concat"]

Size = Annotated[int, Meta(gt=0)]
Part = Annotated[float, Meta(ge=0, lt=1)]

CellField = Annotated[Cell, Meta(description="Recurrent cell: Elman's, LSTM or GRU.")]
DEmbed = Annotated[Size, Meta(description="Size of the word vectors.")]
DHidden = Annotated[Size, Meta(description="Size of the hidden state.")]
Bidirectional = Annotated[bool, Meta(description="Read the source in both directions, half the size each.")]
Dropout = Annotated[Part, Meta(description="Share of features dropped, less than 1.")]
TieField = Annotated[
    Tie, Meta(description="Share target embedding and output layer; all: the source's too (joint vocabulary).")
]


class RnnConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A recurrent network (Elman 1990, LSTM, GRU) as language model or classifier."""

    cell: CellField = "lstm"
    d_embed: DEmbed = 256
    d_model: DHidden = 256
    num_layers: Annotated[Size, Meta(description="Layers of the stack.")] = 1
    bidirectional: Annotated[bool, Meta(description="Classification: read in both directions, half the size each.")] = True
    pooling: Annotated[
        Literal["last", "mean", "max"], Meta(description="Classification: the states' last, mean or maximum over the text.")
    ] = "max"
    dropout: Dropout = 0.3
    variational_dropout: Annotated[
        bool, Meta(description="Drop the same features at every position of a text (Gal & Ghahramani 2016).")
    ] = False
    tie_embeddings: Annotated[bool, Meta(description="Language model: share embedding and output layer.")] = True


class Seq2SeqConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Encoder-decoder through one fixed vector (Sutskever et al. 2014, Cho et al. 2014)."""

    cell: CellField = "gru"
    d_embed: DEmbed = 256
    d_model: DHidden = 512
    num_layers: Annotated[Size, Meta(description="Layers of the encoder and of the decoder.")] = 1
    bidirectional: Bidirectional = True
    context: Annotated[
        Literal["first", "every"],
        Meta(description="The decoder meets the source's vector at first (Sutskever) or at every word (Cho)."),
    ] = "every"
    dropout: Dropout = 0.3
    tie_embeddings: TieField = "decoder"


class AttentionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Encoder-decoder with attention (Bahdanau et al. 2015, Luong et al. 2015)."""

    cell: CellField = "gru"
    d_embed: DEmbed = 256
    d_model: DHidden = 512
    num_layers: Annotated[Size, Meta(description="Layers of the encoder and of the decoder.")] = 1
    bidirectional: Bidirectional = True
    attention: Annotated[Score, Meta(description="Bahdanau's additive score, or Luong's dot, general or concat.")] = "general"
    input_feeding: Annotated[bool, Meta(description="Feed the attentional vector to the next step (Luong).")] = False
    coverage: Annotated[
        bool, Meta(description="Additive or concat: score with the attention paid so far too (See et al. 2017).")
    ] = False
    dropout: Dropout = 0.3
    tie_embeddings: TieField = "decoder"


class TransformerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Transformer (Vaswani et al. 2017): encoder-decoder, decoder alone (GPT) or encoder alone, as the task asks."""

    d_model: Annotated[Size, Meta(description="Size of the vectors between layers.")] = 256
    d_ff: Annotated[Size, Meta(description="Inner size of the feed-forward layers.")] = 1024
    num_heads: Annotated[Size, Meta(description="Attention heads; must divide --d-model.")] = 4
    num_kv_heads: Annotated[
        Union[Size, None], Meta(description="Heads of keys and values (grouped-query attention); as many as --num-heads.")
    ] = None
    encoder_layers: Annotated[Size, Meta(description="Layers of the encoder.")] = 3
    decoder_layers: Annotated[Size, Meta(description="Layers of the decoder.")] = 3
    norm: Annotated[Literal["layer", "rms"], Meta(description="LayerNorm, or RMSNorm.")] = "layer"
    norm_place: Annotated[
        Literal["pre", "post"], Meta(description="Normalise before each sublayer (and at the end), or after it (2017).")
    ] = "pre"
    activation: Annotated[Literal["relu", "gelu", "swiglu"], Meta(description="Of the feed-forward layers.")] = "relu"
    positions: Annotated[Literal["sinusoidal", "learned", "rotary", "alibi"], Meta(description="How positions are told.")] = (
        "sinusoidal"
    )
    max_positions: Annotated[Size, Meta(description="Learned positions: the longest sequence.")] = 1024
    attention_window: Annotated[
        Union[Size, None], Meta(description="A text sees itself up to so many tokens away alone, for whole documents.")
    ] = None
    dropout: Dropout = 0.1
    attention_dropout: Annotated[Part, Meta(description="Share of attention weights dropped.")] = 0.0
    ff_dropout: Annotated[Part, Meta(description="Share of inner features of the feed-forward layers dropped.")] = 0.0
    tie_embeddings: TieField = "decoder"


class CnnConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A convolutional classifier (Kim 2014): windows of several widths, the maximum over the text of each."""

    d_embed: DEmbed = 300
    num_filters: Annotated[Size, Meta(description="Filters of each width.")] = 100
    widths: Annotated[tuple[Size, ...], Meta(description="Widths of the windows, in tokens; may be repeated.")] = (3, 4, 5)
    batch_norm: Annotated[bool, Meta(description="Normalise each filter over the batch.")] = False
    dropout: Dropout = 0.5


Config = Union[RnnConfig, Seq2SeqConfig, AttentionConfig, TransformerConfig, CnnConfig]

CONFIGS: dict[str, type[Config]] = {
    "rnn": RnnConfig,
    "seq2seq": Seq2SeqConfig,
    "attention": AttentionConfig,
    "transformer": TransformerConfig,
    "cnn": CnnConfig,
}
TASKS: dict[str, tuple[Task, ...]] = {
    "rnn": ("lm", "classify"),
    "seq2seq": ("translation",),
    "attention": ("translation",),
    "transformer": ("translation", "lm", "classify"),
    "cnn": ("classify",),
}

Checkpoint = Literal["best", "last"]
WEIGHTS: dict[Checkpoint, str] = {"best": "model", "last": "last"}  # the files of a model artifact
