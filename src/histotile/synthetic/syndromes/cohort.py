"""A cohort of small pictures on disk, to be used as ready-made tiles."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from histotile.config import SyndromeTiles
from histotile.errors import HistotileError
from histotile.io.atomic import replacing, write_json, write_text
from histotile.synthetic.slides.cohort import shown
from histotile.synthetic.syndromes.picture import (
    SIZES,
    SYNDROMES,
    Picture,
    difficulty_of,
    draw_base,
    draw_picture,
)

CLASSES = tuple(SYNDROMES)
LEAST_PX, MOST_PX = 32, 1024


@dataclass(frozen=True)
class Tile:
    """A picture, the patient it is of, and that patient's syndrome."""

    name: str
    patient_id: str
    syndrome: str
    picture: Picture


def parse_size(text: str) -> tuple[int, int]:
    """Height and width (px) of "96x128".

    Raises:
        HistotileError: Other words, or a side that is too small or too large.
    """
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        fact = f"{text!r} is no size"
        raise HistotileError("--tiles", fact, "write HEIGHTxWIDTH in px, e.g. 96x128")
    size = int(height), int(width)
    if not LEAST_PX <= min(size) <= max(size) <= MOST_PX:
        fact = f"{text}: sides must be {LEAST_PX} to {MOST_PX} px"
        raise HistotileError("--tiles", fact, "write e.g. 96x128")
    return size


def draw_tiles(settings: SyndromeTiles, size: tuple[int, int], seed: int) -> Iterator[Tile]:
    """All tiles, patient by patient; each patient has one syndrome, in turn Z, A, B, C.

    A tile is the same whatever the number of others.

    Args:
        settings: How many, of how many patients, how hard.
        size: Height and width (px).
        seed: Of everything.
    """
    difficulty = difficulty_of(settings.mode, settings.alteration)
    for patient in range(settings.patients):
        patient_id, syndrome = f"P{patient + 1:04d}", CLASSES[patient % len(CLASSES)]
        rng = np.random.default_rng([seed, 31, patient])
        base = draw_base(rng, size, settings.patient_effect)
        for number in range(patient, settings.count, settings.patients):
            own = np.random.default_rng([seed, 32, number])
            picture = draw_picture(own, base, syndrome, difficulty, settings.stain)
            yield Tile(f"{number:06d}", patient_id, syndrome, picture)


def write_syndrome_cohort(
    folder: Path,
    settings: SyndromeTiles,
    size: tuple[int, int],
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """PNG files below tiles/, their truth in truth.csv and truth.json: the path of tiles.csv.

    tiles.csv is a cohort of ready-made tiles: path, label, and the patient as group.

    Args:
        folder: Where; paths in tiles.csv count from the working directory if it contains them.
        settings: How many, of how many patients, how hard.
        size: Height and width (px).
        seed: Of everything.
        progress: Called with the numbers of tiles done and in all.

    Raises:
        HistotileError: Tiles of another run lie there, which would be taken for ours.
    """
    place = folder / "tiles"
    if place.exists() and any(place.iterdir()):
        raise HistotileError(place, "holds files already", "give another folder, or remove it")
    rows: list[Sequence[str]] = [("path", "label", "group")]
    truth: list[Sequence[str]] = [("path", "label", *SIZES, "alterations")]
    for done, tile in enumerate(draw_tiles(settings, size, seed), 1):
        path = place / tile.patient_id / f"{tile.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, tile.picture)
        name = shown(path)
        rows.append((name, tile.syndrome, tile.patient_id))
        counts = (str(tile.picture.tumours[s]) for s in SIZES)
        truth.append((name, tile.syndrome, *counts, " ".join(tile.picture.alterations)))
        if progress and (done % 100 == 0 or done == settings.count):
            progress(done, settings.count)
    facts = {"settings": settings.model_dump(mode="json"), "size": size, "seed": seed}
    write_json(folder / "truth.json", {"synthetic": True, **facts})
    write_text(folder / "truth.csv", _csv(truth))
    write_text(folder / "tiles.csv", _csv(rows))
    return folder / "tiles.csv"


def _write(path: Path, picture: Picture) -> None:
    bgr = picture.pixels if picture.pixels.ndim == 2 else picture.pixels[..., ::-1]
    _, data = cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _csv(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
