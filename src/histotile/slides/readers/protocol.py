"""What every reader of slide files offers, so that a `Slide` need not know which one it has."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from histotile.errors import HistotileError
from histotile.slides.levels.windows import Texture

if TYPE_CHECKING:
    from histotile.slides.readers.tiff.reader import DirectReader, Spent

Rgb = NDArray[np.uint8]
Wanted = Literal["auto", "openslide", "image"]


class UnreadableTile(Exception):  # noqa: N818 - named after what the caller goes on from
    """A region of a slide is damaged; other regions still read."""


class Unsuited(Exception):  # noqa: N818 - a finding: the next reader is asked
    """A reader does not take a file.

    Attributes:
        refusal: Why, as its owner is told where no other reader takes it.
        final: Whether no other reader is to be asked: the format is known, the file is damaged.
    """

    def __init__(self, refusal: HistotileError, final: bool) -> None:
        super().__init__(str(refusal))
        self.refusal, self.final = refusal, final


class Opening(NamedTuple):
    """How a slide file is opened.

    Attributes:
        path: The file.
        wanted: The reader asked for; "openslide" reads nothing past OpenSlide.
        why: Why the readers asked before do not take it; empty for the first.
        recent_bytes: Of decoded tiles that are kept although no read of them was announced.
        many: Whether many slides are open at once and shall share what they keep.
    """

    path: Path
    wanted: Wanted
    why: str
    recent_bytes: int
    many: bool


class SlideReader(Protocol):
    """Pixels of the levels of one open file. Reads are thread-safe.

    Attributes:
        vendor: Format as OpenSlide names it, e.g. "aperio"; of pictures "png", "jpeg", ...
        format: Format in words.
        level_sizes: (width, height) of each level, level 0 first.
        downsamples: Level-0 px per level px, by which windows are placed.
        properties: Under the keys OpenSlide uses; mpp and its source follow from them, see
            `mpp.find_scale`.
        remarks: What a user should know of how the file is read.
        joins_planes: Whether grey pages of the file are read as the channels of one picture.
    """

    vendor: str
    format: str
    level_sizes: tuple[tuple[int, int], ...]
    downsamples: tuple[float, ...]
    properties: Mapping[str, str]
    remarks: tuple[str, ...]
    joins_planes: bool

    @property
    def name(self) -> str:
        """Who reads the pixels: "openslide", "direct", "image"."""

    @property
    def note(self) -> str:
        """Why no faster, or no other, reader reads them; empty if there is nothing to say."""

    @property
    def spent(self) -> "Spent":
        """Where the time of all reads so far went."""

    def read(self, x: int, y: int, level: int, width: int, height: int) -> Rgb:
        """RGB (height, width, 3), see `Slide.read`."""

    def read_rgba(self, x: int, y: int, level: int, width: int, height: int) -> Image.Image:
        """RGBA, see `Slide.read_rgba`."""

    def expect(self, level: int, windows: NDArray[np.int64]) -> None:
        """Nothing comes out: announces reads, see `Slide.expect`."""

    def settle(self, level: int) -> "DirectReader | None":
        """Who gives the level's compressed tiles as they lie in the file; None if nobody does."""

    def busy(self, level: int) -> Texture | None:
        """How much is to be seen where in a level, as far as known without decoding it."""

    def close(self) -> None:
        """Nothing comes out: gives the file back."""


def on_white(picture: Image.Image) -> Rgb:
    """RGB (height, width, 3) of an RGBA picture laid on white."""
    if picture.getchannel("A").getextrema() == (255, 255):
        return np.array(picture.convert("RGB"))
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(white, picture).convert("RGB"))
