"""Slides of which many are open at once."""

from functools import cache
from pathlib import Path

import openslide

from histotile.slides.decoded_tiles import DecodedTiles
from histotile.slides.slide import Reader, Slide

_OWN_BYTES = 1 << 20
_SHARED_BYTES = 32 << 20


class FrugalSlide(Slide):
    """A slide for reads at random, which hardly ever need a decoded tile twice.

    It keeps 1 MB of decoded tiles; OpenSlide's, 32 MB, all such slides of a process share.
    """

    def __init__(self, path: Path, mpp: float | None, vendor: str, reader: Reader) -> None:
        super().__init__(path, mpp, vendor, reader)
        self._handle.set_cache(_shared_cache())
        if self._direct is not None:
            self._direct._tiles = DecodedTiles(recent_bytes=_OWN_BYTES)

    def _reopen(self, failed: openslide.OpenSlide) -> None:
        super()._reopen(failed)
        self._handle.set_cache(_shared_cache())


@cache
def _shared_cache() -> openslide.OpenSlideCache:
    return openslide.OpenSlideCache(_SHARED_BYTES)
