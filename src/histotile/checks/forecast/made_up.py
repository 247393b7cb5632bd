"""Tables for the trial: few tiles dealt to made-up patients, and probabilities that are made up."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from histotile.checks.forecast.sample import Seen
from histotile.errors import HistotileError
from histotile.io import tables
from histotile.io.atomic import write_text
from histotile.io.features import (
    read_baseline,
    read_features,
)


def some_tissue(mask: Path, seen: Seen, tiles: int, inspection: Path, out: Path) -> None:
    """The mask of a slide without what lies below its first tiles."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(mask) as image:
        pixels = np.array(image.convert("L"))
    if tiles < seen.tiles:
        height = json.loads(inspection.read_text(encoding="utf-8"))["height"]
        below = int(seen.places[1][tiles] * pixels.shape[0] / height) if tiles else 0
        pixels[below:] = 0
    Image.fromarray(pixels).save(out)


def spread_table(part: Path, seen: Seen, name: str, out: Path) -> None:
    """A tile table of all tiles of a slide, with the measures of those that were read."""
    table, footer = tables.read_table(part), tables.read_footer(part)
    if not table.num_rows:
        _write(table, footer | {"slide_id": name}, out)
        return
    rows = np.resize(np.arange(table.num_rows), seen.tiles)
    found = table.take(pa.array(rows))
    for column, values in zip(("x", "y"), seen.places, strict=True):
        at = found.column_names.index(column)
        found = found.set_column(at, column, pa.array(values, pa.int32()))
    _write(_numbered(found), footer | {"slide_id": name}, out)


def pseudo_cohort(classes: Sequence[str], patients: int, out: Path) -> dict[str, str]:
    """Slide -> label of a made-up cohort, so many patients for each class; its file is written."""
    labels = {
        f"p{number:03}": classes[number % len(classes)] for number in range(patients * len(classes))
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("slide_id", "patient_id", "path", "label"))
    writer.writerows((name, name, f"{name}.none", label) for name, label in labels.items())
    write_text(out, text.getvalue())
    return labels


def deal_tables(parts: Sequence[Path], labels: dict[str, str], folder: Path) -> int:
    """Deals the tiles that were read to the slides of the made-up cohort; gives their number.

    Few tiles are dealt several times, so that each slide has two.
    """
    used = {part: rows for part in parts if len(rows := _used(part))}
    if not used:
        fact = "none of the tiles tried passes `tile.filters`"
        raise HistotileError("forecast", fact, "see `histotile tile` for what excludes them")
    shared = np.array_split(np.arange(len(labels)), min(len(used), len(labels)))
    dealt, names = 0, list(labels)
    for (part, there), owners in zip(used.items(), shared, strict=False):
        table, footer = tables.read_table(part), tables.read_footer(part)
        there = np.resize(there, max(len(there), 2 * len(owners)))
        for place, owner in enumerate(owners.tolist()):
            rows = there[place :: len(owners)]
            found = _numbered(table.take(pa.array(rows)))
            label = pa.array([labels[names[owner]]] * len(rows), pa.string())
            found = found.set_column(found.column_names.index("label"), "label", label)
            _write(found, footer | {"slide_id": names[owner]}, folder / f"{names[owner]}.parquet")
            dealt += len(rows)
    return dealt


def _used(part: Path) -> NDArray[np.int64]:
    """Rows of a tile table that are not excluded."""
    excluded = tables.read_table(part, ["excluded"])["excluded"].to_pylist()
    return np.flatnonzero([why is None for why in excluded])


def join_tables(parts: Sequence[Path], out: Path) -> None:
    """The tiles of the part that holds most of them, as a table of its own."""
    most = max(parts, key=lambda part: tables.read_table(part, ["x"]).num_rows)
    _write(tables.read_table(most), tables.read_footer(most) | {"slide_id": out.stem}, out)


def repeat_tiles(folder: Path, name: str, times: int) -> None:
    """A slide's tiles and features of `few` and `embed`, over and over, in the folders `many*`."""
    few = folder / "few" / f"{name}.parquet"
    table, footer = tables.read_table(few), tables.read_footer(few)
    rows = np.tile(np.arange(table.num_rows), times)
    out = folder / "many" / few.name
    _write(_numbered(table.take(pa.array(rows))), footer, out)
    found = read_features(folder / "embed" / f"{name}.h5")
    tiled = np.tile(np.arange(len(found.tile_ids)), times)
    replace(
        found,
        features=found.features[tiled],
        early=tuple(stage[tiled] for stage in found.early),
        coords=found.coords[tiled],
        tile_ids=np.arange(len(tiled), dtype=np.int32),
        dhash=None if found.dhash is None else found.dhash[tiled],
        views=(),
        facts={n: v.item() if isinstance(v, np.generic) else v for n, v in found.facts.items()},
    ).write(folder / "manyembed" / f"{name}.h5")


def repeat_baseline(folder: Path, times: int) -> int:
    """What `baseline` measured, for tiles repeated likewise, as manybaseline.h5; gives their count.

    The tiles of `repeat_tiles` come in whole rounds, so that a round's ids begin where the last
    one's end.
    """
    found = read_baseline(folder / "baseline.h5")
    sizes = {
        name: tables.read_table(folder / "few" / f"{name}.parquet", ["x"]).num_rows
        for name in dict.fromkeys(found.slide_ids.tolist())
    }
    rounds = np.repeat(np.arange(times), len(found.tile_ids))
    rows = np.tile(np.arange(len(found.tile_ids)), times)
    slides = found.slide_ids[rows]
    ids = found.tile_ids[rows] + rounds * np.array([sizes[name] for name in slides.tolist()])
    order = np.lexsort((ids, slides))
    replace(
        found,
        slide_ids=slides[order],
        tile_ids=ids[order].astype(np.int32),
        features=found.features[rows[order]],
        early=tuple(stage[rows[order]] for stage in found.early),
    ).write(folder / "manybaseline.h5")
    return len(rows)


def write_guesses(tiles: Path, classes: tuple[str, ...], out: Path) -> None:
    """A prediction table with probabilities at random, alike in neighbouring tiles."""
    table, footer = tables.read_table(tiles), tables.read_footer(tiles)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    side = 8 * float(footer["size_level0_px"] or 1.0)
    waves = np.sin(x / side) * np.cos(y / side)
    noise = np.random.default_rng(0).normal(0, 0.3, (len(x), len(classes)))
    logits = noise + np.outer(waves, np.linspace(-3, 3, len(classes)))
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    columns: dict[str, Any] = {"tile_id": table["tile_id"].to_numpy(), "x": x, "y": y}
    columns |= {"distance": np.abs(waves), "familiarity": ["familiar"] * len(x)}
    columns |= {f"prob_{c}": p.astype(np.float32) for c, p in zip(classes, shares.T, strict=True)}
    facts = {
        "slide_id": footer["slide_id"],
        "models": ["trial"],
        "classes": list(classes),
        "unreadable": [],
        "device": "cpu",
    }
    tables.write_table(out, columns, tables.prediction_schema(classes), facts)


def _numbered(table: pa.Table) -> pa.Table:
    ids = pa.array(np.arange(table.num_rows, dtype=np.int32))
    return table.set_column(table.column_names.index("tile_id"), "tile_id", ids)


def _write(table: pa.Table, footer: dict[str, object], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    note = json.dumps(footer, ensure_ascii=False, sort_keys=True)
    pq.write_table(table.replace_schema_metadata({"histotile": note}), out)
