"""Whether a slide shows the colours of stained tissue on glass, or is grey or falsely coloured."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from histotile.slides.diagnosis import RENDER
from histotile.slides.metadata.tiff_pages import TiffFacts
from histotile.slides.slide import Slide, UnreadableTile
from histotile.slides.tissue.grey import is_grey
from histotile.slides.tissue.ink import lowest_and_highest

Pixels = NDArray[np.uint8]  # (n, 3)

SMALL_PX = 1 << 20  # a level up to this size is looked at whole
GRID, WINDOW = 8, 64  # windows along each side of a larger one, and their side in px


class Colours(NamedTuple):
    """What is odd in a slide's colours.

    Attributes:
        remark: What to know of them; empty if they are those of stained tissue.
        fault: Why the slide's colours cannot be used; empty if they can.
        remedy: How to mend that.
    """

    remark: str = ""
    fault: str = ""
    remedy: str = ""


def check_colours(slide: Slide, facts: TiffFacts | None) -> Colours:
    """Looks at the coarsest usable level, whole or in windows all over it.

    Args:
        slide: An open slide.
        facts: Of its TIFF pages, if it is one.
    """
    if facts is not None and facts.channels > 1:
        return _several_channels(facts.channels)
    pixels = sample(slide)
    if facts is not None and facts.grey:
        return Colours(f"one grey channel, no colours: {_GREY}")
    if is_grey(pixels):
        return Colours(f"grey throughout, no colours: {_GREY}")
    wrong = false_colours(pixels)
    return Colours("", wrong, _CONVERT_AGAIN) if wrong else Colours()


def false_colours(pixels: Pixels) -> str:
    """How a picture's colours are false; empty if they can be true.

    Glass is white, yellowish or grey, and what is dark absorbs light of all colours: R, G and B
    fall together. Where luminance and two differences of colour (YCbCr) are shown as R, G and B,
    glass is salmon, (240, 128, 128), and G and B rise where R falls; where RGB is taken for YCbCr,
    glass is magenta.

    Args:
        pixels: Of glass and tissue.
    """
    if len(pixels) < 100:
        return ""
    red, green, blue = pixels.T.astype(np.float32)
    low, high = lowest_and_highest(pixels)
    if np.mean((low > 190) & (high - low < 25)) > 0.005:  # glass as it should be
        return ""
    salmon = (red >= 190) & (np.abs(green - 128) <= 20) & (np.abs(blue - 128) <= 20)
    together = _together(red, green, blue)
    narrow = max(green.std(), blue.std()) < 40 and red.mean() > 100
    central = abs(green.mean() - 128) < 32 and abs(blue.mean() - 128) < 40
    if (salmon.mean() > 0.05 and together < 0.5) or salmon.mean() > 0.5:
        return "false colours: YCbCr is shown as RGB, so that glass is salmon and tissue green"
    if together < -0.1 and narrow and central:
        return "false colours: G and B rise where R falls, as where YCbCr is shown as RGB"
    if np.mean((red >= 250) & (blue >= 250) & (green < 160)) > 0.05:
        return "false colours: RGB was read as YCbCr, so that glass is magenta"
    return ""


def sample(slide: Slide) -> Pixels:
    """Px (n, 3) of the finest small level that may be used, else from all over the coarsest.

    What is transparent is left out.
    """
    usable = [k for k in range(len(slide.level_sizes)) if not slide.left_out(k)]
    small = [k for k in usable if np.prod(slide.level_sizes[k]) <= SMALL_PX]
    level = small[0] if small else usable[-1]
    parts = list(_windows(slide, level, whole=bool(small)))
    return np.concatenate(parts) if parts else np.zeros((0, 3), np.uint8)


_GREY = (
    "phase contrast, unstained, or one channel of a colour slide? Tissue is found by its density; "
    "a model taught on stained tissue does not know it"
)
_CONVERT_AGAIN = (
    "make the file again from the scanner's original, or say its colours right in a copy: of a "
    "TIFF with `tiffset -s 262 6 COPY.tif` (YCbCr; 2 is RGB), of DICOM with `dcmodify -m "
    "PhotometricInterpretation=YBR_FULL_422 COPY.dcm`"
)


def _several_channels(count: int) -> Colours:
    if count == 3:
        return Colours(
            "",
            "three grey pages of one size, as of red, green and blue; only the first would be read",
            "join them: `for k in 0 1 2; do vips copy 'IN.tif[page='$k']' $k.v; done; "
            "vips bandjoin '0.v 1.v 2.v' RGB.v; vips copy RGB.v --interpretation srgb "
            "'OUT.tif[tile,pyramid,compression=jpeg,bigtiff]'`",
        )
    return Colours(
        "",
        f"{count} grey pages of one size, as of a fluorescence image of {count} channels or of "
        "several focal planes; only the first would be read",
        RENDER,
    )


def _together(red: NDArray[np.float32], green: NDArray[np.float32], blue: object) -> float:
    """The higher correlation of R with G and with B; 1 where one of them does not vary."""
    every = np.stack([red, green, np.asarray(blue, np.float32)])
    if every.std(axis=1).min() < 0.5:
        return 1.0
    return float(np.corrcoef(every)[0, 1:].max())


def _windows(slide: Slide, level: int, whole: bool) -> Iterator[Pixels]:
    (width, height), downsample = slide.level_sizes[level], slide.openslide_downsamples[level]
    places = [(0.0, 0.0)]
    if not whole:
        steps = (np.arange(GRID) + 0.5) / GRID
        places = [(x * width - WINDOW / 2, y * height - WINDOW / 2) for y in steps for x in steps]
    size = (width, height) if whole else (WINDOW, WINDOW)
    for left, top in places:
        x, y = (max(0, round(edge * downsample)) for edge in (left, top))
        try:
            rgba = np.asarray(slide.read_rgba(x, y, level, *size))
        except UnreadableTile:
            continue
        yield rgba[rgba[..., 3] == 255, :3]
