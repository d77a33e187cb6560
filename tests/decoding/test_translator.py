"""Lines through a model: none lost, none out of place, blank for blank."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from learnt import Learnt
from torch import Tensor, nn

from nlpcli.artifacts import open_artifact
from nlpcli.decoding.translator import LENGTH_EXTRA, LENGTH_FACTOR, Translator
from nlpcli.models.base import Memory, State, TranslationModel
from nlpcli.models.config import Seq2SeqConfig
from nlpcli.models.load import build_model, sizes
from nlpcli.tokenization.tokenizer import EOS, Tokenizer
from nlpcli.tokenization.train import train_tokenizer

BLANKS = ["", " ", "\t \t", "\u3000", "\u00a0", "\r"]
ODD = ["😀", "👩‍👩‍👧‍👦 가족", "\u200b", "ㅋㅋㅋㅋ", "Å \x00 \x7f", "한글", "a" * 300]


@pytest.fixture(scope="session")
def loaded(learnt: Learnt) -> Translator:
    return Translator.load(learnt.path, device="cpu")


def with_options(translator: Translator, model: Any = None, **options: Any) -> Translator:
    return Translator(model or translator.model, translator.tokenizer, "ko", "en", **options)


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
    assert all(not t.hypotheses and not t.texts and not t.unknown for t in found[1::2])


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


class Watched(nn.Module):
    """A model that keeps the sizes of what it was given to read."""

    def __init__(self, model: TranslationModel) -> None:
        super().__init__()
        self.model, self.output = model, model.output
        self.step, self.start, self.reorder, self.select = model.step, model.start, model.reorder, model.select
        self.shapes: list[tuple[int, int]] = []

    def encode(self, src_bs: Tensor, src_lengths_b: Tensor) -> Memory:
        self.shapes.append((src_bs.size(0), src_bs.size(1)))
        return self.model.encode(src_bs, src_lengths_b)


def test_batches_stay_within_their_tokens_times_beams(loaded: Translator, learnt: Learnt) -> None:
    model = Watched(loaded.model)
    with_options(loaded, model, batch_tokens=120, beam_size=2).translate(learnt.src)
    assert sum(rows for rows, _ in model.shapes) == 8
    assert len(model.shapes) > 1
    assert all(2 * rows * longest <= 120 for rows, longest in model.shapes)


@pytest.mark.parametrize("line", ODD, ids=range(len(ODD)))
def test_odd_lines_give_one_line_and_disturb_no_other(loaded: Translator, learnt: Learnt, line: str) -> None:
    first, odd, last = loaded.translate([learnt.src[0], line, learnt.src[1]])
    assert (first.best, last.best) == (learnt.tgt[0], learnt.tgt[1])
    assert len(odd.hypotheses) == 1
    assert not odd.unknown  # spelt in bytes


def test_a_line_of_3000_characters_is_read_whole(loaded: Translator, learnt: Learnt) -> None:
    line = ((" ".join(learnt.src) + " ") * 40)[:3000]
    model = Watched(loaded.model)
    [known, long] = with_options(loaded, model, batch_tokens=100).translate([learnt.src[0], line])
    assert known.best == learnt.tgt[0]
    assert len(long.hypotheses) == 1
    assert max(longest for _, longest in model.shapes) == len(loaded.tokenizer.encode([line], "ko")[0]) + 1


def test_a_translation_that_does_not_end_is_cut_at_its_limit(loaded: Translator, learnt: Learnt) -> None:
    model = deepcopy(loaded.model)
    with torch.no_grad():
        model.output.bias[EOS] = -1000.0
    for line, translation in zip(learnt.src, with_options(loaded, model).translate(learnt.src)):
        source_tokens = len(loaded.tokenizer.encode([line], "ko")[0]) + 1
        [hypothesis] = translation.hypotheses
        assert (len(hypothesis.ids), hypothesis.cut) == (LENGTH_FACTOR * source_tokens + LENGTH_EXTRA, True)
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
    found = Translator(model, tokenizer, "ko", "en").translate(["저는 갑니다.", "저는 😀 갑니다.", "", "저는 갑니다."])
    assert [t.unknown for t in found] == [False, True, False, False]


def test_the_last_weights_can_be_loaded_instead_of_the_best(learnt: Learnt) -> None:
    best = Translator.load(learnt.path, device="cpu", checkpoint="model")
    last = Translator.load(open_artifact(learnt.path, "model"), device="cpu", checkpoint="last")
    assert texts(best, learnt.src) == learnt.tgt
    assert texts(last, learnt.src) != learnt.tgt


def test_loading_passes_options_on_and_leaves_the_model_in_evaluation(learnt: Learnt) -> None:
    translator = Translator.load(learnt.path, device="cpu", beam_size=3, n_best=2)
    assert not translator.model.training
    assert [len(t.texts) for t in translator.translate(learnt.src[:2])] == [2, 2]
