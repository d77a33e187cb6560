"""Arithmetic on Hangul syllables, and the particles that depend on a final consonant."""

FIRST = ord("가")
TAILS = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
VOWELS = list("ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ")

# The last sound of a digit or sign when it is read aloud: 3 is 삼, 6 is 육, % is 퍼센트.
SPOKEN = dict(zip("0123456789%", "영일이삼사오육칠팔구트", strict=True))

# After a consonant, after a vowel.
PARTICLES = {
    "은": ("은", "는"),
    "이": ("이", "가"),
    "을": ("을", "를"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이나": ("이나", "나"),
    "이에요": ("이에요", "예요"),
    "이야": ("이야", "야"),
    "이라고": ("이라고", "라고"),
}


def vowel_of(syllable: str) -> str:
    """Return the vowel letter of a syllable: ㅗ for 보."""
    return VOWELS[(ord(syllable) - FIRST) // 28 % 21]


def tail_of(syllable: str) -> str:
    """Return the final consonant of a syllable, or an empty string."""
    return TAILS[(ord(syllable) - FIRST) % 28]


def with_tail(word: str, tail: str) -> str:
    """Return the word with the final consonant of its last syllable replaced."""
    code = ord(word[-1]) - FIRST
    return word[:-1] + chr(FIRST + code // 28 * 28 + TAILS.index(tail))


def with_vowel(word: str, vowel: str, tail: str = "") -> str:
    """Return the word with the vowel and final consonant of its last syllable replaced."""
    lead = (ord(word[-1]) - FIRST) // 588
    return word[:-1] + chr(FIRST + (lead * 21 + VOWELS.index(vowel)) * 28 + TAILS.index(tail))


def last_tail(word: str) -> str:
    """Return the final consonant a word is pronounced with; digits and % are read aloud."""
    return tail_of(SPOKEN.get(word[-1], word[-1]))


def attach(word: str, particle: str) -> str:
    """Attach a particle, named by its form after a consonant, in the form the word asks for."""
    if particle not in PARTICLES:
        return word + particle
    after_consonant, after_vowel = PARTICLES[particle]
    tail = last_tail(word)
    # ㄹ counts as a vowel before (으)로: 서울로, 지하철로.
    if not tail or (particle == "으로" and tail == "ㄹ"):
        return word + after_vowel
    return word + after_consonant
