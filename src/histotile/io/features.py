"""The layout of feature files: HDF5 that other feature-based tools read too.

`coords` (N, 2) and `features` (N, D) are what CLAM, TRIDENT and STAMP expect; beside them lie
`tile_id`, `thumbnails`, `features_stage<k>` of the earlier stages, and `views/<v>/` with the same
names.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.errors import HistotileError
from histotile.io.atomic import replacing

Half = NDArray[np.float16]


@dataclass(frozen=True)
class Stage:
    """A depth of a network at which its features are kept.

    `number` counts from 1, shallow to deep; the last one is what the head of the whole network
    sees. `weights` are those from the input up to here, without any head; `width` is the number of
    features: mean and standard deviation over the tile (2 x channels), at the last stage the
    network's own pooling.
    """

    number: int
    name: str
    width: int
    weights: int


@dataclass(frozen=True)
class FeatureFile:
    """Features of the tiles of one slide.

    Args:
        features: (N, D) of the last stage.
        early: (N, width) of each earlier stage, shallow to deep; may be empty.
        coords: (N, 2) top-left corners, level-0 px.
        tile_ids: (N,) rows in the tile table.
        thumbnails: (N, 32, 32) the grey tiles, shrunk; None in files of older make.
        stages: What the stages are; one more than `early`.
        facts: Which backbone at which scale: slide_id, backbone (its section), backbone_id, mpp,
            tile_px, identity (of the slide), ...
        views: The same features of randomly changed copies of the tiles: last stage and early ones.
    """

    features: Half
    early: tuple[Half, ...]
    coords: NDArray[np.int32]
    tile_ids: NDArray[np.int32]
    thumbnails: NDArray[np.uint8] | None
    stages: tuple[Stage, ...]
    facts: Mapping[str, Any]
    views: Sequence[tuple[Half, tuple[Half, ...]]] = field(default_factory=tuple)

    def of_stage(self, number: int, view: int | None = None) -> Half:
        """(N, width) of stage `number` (1 is the shallowest), of the tiles or of a view of them."""
        last, early = (self.features, self.early) if view is None else self.views[view]
        return [*early, last][number - 1]

    def of_stages(self, numbers: Sequence[int], view: int | None = None) -> Half:
        """(N, sum of widths) of some stages side by side."""
        return np.concatenate([self.of_stage(number, view) for number in numbers], axis=1)

    def write(self, path: Path) -> None:
        """The HDF5 file, whole or not at all."""
        import h5py

        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file.create_dataset("coords", data=self.coords)
            file.create_dataset("tile_id", data=self.tile_ids)
            if self.thumbnails is not None:
                file.create_dataset("thumbnails", data=self.thumbnails)
            _write_stages(file, self.features, self.early)
            for number, (last, early) in enumerate(self.views):
                _write_stages(file.create_group(f"views/{number}"), last, early)
            file.attrs["stages"] = json.dumps([vars(stage) for stage in self.stages])
            for name, value in self.facts.items():
                plain = isinstance(value, (str, int, float))
                file.attrs[name] = value if plain else json.dumps(value)


def read_features(path: Path, views: bool = False) -> FeatureFile:
    """The features in an HDF5 file; those of views only if asked for.

    Raises:
        HistotileError: The file is missing, cut short or of another make.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            facts = dict(file.attrs)
            facts["backbone"] = json.loads(facts["backbone"])
            facts["identity"] = json.loads(facts.get("identity", "null"))
            stages = tuple(Stage(**entry) for entry in json.loads(facts.pop("stages")))
            last, early = _read_stages(file, len(stages))
            groups = [file[f"views/{v}"] for v in range(len(file.get("views", ())))]
            return FeatureFile(
                features=last,
                early=early,
                coords=file["coords"][:],
                tile_ids=file["tile_id"][:],
                thumbnails=file["thumbnails"][:] if "thumbnails" in file else None,
                stages=stages,
                facts=facts,
                views=[_read_stages(group, len(stages)) for group in groups] if views else (),
            )
    except (OSError, KeyError, TypeError, ValueError) as error:
        remedy = "make it again with `histotile embed`"
        raise HistotileError(path, f"no features of histotile ({error})", remedy) from error


def map_features(path: Path, stage: int | None = None) -> Half:
    """(N, width) of one stage, read from disk where it is asked for; None: the last stage.

    Raises:
        HistotileError: The file is missing, cut short, of another make, or has no such stage.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            depth = len(json.loads(file.attrs["stages"])) if "stages" in file.attrs else 1
            if stage is not None and not 1 <= stage <= depth:
                raise HistotileError(path, f"has stages 1 to {depth}, not {stage}", "name another")
            name = "features" if stage in (None, depth) else f"features_stage{stage}"
            values = file[name]
            place = values.id.get_offset()  # None: in chunks, packed, or empty
            if place is None or values.dtype != np.float16:
                return np.asarray(values[:], np.float16)
            return np.memmap(path, np.float16, "r", place, values.shape)
    except (OSError, KeyError, TypeError, ValueError) as error:
        remedy = "make it again with `histotile embed`"
        raise HistotileError(path, f"no features of histotile ({error})", remedy) from error


def read_places(path: Path) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(N,) rows of the tile table, and (N, 2) top-left corners, of the tiles of `map_features`."""
    import h5py

    with h5py.File(path, "r") as file:
        return file["tile_id"][:], file["coords"][:]


@dataclass(frozen=True)
class BaselineFile:
    """The baseline of a cohort's features: those of the same network with random weights.

    Args:
        slide_ids: (N,) slides of the sampled tiles.
        tile_ids: (N,) their rows in the slides' tile tables; sorted by slide, then tile.
        features: (N, D) of the last stage, random weights.
        early: (N, width) of each earlier stage, random weights.
        stages: What the stages are, as in the feature files.
        facts: backbone (its section), backbone_id (of the pre-trained weights, as in the feature
            files), domain, seed, ...
    """

    slide_ids: NDArray[np.str_]
    tile_ids: NDArray[np.int32]
    features: Half
    early: tuple[Half, ...]
    stages: tuple[Stage, ...]
    facts: Mapping[str, Any]

    def of_stage(self, number: int) -> Half:
        """(N, width) of stage `number` (1 is the shallowest), random weights."""
        return [*self.early, self.features][number - 1]

    def write(self, path: Path) -> None:
        """The HDF5 file, whole or not at all."""
        import h5py

        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            names = [str(name) for name in self.slide_ids]
            file.create_dataset("slide_id", data=names, dtype=h5py.string_dtype())
            file.create_dataset("tile_id", data=self.tile_ids)
            _write_stages(file, self.features, self.early)
            file.attrs["stages"] = json.dumps([vars(stage) for stage in self.stages])
            file.attrs["facts"] = json.dumps(dict(self.facts))


def read_baseline(path: Path) -> BaselineFile:
    """The baseline in an HDF5 file.

    Raises:
        HistotileError: The file is missing, cut short or of another make.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            stages = tuple(Stage(**entry) for entry in json.loads(file.attrs["stages"]))
            last, early = _read_stages(file, len(stages))
            return BaselineFile(
                slide_ids=np.array(file["slide_id"].asstr()[:], np.str_),
                tile_ids=file["tile_id"][:],
                features=last,
                early=early,
                stages=stages,
                facts=json.loads(file.attrs["facts"]),
            )
    except (OSError, KeyError, TypeError, ValueError) as error:
        remedy = "make it again with `histotile baseline`"
        raise HistotileError(path, f"no baseline of histotile ({error})", remedy) from error


def _write_stages(group: Any, last: Half, early: Sequence[Half]) -> None:
    group.create_dataset("features", data=last)
    for number, values in enumerate(early, 1):
        group.create_dataset(f"features_stage{number}", data=values)


def _read_stages(group: Any, stages: int) -> tuple[Half, tuple[Half, ...]]:
    early = tuple(group[f"features_stage{k}"][:] for k in range(1, stages))
    return group["features"][:], early
