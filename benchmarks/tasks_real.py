"""What each task reaches on unseen patients of real tiles, with labels derived where need be.

Writes benchmarks/tasks_real.csv, columns as in tasks.csv, by the same stages with a linear probe of
a MobileNetV2 0.35 of ImageNet. No goal: what the tiles give.

- `binary` and `multiclass` of two: `idc_ps50`, invasive carcinoma or not, by patient, 96 px;
- `multiclass`: `ebhi_seg`, six classes, by case, 224 px;
- `multilabel`: `ebhi_seg`, what its classes have in common (`SEVERAL`);
- `regression`: `idc_ps50`, share of carcinoma (%) among the tiles within 300 px of a tile, its own
  label left out, where there are three or more.

    python benchmarks/tasks_real.py
"""

import csv
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transfer_sets import DATA, SETS, backbone_of

from tasks import scores, tell, through_all_stages, write_rows

HERE = Path(__file__)
SEVERAL = {
    "normal": "none",
    "polyp": "polyp",
    "serrated_adenoma": "polyp;neoplasia",
    "low_grade_IN": "neoplasia",
    "high_grade_IN": "neoplasia;high grade",
    "adenocarcinoma": "neoplasia;high grade;carcinoma",
}
NEAR, LEAST = 300, 3  # px, tiles
Row = tuple[str, str, str]  # path, label, group
TASKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "binary": ("idc_ps50", 96, {"classes": ["0", "1"], "task": {"kind": "binary"}}),
    "multiclass of two": ("idc_ps50", 96, {"classes": ["0", "1"], "task": {"kind": "multiclass"}}),
    "multiclass": (
        "ebhi_seg",
        224,
        {"classes": list(SETS["ebhi_seg"].classes), "task": {"kind": "multiclass"}},
    ),
    "multilabel": (
        "ebhi_seg",
        224,
        {
            "classes": ["polyp", "neoplasia", "high grade", "carcinoma"],
            "task": {"kind": "multilabel"},
        },
    ),
    "regression": (
        "idc_ps50",
        96,
        {
            "classes": ["carcinoma around"],
            "task": {"kind": "regression", "unit": "%", "range": [0, 100]},
            "aggregate": {"method": "mean"},
        },
    ),
}


def rows_of(dataset: str) -> list[Row]:
    """The tiles of a set with its own labels."""
    folder = DATA / "tiles" / dataset
    with (folder / "files.csv").open(encoding="utf-8") as handle:
        return [(str(folder / r["file"]), r["label"], r["group"]) for r in csv.DictReader(handle)]


def around(rows: list[Row]) -> Iterator[Row]:
    """The tiles of `idc_ps50` with the share of carcinoma (%) around them."""
    places = defaultdict(list)
    for path, label, group in rows:
        found = re.search(r"x(\d+)_y(\d+)_class", path)
        assert found is not None, path
        places[group].append((path, int(found[1]), int(found[2]), label == "1"))
    for group, tiles in places.items():
        for path, x, y, _ in tiles:
            near = [
                is_tumour
                for other, a, b, is_tumour in tiles
                if other != path and max(abs(a - x), abs(b - y)) <= NEAR
            ]
            if len(near) >= LEAST:
                yield path, f"{100 * sum(near) / len(near):.1f}", group


def labelled(name: str, dataset: str) -> list[Row]:
    """The tiles of a task."""
    rows = rows_of(dataset)
    if name == "multilabel":
        return [(path, SEVERAL[label], group) for path, label, group in rows]
    return list(around(rows)) if name == "regression" else rows


def main() -> None:
    """All tasks, one after the other."""
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    found: list[dict[str, Any]] = []
    for name, (dataset, px, changes) in TASKS.items():
        begun, rows = time.monotonic(), labelled(name, dataset)
        groups = sorted({group for _, _, group in rows})
        backbone = backbone_of("imagenet_035").model_dump(mode="json")
        sections = changes | {"backbone": backbone, "tile": {"mpp": 0.5, "tile_px": px}}
        with tempfile.TemporaryDirectory() as place:
            listed = Path(place) / "tiles.csv"
            with listed.open("w", newline="", encoding="utf-8") as handle:
                writer = csv.writer(handle)
                writer.writerow(("path", "label", "group"))
                writer.writerows(rows)
            known = scores(through_all_stages(name, Path(place), listed, groups, sections))
        facts = {"set": dataset, "patients": len(groups)}
        found += tell(name, known, facts, time.monotonic() - begun)
        write_rows(HERE.with_suffix(".csv"), found)


if __name__ == "__main__":
    main()
