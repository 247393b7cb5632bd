"""A bounded number of open slides."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

from histotile.io.identity import Identity
from histotile.slides.identity import check_identity
from histotile.slides.random_access import FrugalSlide
from histotile.slides.slide import Slide


class SlidePool:
    """Open slides by path, the least recently used closed when there are too many.

    Opening one takes as long as reading ten tiles, and an open one keeps about 2 MB.

    For one thread. Worker processes open their own: a file handle that crossed a fork would share
    its position with the parent's and return somebody else's pixels.

    Args:
        limit: Most slides open at once.
    """

    def __init__(self, limit: int = 128) -> None:
        self._limit = limit
        self._slides: OrderedDict[Path, Slide] = OrderedDict()
        self._checked: set[Path] = set()
        self._process = os.getpid()

    def check(self, path: Path, identity: Identity | None, slide_id: str) -> None:
        """`check_identity` of a slide that will be asked for, once for all who share the pool."""
        if path not in self._checked:
            check_identity(path, identity, slide_id)
            self._checked.add(path)

    def get(self, path: Path, mpp: float) -> Slide:
        """The open slide; stays open until `limit` others were asked for."""
        if self._process != os.getpid():
            self._slides, self._process = OrderedDict(), os.getpid()
        if path in self._slides:
            self._slides.move_to_end(path)
            return self._slides[path]
        while len(self._slides) >= self._limit:
            self._slides.popitem(last=False)[1].close()
        self._slides[path] = FrugalSlide.open(path, mpp)
        return self._slides[path]

    def __len__(self) -> int:
        """Number of slides now open."""
        return len(self._slides)

    def __reduce__(self) -> tuple[type[SlidePool], tuple[int]]:
        """An empty pool where it arrives."""
        return type(self), (self._limit,)
