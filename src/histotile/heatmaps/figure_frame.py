"""The frame round a heatmap: title above, scale bar, colour bar and legend below."""

from dataclasses import dataclass
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from histotile.heatmaps.fonts import fitted, font_for, writable
from histotile.io.palette import Colour
from histotile.tasks.task import Layer

Rgb = NDArray[np.uint8]

_INK, _GREY, _ANALYSED = (20, 20, 20), (90, 90, 90), (70, 70, 70)
_LEAST_WIDTH, _LEAST_HEIGHT = 640, 150
_NOTICE = "Research use only. Not for diagnosis."


@dataclass(frozen=True)
class Caption:
    """What the words round a heatmap say.

    Args:
        slide_id: The slide.
        model_id: The model, or the ensemble; None if unknown.
        mpp: Micrometres per level-0 px; None draws no scale bar.
        reason: Why there are no tiles, should there be none.
    """

    slide_id: str
    model_id: str | None
    mpp: float | None
    reason: str | None = None


@dataclass(frozen=True)
class Legend:
    """What the colours and lines of a heatmap mean.

    Args:
        shown: What is painted.
        threshold: Value of the contour.
        bar: (256, 3) colours from the least to the highest value as they look on the picture.
        um_per_px: Micrometres per px of the picture; None: unknown.
        is_empty: Whether there is nothing to paint.
        no_tile: Colour where there is no tile; None: the slide shows there.
    """

    shown: Layer
    threshold: float
    bar: Rgb
    um_per_px: float | None
    is_empty: bool
    no_tile: Colour | None = None


def nice_length(um: float) -> tuple[float, str]:
    """The longest length of 1, 2 or 5 times a power of ten not above `um`, and its name.

    Micrometres below 1 mm, millimetres from there on.
    """
    power = 10.0 ** np.floor(np.log10(um))
    length = float(max(power * step for step in (1, 2, 5) if power * step <= um * (1 + 1e-9)))
    return length, f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"


def threshold_text(threshold: float) -> str:
    """A value with two digits, or with as many as it has, as on the page of the slide."""
    short = f"{threshold:.2f}"
    return short if float(short) == threshold else f"{threshold:g}"


def frame_picture(picture: Rgb, caption: Caption, legend: Legend) -> Rgb:
    """The picture on a white sheet with title, scale bar, colour bar and legend.

    A picture narrower than the words stands in the middle of a wider sheet; all words are sized
    to the sheet and shortened where they would not fit.
    """
    height, width = picture.shape[:2]
    inner = max(width, _LEAST_WIDTH)
    em = int(np.clip(inner / 62, 13, 30))
    top, bottom = int(4.1 * em), int((4.2 if legend.is_empty else 5.9) * em)
    middle = max(height, _LEAST_HEIGHT)
    sheet = Image.new("RGB", (inner + 2 * em, top + middle + bottom), "white")
    sheet.paste(Image.fromarray(picture), (em + (inner - width) // 2, top + (middle - height) // 2))
    pen = _Pen(sheet, em)
    pen.title(caption, legend)
    base = top + middle + em
    if legend.is_empty:
        pen.panel(
            (sheet.width // 2, top + middle // 2),
            caption.reason or "no tile of this slide was predicted",
        )
    else:
        pen.colour_bar(base, legend)
        pen.key(base + int(2.9 * em), legend)
    if legend.um_per_px:
        pen.scale_bar(base, legend.um_per_px)
    pen.words((sheet.width - em, sheet.height - int(1.8 * em)), _NOTICE, colour=_GREY, anchor="ra")
    return np.asarray(sheet)


class _Pen:
    """Draws on the sheet in units of `em`, the height of its letters in px."""

    def __init__(self, sheet: Image.Image, em: int) -> None:
        self.sheet, self.draw = sheet, ImageDraw.Draw(sheet)
        self.width, self.em = sheet.width, em

    def words(
        self,
        at: tuple[float, float],
        text: str,
        size: float = 1.0,
        colour: Colour = _INK,
        anchor: str = "la",
    ) -> None:
        """One line, bold from size 1.2 on, kept within the sheet."""
        font = font_for(text, round(size * self.em), bold=size >= 1.2)
        line = fitted(writable(text, font), font, self.width - 2 * self.em)
        self.draw.text(at, line, fill=colour, font=font, anchor=anchor)

    def title(self, caption: Caption, legend: Legend) -> None:
        self.words((self.em, 0.7 * self.em), caption.slide_id, size=1.25)
        said = [legend.shown.title]
        if caption.model_id:
            said.append(f"model {caption.model_id}")
        self.words((self.em, 2.35 * self.em), "  ·  ".join(said), colour=_GREY)

    def scale_bar(self, top: float, um_per_px: float) -> None:
        length, name = nice_length(0.24 * self.width * um_per_px)
        left, thick = self.em, max(3, self.em // 4)
        right, y = left + round(length / um_per_px), top + self.em // 2
        self.draw.rectangle((left, y, right - 1, y + thick - 1), fill=_INK)
        for x in (left, right - 2):
            self.draw.rectangle((x, top, x + 1, top + self.em), fill=_INK)
        self.words(((left + right) / 2, top + 1.25 * self.em), name, anchor="ma")

    def colour_bar(self, top: int, legend: Legend) -> None:
        """From least to highest value, with the contour's double line at its threshold."""
        wide, high = int(0.45 * self.width), self.em
        left = self.width - 2 * self.em - wide
        shown = legend.bar[np.arange(wide) * 255 // (wide - 1)]
        bar = Image.fromarray(np.repeat(shown[None], high, axis=0))
        self.sheet.paste(bar, (left, top))
        self.draw.rectangle((left - 1, top - 1, left + wide, top + high), outline=_INK)
        low, span = legend.shown.low, legend.shown.high - legend.shown.low
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            x, value = left + share * (wide - 1), low + share * span
            self.draw.line((x, top + high, x, top + high + self.em // 4), fill=_INK)
            self.words((x, top + 1.35 * self.em), f"{value:g}", size=0.9, anchor="ma")
        name = legend.shown.label
        font = font_for(name, self.em)
        name = fitted(writable(name, font), font, 0.2 * self.width)
        self.words((left - 0.7 * self.em, top - 0.05 * self.em), name, anchor="ra")
        self._threshold(left + (legend.threshold - low) / span * (wide - 1), top, high)

    def _threshold(self, x: float, top: int, high: int) -> None:
        px = max(1, self.em // 12)
        self.draw.rectangle((x - 2 * px, top, x - 1, top + high - 1), fill="black")
        self.draw.rectangle((x, top, x + 2 * px - 1, top + high - 1), fill="white")

    def key(self, top: int, legend: Legend) -> None:
        """What the lines mean, each round the colours it surrounds, and the colour of no tile."""
        above, below = ((int(r), int(g), int(b)) for r, g, b in legend.bar[[255, 0]])
        x = self._swatch(self.em, top, above, ((0, 0, 0), (255, 255, 255)))
        x = self._explained(x, top, f"{legend.shown.symbol} ≥ {threshold_text(legend.threshold)}")
        x = self._swatch(x, top, below, (_ANALYSED,))
        x = self._explained(x, top, "analysed")
        if legend.no_tile:
            x = self._swatch(x, top, legend.no_tile, (_ANALYSED,))
            self._explained(x, top, "no tile")

    def _swatch(self, x: float, top: int, colour: Colour, lines: tuple[Colour, ...]) -> float:
        """A box of that colour, its lines from the outermost inwards; where it ends."""
        px = max(1, self.em // 12)
        right, bottom = x + 1.5 * self.em, top + self.em
        self.draw.rectangle((x, top, right, bottom), fill=colour)
        for k, line in enumerate(lines):
            inset = (x + k * px, top + k * px, right - k * px, bottom - k * px)
            self.draw.rectangle(inset, outline=line, width=px)
        return right

    def _explained(self, x: float, top: int, text: str) -> float:
        """The words beside a swatch that ends at x; where the next one begins."""
        self.words((x + 0.5 * self.em, top - 0.05 * self.em), text)
        return x + 2 * self.em + font_for(text, self.em).getlength(text)

    def panel(self, centre: tuple[int, int], reason: str) -> None:
        """The words "no tiles" and the reason, on white in the middle of the picture."""
        font = font_for(reason, self.em)
        lines = wrap(writable(reason, font), 52)[:4]
        half_w, half_h = 17 * self.em, (1.6 + 0.75 * len(lines)) * self.em
        x, y = centre
        box = (x - half_w, y - half_h, x + half_w, y + half_h)
        self.draw.rectangle(box, fill="white", outline=_GREY)
        self.words((x, y - half_h + 0.6 * self.em), "no tiles", size=1.4, anchor="ma")
        for i, line in enumerate(lines):
            self.words((x, y - half_h + (2.6 + 1.4 * i) * self.em), line, anchor="ma")
