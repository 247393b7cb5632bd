"""When two names are suspiciously alike, and which word of a fixed vocabulary was meant."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

_WHOLE = re.compile(r"^([+-]?\d+)[.,]0+$")  # 12.0, as spreadsheets write 12
_INVISIBLE = {"Cf", "Cc", "Mn"}  # zero-width marks, control characters, loose accents
_SAME_LOOK = str.maketrans(
    "АВЕКМНОРСТУХаеорсухіАΑΒΕΖΗΙΚΜΝΟΡΤΥΧο‐‑‒–—−_", "ABEKMHOPCTYXaeopcyxiAABEZHIKMNOPTYXo-------"
)


def fold(name: str) -> str:
    """What all spellings of a name share that look the same to a person.

    Case, width, spaces, kinds of dashes, invisible characters, letters of other alphabets that
    look alike, and the `.0` of spreadsheets are gone; leading zeros stay, as ids differ in them.

    >>> fold("12.0") == fold("12"), fold("P01") == fold("p 01"), fold("001") == fold("1")
    (True, True, False)
    """
    text = unicodedata.normalize("NFKC", name).translate(_SAME_LOOK)
    text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE or c.isspace())
    text = "".join(text.casefold().split())
    whole = _WHOLE.match(text)
    return whole[1] if whole else text


def alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ as text and look the same to a person, in order of appearance.

    >>> alike(["12", "7", "12.0", "007"])
    [('12', '12.0')]
    """
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        groups.setdefault(fold(name), {})[name] = None
    return [tuple(group) for group in groups.values() if len(group) > 1]


def choose(word: str, vocabulary: Mapping[str, Sequence[str]]) -> str | None:
    """The entry of a fixed vocabulary that a word stands for; None if it stands for none.

    Args:
        word: As somebody wrote it.
        vocabulary: Entry -> its other known spellings.
    """
    wanted = fold(word)
    for entry, spellings in vocabulary.items():
        if wanted in {fold(entry), *map(fold, spellings)}:
            return entry
    return None


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed word that a mistyped one most likely stands for; None if none is near."""
    by_fold = {fold(name): name for name in allowed}
    found = difflib.get_close_matches(fold(word), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None
