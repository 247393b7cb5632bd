"""Small cohorts of ready-made tiles with known truth, one for each task."""

import csv
import io
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from histotile.io.atomic import write_json, write_text

Cohort = Literal["binary", "multilabel", "regression"]
Bytes = NDArray[np.uint8]

LESIONS = ("necrosis", "tumour")
NUCLEUS_PX, LARGE_PX, DEBRIS_PX = 3.5, 7.0, 1.5  # radii: usual, of tumour, in necrosis
COVERED = 0.12  # share of a tile under nuclei, whatever their size: colour tells lesions hardly
BLUE, PINK = np.array([88, 72, 140.0]), np.array([226, 176, 200.0])


def write_labelled_tiles(
    folder: Path, cohort: Cohort, patients: int, tiles: int, tile_px: int = 96, seed: int = 0
) -> Path:
    """A cohort on disk: tiles/, truth.json, and the path of its tiles.csv (path, label, group).

    - `multilabel`: tiles with necrosis (specks), tumour (large nuclei), both, or none of them;
    - `binary`: the same tiles, labelled `healthy` or `tumour`;
    - `regression`: how much of the area of all nuclei that of the large ones is, in per cent; how
      much area nuclei cover differs from tile to tile.

    Args:
        folder: Where; made if it is not there.
        cohort: Which labels.
        patients: Number of groups.
        tiles: Tiles of each.
        tile_px: Side of a tile.
        seed: Same seed, same tiles.
    """
    (folder / "tiles").mkdir(parents=True, exist_ok=True)
    rows, truth = [], []
    for patient in range(patients):
        own = np.random.default_rng([seed, patient])
        stain = np.exp(own.normal(0, 0.12, 2))  # pink and blue of this patient
        for n in range(tiles):
            rng = np.random.default_rng([seed, patient, n])
            if cohort == "regression":
                rgb, label = _area(rng, tile_px, stain, float(own.uniform(0, 1)))
            else:
                borne = own.uniform(size=2) < 0.5
                rgb, label = _lesions(rng, tile_px, stain, borne), _label(cohort, borne)
            path = folder / "tiles" / f"p{patient:03d}_{n:03d}.png"
            cv2.imwrite(str(path), rgb[:, :, ::-1])
            rows.append((str(path.resolve()), label, f"p{patient:03d}"))
            truth.append({"tile": path.name, "label": label, "stain": stain.tolist()})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([("path", "label", "group"), *rows])
    write_text(folder / "tiles.csv", text.getvalue())
    settings = {"cohort": cohort, "patients": patients, "tiles": tiles, "seed": seed}
    write_json(folder / "truth.json", {"synthetic": True, "settings": settings, "tiles": truth})
    return folder / "tiles.csv"


def _label(cohort: Cohort, borne: NDArray[np.bool_]) -> str:
    if cohort == "binary":
        return "tumour" if borne[1] else "healthy"
    named = [name for name, bears in zip(LESIONS, borne, strict=True) if bears]
    return ";".join(named) or "none"


def _lesions(
    rng: np.random.Generator, px: int, stain: NDArray[np.float64], borne: NDArray[np.bool_]
) -> Bytes:
    """Usual nuclei, and those of each lesion, in equal shares of the area that nuclei cover."""
    radii = [NUCLEUS_PX, *([DEBRIS_PX] if borne[0] else []), *([LARGE_PX] if borne[1] else [])]
    canvas = _background(rng, px, stain)
    for radius in radii:
        area = COVERED * px**2 / len(radii) * rng.uniform(0.8, 1.25)
        for _ in range(max(1, round(area / (np.pi * radius**2)))):
            _nucleus(rng, canvas, rng.uniform(0, px, 2), radius, BLUE * stain[1])
    return _finished(rng, canvas)


def _area(
    rng: np.random.Generator, px: int, stain: NDArray[np.float64], share: float
) -> tuple[Bytes, str]:
    """Usual and large nuclei, and how much of the area of all of them the large ones have."""
    canvas, areas = _background(rng, px, stain), []
    whole = COVERED * px**2 * rng.uniform(0.7, 1.4)
    for radius, part in ((NUCLEUS_PX, 1 - share), (LARGE_PX, share)):
        count = round(part * whole / (np.pi * radius**2))
        for _ in range(count):
            _nucleus(rng, canvas, rng.uniform(0, px, 2), radius, BLUE * stain[1])
        areas.append(count * radius**2)
    return _finished(rng, canvas), f"{100 * areas[1] / max(sum(areas), 1):.1f}"


def _background(
    rng: np.random.Generator, px: int, stain: NDArray[np.float64]
) -> NDArray[np.float64]:
    waves = cv2.resize(rng.normal(0, 8, (6, 6)), (px, px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(PINK * stain[0] ** 0.3 + waves[:, :, None])


def _nucleus(
    rng: np.random.Generator,
    canvas: NDArray[np.float64],
    place: NDArray[np.float64],
    radius: float,
    colour: NDArray[np.float64],
) -> None:
    """An ellipse drawn with eighths of a px."""
    axes = radius * np.exp(rng.normal(0, 0.12, 2))
    fine = [tuple(int(v) for v in np.round(8 * pair)) for pair in (place, axes)]
    own = tuple(float(c) for c in colour * rng.uniform(0.9, 1.1))
    turn = float(rng.uniform(0, 180))
    cv2.ellipse(canvas, fine[0], fine[1], turn, 0, 360, own, -1, cv2.LINE_AA, 3)


def _finished(rng: np.random.Generator, canvas: NDArray[np.float64]) -> Bytes:
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.7) + rng.normal(0, 3, canvas.shape)
    return np.asarray(np.clip(soft, 0, 255), np.uint8)
