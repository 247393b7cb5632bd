"""What a shift of batch-norm statistics means for one network: how far natural photographs lie.

Squared Hellinger distances of different networks, and of different tile_px, do not compare. A
ruler holds what photographs give, all together and in random halves; a cohort is held against it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile import __version__
from histotile.config import Backbone
from histotile.errors import HistotileError
from histotile.io.features import BnShift

CLEARLY = 1.5  # times the largest anchor
LEAST_PHOTOGRAPHS = 6
_MOST_PHOTOGRAPHS = 512
_CROPS = 512  # in all, at least
_HALVES = 20
_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}
_BATCH = 32

Progress = Callable[[int, int], None]


def build_ruler(
    backbone: Backbone,
    images: Path,
    tile_px: int,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The shift of batch-norm statistics that natural photographs give, ready for JSON.

    From each photograph come square crops of random place and side (from tile_px to the whole
    photograph), shrunk to tile_px: 512 or more in all. Anchors are random halves of the
    photographs, so that they show how much chance there is in the choice of photographs. The same
    folder gives the same ruler.

    Args:
        backbone: The network.
        images: Folder of jpg, png, bmp or tif photographs of many different things; searched in
            its subfolders too.
        tile_px: Side of the tiles it is for: resolution changes the statistics.
        threads: Of the processor, for the network.
        progress: Called with crops done and crops in all.

    Raises:
        HistotileError: Fewer than 6 photographs, one that cannot be read, or a network without
            batch norm.
    """
    from histotile.backbones.build import (
        body_digest,
        build_network,
    )
    from histotile.backbones.stages import StageFeatures
    from histotile.inference.engines.torch import TorchEngine
    from histotile.strategy.controls.batch_norm_shift import (
        measure_bn_shift,
        telling,
    )

    files = _photographs(images)
    network, architecture = build_network(backbone, 2, tile_px)
    if not telling(network):
        fact = f"{architecture.name} has no statistics of batch norm to measure"
        raise HistotileError("backbone", fact, "do without a ruler (control.ruler: null)")
    backbone_id = body_digest(network)
    stages = StageFeatures(network)
    engine = TorchEngine(stages, architecture.mean, architecture.std, threads=threads)
    each = -(-_CROPS // len(files))
    crops = _weighted_crops(files, tile_px, each, progress)
    whole, *anchors = measure_bn_shift(network, engine, crops)
    return {
        "histotile": __version__,
        "backbone": backbone.model_dump(),
        "backbone_id": backbone_id,
        "tile_px": tile_px,
        "photographs": len(files),
        "crops": len(files) * each,
        "stages": [vars(shift) for shift in whole],
        "anchors": [deep_shift(anchor) for anchor in anchors],
    }


def read_ruler(path: Path, backbone_id: str, tile_px: int) -> dict[str, Any]:
    """The ruler in a JSON file, if it is for this backbone and tile_px.

    Raises:
        HistotileError: The file is no ruler, or one for other weights or tiles.
    """
    remedy = "make one with `histotile ruler` for this backbone and tile_px, or set it to null"
    try:
        ruler: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        theirs = str(ruler["backbone_id"]), int(ruler["tile_px"])
        anchors = [float(anchor) for anchor in ruler["anchors"]]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise HistotileError(path, f"no ruler of histotile ({error})", remedy) from error
    if not anchors:
        raise HistotileError(path, "no ruler of histotile (no anchors)", remedy)
    if theirs != (backbone_id, tile_px):
        fact = (
            f"is for backbone {theirs[0]} and tiles of {theirs[1]} px; this is {backbone_id} with "
            f"{tile_px} px"
        )
        raise HistotileError(path, fact, remedy)
    return ruler


def judge(
    shifts: Sequence[BnShift], ruler: Mapping[str, Any] | None
) -> Literal["similar", "different"] | None:
    """`different` if the deep shift exceeds 1.5 times the largest anchor, else `similar`.

    With an ImageNet MobileNetV2 (0.35) H&E lay at 2.0 to 3.2 times the largest anchor with tiles
    of 96 px (five sources) and at 3.2 to 6.0 times with 224 px (three). Halves of ten photographs
    differed among themselves by 1.4 and 1.6: the limit stands between. A cohort of one single
    thing is `different` too; any narrow choice of images is. None without a ruler or shifts.
    """
    if ruler is None or not shifts:
        return None
    return "different" if deep_shift(shifts) > CLEARLY * max(ruler["anchors"]) else "similar"


def deep_shift(shifts: Sequence[BnShift]) -> float:
    """Mean squared Hellinger distance of the deeper half of the stages.

    The first layers tell colour and size of the image, on which photographs differ among
    themselves as much as from tissue.
    """
    last = max(shift.stage for shift in shifts)
    return float(np.mean([shift.hellinger for shift in shifts if 2 * shift.stage > last]))


def _photographs(folder: Path) -> list[Path]:
    """At most 512 image files of a folder, evenly chosen."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if len(files) < LEAST_PHOTOGRAPHS:
        fact = f"{len(files)} jpg, png, bmp or tif files; a ruler needs {LEAST_PHOTOGRAPHS} or more"
        raise HistotileError(folder, fact, "give photographs of many different things")
    chosen = np.linspace(0, len(files) - 1, min(len(files), _MOST_PHOTOGRAPHS)).astype(int)
    return [files[k] for k in chosen]


def _weighted_crops(
    files: Sequence[Path], tile_px: int, each: int, progress: Progress | None
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """Batches of crops, and how much each weighs in the whole and in each half."""
    groups = _halves(len(files))
    for number, file in enumerate(files):
        crops = _crops(file, tile_px, each, number)
        for start in range(0, each, _BATCH):
            tiles = crops[start : start + _BATCH]
            yield tiles, np.tile(groups[number], (len(tiles), 1))
        if progress is not None:
            progress((number + 1) * each, len(files) * each)


def _crops(file: Path, tile_px: int, count: int, seed: int) -> NDArray[np.uint8]:
    """(count, tile_px, tile_px, 3) RGB squares of a photograph; small ones are enlarged."""
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise HistotileError(file, "not a readable image", "take it out of the folder")
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    most = min(height, width)
    found = np.empty((count, tile_px, tile_px, 3), np.uint8)
    for crop in found:
        side = int(rng.integers(min(tile_px, most), most + 1))
        y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        square = picture[y : y + side, x : x + side]
        filtering = cv2.INTER_AREA if side > tile_px else cv2.INTER_LINEAR
        resized = cv2.resize(square, (tile_px, tile_px), interpolation=filtering)
        crop[:] = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
    return found


def _halves(photographs: int) -> NDArray[np.float64]:
    """(photographs, 1 + 20) weights: all of them, then random halves."""
    rng = np.random.default_rng(0)
    groups = np.zeros((photographs, 1 + _HALVES))
    groups[:, 0] = 1
    for half in range(1, 1 + _HALVES):
        groups[rng.choice(photographs, photographs // 2, replace=False), half] = 1
    return groups
