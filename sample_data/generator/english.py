"""English inflection: verbs and their auxiliaries, articles, plurals, lists."""

IRREGULAR = {
    "be": ("was", "been"),
    "become": ("became", "become"),
    "begin": ("began", "begun"),
    "bite": ("bit", "bitten"),
    "blow": ("blew", "blown"),
    "break": ("broke", "broken"),
    "bring": ("brought", "brought"),
    "build": ("built", "built"),
    "buy": ("bought", "bought"),
    "catch": ("caught", "caught"),
    "choose": ("chose", "chosen"),
    "come": ("came", "come"),
    "cost": ("cost", "cost"),
    "cut": ("cut", "cut"),
    "dig": ("dug", "dug"),
    "do": ("did", "done"),
    "draw": ("drew", "drawn"),
    "drink": ("drank", "drunk"),
    "drive": ("drove", "driven"),
    "eat": ("ate", "eaten"),
    "fall": ("fell", "fallen"),
    "feed": ("fed", "fed"),
    "feel": ("felt", "felt"),
    "find": ("found", "found"),
    "fly": ("flew", "flown"),
    "freeze": ("froze", "frozen"),
    "forget": ("forgot", "forgotten"),
    "get": ("got", "gotten"),
    "give": ("gave", "given"),
    "go": ("went", "gone"),
    "grow": ("grew", "grown"),
    "hang": ("hung", "hung"),
    "have": ("had", "had"),
    "hear": ("heard", "heard"),
    "hold": ("held", "held"),
    "hurt": ("hurt", "hurt"),
    "keep": ("kept", "kept"),
    "know": ("knew", "known"),
    "leave": ("left", "left"),
    "lend": ("lent", "lent"),
    "lie": ("lay", "lain"),
    "lose": ("lost", "lost"),
    "make": ("made", "made"),
    "meet": ("met", "met"),
    "pay": ("paid", "paid"),
    "put": ("put", "put"),
    "read": ("read", "read"),
    "ride": ("rode", "ridden"),
    "rise": ("rose", "risen"),
    "run": ("ran", "run"),
    "say": ("said", "said"),
    "see": ("saw", "seen"),
    "sell": ("sold", "sold"),
    "send": ("sent", "sent"),
    "set": ("set", "set"),
    "shut": ("shut", "shut"),
    "sing": ("sang", "sung"),
    "sit": ("sat", "sat"),
    "sleep": ("slept", "slept"),
    "speak": ("spoke", "spoken"),
    "spend": ("spent", "spent"),
    "split": ("split", "split"),
    "stand": ("stood", "stood"),
    "sweep": ("swept", "swept"),
    "swim": ("swam", "swum"),
    "take": ("took", "taken"),
    "teach": ("taught", "taught"),
    "tell": ("told", "told"),
    "think": ("thought", "thought"),
    "throw": ("threw", "thrown"),
    "understand": ("understood", "understood"),
    "wake": ("woke", "woken"),
    "wear": ("wore", "worn"),
    "win": ("won", "won"),
    "withdraw": ("withdrew", "withdrawn"),
    "write": ("wrote", "written"),
}
DOUBLED = {
    "stop",
    "dig",
    "split",
    "submit",
    "chat",
    "plan",
    "jog",
    "shop",
    "stir",
    "cut",
    "get",
    "put",
    "run",
    "set",
    "sit",
    "swim",
    "win",
    "begin",
    "forget",
    "hug",
    "drop",
    "plug",
    "tap",
    "wrap",
    "mop",
    "pat",
    "chop",
    "scrub",
    "zip",
}
PLURALS = {
    "child": "children",
    "person": "people",
    "knife": "knives",
    "scarf": "scarves",
    "fish": "fish",
    "mouse": "mice",
    "sheep": "sheep",
    "shelf": "shelves",
    "leaf": "leaves",
    "tomato": "tomatoes",
    "potato": "potatoes",
    "goose": "geese",
    "loaf": "loaves",
    "dish": "dishes",
}
CONTRACTIONS = {
    "am": "am not",
    "will": "won't",
    "can": "can't",
    "is": "isn't",
    "are": "aren't",
    "was": "wasn't",
    "were": "weren't",
    "do": "don't",
    "does": "doesn't",
    "did": "didn't",
    "could": "couldn't",
    "had": "hadn't",
    "would": "wouldn't",
    "have": "haven't",
    "has": "hasn't",
}
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
MODALS = {"future": "will", "would": "would", "can": "can", "could": "could"}


def plural(noun: str) -> str:
    """Return the plural of a noun phrase whose last word is its head; "of" keeps the head in front."""
    if " of " in noun:
        head, rest = noun.split(" of ", 1)
        return f"{plural(head)} of {rest}"
    front, space, word = noun.rpartition(" ")
    if word in PLURALS:
        return front + space + PLURALS[word]
    if word.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def article(phrase: str) -> str:
    """Put a or an before a phrase, by the sound it starts with."""
    silent = phrase.startswith(("hour", "honest"))
    consonant = phrase.startswith(("uni", "use", "one", "Eu"))
    vowel = silent or (phrase[0].lower() in "aeiou" and not consonant)
    return f"{'an' if vowel else 'a'} {phrase}"


def split_phrase(phrase: str) -> tuple[str, str]:
    """Split a verb phrase after its verb: ("turn", " on the light")."""
    verb, space, rest = phrase.partition(" ")
    return verb, space + rest


def third_person(verb: str) -> str:
    """Return the third person singular: goes, studies, has."""
    if verb == "have":
        return "has"
    if verb.endswith(("s", "x", "ch", "sh", "o", "z")):
        return verb + "es"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + "s"


def past_forms(verb: str) -> tuple[str, str]:
    """Return the past tense and the past participle."""
    if verb in IRREGULAR:
        return IRREGULAR[verb]
    if verb.endswith("e"):
        form = verb + "d"
    elif verb.endswith("y") and verb[-2] not in "aeiou":
        form = verb[:-1] + "ied"
    else:
        form = verb + (verb[-1] if verb in DOUBLED else "") + "ed"
    return form, form


def gerund(phrase: str) -> str:
    """Return the -ing form of a verb phrase: turning on the light."""
    verb, rest = split_phrase(phrase)
    if verb.endswith("ie"):
        verb = verb[:-2] + "y"
    elif verb.endswith("e") and not verb.endswith(("ee", "be")):
        verb = verb[:-1]
    elif verb in DOUBLED:
        verb += verb[-1]
    return f"{verb}ing{rest}"


def be(person: str, tense: str) -> str:
    """Return the form of "be" for a person, which is one of I, we, you, he, they."""
    if tense == "past":
        return "was" if person in ("I", "he") else "were"
    return {"I": "am", "he": "is"}.get(person, "are")


def verb_group(phrase: str, person: str, tense: str, support: bool = False) -> tuple[str, str]:
    """Split a finite verb phrase into its auxiliary and the rest.

    Tenses: present, past, future, would, can, could, progressive, past progressive, perfect (had done).
    A simple tense has no auxiliary unless support asks for "do", as negation and questions need it.
    """
    verb, rest = split_phrase(phrase)
    if tense in MODALS:
        return MODALS[tense], phrase
    if tense == "perfect":
        return "had", past_forms(verb)[1] + rest
    if tense.endswith("progressive"):
        return be(person, tense.split(maxsplit=1)[0]), gerund(phrase)
    if verb == "be":
        return be(person, tense), rest.strip()
    if support:
        return ("did" if tense == "past" else "does" if person == "he" else "do"), phrase
    if tense == "past":
        return "", past_forms(verb)[0] + rest
    return "", (third_person(verb) if person == "he" else verb) + rest


def join(*parts: str) -> str:
    """Join the parts that are not empty with single spaces."""
    return " ".join(part for part in parts if part)


def predicate(phrase: str, person: str, tense: str, positive: bool = True, adverb: str = "") -> str:
    """Return a finite verb phrase: "often reads a book", "didn't go"."""
    auxiliary, rest = verb_group(phrase, person, tense, support=not positive)
    return join(auxiliary if positive else CONTRACTIONS[auxiliary], adverb, rest)


def question(phrase: str, subject: str, person: str, tense: str, positive: bool = True) -> str:
    """Return the words of a yes/no question: "did you read a book"."""
    auxiliary, rest = verb_group(phrase, person, tense, support=True)
    return join(auxiliary if positive else CONTRACTIONS[auxiliary], subject, rest)


def listed(parts: list[str]) -> str:
    """Join coordinated parts: "a and b", "a, b, and c"."""
    if len(parts) < 3:
        return " and ".join(parts)
    return ", ".join(parts[:-1]) + ", and " + parts[-1]
