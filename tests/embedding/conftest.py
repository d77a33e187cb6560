"""Embeddings of a small text in which related words stand in the same places, made once a run."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from nlpcli import artifacts
from nlpcli.embedding.train import train_embedding
from nlpcli.embedding.vectors import KIND, write_vectors

ANIMALS = ["고양이", "강아지", "토끼", "여우"]
CITIES = ["서울", "부산", "대구", "광주"]


def small_text(sentences: int = 1500, seed: int = 3) -> list[str]:
    """Return sentences in which animals eat and sleep, and people drive to and live in cities."""
    draw = random.Random(seed)
    lines = []
    for _ in range(sentences):
        animal, city = draw.choice(ANIMALS), draw.choice(CITIES)
        lines.append(draw.choice([f"{animal} 한 마리 밥을 먹고 잠을 잔다.", f"귀여운 {animal} 털을 핥고 밥을 먹는다"]))
        lines.append(draw.choice([f"우리는 기차로 {city} 시내에 간다.", f"그 사람은 {city} 시내에 산다"]))
    return lines


def write_text(path: str | Path, lines: list[str]) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def made(words: list[str], vectors: np.ndarray, ngrams: np.ndarray | None = None) -> Path:
    """Make an embedding artifact with these vectors, in the working folder."""
    config = {
        "unit": "words",
        "lowercase": False,
        "strip_punctuation": True,
        "language": "",
        "jamo": False,
        "min_n": 1,
        "max_n": 2,
    }
    with artifacts.create(Path("made"), KIND, command="a test", config=config, force=True) as draft:
        write_vectors(draft.path, words, [1] * len(words), vectors, ngrams)
        return draft.publish().path


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the small text; read only."""
    return write_text(tmp_path_factory.mktemp("text") / "small.ko", small_text())


@pytest.fixture(scope="session")
def word2vec(text: Path) -> Path:
    """Return a Word2Vec embedding artifact of the small text's words; read only."""
    return train_embedding(data=str(text), out=text.parent / "word2vec", dim=24, sample=0.0, epochs=8, workers=1).path


@pytest.fixture(scope="session")
def fasttext(text: Path) -> Path:
    """Return a FastText embedding artifact of the small text's words; read only."""
    options = {"model": "fasttext", "min_n": 1, "max_n": 3, "bucket": 2000}
    return train_embedding(data=str(text), out=text.parent / "fasttext", dim=24, epochs=4, workers=1, **options).path


@pytest.fixture(scope="session")
def pieces(text: Path) -> Path:
    """Return a Word2Vec embedding artifact of the small text's pieces; read only."""
    from nlpcli.tokenization.train import train_tokenizer

    tokenizer = train_tokenizer(data=str(text), out=text.parent / "tokenizer", vocab_size=330).path
    options = {"unit": "pieces", "tokenizer": tokenizer}
    return train_embedding(data=str(text), out=text.parent / "pieces", dim=16, epochs=2, workers=1, **options).path
