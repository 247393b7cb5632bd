"""Predict the tiles of slides with the folds that never saw their patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histotile.data.profiling.profiler import process_age_s
from histotile.errors import HistotileError
from histotile.inference.ensemble import load_members
from histotile.io.tile_spec import read_spec
from histotile.splitting.fold_table import fold_rows
from histotile.stages.machine import Machine
from histotile.stages.predictions import Slide, write_predictions


@dataclass(frozen=True)
class Inputs:
    """The model, whose predictions are made, and who may make them.

    Attributes:
        model: Folder of folds, a fold, or a file.
        tiles: Tile tables.
        folds: Fold table: only folds that tested a slide predict it; None: all do.
        slides: Where the slide of each table is; without: where it was when it was tiled.
    """

    model: Path
    tiles: Sequence[Path]
    folds: Path | None = None
    slides: Sequence[Path] = ()


@dataclass(frozen=True)
class Outputs:
    """Predictions of each table, and JSON of speed, if any."""

    predictions: Sequence[Path]
    timings: Sequence[Path] = ()


def run(inputs: Inputs, outputs: Outputs, machine: Machine) -> None:
    """Writes the predictions of each slide's tiles."""
    judged: dict[tuple[Path, ...], list[Slide]] = {}
    for number, tiles in enumerate(inputs.tiles):
        name = read_spec(tiles).slide_id
        paths = _members(inputs.model, inputs.folds, name) if inputs.folds else [inputs.model]
        timing = outputs.timings[number] if outputs.timings else None
        place = inputs.slides[number] if inputs.slides else None
        slide = Slide(tiles, outputs.predictions[number], timing, place)
        judged.setdefault(tuple(paths), []).append(slide)
    begun_s = 0.0
    for members, slides in judged.items():
        ensemble = load_members(members, machine.engine, machine.threads)
        ensemble.prepare()
        write_predictions(slides, ensemble, process_age_s() - begun_s, machine.batch_size)
        begun_s = process_age_s()


def _members(model: Path, folds: Path, slide_id: str) -> list[Path]:
    """The folds that tested the slide; all of them for a slide outside the fold table."""
    rows = fold_rows(folds)
    tested = {r["fold"] for r in rows if r["slide_id"] == slide_id and r["role"] == "test"}
    known = any(r["slide_id"] == slide_id for r in rows)
    if known and not tested:
        raise HistotileError(slide_id, "no fold tests it", "split again")
    return [model / f"fold{fold}" for fold in sorted(tested or {r["fold"] for r in rows})]
