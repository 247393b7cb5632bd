"""One tile under each random change and strength, on one sheet for eyes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from histotile.config import Augment
from histotile.data.augmentation.augmentation import make_transform

Rgb = NDArray[np.uint8]

CHANGES = ("resized_crop", "perspective", "colour", "stain", "erasing")
LEVELS = ("light", "medium", "heavy")
_DRAWS = 3  # of each strength
_NAMES, _TOP, _GAP = 130, 28, 4  # px: column of names, row of names, between pictures
_SMALLEST = 48  # px of a picture: names of strengths must fit above three of them


def draw_sheet(tile: Rgb, settings: Augment, seed: int) -> Image.Image:
    """The tile as it is, then three draws of each strength; a row per change, one for them all.

    The strength that the settings ask for has a frame. The last row shows all changes together as
    training makes them.

    Args:
        tile: uint8 (px, px, 3).
        settings: Section `train.augment`.
        seed: Of the draws.
    """
    side = max(_SMALLEST, len(tile))
    columns = 1 + _DRAWS * len(LEVELS)
    rows = [
        (
            f"orientation: {settings.orientation}",
            _draws(tile, _alone("orientation", settings.orientation), seed, 9),
        )
    ]
    rows += [(name, _strengths(tile, name, seed)) for name in CHANGES]
    rows += [("training: 9 draws", _draws(tile, settings, seed, 9))]
    step = side + _GAP
    sheet = Image.new("RGB", (_NAMES + columns * step, _TOP + len(rows) * step), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, head in enumerate(("as is", *LEVELS)):
        left = _NAMES + (0 if number == 0 else 1 + _DRAWS * (number - 1)) * step
        pen.text((left, 6), head, "black", font)
    for row, (name, found) in enumerate(rows):
        top = _TOP + row * step
        pen.text((6, top + side // 2 - 8), name, "black", font)
        for column, picture in enumerate((tile, *found)):
            pasted = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(pasted, (_NAMES + column * step, top))
        if name in CHANGES and (strength := getattr(settings, name)) in LEVELS:
            first = 1 + _DRAWS * LEVELS.index(strength)
            box = (_NAMES + first * step - 3, top - 3, _NAMES + (first + _DRAWS) * step - 2)
            pen.rectangle((*box, top + side + 2), outline="#D55E00", width=2)
    return sheet


def _alone(name: str, value: str) -> Augment:
    """Settings of this change and no other."""
    off = dict.fromkeys(("orientation", *CHANGES), "off")
    return Augment.model_validate(off | {name: value})


def _strengths(tile: Rgb, name: str, seed: int) -> list[Rgb]:
    return [made for s in LEVELS for made in _draws(tile, _alone(name, s), seed, _DRAWS)]


def _draws(tile: Rgb, settings: Augment, seed: int, count: int) -> Sequence[Rgb]:
    transform = make_transform("train", settings, len(tile), seed)
    return [transform(tile) for _ in range(count)]
