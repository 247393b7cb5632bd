"""Single labelled tiles without slides, for training backbones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from histotile.synthetic.slides.arrays import Bytes
from histotile.synthetic.slides.organs import Mode
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.stains import make_site
from histotile.synthetic.slides.world import World


@dataclass(frozen=True)
class TileSampler:
    """Draws healthy and tumour tiles, each of its own patient, site and place.

    Tile number n of a seed is always the same, whoever draws it: sampling can be divided among
    processes by number.
    """

    tile_px: int
    seed: int
    organs: Sequence[str] = ("colon", "skin", "brain", "liver")
    mode: Mode = "iso_colour"
    mpp: float = 0.5
    site_effect: float = 1.0
    patient_effect: float = 1.0

    def tile(self, number: int) -> tuple[Bytes, int, int]:
        """Tile `number`: RGB (tile_px, tile_px, 3), label (0 healthy, 1 tumour), organ's index."""
        rng = np.random.default_rng([self.seed, number])
        label, organ = int(rng.integers(2)), int(rng.integers(len(self.organs)))
        size, density, h, e = np.exp(
            self.patient_effect * np.array([0.05, 0.15, 0.04, 0.04]) * rng.standard_normal(4)
        )
        spec = Spec(
            width=1 << 20,
            height=1 << 20,
            seed=int(rng.integers(2**31)),
            mpp=self.mpp,
            organ=self.organs[organ],
            mode=self.mode,
            cover="tumour" if label else "healthy",
            site=make_site(int(rng.integers(2**31)), 0, self.site_effect),
            nuclear_size=float(size),
            nuclear_density=float(density),
            haematoxylin=float(h),
            eosin=float(e),
        )
        x, y = (int(v) for v in rng.integers(0, 1 << 20, 2))
        return World(spec).region(x, y, self.tile_px, self.tile_px), label, organ

    def batch(self, first: int, count: int) -> tuple[Bytes, NDArray[np.int64], NDArray[np.int64]]:
        """Tiles first..first+count-1: RGB (N, tile_px, tile_px, 3), labels and organs' indices."""
        tiles = [self.tile(number) for number in range(first, first + count)]
        rgb, labels, organs = zip(*tiles, strict=True)
        return np.stack(rgb), np.array(labels), np.array(organs)
