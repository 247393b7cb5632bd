"""Rewording and explaining leave a module's digest alone; what it works out does not."""

import pytest

from histotile.io.code_digest import digest_source

SOURCE = '''
"""A module."""
import click
_REMEDY = "tile the slide again"
LIMIT = 5

def check(path, values):
    """Checks them."""
    size = len(values)  # how many
    odd = [v for v in values if v > LIMIT]
    fact = f"has {size} values, of which {len(odd)} are too large"
    if odd:
        raise HistotileError(path, fact, _REMEDY)
    click.echo(f"{path}: all fine")
    return size

def problems_of(rows):
    problems = []
    for row in rows:
        if not row:
            problems.append(f"row {row} is empty")
    if problems:
        raise HistotileError("rows", _joined(problems), "mend them")

def _joined(words):
    return "; ".join(words) + " and that is all"

def alarm(count):
    fact = f"{count} tiles stand twice"
    return Alarm(level="error", name="near", fact=fact, remedy="drop one")
'''

REWORDED = [
    ("# how many", "# how many there are"),
    ('"""Checks them."""', '"""Checks all of them."""'),
    ('"""A module."""', '"""A module of another name."""'),
    ("of which", "among which"),
    ('f"has {size} values, of which', 'f"{path} has {size} values'),
    ("tile the slide again", "make it anew"),
    ("all fine", "fine, all of it"),
    ('all fine")', 'all fine", err=True)'),
    ("is empty", "holds nothing"),
    ("mend them", "mend these rows"),
    ("and that is all", "."),
    ("stand twice", "are there two times"),
    ("drop one", "drop either"),
    ("return size", "return  (size)"),
]

CHANGED = [
    ("LIMIT = 5", "LIMIT = 6"),
    ("v > LIMIT", "v >= LIMIT"),
    ("size = len(values)", "size = len(values) + 1"),
    ("if odd:", "if not odd:"),
    ("if not row:", "if row:"),
    ("{count} tiles", "{count + 1} tiles"),
    ('"error"', '"warning"'),
    ('name="near"', 'name="far"'),
    ("raise HistotileError(path", "raise KeyError(path"),
    ("return size", "return None"),
]


@pytest.mark.parametrize(("old", "new"), REWORDED)
def test_words_carry_no_meaning(old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_source(SOURCE.replace(old, new).encode()) == digest_source(SOURCE.encode())


@pytest.mark.parametrize(("old", "new"), CHANGED)
def test_what_is_worked_out_does(old: str, new: str) -> None:
    assert old in SOURCE
    assert digest_source(SOURCE.replace(old, new).encode()) != digest_source(SOURCE.encode())


def test_a_value_that_is_returned_too_counts_with_its_words() -> None:
    first = b"def f(x):\n    fact = 'a b'\n    if x:\n        raise E(fact)\n    return fact\n"
    assert digest_source(first) != digest_source(first.replace(b"a b", b"a c"))


def test_a_table_of_words_that_is_read_elsewhere_counts() -> None:
    first = b"NAMES = ['a']\ndef f(x):\n    raise E(NAMES)\n"
    assert digest_source(first) != digest_source(first.replace(b"'a'", b"'b'"))
