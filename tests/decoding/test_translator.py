"""Lines through a model: none lost, none out of place, blank for blank."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt import Learnt
from torch import Tensor, nn

from nlpcli import artifacts
from nlpcli.artifacts import open_artifact
from nlpcli.decoding.load import load_translator
from nlpcli.decoding.settings import EngineSettings, SearchSettings
from nlpcli.decoding.torch_engine import TorchEngine
from nlpcli.decoding.translator import LENGTH_EXTRA, LENGTH_FACTOR, LENGTH_STEP, Hint, Translation, Translator
from nlpcli.errors import ArtifactError, BadInput, UsageError
from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.models.config import Seq2SeqConfig
from nlpcli.models.load import build_model, load_model, sizes
from nlpcli.tokenization.tokenizer import EOS, Tokenizer
from nlpcli.tokenization.train import train_tokenizer

ALONE = EngineSettings(engine="torch", workers=1)
BLANKS = ["", " ", "\t \t", "\u3000", "\u00a0", "\r"]
ODD = ["😀", "👩‍👩‍👧‍👦 가족", "\u200b", "ㅋㅋㅋㅋ", "Å \x00 \x7f", "한글", "a" * 300]


@pytest.fixture(scope="session")
def loaded(learnt: Learnt) -> Translator:
    return load_translator([learnt.path], engine=ALONE)


def with_options(
    translator: Translator, model: Any = None, *, beam_size: int = 1, n_best: int = 1, **options: Any
) -> Translator:
    engine = translator.engine if model is None else TorchEngine([model])
    search = SearchSettings(beam_size=beam_size, n_best=n_best)
    return Translator(engine, translator.tokenizer, "ko", "en", search=search, **options)


def kinds(translation: Translation) -> list[str]:
    return [issue.kind for issue in translation.issues]


def texts(translator: Translator, lines: list[str]) -> list[str]:
    return [t.best for t in translator.translate(lines)]


def test_what_was_learnt_comes_back_in_its_order(loaded: Translator, learnt: Learnt) -> None:
    assert texts(loaded, learnt.src) == learnt.tgt
    assert texts(loaded, learnt.src[::-1]) == learnt.tgt[::-1]


def test_blank_lines_stay_blank_and_move_no_other(loaded: Translator, learnt: Learnt) -> None:
    lines = [line for pair in zip(learnt.src, [*BLANKS, "", ""]) for line in pair]
    expected = [line for text in learnt.tgt for line in (text, "")]
    found = loaded.translate(lines)
    assert [t.best for t in found] == expected
    assert all(not t.hypotheses and not t.texts and not t.issues for t in found[1::2])


@pytest.mark.parametrize("lines", [[], [""], BLANKS], ids=["nothing", "a-blank", "blanks"])
def test_nothing_to_translate_is_no_trouble(loaded: Translator, lines: list[str]) -> None:
    assert texts(loaded, lines) == [""] * len(lines)


@settings(max_examples=25)
@given(st.lists(st.one_of(st.integers(0, 7), st.text(max_size=8)), max_size=12), st.sampled_from([1, 20, 8192]))
def test_as_many_lines_come_out_as_went_in(
    loaded: Translator, learnt: Learnt, picks: list[int | str], batch_tokens: int
) -> None:
    """Whatever stands between them, known lines come out where they went in, and each result is one line."""
    lines = [learnt.src[p] if isinstance(p, int) else p for p in picks]
    found = texts(with_options(loaded, batch_tokens=batch_tokens), lines)
    assert len(found) == len(lines)
    for pick, line, text in zip(picks, lines, found):
        assert "\n" not in text
        if isinstance(pick, int):
            assert text == learnt.tgt[pick]
        elif not line.strip():
            assert text == ""


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("batch_tokens", [1, 37, 200])
def test_the_size_of_batches_changes_no_result(loaded: Translator, learnt: Learnt, batch_tokens: int, beam_size: int) -> None:
    lines = [*learnt.src, "", *learnt.src[::2]]
    one_batch = with_options(loaded, beam_size=beam_size).translate(lines)
    small = with_options(loaded, beam_size=beam_size, batch_tokens=batch_tokens).translate(lines)
    assert [t.best for t in small] == [t.best for t in one_batch]
    scores = [[h.score for h in t.hypotheses[:1]] for t in one_batch]
    assert [[h.score for h in t.hypotheses[:1]] for t in small] == [pytest.approx(s, abs=1e-4) for s in scores]


def model_of(translator: Translator) -> Any:
    assert isinstance(translator.engine, TorchEngine)
    return translator.engine.model


class Watched(nn.Module):
    """A model that keeps the sizes of what it was given to read."""

    def __init__(self, model: TranslationModel) -> None:
        super().__init__()
        self.model = model
        self.shapes: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(super().__getattr__("model"), name) if name not in ("model", "shapes") else super().__getattr__(name)

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        self.shapes.append((src_bs.size(0), src_bs.size(1)))
        return self.model.encode(src_bs, src_lengths_b)


def test_batches_stay_within_their_tokens_times_beams(loaded: Translator, learnt: Learnt) -> None:
    model = Watched(model_of(loaded))
    with_options(loaded, model, batch_tokens=120, beam_size=2).translate(learnt.src)
    assert sum(rows for rows, _ in model.shapes) == 8
    assert len(model.shapes) > 1
    assert all(2 * rows * longest <= 120 for rows, longest in model.shapes)


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
def test_odd_lines_give_one_line_and_disturb_no_other(loaded: Translator, learnt: Learnt, line: str) -> None:
    first, odd, last = loaded.translate([learnt.src[0], line, learnt.src[1]])
    assert (first.best, last.best) == (learnt.tgt[0], learnt.tgt[1])
    assert len(odd.hypotheses) == 1
    assert "unknown" not in kinds(odd)  # spelt in bytes


def test_a_line_of_3000_characters_is_read_whole(loaded: Translator, learnt: Learnt) -> None:
    line = ((" ".join(learnt.src) + " ") * 40)[:3000]
    model = Watched(model_of(loaded))
    [known, long] = with_options(loaded, model, batch_tokens=100, max_input_tokens=4000).translate([learnt.src[0], line])
    assert known.best == learnt.tgt[0]
    assert len(long.hypotheses) == 1
    assert max(longest for _, longest in model.shapes) == len(loaded.tokenizer.encode([line], "ko")[0]) + 1


def test_a_translation_that_does_not_end_is_cut_at_its_limit(loaded: Translator, learnt: Learnt) -> None:
    model, _ = load_model(open_artifact(learnt.path, "model"))
    with torch.no_grad():
        model.output.bias[EOS] = -1000.0
    for line, translation in zip(learnt.src, with_options(loaded, model).translate(learnt.src)):
        source_tokens = len(loaded.tokenizer.encode([line], "ko")[0]) + 1
        [hypothesis] = translation.hypotheses
        least = LENGTH_FACTOR * source_tokens + LENGTH_EXTRA
        assert hypothesis.cut
        assert least <= len(hypothesis.ids) < least + LENGTH_FACTOR * LENGTH_STEP
    assert not any(h.cut for t in loaded.translate(learnt.src) for h in t.hypotheses)


@pytest.mark.parametrize("n_best", [1, 3, 4])
def test_n_best_gives_so_many_texts_the_best_first(loaded: Translator, learnt: Learnt, n_best: int) -> None:
    found = with_options(loaded, beam_size=4, n_best=n_best).translate([*learnt.src, ""])
    assert [len(t.texts) for t in found] == [n_best] * 8 + [0]
    for translation in found:
        assert translation.texts == loaded.tokenizer.decode([h.ids for h in translation.hypotheses], "en")
        scores = [h.score for h in translation.hypotheses]
        assert scores == sorted(scores, reverse=True)
    assert [t.best for t in found] == [*learnt.tgt, ""]


class Says(TranslationModel):
    """Writes the same pieces whatever it reads."""

    def __init__(self, ids: list[int], vocab: int) -> None:
        super().__init__()
        self.table = torch.nn.functional.one_hot(torch.tensor([*ids, EOS]), vocab).float() * 50
        self.output = nn.Linear(vocab, vocab, bias=False)
        nn.init.eye_(self.output.weight)
        self.embed = nn.Embedding(vocab, 1)

    def embeddings(self) -> tuple[nn.Embedding, nn.Embedding]:
        return self.embed, self.embed

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        return {"rows": src_bs[:, 0]}

    def start(self, memory: Memory, beams: int) -> State:
        return {"t": torch.zeros(len(memory["rows"]) * beams, dtype=torch.long)}

    def step(self, tokens_n: Tensor, memory: Memory, state: State) -> tuple[Tensor, State]:
        return self.table[state["t"]], {"t": state["t"] + 1}

    def decode(self, tgt_in_bt: Tensor, memory: Memory) -> Tensor:
        raise NotImplementedError


def test_line_breaks_that_a_model_spells_in_bytes_do_not_break_the_line(loaded: Translator) -> None:
    processor = loaded.tokenizer.processors["en"]
    ids = [processor.piece_to_id(piece) for piece in ("<0x41>", "<0x0A>", "<0x42>", "<0x0D>", "<0x43>")]
    assert texts(with_options(loaded, Says(ids, processor.vocab_size())), ["가"]) == ["A B C"]


def test_broken_bytes_still_are_text(loaded: Translator) -> None:
    processor = loaded.tokenizer.processors["en"]
    ids = [processor.piece_to_id(piece) for piece in ("<0xED>", "<0xA0>", "<0x80>", "<0xFF>")]
    [text] = texts(with_options(loaded, Says(ids, processor.vocab_size())), ["가"])
    assert text.encode("utf-8").decode("utf-8") == text


def test_a_source_with_characters_outside_the_vocabulary_is_marked(tiny_corpus: Path, tmp_path: Path) -> None:
    made = train_tokenizer(data=str(tiny_corpus), out=tmp_path / "tokenizer", byte_fallback=False, src="ko", tgt="en")
    tokenizer = Tokenizer.load(made.path)
    model = build_model("seq2seq", Seq2SeqConfig(d_embed=8, d_model=8), "translation", *sizes(tokenizer)).eval()
    lines = ["저는 갑니다.", "저는 😀 갑니다.", "", "저는 갑니다."]
    found = Translator(TorchEngine([model]), tokenizer, "ko", "en").translate(lines)
    assert ["unknown" in kinds(t) for t in found] == [False, True, False, False]
    assert next(i.detail for i in found[1].issues if i.kind == "unknown") == "😀"


def test_the_last_weights_can_be_loaded_instead_of_the_best(learnt: Learnt) -> None:
    best = load_translator([learnt.path], engine=ALONE)
    last = load_translator([open_artifact(learnt.path, "model")], engine=EngineSettings(workers=1, checkpoint="last"))
    assert texts(best, learnt.src) == learnt.tgt
    assert texts(last, learnt.src) != learnt.tgt


def test_equal_lines_are_searched_for_once(loaded: Translator, learnt: Learnt) -> None:
    model = Watched(model_of(loaded))
    assert texts(with_options(loaded, model), learnt.src[:2] * 50) == learnt.tgt[:2] * 50
    assert sum(rows for rows, _ in model.shapes) == 2


def test_windows_stream_in_order_blank_ones_too(loaded: Translator, learnt: Learnt) -> None:
    windows: list[list[str]] = [[], learnt.src[:3], ["", " "], learnt.src[3:], []]
    found = [[t.best for t in window] for window in loaded.stream((window, ()) for window in windows)]
    assert found == [[], learnt.tgt[:3], ["", ""], learnt.tgt[3:], []]


def test_several_processes_give_what_one_gives(loaded: Translator, learnt: Learnt) -> None:
    several = load_translator([learnt.path], engine=EngineSettings(engine="torch", workers=3, batch_tokens=20))
    try:
        assert texts(several, learnt.src * 3) == learnt.tgt * 3
        assert texts(several, learnt.src) == learnt.tgt
    finally:
        several.close()
    assert multiprocessing.active_children() == []


class TestLongLines:
    def test_are_translated_in_parts_and_say_so(self, loaded: Translator, learnt: Learnt) -> None:
        longest = max(loaded.count(learnt.src))
        line = " ".join(learnt.src)
        [short, long] = with_options(loaded, max_input_tokens=longest).translate([learnt.src[0], line])
        assert (short.best, kinds(short)) == (learnt.tgt[0], [])
        assert next(i for i in long.issues if i.kind == "split").detail.startswith(f"{loaded.count([line])[0]} tokens in ")
        assert long.best.split()[0] == learnt.tgt[0].split()[0]

    def test_are_cut_when_asked_for(self, loaded: Translator, learnt: Learnt) -> None:
        model = Watched(model_of(loaded))
        [cut] = with_options(loaded, model, max_input_tokens=3, on_long="truncate").translate(learnt.src[:1])
        assert model.shapes == [(1, 4)]  # and EOS
        assert "truncated" in kinds(cut)

    def test_are_refused_when_asked_for(self, loaded: Translator, learnt: Learnt) -> None:
        with pytest.raises(BadInput, match="tokens"):
            with_options(loaded, max_input_tokens=3, on_long="error").translate(learnt.src[:1])


def test_a_hint_is_how_a_translation_begins(loaded: Translator, learnt: Learnt) -> None:
    begin = learnt.tgt[1].split()[0]
    [found] = loaded.translate(learnt.src[:1], [Hint(prefix=begin)])
    assert found.best.startswith(begin)


def test_a_word_asked_for_stands_in_the_translation_or_is_missed_by_name(loaded: Translator, learnt: Learnt) -> None:
    word = learnt.tgt[1].split()[-1].rstrip(".")
    [found] = loaded.translate(learnt.src[:1], [Hint(required=(word,))])
    assert (word in found.best) != ("glossary" in kinds(found))


def test_models_that_do_not_translate_are_refused_by_their_task(learnt: Learnt, tmp_path: Path) -> None:
    other = tmp_path / "classifier"
    with artifacts.create(other, "model", command="test", config={"task": "classify"}) as draft:
        (draft.path / "model.safetensors").write_bytes(b"")
        draft.publish()
    with pytest.raises(ArtifactError, match="does not translate"):
        load_translator([other])


def test_an_engine_says_what_it_cannot_do(learnt: Learnt) -> None:
    with pytest.raises(UsageError, match="ctranslate2 cannot do this") as caught:
        load_translator([learnt.path], engine=EngineSettings(engine="ctranslate2"))
    assert "attention" in caught.value.cause
    with pytest.raises(UsageError, match="--attention-tier is for Transformers"):
        load_translator([learnt.path], engine=EngineSettings(attention_tier="reference"))


def test_an_ensemble_of_a_model_with_itself_is_the_model(learnt: Learnt) -> None:
    twice = load_translator([learnt.path, learnt.path], engine=ALONE)
    assert texts(twice, learnt.src) == learnt.tgt


def test_every_batch_is_told_of_as_it_comes(loaded: Translator, learnt: Learnt) -> None:
    translator, told = with_options(loaded, batch_tokens=20), list[int]()
    translator.on_batch = told.append
    translator.translate([*learnt.src, "", learnt.src[0]])
    assert sum(told) == 8
    assert len(told) > 1
