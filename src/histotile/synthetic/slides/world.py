"""A synthetic slide as a function: any window, rendered alone, without the rest."""

from dataclasses import asdict
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.synthetic.slides.arrays import Bytes, Doubles, Floats
from histotile.synthetic.slides.artefacts import REACH_PX, Artefact, disturb, make_artefacts
from histotile.synthetic.slides.chromogen import lay_grains, make_grains, reach_px
from histotile.synthetic.slides.colouring import FINE, colour
from histotile.synthetic.slides.fields import TISSUE, Ground, Look, find_glands, slow_fields
from histotile.synthetic.slides.lattice import STEP
from histotile.synthetic.slides.lesions import focus_radii, make_foci, make_pieces
from histotile.synthetic.slides.nuclei import Canvas, Nuclei, stamp_lattice, stamp_rings
from histotile.synthetic.slides.organs import Tumour, make_look, make_nuclei, organs
from histotile.synthetic.slides.spec import Spec
from histotile.synthetic.slides.stains import make_stain
from histotile.synthetic.slides.textures import textures

BLOCK = 1024  # px: windows are rendered in blocks, so that memory stays bounded


class World:
    """The slide that a specification determines."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.width, self.height = spec.width, spec.height
        self._stain = make_stain(spec.site, spec.haematoxylin, spec.eosin, spec.shift)
        organ = organs()[spec.organ]
        tumour = Tumour(spec.mode, spec.cover == "tumour", spec.tumour_share, spec.shift)
        self._look: Look = make_look(organ, tumour, spec.mpp, self.tissue_side_px)
        self._nuclei: tuple[Nuclei, Nuclei] = make_nuclei(
            organ, tumour, spec.mpp, spec.nuclear_size, spec.nuclear_density
        )
        self._grains = make_grains(
            spec.seed, spec.shift, spec.mpp, spec.grain_number, spec.grain_strength
        )
        around = int(2.9 * max(n.radius for n in self._nuclei)) + 2
        self._margin = around + reach_px(self._grains)

    @property
    def tissue_side_px(self) -> float:
        """Side of a square slide that this much tissue would usually fill, level-0 px."""
        area = self.spec.width * self.spec.height * self.spec.tissue_fraction
        return float((area / 0.55) ** 0.5)

    @cached_property
    def pieces(self) -> Doubles:
        """Pieces of tissue: rows of centre x, y and half-axes, level-0 px."""
        if self.spec.cover != "slide":
            return np.array([[0.0, 0.0, 1e9, 1e9]])
        rng = np.random.default_rng([self.spec.seed, 1])
        return make_pieces(rng, self.width, self.height, self.spec.tissue_fraction)

    @cached_property
    def foci(self) -> Doubles:
        """Lesion foci: rows of centre x, y, radius (level-0 px) and shape."""
        rng = np.random.default_rng([self.spec.seed, 2])
        radii = focus_radii(rng, self.spec.scenario)
        if self.spec.mode == "hard":
            radii = [0.8 * r for r in radii]
        return make_foci(rng, radii, self.pieces, self.tissue_side_px)

    @cached_property
    def artefacts(self) -> tuple[Artefact, ...]:
        """Pen, fold and blur, where the slide has them."""
        rate = self.spec.artefact_rate
        return make_artefacts(self.spec.seed, rate, self.pieces, self._look.pixel) if rate else ()

    def facts(self) -> dict[str, Any]:
        """What was drawn from the seed, as plain data: pieces, foci and artefacts."""
        return {
            "pieces": self.pieces.tolist(),
            "foci": self.foci.tolist(),
            "artefacts": [asdict(a) for a in self.artefacts],
        }

    def region(self, x: int, y: int, width: int, height: int, downsample: int = 1) -> Bytes:
        """RGB pixels (height, width, 3) of a window.

        Args:
            x: Left edge, level-0 px.
            y: Top edge, level-0 px.
            width: Columns of the result.
            height: Rows of the result.
            downsample: Level-0 px per pixel of the result, averaged.
        """
        out = np.empty((height, width, 3), np.uint8)
        step = max(1, BLOCK // downsample)
        for top in range(0, height, step):
            for left in range(0, width, step):
                part = out[top : top + step, left : left + step]
                h, w = part.shape[:2]
                place = (x + left * downsample, y + top * downsample)
                part[:] = shrink(
                    self._disturbed(*place, w * downsample, h * downsample), downsample
                )
        return out

    def tissue(self, x: int, y: int, columns: int, rows: int, step: int) -> Floats:
        """Distance (px) to the tissue's edge, positive inside, on nodes `step` level-0 px apart."""
        return np.asarray(self._fields((x, y, columns, rows, step))[TISSUE])

    def blank(self, x: int, y: int, count: int, tile_px: int) -> NDArray[np.bool_]:
        """Which of `count` tiles in a row from (x, y) surely show nothing but glass.

        Their pixels equal `glass`, if x, y and tile_px are multiples of 256.
        """
        near, step = tile_px // 4, tile_px // 4
        nodes = self.tissue(x - near, y - near, 4 * count + 3, 7, step)
        far = nodes.max(axis=0) < -(4.0 * step + 80 * self._look.pixel)
        return np.array(
            [
                far[4 * k : 4 * k + 7].all() and not self._altered(x + k * tile_px, y, tile_px)
                for k in range(count)
            ]
        )

    def _altered(self, x: int, y: int, side: int) -> bool:
        graft = self.spec.graft
        grafted = graft is not None and graft.overlap(x, y, side, side) is not None
        return grafted or any(a.touches(x, y, side, side) for a in self.artefacts)

    def glass(self, tile_px: int) -> Bytes:
        """A tile of empty glass."""
        noise = textures().sensor[:tile_px, :tile_px] / np.float32(FINE)
        out: Bytes = np.clip(np.array(self._stain.white) + noise + 0.5, 0, 255).astype(np.uint8)
        return out

    def _fields(self, nodes: tuple[int, int, int, int, int]) -> Floats:
        out: Floats = slow_fields(self.spec.seed, nodes, self._look, self.pieces, self.foci)
        return out

    def _disturbed(self, x: int, y: int, width: int, height: int) -> Bytes:
        """A window with its artefacts, the last of which lies on top."""
        near = [a for a in self.artefacts if a.touches(x, y, width, height)]
        if not near:
            return self._grafted(x, y, width, height)
        m = REACH_PX * len(near)
        rgb = self._grafted(x - m, y - m, width + 2 * m, height + 2 * m)
        for artefact in near:
            rgb = disturb(rgb, artefact, x - m, y - m, self._stain.white)
        return rgb[m : m + height, m : m + width]

    def _grafted(self, x: int, y: int, width: int, height: int) -> Bytes:
        rgb, graft = self._block(x, y, width, height), self.spec.graft
        if graft and (covered := graft.overlap(x, y, width, height)):
            left, top, right, bottom = covered
            donor = World(graft.spec)._block(left, top, right - left, bottom - top)
            rgb[top - y : bottom - y, left - x : right - x] = donor
        return rgb

    def _block(self, x: int, y: int, width: int, height: int) -> Bytes:
        m, seed, shared = self._margin, self.spec.seed, textures()
        gx, gy = (x - m) // STEP * STEP, (y - m) // STEP * STEP
        columns, rows = (x + width + m - gx) // STEP + 3, (y + height + m - gy) // STEP + 3
        window = (x - m, y - m, x + width + m, y + height + m)
        glands = find_glands(seed, window, self._look, self.pieces)
        ground = Ground(self._fields((gx, gy, columns, rows, STEP)), gx, gy, glands)
        r = reach_px(self._grains)
        around = np.zeros((height + 2 * r, width + 2 * r), np.float32)
        for kind in self._nuclei:
            for stamp in (stamp_lattice, stamp_rings):
                stamp(Canvas(around, x - r, y - r, m), seed, ground, kind, shared.banks)
        nuclei = np.ascontiguousarray(around[r : r + height, r : r + width])
        out: Bytes = colour(nuclei, (x, y), ground, self._look, self._stain, shared)
        return lay_grains(out, around, (x, y), ground, self._grains)


def shrink(rgb: Bytes, factor: int) -> Bytes:
    """RGB averaged over squares of `factor` px, rounded to nearest; sides must be multiples."""
    if factor == 1:
        return rgb
    size = (rgb.shape[1] // factor, rgb.shape[0] // factor)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
