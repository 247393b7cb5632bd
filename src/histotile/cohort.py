"""The cohort file: one row per slide, checked before the first job."""

import csv
import io
import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from histotile.errors import HistotileError
from histotile.names import nearest

REQUIRED = ("slide_id", "path")
OPTIONAL = ("patient_id", "label", "annotation", "site", "mpp", "split", "labels", "coordinates")
SEPARATOR = ";"  # between several annotation files of a slide
TEST = "test"  # the split that no fold is trained on
_ID = re.compile(r"^[^/\\\x00-\x1f]+$")
_PARTS = (".map", ".colour")  # between the id of a slide and the suffix of some of its files
MOST_BYTES = 200  # of a slide_id: file systems hold names of 255 bytes, and suffixes need room


@dataclass(frozen=True)
class CohortSlide:
    """One row of the cohort file.

    `patient_id` equals `slide_id` where the file knows no patients; `label`, `annotation`,
    `site`, `mpp` (micrometres per pixel at level 0) and `coordinates` (tiles of another program)
    are None where the cell is empty. The cell `annotation` may name several files, `a;b`: the
    later ones are `corrections` and win where they overlap earlier ones. `split` is `test` for
    slides that no fold may be trained on.

    In a cohort of ready-made tiles, a group of images stands where a slide stands: `labels` are
    the classes its tiles have, `label` is set if that is one, and `path` is the first image.
    """

    slide_id: str
    patient_id: str
    path: Path
    label: str | None = None
    annotation: Path | None = None
    site: str | None = None
    mpp: float | None = None
    split: str | None = None
    labels: tuple[str, ...] = ()
    corrections: tuple[Path, ...] = ()
    coordinates: Path | None = None

    @property
    def annotations(self) -> tuple[Path, ...]:
        """All its annotation files, the later ones winning over the earlier ones."""
        return (self.annotation, *self.corrections) if self.annotation else ()


@dataclass(frozen=True)
class Cohort:
    """The slides in file order, and whether patients are known (else slides stand in for them).

    In a cohort of ready-made tiles (`of_images`), groups of images stand in for slides.
    """

    slides: tuple[CohortSlide, ...]
    has_patients: bool

    def __getitem__(self, slide_id: str) -> CohortSlide:
        """The slide of that id; KeyError if the cohort has none."""
        return self._by_id[slide_id]

    @property
    def of_images(self) -> bool:
        """Whether its tiles are image files, without slides."""
        return any(slide.labels for slide in self.slides)

    @property
    def _by_id(self) -> dict[str, CohortSlide]:
        cached: dict[str, CohortSlide] | None = self.__dict__.get("_index")
        if cached is None:
            cached = {s.slide_id: s for s in self.slides}
            object.__setattr__(self, "_index", cached)
        return cached


def read_cohort(path: Path) -> Cohort:
    """The cohort in a CSV file; relative paths in it count from the working directory.

    Raises:
        HistotileError: No such file, a missing or unknown column, an empty or repeated slide_id,
            a slide path listed twice, slides whose files would have the same names, patient_id
            given for some slides only, or an mpp that is not a positive number; all wrong rows are
            named at once.
    """
    if not path.is_file():
        raise HistotileError(
            path, "there is no cohort file here", f"write a CSV with {', '.join(REQUIRED)}"
        )
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.DictReader(handle)
        columns = tuple(reader.fieldnames or ())
        _check_columns(path, columns)
        rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    problems = [p for number, row in enumerate(rows, 2) for p in _row_problems(number, row)]
    problems += _repeats(rows, "slide_id") + _repeats(rows, "path") + _shared_files(rows)
    has_patients = any(row.get("patient_id") for row in rows)
    if has_patients:
        problems += [
            f"row {n}: patient_id is empty (slide {row.get('slide_id')!r})"
            for n, row in enumerate(rows, 2)
            if not row.get("patient_id")
        ]
    if not rows:
        problems.append("it lists no slide")
    if problems:
        remedy = "mend these rows of the cohort file"
        raise HistotileError(path, "; ".join(problems), remedy, problems)
    return Cohort(tuple(_slide(row) for row in rows), has_patients)


def cohort_csv(cohort: Cohort) -> str:
    """The text of a cohort file that `read_cohort` reads back."""
    text = io.StringIO()
    columns = [c for c in REQUIRED + OPTIONAL if c != "patient_id" or cohort.has_patients]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for slide in cohort.slides:
        labels = json.dumps(slide.labels, ensure_ascii=False)
        annotation = SEPARATOR.join(map(str, slide.annotations))
        writer.writerow({**vars(slide), "labels": labels, "annotation": annotation})
    return text.getvalue()


def is_file_name(name: str) -> bool:
    """Whether files can be named after this: no separators, and room for suffixes."""
    return len(name.encode()) <= MOST_BYTES and bool(_ID.match(name)) and name not in {".", ".."}


def _check_columns(path: Path, columns: tuple[str, ...]) -> None:
    missing = [c for c in REQUIRED if c not in columns]
    unknown = [c for c in columns if c not in REQUIRED + OPTIONAL]
    free = [c for c in REQUIRED + OPTIONAL if c not in columns]
    meant = {c: nearest(c, free) for c in unknown}
    parts = [
        f"unknown column {name!r}" + (f"; did you mean {near!r}?" if near else "")
        for name, near in meant.items()
    ]
    parts += [f"missing column {name!r}" for name in missing if name not in meant.values()]
    if parts:
        remedy = f"use the columns {', '.join(REQUIRED)} and, optionally, {', '.join(OPTIONAL)}"
        raise HistotileError(path, "; ".join(parts), remedy, parts)


def _row_problems(number: int, row: dict[str, str]) -> list[str]:
    problems = []
    if not is_file_name(row["slide_id"]):
        problems.append(f"row {number}: slide_id {row['slide_id']!r} cannot name a file")
    if not row["path"]:
        problems.append(f"row {number}: path is empty")
    if row.get("labels") and not row["labels"].startswith("["):
        problems.append(f"row {number}: labels is no JSON list: leave it to `histotile collect`")
    if row.get("mpp"):
        try:
            mpp = float(row["mpp"])
        except ValueError:
            mpp = math.nan
        if not (math.isfinite(mpp) and mpp > 0):
            problems.append(f"row {number}: mpp {row['mpp']!r} is not a positive number")
    return problems


def _repeats(rows: list[dict[str, str]], column: str) -> list[str]:
    counts = Counter(row[column] for row in rows if row[column])
    return [f"{column} {value!r} is listed {n} times" for value, n in counts.items() if n > 1]


def _shared_files(rows: list[dict[str, str]]) -> list[str]:
    """Ids that would write files of the same name: the heatmap of S.map is S.map.png, as S has."""
    ids = {row["slide_id"] for row in rows}
    return [
        f"slide_id {name + part!r} is how files of slide {name!r} are called"
        for name in sorted(ids)
        for part in _PARTS
        if name + part in ids
    ]


def _slide(row: dict[str, str]) -> CohortSlide:
    files = [Path(f.strip()) for f in row.get("annotation", "").split(SEPARATOR) if f.strip()]
    return CohortSlide(
        slide_id=row["slide_id"],
        patient_id=row.get("patient_id") or row["slide_id"],
        path=Path(row["path"]),
        label=row.get("label") or None,
        annotation=files[0] if files else None,
        site=row.get("site") or None,
        mpp=float(row["mpp"]) if row.get("mpp") else None,
        split=(row.get("split") or "").casefold() or None,
        labels=tuple(json.loads(row.get("labels") or "[]")),
        corrections=tuple(files[1:]),
        coordinates=Path(row["coordinates"]) if row.get("coordinates") else None,
    )
