"""The tiles of a synthetic cohort without its slides: what sweeps over many cohorts need."""

from dataclasses import dataclass

import imagecodecs
import numpy as np
import shapely
from numpy.typing import NDArray

from histotile.config import Synthesize
from histotile.errors import HistotileError
from histotile.synthetic.slides.arrays import Bytes
from histotile.synthetic.slides.plan import plan_cohort
from histotile.synthetic.slides.truth import lesion_outlines
from histotile.synthetic.slides.world import World

INSIDE, OUTSIDE = 0.5, 0.02  # share of a tile in lesions from which, up to which it has a label


@dataclass(frozen=True)
class TileCohort:
    """Labelled tiles; rows of all arrays belong together, slide by slide.

    Attributes:
        rgb: (N, tile_px, tile_px, 3), decoded from JPEG of the slide's quality.
        labels: (N,) 0 healthy, 1 tumour.
        slides: (N,) index into `slide_ids`; so are patients and sites into theirs.
        patients: (N,).
        sites: (N,).
        coords: (N, 2) top-left corners, level-0 px.
        slide_ids: Names, one per slide.
        patient_ids: Names, one per patient.
        site_ids: Names, one per site.
        flavours: File format of each slide.
    """

    rgb: Bytes
    labels: NDArray[np.int64]
    slides: NDArray[np.int64]
    patients: NDArray[np.int64]
    sites: NDArray[np.int64]
    coords: NDArray[np.int32]
    slide_ids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    site_ids: tuple[str, ...]
    flavours: tuple[str, ...]


def draw_tile_cohort(
    settings: Synthesize, tiles_per_slide: int, tile_px: int, lesion_share: float
) -> TileCohort:
    """Tiles of the cohort that the settings describe, about 1,000 a second at 96 px.

    Tiles stand on one grid, and all slides are searched for tiles in the same order of places:
    what two slides share is drawn from both. They are level-0 px, at `settings.mpp`. A slide whose
    tissue or lesions are too small gives fewer.

    Args:
        settings: The cohort; slides of 4,096 px have room for 40 lesion tiles of 96 px.
        tiles_per_slide: Tiles of each slide.
        tile_px: Side of a tile.
        lesion_share: Share of the tiles of a slide with lesions that show them; the rest is healthy
            tissue of the same slide. 1 balances the classes.

    Raises:
        HistotileError: No slide has room for a tile.
    """
    planned = plan_cohort(settings)
    drawn = []
    for slide in planned:
        tumour = round(tiles_per_slide * lesion_share) if slide.label != "healthy" else 0
        world = World(slide.spec)
        coords, labels = _places(settings, world, tile_px, (tiles_per_slide - tumour, tumour))
        tiles = [_seen(world, x, y, tile_px, slide.quality) for x, y in coords.tolist()]
        drawn.append((np.reshape(tiles, (-1, tile_px, tile_px, 3)), labels, coords))
    counts = [len(labels) for _, labels, _ in drawn]
    if not sum(counts):
        remedy = "make side_px larger or tile_px smaller"
        raise HistotileError("synthesize", f"no slide has room for a tile of {tile_px} px", remedy)
    rgb, labels, coords = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    patient_ids, patients = np.unique([s.patient_id for s in planned], return_inverse=True)
    site_ids, sites = np.unique([s.site for s in planned], return_inverse=True)
    return TileCohort(
        rgb=rgb.astype(np.uint8),
        labels=labels,
        slides=np.repeat(np.arange(len(planned)), counts),
        patients=np.repeat(patients, counts),
        sites=np.repeat(sites, counts),
        coords=coords,
        slide_ids=tuple(s.slide_id for s in planned),
        patient_ids=tuple(patient_ids.tolist()),
        site_ids=tuple(site_ids.tolist()),
        flavours=tuple(s.flavour for s in planned),
    )


def _places(
    settings: Synthesize, world: World, tile_px: int, wanted: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Corners (N, 2) and labels of the first healthy and tumour tiles in the cohort's order."""
    columns, rows = world.width // tile_px, world.height // tile_px
    nodes = world.tissue(0, 0, columns + 1, rows + 1, tile_px) > 0
    whole = nodes[:-1, :-1] & nodes[1:, :-1] & nodes[:-1, 1:] & nodes[1:, 1:]
    y, x = np.nonzero(whole)
    order = np.argsort(
        np.random.default_rng([settings.seed, 26]).permutation(columns * rows)[y * columns + x]
    )
    corners = tile_px * np.stack([x, y], axis=1)[order]
    overlap = _overlaps(world, corners, tile_px)
    kinds = (overlap <= OUTSIDE, overlap >= INSIDE)
    chosen = [np.flatnonzero(kind)[:count] for kind, count in zip(kinds, wanted, strict=True)]
    labels = np.repeat(np.arange(2), [len(c) for c in chosen])
    return corners[np.concatenate(chosen)].astype(np.int32), labels


def _overlaps(world: World, corners: NDArray[np.int64], tile_px: int) -> NDArray[np.float64]:
    """Share of each tile inside lesions."""
    lesions = shapely.union_all([shapely.Polygon(points) for points in lesion_outlines(world)])
    shapely.prepare(lesions)
    tiles = shapely.box(*corners.T, *(corners + tile_px).T)
    share: NDArray[np.float64] = shapely.area(shapely.intersection(tiles, lesions)) / tile_px**2
    return share


def _seen(world: World, x: int, y: int, tile_px: int, quality: int) -> Bytes:
    """A tile as it comes out of the slide's file."""
    rgb = world.region(x, y, tile_px, tile_px)
    data = imagecodecs.jpeg8_encode(rgb, level=quality, colorspace="rgb", subsampling="444")
    out: Bytes = imagecodecs.jpeg8_decode(data)
    return out
