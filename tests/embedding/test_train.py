"""Training: gensim's own numbers, the same twice with one worker, whole artifacts or none."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec

import nlpcli
from nlpcli import artifacts
from nlpcli.embedding.fit import useful_workers
from nlpcli.embedding.loss import SampleLoss
from nlpcli.embedding.progress import positions
from nlpcli.embedding.train import TrainedEmbedding, train_embedding
from nlpcli.embedding.vectors import Embedding
from nlpcli.errors import BadInput, OutputExists, UsageError

from .conftest import ANIMALS, small_text, write_text

QUICK: dict[str, Any] = {"dim": 8, "epochs": 2, "min_count": 2, "workers": 1}


def trained(data: Path | str, out: str = "out", **options: Any) -> TrainedEmbedding:
    return train_embedding(data=str(data), out=Path(out), **QUICK | options)


@pytest.mark.parametrize("objective", ["skipgram", "cbow"])
@pytest.mark.parametrize("loss", ["negative", "hierarchical"])
@pytest.mark.parametrize("model", ["word2vec", "fasttext"])
def test_vectors_are_those_of_gensim(text: Path, model: str, objective: str, loss: str) -> None:
    options = {"min_n": 2, "max_n": 3, "bucket": 500} if model == "fasttext" else {}
    trained(text, model=model, objective=objective, loss=loss, strip_punctuation=False, **options)
    ours = Embedding.load("out")
    rows = [line.split() for line in small_text()]
    write_text("plain", [" ".join(row) for row in rows])
    hierarchical = int(loss == "hierarchical")
    gensim = (FastText if model == "fasttext" else Word2Vec)(
        vector_size=8,
        min_count=2,
        sg=int(objective == "skipgram"),
        hs=hierarchical,
        negative=5 * (1 - hierarchical),
        workers=1,
        **options,
    )
    gensim.build_vocab(corpus_file="plain")
    words = sum(map(len, rows))
    gensim.train(corpus_file="plain", total_examples=len(rows), total_words=words, epochs=2)
    assert ours.words == gensim.wv.index_to_key
    assert np.array_equal(ours.vectors, gensim.wv.vectors)
    if model == "fasttext":
        assert np.array_equal(ours.ngrams, gensim.wv.vectors_ngrams)


def test_related_words_are_near(word2vec: Path) -> None:
    [found] = nlpcli.nearest(embeddings=word2vec, words=["고양이"], top=3)
    assert {n.word for n in found.neighbours} == set(ANIMALS) - {"고양이"}


def test_the_result_and_the_manifest_agree(text: Path) -> None:
    result = trained(text)
    manifest = artifacts.open_artifact("out", "embedding").manifest
    assert (result.path, result.id) == (Path("out").resolve(), manifest.id)
    assert {f.path for f in manifest.files} == {"vectors.safetensors", "vocab.txt"}
    metrics = manifest.metrics
    assert (metrics["words"], metrics["sentences"], metrics["vocabulary"]) == (result.words, 3000, result.vocabulary)
    assert metrics["loss"] == result.loss
    assert len(result.loss) == 2
    assert result.loss[1] < result.loss[0]
    assert manifest.run["words_per_second"] == result.words_per_second > 0
    assert "words_per_second" not in metrics


def test_the_vocabulary_is_sorted_and_counted(text: Path) -> None:
    trained(text)
    words = " ".join(small_text()).replace(".", "").split()
    entries = [line.split("\t") for line in Path("out/vocab.txt").read_text("utf-8").splitlines()]
    assert {word: int(count) for word, count in entries} == {word: words.count(word) for word in set(words)}
    counts = [int(count) for _, count in entries]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize(
    "options", [{"loss": "hierarchical", "sample": 0.0}, {"model": "fasttext", "bucket": 100, "jamo": True}]
)
def test_one_worker_repeats_whatever_the_hash_seed(text: Path, options: dict[str, Any]) -> None:
    ids = {trained(text, **options).id}
    flags = [f for name, value in (QUICK | options).items() for f in _flag(name, value)]
    command = [
        sys.executable,
        "-m",
        "nlpcli",
        "embed",
        "train",
        "--data",
        str(text),
        "--json",
        "--force",
        *flags,
        "--out",
        "again",
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ids == {json.loads(done.stdout)["data"]["id"]}
    assert "the same text and settings give the same vectors" in done.stderr


def _flag(name: str, value: object) -> list[str]:
    flag = "--" + name.replace("_", "-")
    return [flag] if value is True else [flag, str(value)]


def test_the_manifest_is_a_settings_file(text: Path, run_cli: Any) -> None:
    first = trained(text, loss="hierarchical", objective="cbow", lowercase=True)
    ran = run_cli("embed", "train", "--data", text, "--config", "out/manifest.json", "--out", "again", "--json")
    assert json.loads(ran.out)["data"]["id"] == first.id


def test_another_seed_gives_other_vectors(text: Path) -> None:
    trained(text, "one")
    trained(text, "two", seed=2)
    assert not np.array_equal(Embedding.load("one").vectors, Embedding.load("two").vectors)


def test_it_says_that_several_workers_do_not_repeat(text: Path, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.setattr("nlpcli.embedding.fit.WORDS_A_WORKER", 1000)
    trained(text, workers=3)
    assert "3 workers; the result differs a little each time (--workers 1" in capfd.readouterr().err


def test_workers_are_as_many_as_the_text_is_enough_for(text: Path, capfd: Any) -> None:
    assert [useful_workers(8, words) for words in (10, 99_999, 200_000, 10**9)] == [1, 1, 2, 8]
    trained(text, workers=4)
    assert "enough for 1 worker(s) of 4" in capfd.readouterr().err


def test_several_workers_learn_at_the_rate_of_one(text: Path, monkeypatch: Any) -> None:
    """The learning rate falls to its end in each worker's share; gensim alone would stop after half of the way."""
    from nlpcli.embedding import fit

    calls = []
    monkeypatch.setattr("nlpcli.embedding.fit.WORDS_A_WORKER", 1000)
    monkeypatch.setattr(fit.Word2Vec, "train", lambda model, **given: calls.append(given) or original(model, **given))
    trained(text, workers=2)
    assert calls[0]["total_examples"] == 1500


original = Word2Vec.train


def test_jamo_shape_the_ngrams_but_not_the_words(text: Path) -> None:
    trained(text, model="fasttext", jamo=True, min_n=3, max_n=3, bucket=3000)
    embedding = Embedding.load("out")
    assert "고양이" in embedding.words
    near, far = (embedding.vector(word)[0] for word in ("고양잇", "나라"))
    cat = embedding.vector("고양이")[0]
    cosine = lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)  # noqa: E731
    assert cosine(near, cat) > cosine(far, cat)


def test_phrases_get_vectors(text: Path) -> None:
    trained(text, phrases=True, phrase_threshold=0.06)
    assert "한_마리" in Embedding.load("out").words


def test_max_vocab_keeps_the_most_frequent(text: Path) -> None:
    assert trained(text, max_vocab=5).vocabulary == 5
    trained(text, "all")
    assert Embedding.load("out").words == Embedding.load("all").words[:5]


def test_every_form_of_the_same_text_gives_the_same_vectors(text: Path) -> None:
    lines = small_text(50)
    write_text("t/train.ko", lines)
    write_text("t/train.en", ["x"] * len(lines))
    Path("crlf.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    Path("packed.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    write_text("table.tsv", ["id\ttext", *(f"{n}\t{line}" for n, line in enumerate(lines))])
    write_text("lines.jsonl", [json.dumps({"text": line}) for line in lines])
    found = [trained("./t", "1", lang="ko"), *(trained(f"./{name}", name + ".out") for name in ("crlf.txt", "packed.txt.gz"))]
    found += [trained("./table.tsv", "4"), trained("./lines.jsonl", "5")]
    vectors = [Embedding.load(result.path) for result in found]
    assert all(v.words == vectors[0].words and np.array_equal(v.vectors, vectors[0].vectors) for v in vectors)


def test_unusual_characters_get_vectors() -> None:
    write_text("t.txt", ["a\0b \\ ^\\^ \ufeff \U0001f600 나\u2028라"] * 5)
    trained("./t.txt", strip_punctuation=False)
    assert set(Embedding.load("out").words) == {"a\0b", "\\", "^\\^", "\ufeff", "\U0001f600", "나", "라"}


# Refusals


@pytest.mark.parametrize("content", [b"", b"\n\n \n", b"... !\n"])
def test_a_text_without_units_is_refused(content: bytes) -> None:
    Path("t.txt").write_bytes(content)
    with pytest.raises(BadInput, match=r"t\.txt has no words"):
        trained("./t.txt")
    assert {p.name for p in Path.cwd().iterdir()} == {"t.txt"}


def test_a_text_without_frequent_units_is_refused_with_the_count_that_would_do() -> None:
    write_text("t.txt", ["가 나 다 가 라"])
    with pytest.raises(BadInput, match="no unit stands in the text 5 times") as caught:
        trained("./t.txt", min_count=5)
    assert "--min-count 2" in caught.value.fix


@pytest.mark.parametrize("bad", [b"\xb0\xa1\xb3\xaa\n", b"x" * ((1 << 20) + 9) + b"\n"])
def test_a_bad_line_is_refused_by_number_or_noted(bad: bytes, capfd: Any) -> None:
    good = "".join(line + "\n" for line in small_text(20)).encode()
    Path("t.txt").write_bytes(good + bad + good)
    with pytest.raises(BadInput, match="line 41 is"):
        trained("./t.txt")
    assert not Path("out").exists()
    trained("./t.txt", on_error="skip")
    [entry] = [json.loads(line) for line in Path("out/skipped.jsonl").read_text("utf-8").splitlines()]
    assert entry["line"] == 41
    assert artifacts.open_artifact("out").manifest.metrics["skipped"] == 1
    assert "left out 1 bad line" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jamo": True}, "--jamo changes nothing"),
        ({"model": "fasttext", "min_n": 5, "max_n": 3}, "--min-n 5 is more than --max-n 3"),
        ({"unit": "pieces"}, "belong together"),
        ({"dim": 0, "sample": 1.0}, "settings out of range"),
    ],
)
def test_options_that_do_not_fit_are_refused(text: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        trained(text, **options)


def test_pieces_need_a_tokenizer_of_the_texts_language(text: Path, tiny_tokenizer: Path) -> None:
    write_text("t.txt", small_text(50))
    with pytest.raises(UsageError, match="is for ko and en") as caught:
        trained("./t.txt", unit="pieces", tokenizer=tiny_tokenizer)
    assert "--lang ko" in caught.value.fix
    trained("./t.txt", unit="pieces", tokenizer=tiny_tokenizer, lang="en")


def test_an_existing_output_is_refused(text: Path) -> None:
    trained(text)
    with pytest.raises(OutputExists):
        trained(text)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_at_once_and_leaves_nothing(text: Path, signum: int) -> None:
    command = [sys.executable, "-m", "nlpcli", "embed", "train", "--data", str(text), "--out", "out", "--epochs", "100000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "epoch 2 of" not in process.stderr.readline():
            pass
        process.send_signal(signum)
        began = time.monotonic()
        assert process.wait(timeout=20) == 128 + signum
        assert time.monotonic() - began < 5
    assert not list(Path.cwd().iterdir())


def test_after_an_error_no_worker_trains_on(monkeypatch: Any) -> None:
    """In a notebook the process lives on; its workers must not. They end where the corpus file ends."""
    import threading

    write_text("t.txt", small_text(60_000))
    before = threading.active_count()

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Word2Vec, "_log_epoch_progress", stop)
    with pytest.raises(KeyboardInterrupt):
        trained("./t.txt", dim=400, workers=2)
    until = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.02)
    assert threading.active_count() == before
    assert {p.name for p in Path.cwd().iterdir()} == {"t.txt"}


# Progress and loss


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_positions_in_a_file_are_seen() -> None:
    path = write_text("t.txt", ["x" * 100_000]).resolve()
    with path.open("rb", buffering=0) as f:
        f.read(70_000)
        assert positions(path) == [70_000]
    assert positions(path) == []


def test_progress_tells_percent_and_speed(text: Path, monkeypatch: Any) -> None:
    told = []
    monkeypatch.setattr("nlpcli.embedding.progress.INTERVAL", 0.005)
    monkeypatch.setattr("nlpcli.console.Progress.update", lambda self, done, note="": told.append((self.what, done, note)))
    trained(text, epochs=30)
    seen = [(done, note) for what, done, note in told if what == "training"]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert 0 < seen[len(seen) // 2][0] < 100
    assert "words/s" in seen[-1][1]


@pytest.mark.parametrize("loss", ["negative", "hierarchical"])
def test_the_loss_of_a_model_that_knows_nothing_is_that_of_coins(text: Path, loss: str) -> None:
    hierarchical = int(loss == "hierarchical")
    model = Word2Vec(vector_size=4, hs=hierarchical, negative=5 * (1 - hierarchical), min_count=1)
    rows = [line.split() for line in small_text(100)]
    write_text("corpus", [" ".join(str(i) for i, _ in enumerate(row)) for row in rows])
    model.build_vocab(corpus_file="corpus")
    measured = SampleLoss(model, Path("corpus"), 1).measure(model)
    assert measured is not None
    if hierarchical:
        assert measured > np.log(2)
    else:
        assert 5 * np.log(2) < measured <= 6 * np.log(2)  # the word and up to five noise words, each even odds


def test_sentences_of_one_word_have_no_loss() -> None:
    write_text("t.txt", ["가", "나"] * 10)
    assert trained("./t.txt").loss == []
