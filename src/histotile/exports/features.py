"""Features of tiles in the files that other programs for slides read.

- `clam`: pt_files/{slide_id}.pt, a float32 tensor (N, D), and h5_files/{slide_id}.h5 with
  `features` and `coords`, as CLAM's training and its heatmaps look for them.
- `trident`: {slide_id}.h5 with `features` and `coords`, on which stand the sizes and
  magnifications that TRIDENT's `read_coords` and slide encoders ask for.
- `stamp`: {slide_id}.h5 with `feats` and `coords` in um.

CLAM and TRIDENT count from the top left in level-0 px, STAMP in um.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.io.atomic import replacing
from histotile.io.features import FeatureFile
from histotile.io.tile_spec import TileSpec

Layout = Literal["clam", "trident", "stamp"]
Data = dict[str, NDArray[Any]]
LAYOUTS: tuple[Layout, ...] = ("clam", "trident", "stamp")
OBJECTIVE = 10.0  # um/px times magnification, by convention: 40x is 0.25 um/px


def write_features(
    folder: Path, layout: Layout, file: FeatureFile, spec: TileSpec, stage: int | None
) -> list[Path]:
    """The files of one slide, float32.

    Args:
        folder: Of all slides.
        layout: Whose files.
        file: Features of the slide's tiles.
        spec: Scale and sizes of its tiles.
        stage: Depth of the network, 1 is the shallowest; None: the last.

    Raises:
        HistotileError: No such stage, a tile table made anew since, or tiles without place on a
            slide, where the layout asks for one.
    """
    made = file.facts.get("tile_px", spec.tile_px), file.facts.get("mpp", spec.tile_mpp)
    if made != (spec.tile_px, spec.tile_mpp):
        fact = f"its features are of {made[0]} px at {made[1]} um/px, its tile table is not"
        raise HistotileError(spec.slide_id, fact, "run `histotile embed` again")
    numbers = [known.number for known in file.stages]
    if stage is not None and stage not in numbers:
        fact = f"{stage} is none of the stages 1 to {numbers[-1]}"
        raise HistotileError(spec.slide_id, fact, "name one of them: --stage")
    if layout != "clam" and (spec.is_of_images or not spec.mpp or not spec.size_level0_px):
        fact = f"has ready-made tiles or no mpp, and {layout} asks where on a slide tiles lie"
        raise HistotileError(spec.slide_id, fact, "choose --layout clam")
    values = file.of_stage(stage or numbers[-1]).astype(np.float32)
    return WRITERS[layout](folder, values, file, spec)


def _clam(
    folder: Path, values: NDArray[np.float32], file: FeatureFile, spec: TileSpec
) -> list[Path]:
    import torch

    tensor = folder / "pt_files" / f"{spec.slide_id}.pt"
    with replacing(tensor) as temporary:
        torch.save(torch.from_numpy(values), temporary)
    return [tensor, _write(folder / "h5_files", spec, {"features": values, "coords": file.coords})]


def _trident(
    folder: Path, values: NDArray[np.float32], file: FeatureFile, spec: TileSpec
) -> list[Path]:
    assert spec.mpp and spec.size_level0_px  # `write_features` has looked
    stride = spec.stride_level0_px or spec.size_level0_px
    on_coords = {
        "patch_size": spec.tile_px,
        "patch_size_level0": round(spec.size_level0_px),
        "level0_magnification": round(OBJECTIVE / spec.mpp),
        "target_magnification": round(OBJECTIVE / spec.tile_mpp),
        "overlap": round(spec.tile_px * (1 - stride / spec.size_level0_px)),
        "name": spec.slide_id,
        "savetodir": str(folder),
        "level0_width": spec.width,
        "level0_height": spec.height,
    }
    data: Data = {"features": values, "coords": file.coords.astype(np.int64)}
    return [_write(folder, spec, data, {}, on_coords)]


def _stamp(
    folder: Path, values: NDArray[np.float32], file: FeatureFile, spec: TileSpec
) -> list[Path]:
    assert spec.mpp  # `write_features` has looked
    facts = {
        "unit": "um",
        "tile_size": spec.tile_px * spec.tile_mpp,
        "tile_size_um": spec.tile_px * spec.tile_mpp,
        "tile_size_px": spec.tile_px,
        "feat_type": "tile",
        "extractor": str(file.facts["backbone_id"]),
    }
    data: Data = {"feats": values, "coords": (file.coords * spec.mpp).astype(np.float32)}
    return [_write(folder, spec, data, facts)]


WRITERS: dict[Layout, Callable[..., list[Path]]] = {
    "clam": _clam,
    "trident": _trident,
    "stamp": _stamp,
}


def _write(
    folder: Path,
    spec: TileSpec,
    data: Data,
    facts: dict[str, Any] | None = None,
    on_coords: dict[str, Any] | None = None,
) -> Path:
    """The HDF5 file of a slide, whole or not at all."""
    import h5py

    path = folder / f"{spec.slide_id}.h5"
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        for name, values in data.items():
            file.create_dataset(name, data=values)
        file.attrs.update(facts or {})
        file["coords"].attrs.update(on_coords or {})
    return path
