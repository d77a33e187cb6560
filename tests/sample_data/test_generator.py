"""The sample corpus: reproducible, well split, and correctly inflected in both languages."""

import sys
import unicodedata
from pathlib import Path

import pytest

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"
sys.path.insert(0, str(SAMPLE_DATA))

from generator import english, figures, hangul, korean  # noqa: E402
from generator.clause import stem_of  # noqa: E402
from generator.korean import CASUAL, FORMAL, POLITE, Stem  # noqa: E402
from generator.parallel import BUCKETS, corpus, key, write  # noqa: E402

SIZES = {"train": 12000, "valid": 500, "test": 500}


def lines(name: str) -> list[str]:
    """Read a file of the corpus."""
    return (SAMPLE_DATA / "ko-en" / name).read_text("utf-8").splitlines()


def test_regenerating_gives_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path, corpus())
    for split in SIZES:
        for language in ("ko", "en"):
            name = f"{split}.{language}"
            assert (tmp_path / name).read_bytes() == (SAMPLE_DATA / "ko-en" / name).read_bytes(), name


@pytest.mark.parametrize("split", SIZES)
def test_each_split_has_its_size_and_clean_lines(split: str) -> None:
    for language in ("ko", "en"):
        text = (SAMPLE_DATA / "ko-en" / f"{split}.{language}").read_text("utf-8")
        assert len(lines(f"{split}.{language}")) == SIZES[split]
        assert text.endswith("\n")
        assert "\r" not in text
        assert "  " not in text
        assert unicodedata.is_normalized("NFC", text)
        assert not set("{}|/=") & set(text)
        assert all(2 <= len(line.split()) <= 40 and line[-1] in ".?" for line in text.splitlines())


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_sentence_recurs_within_or_between_splits(language: str) -> None:
    """Not even with other punctuation, so a question never mirrors a statement of another split."""
    sentences = [key(line) for split in SIZES for line in lines(f"{split}.{language}")]
    assert len(sentences) == len(set(sentences))


@pytest.mark.parametrize("split", SIZES)
def test_all_length_buckets_have_their_share(split: str) -> None:
    lengths = [len(line.split()) for line in lines(f"{split}.en")]
    for low, high, share in BUCKETS:
        assert sum(low <= n <= high for n in lengths) == round(share * SIZES[split])


def test_words_of_the_held_out_splits_occur_in_training() -> None:
    for language in ("ko", "en"):
        known = {word for line in lines(f"train.{language}") for word in key(line).split()}
        held_out = lines(f"valid.{language}") + lines(f"test.{language}")
        words = [word for line in held_out for word in key(line).split()]
        assert sum(word in known for word in words) / len(words) > 0.97


@pytest.mark.parametrize(
    ("word", "particle", "expected"),
    [
        ("책", "은", "책은"),
        ("사과", "은", "사과는"),
        ("물", "이", "물이"),
        ("커피", "이", "커피가"),
        ("빵", "을", "빵을"),
        ("우유", "을", "우유를"),
        ("친구", "과", "친구와"),
        ("동생", "과", "동생과"),
        ("학교", "으로", "학교로"),
        ("병원", "으로", "병원으로"),
        ("서울", "으로", "서울로"),
        ("부엌", "으로", "부엌으로"),
        ("책", "이나", "책이나"),
        ("사과", "이나", "사과나"),
        ("학생", "이에요", "학생이에요"),
        ("기자", "이에요", "기자예요"),
        ("집", "에서", "집에서"),
        ("20%", "이", "20%가"),
        ("3", "이", "3이"),
        ("5", "은", "5는"),
    ],
)
def test_particles_follow_the_final_consonant(word: str, particle: str, expected: str) -> None:
    assert hangul.attach(word, particle) == expected


def test_every_object_particle_in_the_corpus_fits_its_word() -> None:
    """를 never follows a final consonant (들를 is a verb); checked without the generator's functions."""
    for line in lines("train.ko"):
        for word in line.split():
            if len(word) > 1 and word.endswith("를") and word != "들를":
                assert (ord(word[-2]) - 0xAC00) % 28 == 0, line


@pytest.mark.parametrize(
    ("lemma", "infinitive", "formal", "condition"),
    [
        ("가다", "가", "갑니다", "가면"),
        ("오다", "와", "옵니다", "오면"),
        ("배우다", "배워", "배웁니다", "배우면"),
        ("마시다", "마셔", "마십니다", "마시면"),
        ("되다", "돼", "됩니다", "되면"),
        ("보다", "봐", "봅니다", "보면"),
        ("먹다", "먹어", "먹습니다", "먹으면"),
        ("읽다", "읽어", "읽습니다", "읽으면"),
        ("앉다", "앉아", "앉습니다", "앉으면"),
        ("하다", "해", "합니다", "하면"),
        ("공부하다", "공부해", "공부합니다", "공부하면"),
        ("쓰다", "써", "씁니다", "쓰면"),
        ("바쁘다", "바빠", "바쁩니다", "바쁘면"),
        ("예쁘다", "예뻐", "예쁩니다", "예쁘면"),
        ("크다", "커", "큽니다", "크면"),
        ("덥다", "더워", "덥습니다", "더우면"),
        ("돕다", "도와", "돕습니다", "도우면"),
        ("굽다", "구워", "굽습니다", "구우면"),
        ("입다", "입어", "입습니다", "입으면"),
        ("좁다", "좁아", "좁습니다", "좁으면"),
        ("듣다", "들어", "듣습니다", "들으면"),
        ("걷다", "걸어", "걷습니다", "걸으면"),
        ("닫다", "닫아", "닫습니다", "닫으면"),
        ("짓다", "지어", "짓습니다", "지으면"),
        ("낫다", "나아", "낫습니다", "나으면"),
        ("씻다", "씻어", "씻습니다", "씻으면"),
        ("벗다", "벗어", "벗습니다", "벗으면"),
        ("모르다", "몰라", "모릅니다", "모르면"),
        ("부르다", "불러", "부릅니다", "부르면"),
        ("빠르다", "빨라", "빠릅니다", "빠르면"),
        ("들르다", "들러", "들릅니다", "들르면"),
        ("빨갛다", "빨개", "빨갛습니다", "빨가면"),
        ("파랗다", "파래", "파랗습니다", "파라면"),
        ("하얗다", "하얘", "하얗습니다", "하야면"),
        ("좋다", "좋아", "좋습니다", "좋으면"),
        ("넣다", "넣어", "넣습니다", "넣으면"),
        ("만들다", "만들어", "만듭니다", "만들면"),
        ("길다", "길어", "깁니다", "길면"),
        ("쉬다", "쉬어", "쉽니다", "쉬면"),
        ("켜다", "켜", "켭니다", "켜면"),
        ("보내다", "보내", "보냅니다", "보내면"),
        ("서다", "서", "섭니다", "서면"),
        ("주다", "줘", "줍니다", "주면"),
        ("기다리다", "기다려", "기다립니다", "기다리면"),
        ("있다", "있어", "있습니다", "있으면"),
        ("없다", "없어", "없습니다", "없으면"),
        ("아프다", "아파", "아픕니다", "아프면"),
    ],
)
def test_conjugations(lemma: str, infinitive: str, formal: str, condition: str) -> None:
    stem = stem_of(lemma)
    assert korean.infinitive(stem) == infinitive
    assert korean.statement(stem, CASUAL) == infinitive
    assert korean.statement(stem, POLITE) == infinitive + "요"
    assert korean.statement(stem, FORMAL) == formal
    assert korean.eu(stem, "면") == condition


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (korean.statement(korean.past(stem_of("가다")), POLITE), "갔어요"),
        (korean.statement(korean.past(stem_of("듣다")), FORMAL), "들었습니다"),
        (korean.future(stem_of("만들다"), POLITE), "만들 거예요"),
        (korean.future(stem_of("먹다"), FORMAL), "먹을 것입니다"),
        (korean.request(stem_of("팔다"), POLITE), "파세요"),
        (korean.request(stem_of("읽다"), FORMAL), "읽으십시오"),
        (korean.favour(stem_of("돕다"), POLITE), "도와 주세요"),
        (korean.proposal(stem_of("놀다"), FORMAL), "놉시다"),
        (korean.adnominal(stem_of("만들다"), "present"), "만드는"),
        (korean.adnominal(stem_of("춥다"), "present"), "추운"),
        (korean.adnominal(stem_of("재미있다"), "present"), "재미있는"),
        (korean.adnominal(stem_of("굽다"), "past"), "구운"),
        (korean.background(stem_of("길다")), "긴데"),
        (korean.background(stem_of("가다")), "가는데"),
        (korean.quoted(stem_of("가다")), "간다고"),
        (korean.quoted(stem_of("먹다")), "먹는다고"),
        (korean.quoted(stem_of("비싸다")), "비싸다고"),
        (korean.quoted(Stem("기자", "copula")), "기자라고"),
        (korean.statement(korean.respectful(stem_of("먹다")), POLITE), "드세요"),
        (korean.statement(korean.past(korean.respectful(stem_of("살다"))), POLITE), "사셨어요"),
        (korean.statement(stem_of("마시다"), POLITE), "마셔요"),
        (korean.eu(stem_of("알다"), "니까"), "아니까"),
        (korean.statement(Stem("학생", "copula"), POLITE), "학생이에요"),
        (korean.statement(Stem("의사", "copula"), FORMAL), "의사입니다"),
        (korean.statement(korean.past(Stem("의사", "copula")), POLITE), "의사였어요"),
        (korean.eu(stem_of("걷다"), "려고"), "걸으려고"),
        (figures.sino(35000), "삼만 오천"),
        (figures.sino(10600), "만 육백"),
        (figures.native(25), "스물다섯"),
        (figures.native(20), "스무"),
    ],
)
def test_endings_and_numerals(form: str, expected: str) -> None:
    assert form == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (english.predicate("go home", "he", "present"), "goes home"),
        (english.predicate("study", "he", "present"), "studies"),
        (english.predicate("have a cat", "he", "present"), "has a cat"),
        (english.predicate("be late", "I", "present"), "am late"),
        (english.predicate("be late", "they", "past"), "were late"),
        (english.predicate("buy rice", "we", "past"), "bought rice"),
        (english.predicate("eat", "he", "present", False), "doesn't eat"),
        (english.predicate("eat", "I", "past", False), "didn't eat"),
        (english.predicate("be busy", "he", "past", False), "wasn't busy"),
        (english.predicate("go", "he", "future", False), "won't go"),
        (english.predicate("read", "he", "present", adverb="often"), "often reads"),
        (english.predicate("be late", "he", "present", adverb="often"), "is often late"),
        (english.predicate("write a letter", "they", "present progressive"), "are writing a letter"),
        (english.predicate("swim", "he", "perfect"), "had swum"),
        (english.predicate("lie in bed", "he", "past"), "lay in bed"),
        (english.question("eat lunch", "you", "you", "past"), "did you eat lunch"),
        (english.question("be far away", "the bank", "he", "present"), "is the bank far away"),
        (english.article("umbrella"), "an umbrella"),
        (english.article("used car"), "a used car"),
        (english.article("honest man"), "an honest man"),
        (english.plural("child"), "children"),
        (english.plural("chest of drawers"), "chests of drawers"),
        (english.plural("puppy"), "puppies"),
        (english.gerund("sit down"), "sitting down"),
        (english.gerund("lie in bed"), "lying in bed"),
        (english.listed(["a", "b", "c"]), "a, b, and c"),
    ],
)
def test_english_inflection(form: str, expected: str) -> None:
    assert form == expected
