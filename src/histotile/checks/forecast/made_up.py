"""Tables for the trial: few tiles dealt to made-up patients, and probabilities that are made up."""

import csv
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from histotile.io.cohort import CohortSlide
from histotile.io.features import read_baseline, read_features
from histotile.tasks.task import Task, value_columns


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
    """A tile table of all tiles of a slide; measures are those of the ones that were read."""
    table, footer = tables.read_table(part), tables.read_footer(part)
    if not table.num_rows:
        _write(table, footer | {"slide_id": name}, out)
        return
    rows = np.resize(np.arange(table.num_rows), seen.tiles)
    found = table.take(pa.array(rows))
    x, y = (pa.array(values, pa.int32()) for values in seen.places)
    for column, values in (("x", x), ("y", y), ("label", pa.array(seen.labels, pa.string()))):
        found = found.set_column(found.column_names.index(column), column, values)
    _write(_numbered(found), footer | {"slide_id": name}, out)


@dataclass(frozen=True)
class Likeness:
    """What a made-up cohort has in common with the one it stands for.

    Attributes:
        patients: Of each class.
        sites: How many; none are named if 0.
        letters: Of the name of a slide.
    """

    patients: int
    sites: int = 0
    letters: int = 4

    @classmethod
    def of(cls, slides: Sequence[CohortSlide], classes: int) -> "Likeness":
        """That of a cohort."""
        patients = len({slide.patient_id for slide in slides}) // classes
        sites = len({slide.site for slide in slides if slide.site})
        letters = sum(len(slide.slide_id) + len(slide.patient_id) for slide in slides)
        return cls(patients, sites, round(letters / 2 / len(slides)))


def pseudo_cohort(classes: Sequence[str], like: Likeness, out: Path) -> dict[str, str]:
    """Slide -> label of a made-up cohort, a slide per patient; its file is written.

    Every site has patients of each class.
    """
    digits = max(3, like.letters - 1)
    labels = {
        f"p{number:0{digits}}": classes[number % len(classes)]
        for number in range(like.patients * len(classes))
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("slide_id", "patient_id", "path", "label", "site"))
    for number, (name, label) in enumerate(labels.items()):
        site = f"site {number // len(classes) % like.sites}" if like.sites else ""
        writer.writerow((name, name, f"{name}.none", label, site))
    write_text(out, text.getvalue())
    return labels


def deal_tables(
    wholes: Sequence[Path], labels: dict[str, str], most: int, folder: Path
) -> tuple[int, dict[str, str]]:
    """Deals tiles of slides to those of the made-up cohort; their number, and whose they were.

    Tiles are drawn from all over a slide and evenly of its labels, as trainings draw them, about
    `most` of a slide. Those of a class come from slides that show it and keep their labels, so
    that classes are as hard to tell apart as they are. Where the slides do not show every class,
    tiles take the label of whom they are dealt to. Few tiles are dealt several times, so that each
    slide has two.
    """
    used = {whole: rows for whole in wholes if (rows := _used(whole, labels.values()))}
    if not used:
        fact = "none of the tiles tried passes `tile.filters`"
        raise HistotileError("forecast", fact, "see `histotile tile` for what excludes them")
    if not set(labels.values()) <= {label for rows in used.values() for label in rows}:
        used = {whole: {None: np.concatenate([*rows.values()])} for whole, rows in used.items()}
    owned, shared = dict[str, str](), dict[Path, list[str]]()
    for label in dict.fromkeys(labels.values()):
        showing = [whole for whole, rows in used.items() if label in rows or None in rows]
        for place, name in enumerate(n for n, own in labels.items() if own == label):
            shared.setdefault(showing[place % len(showing)], []).append(name)
    dealt = 0
    for whole, owners in shared.items():
        table, footer = tables.read_table(whole), tables.read_footer(whole)
        for name, own in zip(owners, _portions(used[whole], most, len(owners)), strict=True):
            found = _numbered(table.take(pa.array(own)))
            if None in used[whole]:
                label_of = pa.array([labels[name]] * len(own), pa.string())
                found = found.set_column(found.column_names.index("label"), "label", label_of)
            _write(found, footer | {"slide_id": name}, folder / f"{name}.parquet")
            dealt, owned[name] = dealt + len(own), whole.stem
    return dealt, owned


def _portions(
    rows_of: Mapping[str | None, NDArray[np.int64]], most: int, owners: int
) -> list[NDArray[np.int64]]:
    """Rows for each owner: the same share of each label."""
    rng, found = np.random.default_rng(0), [np.empty(0, np.int64)] * owners
    for rows in rows_of.values():
        drawn = rng.permutation(rows)[: most // len(rows_of)]
        drawn = np.resize(drawn, max(len(drawn), 2 * owners))
        found = [np.append(own, drawn[place::owners]) for place, own in enumerate(found)]
    return [np.sort(own) for own in found]


def _used(whole: Path, classes: Iterable[str]) -> dict[str | None, NDArray[np.int64]]:
    """Label -> rows of a tile table that are not excluded; None: of no class."""
    table = tables.read_table(whole, ["label", "excluded"])
    known, rows_of = set(classes), defaultdict[str | None, list[int]](list)
    columns = (table[name].to_pylist() for name in ("label", "excluded"))
    for row, (label, why) in enumerate(zip(*columns, strict=True)):
        if why is None:
            rows_of[label if label in known else None].append(row)
    if len(rows_of) > 1:
        rows_of.pop(None, None)  # beside labelled tiles they teach nothing
    return {label: np.array(rows, np.int64) for label, rows in rows_of.items()}


def copy_inspections(owned: Mapping[str, str], folder: Path) -> None:
    """Gives each slide of the made-up cohort the inspection of the one that it has tiles of."""
    for name, slide in owned.items():
        shutil.copy(folder / f"{slide}.json", folder / f"{name}.json")


def part_of_table(table: Path, share: float, out: Path) -> int:
    """The first tiles of a slide as a slide of their own; how many they are."""
    rows = tables.read_table(table)
    found = rows.slice(0, max(1, round(share * rows.num_rows)))
    _write(found, tables.read_footer(table) | {"slide_id": out.stem}, out)
    return int(found.num_rows)


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
        thumbnails=None if found.thumbnails is None else found.thumbnails[tiled],
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


def write_guesses(tiles: Path, task: Task, out: Path) -> None:
    """A prediction table with probabilities at random, alike in neighbouring tiles."""
    table, footer = tables.read_table(tiles), tables.read_footer(tiles)
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    side = 8 * float(footer["size_level0_px"] or 1.0)
    waves = np.sin(x / side) * np.cos(y / side)
    noise = np.random.default_rng(0).normal(0, 0.3, (len(x), task.outputs))
    logits = noise + np.outer(waves, np.linspace(-3, 3, task.outputs))
    values = task.activate(logits).astype(np.float32)
    columns: dict[str, Any] = {"tile_id": table["tile_id"].to_numpy(), "x": x, "y": y}
    columns |= {"distance": np.abs(waves), "familiarity": ["familiar"] * len(x)}
    columns |= value_columns(task, values)
    facts = {
        "slide_id": footer["slide_id"],
        "models": ["trial"],
        **task.metadata(),
        "unreadable": [],
        "device": "cpu",
    }
    tables.write_table(out, columns, tables.prediction_schema(task.columns), facts)


def _numbered(table: pa.Table) -> pa.Table:
    ids = pa.array(np.arange(table.num_rows, dtype=np.int32))
    return table.set_column(table.column_names.index("tile_id"), "tile_id", ids)


def _write(table: pa.Table, footer: dict[str, object], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    note = json.dumps(footer, ensure_ascii=False, sort_keys=True)
    pq.write_table(table.replace_schema_metadata({"histotile": note}), out)
