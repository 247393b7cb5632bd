"""Colours of classes, the same in QuPath and on every page."""

from collections.abc import Sequence

Colour = tuple[int, int, int]

# Okabe and Ito's colours (Color Universal Design, 2008), told apart by the colour-blind; without
# their yellow, which is lost on white. Grey is kept for the first class, by custom the background.
_BACKGROUND: Colour = (110, 110, 110)
_FOREGROUND: tuple[Colour, ...] = (
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
)


def class_colours(classes: Sequence[str]) -> dict[str, Colour]:
    """Class -> (red, green, blue); grey for the first. From the eighth on colours repeat."""
    others = {c: _FOREGROUND[k % len(_FOREGROUND)] for k, c in enumerate(classes[1:])}
    return {classes[0]: _BACKGROUND} | others if classes else {}
