"""When two names are suspiciously alike, and which word of a fixed vocabulary was meant."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_INVISIBLE = {"Cf", "Cc", "Cs"}  # zero-width marks, soft hyphens, control characters
_ACCENTS = {*range(0x0300, 0x0370), *range(0xFE00, 0xFE10)}  # marks of other scripts are letters
# Small letters that look like a Latin one, or whose capitals do, and Latin ones with a stroke.
_SAME_LOOK = str.maketrans(
    "авекмнорстухіјѕԁһӏαβεζηικμνορτυχıøłđħŧ", "abekmhopctyxijsdhlabezhikmnoptyxioldht"
)
_MARKS = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict.fromkeys("’‘ʼ´`", "'"),
        **dict.fromkeys('_/:~#()[]"', " "),
    }
)
_APART = re.compile(r"(?<=[^\W_])[\s-]+(?=[^\W_])")
_DOT = re.compile(r"(?<!\d)[.,](?!\d)|(?<=\d)[.,](?!\d)|(?<=\D)[.,](?=\d)")
_INNER_QUOTE = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])")
_WHOLE = re.compile(r"\+?(-?\d+)(?:[.,](?:0{1,2}|0{4,}))?")
_GROUPED = re.compile(r"\+?-?[1-9]\d{0,2}([.,'])\d{3}(?:\1\d{3})*")
_POWER = re.compile(r"([1-9])(?:[.,](\d+))?e\+?0*(\d{1,2})")
_DIGIT_LIKE = re.compile(r"(?<=\d)[oOlI]+|[oOlI]+(?=\d)")
_AS_DIGITS = str.maketrans("oOlI", "0011")


def fold(name: str) -> str:
    """What all spellings of a name share that look the same to a person.

    Gone are case, width, accents, invisible characters, kinds of dashes and apostrophes, and
    letters of other alphabets that look alike. Spaces, dashes, dots, commas, slashes, brackets and
    their like count only between digits, where they tell numbers apart; dashes also at the ends
    (`ER-` is not `ER`). A whole
    number is what it is however a spreadsheet writes it. Leading zeros stay: ids differ in them.

    >>> fold("12.0") == fold("12") == fold("1.2E+01"), fold("P-01") == fold("p 01") == fold("P01")
    (True, True)
    >>> fold("Müller") == fold("MULLER"), fold("1,200") == fold("1200")
    (True, True)
    >>> fold("001") == fold("1"), fold("1-2") == fold("12"), fold("P1") == fold("P01")
    (False, False, False)
    """
    simple = name.isascii() and name.isprintable()
    text = name.casefold() if simple else _plain(name)
    if text.isalpha():
        return text
    text = text.translate(_MARKS).strip().lstrip("'= ")  # which keep a spreadsheet from counting
    if text[:1] in "+-0123456789" and (number := _whole_number(text)):
        return number
    text = _APART.sub(_between, _INNER_QUOTE.sub("", text))
    text = _DOT.sub("", "".join(text.split()))
    return re.sub(r"(?<=\d),(?=\d)", ".", text)


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ as text and look the same to a person, in order of appearance.

    Such share their `fold`, or do once O, l and I beside a digit are read as 0 and 1, or letters
    that were saved in one encoding and read in another (`MÃ¼ller`) are mended.

    >>> alike(["12", "7", "12.0", "007", "P1O", "P10"])
    [('12', '12.0'), ('P1O', 'P10')]
    """
    first: dict[str, str] = {}  # key -> the first name that has it
    group: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        digits = _DIGIT_LIKE.sub(lambda found: found[0].translate(_AS_DIGITS), name)
        key = fold(name)
        keys = (key, f"digits {key if digits == name else fold(digits)}", fold(_mended(name)))
        members = [name]
        for other in dict.fromkeys(first[key] for key in keys if key in first):
            if group[other] is not members:
                members = [*group[other], *members]
        group.update(dict.fromkeys(members, members))
        for key in keys:
            first.setdefault(key, name)
    found = {id(members): tuple(members) for members in group.values()}
    return [members for members in found.values() if len(members) > 1]


def choose(word: str, vocabulary: Mapping[str, Sequence[str]]) -> str | None:
    """The entry of a fixed vocabulary that a word stands for; None if it stands for none.

    Args:
        word: As somebody wrote it.
        vocabulary: Entry -> its other known spellings.

    >>> choose("Hold-Out", {"test": ("holdout", "test set"), "train": ("training",)})
    'test'
    """
    wanted = fold(word)
    for entry, spellings in vocabulary.items():
        if wanted in {fold(entry), *map(fold, spellings)}:
            return entry
    return None


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that a mistyped one most likely stands for; None if none is near.

    >>> nearest("tumor", ["healthy", "tumour"]), nearest("x", ["healthy", "tumour"])
    ('tumour', None)
    """
    by_fold = {fold(name): name for name in allowed}
    found = difflib.get_close_matches(fold(word), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def show(names: Iterable[str]) -> list[str]:
    """The names in quotes, those with letters beyond ASCII also by the characters they are made of.

    >>> show(["P 1", "P_1"])
    ["'P 1'", "'P_1'"]
    """
    return [repr(n) if n.isascii() else f"{n!r} (written {n!a})" for n in names]


def _mended(name: str) -> str:
    """The name before UTF-8 was read as Windows-1252; as it is where that did not happen."""
    try:
        return name if name.isascii() else name.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return name


def _plain(name: str) -> str:
    """Small Latin letters without accents; other scripts as they are."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    kept = [
        character
        for character in text
        if ord(character) not in _ACCENTS
        and (character.isspace() or unicodedata.category(character) not in _INVISIBLE)
    ]
    return unicodedata.normalize("NFKC", "".join(kept).translate(_SAME_LOOK))


def _whole_number(text: str) -> str | None:
    """Digits (and sign) of a text that is a whole number in the way of some spreadsheet."""
    if found := _WHOLE.fullmatch(text):
        return found[1]
    if _GROUPED.fullmatch(text):
        return re.sub(r"[+.,']", "", text)
    if found := _POWER.fullmatch(text):
        fraction, power = (found[2] or "").rstrip("0"), int(found[3])
        if len(fraction) <= power:
            return found[1] + fraction + "0" * (power - len(fraction))
    return None


def _between(found: re.Match[str]) -> str:
    """What is kept of spaces and dashes between two letters or digits: one dash between digits."""
    before, after = found.string[found.start() - 1], found.string[found.end()]
    return "-" if before.isdigit() and after.isdigit() else ""
