"""What the names of outlines mean: a class, something left out, or nothing known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from histotile.errors import HistotileError
from histotile.io.names import alike, fold, nearest

if TYPE_CHECKING:
    from histotile.slides.annotations.read import Annotation


_DENIAL = re.compile(r"\b(no|not|without|negative|neg|free|adjacent|near)\b|^non|-$")


class NoLabel(Enum):
    """Why an outline, or a place, stands for no class."""

    UNLISTED = "name {} is no class"
    IGNORED = "left out by its name {}"
    CONTESTED = "claimed by outlines of two classes"
    MEASURED = "measured as a class, but not outlined"


Meaning = str | NoLabel


def names_of_classes(classes: Sequence[str], names: Mapping[str, str]) -> dict[str, str]:
    """Name of outlines, as `names.fold` spells it -> class.

    Args:
        classes: Each stands for itself.
        names: Further names -> class, as `tile.labels.names` has them.

    Raises:
        HistotileError: Names that look the same to a person stand for different classes.
    """
    given = [*((name, name) for name in classes), *names.items()]
    for group in alike(name for name, _ in given):
        meant = {name: target for name, target in given if name in group}
        if len(set(meant.values())) > 1:
            told = ", ".join(f"{name!r}: {target!r}" for name, target in meant.items())
            raise HistotileError(
                "tile.labels.names",
                f"names that look the same stand for different classes ({told})",
                "keep one spelling of each name, here and in `classes`",
            )
    return {fold(name): target for name, target in given}


def meaning(annotation: Annotation, known: Mapping[str, str]) -> Meaning:
    """The class an outline stands for, or why it stands for none.

    Its own name decides; else, if that ends in an asterisk, it is left out (QuPath's `Ignore*`);
    else the nearest of its groups that is listed decides.

    Args:
        annotation: The outline.
        known: As `names_of_classes` gives it.
    """
    found = known.get(fold(annotation.name))
    if found is None and annotation.name.strip().endswith("*"):
        return NoLabel.IGNORED
    groups = (known.get(fold(group)) for group in annotation.groups)
    return found or next((group for group in groups if group), NoLabel.UNLISTED)


def suggest(
    unlisted: Iterable[str], classes: Sequence[str], names: Mapping[str, str]
) -> dict[str, str | None]:
    """Names of outlines that are no class -> the class they most likely stand for, or None.

    >>> suggest(["Tumor 1", "Fat", "Non-Tumor"], ["healthy", "tumour"], {"tumor": "tumour"})
    {'Tumor 1': 'tumour', 'Fat': None, 'Non-Tumor': None}

    Args:
        unlisted: The names, in any number.
        classes: All classes.
        names: Further names -> class, as `tile.labels.names` has them.
    """
    given = {**{name: name for name in classes}, **names}
    near = {
        name: None if _DENIAL.search(name.casefold()) else nearest(name, given)
        for name in dict.fromkeys(unlisted)
    }
    return {name: given[like] if like else None for name, like in near.items()}
