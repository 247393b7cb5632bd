"""Slides of which many are open at once."""

from functools import cache

import openslide

from histotile.slides.slide import Slide

_SHARED_BYTES = 32 << 20


class FrugalSlide(Slide):
    """A slide for reads at random, which hardly ever need a decoded tile twice.

    It keeps 1 MB of decoded tiles; OpenSlide's, 32 MB, all such slides of a process share.
    """

    recent_bytes = 1 << 20

    def _open_handle(self) -> openslide.OpenSlide:
        handle = super()._open_handle()
        handle.set_cache(_shared_cache())
        return handle


@cache
def _shared_cache() -> openslide.OpenSlideCache:
    return openslide.OpenSlideCache(_SHARED_BYTES)
