"""How good Korean word vectors are, by unit and model: similarity, analogies, and what a classifier gains.

    python benchmarks/embed_quality.py --nsmc ../shared/data/nsmc --sets ../shared/data/word-similarity-ko \\
        --work /tmp/embed-quality --out benchmarks/results/embed-quality.json

Vectors are learnt from NSMC's raw reviews. These hold the texts of the test set too: every review whose id stands in
ratings_test.txt is dropped before anything else is done. The classifier is logistic regression on the mean of a review's
vectors, trained on ratings_train.txt, scored on ratings_test.txt; beside it stand random vectors of the same size and
logistic regression on counts of the same units. What is made in --work is used again by a later run.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any, Iterator

import numpy as np

import nlpcli
from nlpcli.artifacts import is_artifact
from nlpcli.corpus.tables import read_records
from nlpcli.embedding.sets import Judgement, read_similarities
from nlpcli.embedding.vectors import Embedding
from nlpcli.tokenization.parallel import processors

TEXT = "reviews.txt"
SETTINGS: dict[str, Any] = {"dim": 200, "epochs": 5, "min_count": 5}
UNITS: dict[str, dict[str, Any]] = {
    "words": {"unit": "words"},
    "words, with punctuation": {"unit": "words", "strip_punctuation": False},
    "morphemes": {"unit": "morphemes"},
    "pieces": {"unit": "pieces", "lang": "ko"},
}
MODELS: dict[str, dict[str, Any]] = {
    "Word2Vec": {"model": "word2vec"},
    "FastText": {"model": "fasttext", "min_n": 1, "max_n": 3},
    "FastText, jamo": {"model": "fasttext", "jamo": True},
}
RUNS = [(unit, "Word2Vec") for unit in UNITS] + [(unit, "FastText") for unit in ("words", "morphemes", "pieces")]
RUNS += [(unit, "FastText, jamo") for unit in ("words", "morphemes")]
COMMON_COUNT = 20


def write_reviews(nsmc: Path, text: Path) -> dict[str, int]:
    """Write the texts of all raw reviews but those of the test set, one a line."""
    test = {row[0]: row[1] for row in read_records(nsmc / "ratings_test.txt", ("id", "document"))}
    same = set(test.values())
    dropped = kept = alike = 0
    with text.open("w", encoding="utf-8", newline="\n") as f:
        for review, words in read_records(nsmc / "reviews.tsv.gz", ("1", "4")):
            if review in test:
                dropped += 1
                continue
            f.write(words + "\n")
            kept += 1
            alike += words in same
    return {"dropped_by_id": dropped, "kept": kept, "kept_with_a_text_like_a_test_text": alike}


def train(work: Path, name: str, options: dict[str, Any]) -> Path:
    """Train one embedding, unless it is there."""
    out = work / name.replace(": ", "-").replace(" ", "-").replace(",", "")
    if not is_artifact(out):
        nlpcli.train_embedding(data=str(work / TEXT), out=out, force=True, **SETTINGS, **options)
    return out


def labelled(path: Path) -> tuple[list[str], np.ndarray]:
    rows = list(read_records(path, ("document", "label")))
    return [text for text, _ in rows], np.array([int(label) for _, label in rows])


def features(units: list[list[str]], vectors: dict[str, np.ndarray], dim: int) -> np.ndarray:
    """Return the mean vector [reviews, dim] of each review's units that have one."""
    means = np.zeros((len(units), dim), np.float32)
    for row, review in zip(means, units):
        found = [vectors[unit] for unit in review if unit in vectors]
        if found:
            row[:] = np.mean(found, axis=0)
    return means


def accuracy(train_x: Any, train_y: np.ndarray, test_x: Any, test_y: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(with_mean=not hasattr(train_x, "tocsr")), LogisticRegression(max_iter=300))
    return round(100 * float(model.fit(train_x, train_y).score(test_x, test_y)), 2)


def counts_accuracy(
    train_units: list[list[str]], train_y: np.ndarray, test_units: list[list[str]], test_y: np.ndarray
) -> float:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    counter = CountVectorizer(analyzer=lambda units: units, min_df=5, binary=True)
    model = LogisticRegression(max_iter=300).fit(counter.fit_transform(train_units), train_y)
    return round(100 * float(model.score(counter.transform(test_units), test_y)), 2)


def unit_vectors(embedding: Embedding, units: Iterator[str], random: bool) -> dict[str, np.ndarray]:
    """Return the vectors of units; with `random`, others of the same size for the same units."""
    noise = np.random.default_rng(1)
    found = {unit: embedding.unit_vector(unit) for unit in dict.fromkeys(units)}
    known = {unit: vector for unit, vector in found.items() if vector is not None}
    return {unit: noise.normal(size=embedding.dim).astype(np.float32) for unit in known} if random else known


def measure(path: Path, arguments: argparse.Namespace, *, baselines: bool) -> dict[str, Any]:
    """Score one embedding in all ways."""
    sets = arguments.sets
    scores = nlpcli.evaluate_embedding(
        embeddings=path, similarity=sets / "WS353_korean.csv", analogy=sets / "word_analogy_korean.txt"
    )
    embedding = Embedding.load(path)
    (train_text, train_y), (test_text, test_y) = (
        labelled(arguments.nsmc / f"ratings_{part}.txt") for part in ("train", "test")
    )
    train_units, test_units = embedding.cut(train_text), embedding.cut(test_text)

    def by_vectors(random: bool) -> float:
        vectors = unit_vectors(
            embedding, (unit for side in (train_units, test_units) for review in side for unit in review), random
        )
        return accuracy(
            *(x for u, y in ((train_units, train_y), (test_units, test_y)) for x in (features(u, vectors, embedding.dim), y))
        )

    assert scores.similarity is not None
    result = {
        "vocabulary": len(embedding.words),
        "words_per_second": embedding.artifact.manifest.run["words_per_second"],
        "loss": embedding.artifact.manifest.metrics["loss"],
        "spearman": scores.similarity.spearman,
        "pairs_covered": f"{scores.similarity.covered} of {scores.similarity.pairs}",
        "pairs_composed_words": scores.similarity.composed,
        "analogies": {
            a.section: {"accuracy": a.accuracy, "covered": a.covered, "questions": a.questions} for a in scores.analogies
        },
        "sentiment": by_vectors(False),
    }
    if baselines:
        result["sentiment_random_vectors"] = by_vectors(True)
        result["sentiment_counts"] = counts_accuracy(train_units, train_y, test_units, test_y)
    return result


def save(report: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def same_pairs(paths: dict[str, Path], similarity: Path) -> dict[str, Any]:
    """Return Spearman's correlation of every embedding on the same pairs: those of words that all know as units of their own,
    and of these the ones that stand in the text COMMON_COUNT times or more as words."""
    from scipy.stats import spearmanr

    embeddings = {name: Embedding.load(path) for name, path in paths.items()}
    words = embeddings["words: Word2Vec"]

    def seen(word: str) -> int:
        key = words.key(word)
        return int(words.counts[words.index[key]]) if key else 0

    known = [j for j in read_similarities(similarity) if all(e.key(w) for e in embeddings.values() for w in (j.a, j.b))]
    result: dict[str, Any] = {}
    for title, pairs in (("all", known), ("frequent", [j for j in known if min(seen(j.a), seen(j.b)) >= COMMON_COUNT])):
        result[f"{title} ({len(pairs)} pairs)"] = {
            name: round(float(spearmanr([j.score for j in pairs], [cosine(e, j) for j in pairs]).statistic), 4)
            for name, e in embeddings.items()
        }
    return result


def cosine(embedding: Embedding, judgement: Judgement) -> float:
    a, b = (embedding.directions[embedding.index[str(embedding.key(word))]] for word in (judgement.a, judgement.b))
    return float(a @ b)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nsmc", type=Path, required=True)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = json.loads(arguments.out.read_text("utf-8")) if arguments.out.exists() else {"results": {}}
    if not (work / TEXT).exists():
        report["text"] = write_reviews(arguments.nsmc, work / TEXT)
    report["machine"] = {"cores": processors(), "processor": platform.processor() or platform.machine()}
    report["settings"] = SETTINGS
    tokenizer = work / "tokenizer"
    if not is_artifact(tokenizer):
        nlpcli.train_tokenizer(data=str(work / TEXT), out=tokenizer, lang="ko", vocab_size=8000)
    paths = {}
    for unit, model in RUNS:
        name = f"{unit}: {model}"
        options = UNITS[unit] | MODELS[model]
        paths[name] = train(work, name, options | ({"tokenizer": tokenizer} if unit == "pieces" else {}))
        if name not in report["results"]:
            report["results"][name] = {"options": options, **measure(paths[name], arguments, baselines=model == "Word2Vec")}
            save(report, arguments.out)
            print(name, {key: value for key, value in report["results"][name].items() if key != "analogies"}, flush=True)
    report["same_pairs"] = same_pairs(paths, arguments.sets / "WS353_korean.csv")
    save(report, arguments.out)
    print(report["same_pairs"])


if __name__ == "__main__":
    main()
