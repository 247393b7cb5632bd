"""Words on pictures, in any script."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from unicodedata import bidirectional, category

from PIL import ImageFont

Font = ImageFont.FreeTypeFont


def font_for(text: str, size: int, bold: bool = False) -> Font:
    """A font of that height (px) that has every letter of the text, if this machine has one.

    DejaVu Sans serves Latin, Greek, Cyrillic, Arabic, Hebrew and more; for other scripts the
    fonts installed on the machine are searched.
    """
    face = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    usual = _open(str(_bundled() / face), size)
    if not _lacking(text, usual):
        return usual
    paths = _covering("".join(sorted(_lacking(text, usual))))
    return next((f for f in (_open(p, size) for p in paths) if not _lacking(text, f)), usual)


def writable(text: str, font: Font) -> str:
    """The text on one line, with letters that cannot be drawn as their code, e.g. U+4E2D.

    These are what the font lacks, control characters, and the signs that turn the direction of
    what follows: with those, a name could show as another one.
    """
    lacking = _lacking(text, font)
    return "".join(
        " " if c.isspace() else f"U+{ord(c):04X}" if c in lacking or _is_hidden(c) else c
        for c in text
    )


def fitted(text: str, font: Font, width: float) -> str:
    """The text, shortened in its middle until it is at most that wide (px)."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        short = f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
        if font.getlength(short) <= width:
            return short
    return "…"


def _bundled() -> Path:
    """The folder of fonts that matplotlib brings along; found without importing it."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"


@cache
def _open(path: str, size: int) -> Font:
    return ImageFont.truetype(path, size)


def _lacking(text: str, font: Font) -> set[str]:
    """Letters that the font would draw as its sign for the unknown."""
    unknown = bytes(font.getmask("\uffff"))
    return {c for c in set(text) if not c.isspace() and bytes(font.getmask(c)) == unknown}


def _is_hidden(letter: str) -> bool:
    """Whether it is a control character, half a character, or turns the writing direction."""
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return category(letter) in {"Cc", "Cs"} or bidirectional(letter) in turns


@cache
def _covering(letters: str) -> tuple[str, ...]:
    """Installed fonts that have all these letters."""
    from matplotlib.font_manager import findSystemFonts

    found = []
    for path in sorted(findSystemFonts()):
        try:
            font = _open(path, 16)
        except OSError:  # bitmap or damaged font: no help here
            continue
        if not _lacking(letters, font):
            found.append(path)
    return tuple(found)
