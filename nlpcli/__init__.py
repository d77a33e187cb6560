"""nlpcli: text to an evaluated translation model, one command a step, one artifact a command.

The Python face mirrors the command line: one keyword-only function a command, imported on first use.

>>> import nlpcli
>>> result = nlpcli.train(architecture="attention", data="ko-en", out="work/model", max_minutes=5)  # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "list_data": "nlpcli.corpus.listing",
    "fetch_data": "nlpcli.corpus.fetch",
    "data_stats": "nlpcli.corpus.stats",
    "check_data": "nlpcli.corpus.check",
    "clean_data": "nlpcli.corpus.clean",
    "split_data": "nlpcli.corpus.split",
    "prepare_data": "nlpcli.corpus.prepare",
    "train_tokenizer": "nlpcli.tokenization.train",
    "encode_stream": "nlpcli.tokenization.stream",
    "decode_stream": "nlpcli.tokenization.stream",
    "tokenizer_stats": "nlpcli.tokenization.stats",
    "encode_dataset": "nlpcli.tokenization.encode",
    "train_embedding": "nlpcli.embedding.train",
    "nearest": "nlpcli.embedding.query",
    "analogy": "nlpcli.embedding.query",
    "evaluate_embedding": "nlpcli.embedding.evaluate",
    "export_embedding": "nlpcli.embedding.export",
    "plot_embedding": "nlpcli.embedding.plot",
    "train": "nlpcli.training.train",
    "translate": "nlpcli.decoding.translate",
    "classify": "nlpcli.decoding.classify",
    "generate": "nlpcli.decoding.generate",
    "evaluate": "nlpcli.evaluation.evaluate",
    "export_model": "nlpcli.export.export",
    "inspect": "nlpcli.inspection",
    "doctor": "nlpcli.diagnosis",
}
__all__ = ["__version__", *_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'nlpcli' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
