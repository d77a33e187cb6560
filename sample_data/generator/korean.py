"""Korean conjugation: a stem takes auxiliaries, which give new stems, and then an ending."""

from dataclasses import dataclass, replace

from .hangul import attach, last_tail, vowel_of, with_tail, with_vowel

CASUAL, POLITE, FORMAL = "해체", "해요체", "합쇼체"
LEVELS = (CASUAL, POLITE, FORMAL)

REGULAR_P = {"입", "잡", "뽑", "씹", "접", "집", "업", "꼽", "좁", "갈아입"}
IRREGULAR_T = ("듣", "걷", "싣", "묻", "깨닫")
IRREGULAR_S = ("짓", "낫", "붓", "잇", "젓")
IRREGULAR_H = ("렇", "랗", "갛", "얗", "멓", "떻")
PLAIN_REU = ("따르", "들르", "치르")
CONTRACTED = {"ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅣ": "ㅕ", "ㅚ": "ㅙ", **{v: v for v in "ㅏㅓㅐㅔㅕ"}}
RESPECTFUL = {"먹": "드시", "마시": "드시", "자": "주무시", "있": "계시", "말하": "말씀하시"}


@dataclass(frozen=True)
class Stem:
    """A predicate without its ending. The kind decides which endings it takes.

    Kinds: "verb"; "adjective"; "exist" (있다 and 없다, between the two); "copula" (이다); "past" (-았/었-).
    """

    text: str
    kind: str
    honorific: bool = False


def irregularity(stem: Stem) -> str:
    """Name the irregular class of a stem by its letter, or return an empty string."""
    text = stem.text
    if stem.kind == "past" or not text:
        return ""
    tail = last_tail(text)
    if tail == "ㅂ" and text.split()[-1] not in REGULAR_P:
        return "ㅂ"
    if text.endswith(IRREGULAR_T):
        return "ㄷ"
    if text.endswith(IRREGULAR_S):
        return "ㅅ"
    if text.endswith(IRREGULAR_H):
        return "ㅎ"
    if text.endswith("르") and not text.endswith(PLAIN_REU):
        return "르"
    return ""


def dark_or_bright(text: str) -> str:
    """Choose 아 or 어 by vowel harmony with the last syllable."""
    return "아" if vowel_of(text[-1]) in "ㅏㅗㅑ" else "어"


def infinitive(stem: Stem) -> str:
    """Return the -아/어 form: 가, 먹어, 도와, 들어, 몰라, 해."""
    text, irregular = stem.text, irregularity(stem)
    if stem.kind == "copula":
        return text + ("여" if text and not last_tail(text) else "이어")
    if text.endswith("하"):
        return text[:-1] + "해"
    if irregular == "ㅂ":
        return with_tail(text, "") + ("와" if text.endswith(("돕", "곱")) else "워")
    if irregular == "ㄷ":
        return with_tail(text, "ㄹ") + dark_or_bright(text)
    if irregular == "ㅅ":
        return with_tail(text, "") + dark_or_bright(text)
    if irregular == "ㅎ":
        return with_vowel(text, "ㅒ" if vowel_of(text[-1]) == "ㅑ" else "ㅐ")
    if irregular == "르":
        return with_tail(text[:-1], "ㄹ") + ("라" if dark_or_bright(text[:-1]) == "아" else "러")
    if not last_tail(text):
        return contract(text)
    return text + dark_or_bright(text) if stem.kind != "past" else text + "어"


def contract(text: str) -> str:
    """Join 아/어 to a stem that ends in a vowel: 보 gives 봐, 마시 gives 마셔, 쓰 gives 써."""
    vowel = vowel_of(text[-1])
    if vowel == "ㅡ":
        bright = len(text) > 1 and text[-2] != " " and dark_or_bright(text[:-1]) == "아"
        return with_vowel(text, "ㅏ" if bright else "ㅓ")
    if vowel in CONTRACTED:
        return with_vowel(text, CONTRACTED[vowel])
    return text + "어"


def open_stem(stem: Stem) -> str:
    """Return the stem as it stands before an (으) ending: 먹으, 들으, 추우, 살, 가."""
    text, irregular = stem.text, irregularity(stem)
    if stem.kind == "copula":
        return text + "이"
    if irregular == "ㅂ":
        return with_tail(text, "") + "우"
    if irregular == "ㄷ":
        return with_tail(text, "ㄹ") + "으"
    if irregular == "ㅅ":
        return with_tail(text, "") + "으"
    if irregular == "ㅎ":
        return with_tail(text, "")
    return text + "으" if last_tail(text) not in ("", "ㄹ") else text


def eu(stem: Stem, ending: str) -> str:
    """Attach an (으) ending, given without 으: "면", "려고", "니까", or one that starts with ㄴ, ㄹ or ㅂ."""
    text = open_stem(stem)
    if ending[0] in "ㄴㄹㅂ":
        return with_tail(text, ending[0]) + ending[1:]
    # ㄹ falls out before ㄴ and ㅅ: 사니까, 사세요.
    return (with_tail(text, "") if last_tail(text) == "ㄹ" and ending[0] in "니시세십" else text) + ending


def plain(stem: Stem, ending: str) -> str:
    """Attach an ending that leaves the stem as it is: "고", "지만", "기", "지"."""
    text = stem.text + ("이" if stem.kind == "copula" else "")
    return (with_tail(text, "") if last_tail(text) == "ㄹ" and ending[0] in "는네" else text) + ending


def past(stem: Stem) -> Stem:
    """Return the past stem: 먹었, 갔, 했."""
    return Stem(with_tail(infinitive(stem), "ㅆ"), "past", stem.honorific)


def negative(stem: Stem) -> Stem:
    """Return the long negation -지 않-."""
    return replace(stem, text=plain(stem, "지 않"))


def unable(stem: Stem) -> Stem:
    """Return -지 못하-."""
    return replace(stem, text=plain(stem, "지 못하"))


def wanting(stem: Stem) -> Stem:
    """Return -고 싶-."""
    return Stem(plain(stem, "고 싶"), "adjective")


def able(stem: Stem, positive: bool = True) -> Stem:
    """Return -(으)ㄹ 수 있- or -(으)ㄹ 수 없-."""
    return Stem(eu(stem, "ㄹ 수 " + ("있" if positive else "없")), "exist")


def obliged(stem: Stem) -> Stem:
    """Return -아/어야 하-."""
    return Stem(infinitive(stem) + "야 하", "verb")


def ongoing(stem: Stem) -> Stem:
    """Return the progressive -고 있-."""
    return Stem(plain(stem, "고 있"), "exist")


def respectful(stem: Stem) -> Stem:
    """Return the honorific stem: 가시, 읽으시, and the words that change altogether, like 드시 for 먹."""
    head, _, word = stem.text.rpartition(" ")
    if word in RESPECTFUL:
        return Stem(f"{head} {RESPECTFUL[word]}".strip(), "verb", True)
    return Stem(eu(stem, "시"), "verb" if stem.kind == "exist" else stem.kind, True)


def statement(stem: Stem, level: str, question: bool = False) -> str:
    """End a sentence in the given speech level, without its punctuation."""
    if level == FORMAL:
        ending = "니까" if question else "니다"
        if stem.kind == "copula" or last_tail(stem.text) in ("", "ㄹ"):
            return with_tail(stem.text + ("이" if stem.kind == "copula" else ""), "ㅂ") + ending
        return stem.text + "습" + ending
    if stem.kind == "copula":
        return attach(stem.text, "이에요" if level == POLITE else "이야")
    if stem.text.endswith("아니"):
        return stem.text + ("에요" if level == POLITE else "야")
    if stem.honorific and stem.kind != "past" and level == POLITE and stem.text.endswith("시"):
        return stem.text[:-1] + "세요"
    return infinitive(stem) + ("요" if level == POLITE else "")


def future(stem: Stem, level: str, question: bool = False) -> str:
    """End a sentence with -(으)ㄹ 거야, -(으)ㄹ 거예요 or -(으)ㄹ 것입니다."""
    endings = {CASUAL: "거야", POLITE: "거예요", FORMAL: "것입니까" if question else "것입니다"}
    return eu(stem, "ㄹ " + endings[level])


def request(stem: Stem, level: str) -> str:
    """Ask the listener to do something: 와, 오세요, 오십시오."""
    return infinitive(stem) if level == CASUAL else eu(stem, "세요" if level == POLITE else "십시오")


def favour(stem: Stem, level: str) -> str:
    """Ask for a favour: 도와 줘, 도와 주세요, 도와 주십시오."""
    return request(Stem(infinitive(stem) + " 주", "verb"), level)


def proposal(stem: Stem, level: str) -> str:
    """Propose to do something together: 가자, 갑시다."""
    return plain(stem, "자") if level == CASUAL else eu(stem, "ㅂ시다")


def background(stem: Stem) -> str:
    """Return the connective -는데, -(으)ㄴ데 of an adjective, 인데 of the copula."""
    return eu(stem, "ㄴ데") if stem.kind in ("adjective", "copula") else plain(stem, "는데")


def adnominal(stem: Stem, tense: str) -> str:
    """Return the form before a noun: 읽는, 읽은, 읽을; of an adjective the present is -(으)ㄴ."""
    if tense == "future":
        return eu(stem, "ㄹ")
    if stem.kind in ("adjective", "copula"):
        return eu(stem, "ㄴ")
    return eu(stem, "ㄴ") if tense == "past" and stem.kind == "verb" else plain(stem, "는")


def quoted(stem: Stem) -> str:
    """Return the form of reported speech: 간다고, 먹는다고, 춥다고, 갔다고, 책이라고."""
    if stem.kind == "copula":
        return attach(stem.text, "이라고")
    if stem.kind != "verb":
        return stem.text + ("라고" if stem.text.endswith("아니") else "다고")
    if last_tail(stem.text) in ("", "ㄹ"):
        return with_tail(stem.text, "ㄴ") + "다고"
    return stem.text + "는다고"


def quoted_future(stem: Stem) -> str:
    """Return the reported future -(으)ㄹ 거라고."""
    return eu(stem, "ㄹ 거라고")
