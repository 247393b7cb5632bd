"""The cohort file: one row per slide, checked before the first job."""

import csv
import io
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from histotile.errors import HistotileError
from histotile.io.text.csv_file import CsvFile, check_columns, decimal, read_csv_file, some
from histotile.io.vocabulary import COLUMNS, NO_SIDE, TEST, side

REQUIRED = ("slide_id", "path")
OPTIONAL = ("patient_id", "label", "annotation", "site", "mpp", "split", "labels", "coordinates")
SEPARATOR = ";"  # between several annotation files of a slide
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
    slides that no fold may be trained on, else None. `row` is its line in the file, if it has one.

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
    row: int | None = field(default=None, compare=False)

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


def placed(cohort: Cohort, prefix: str) -> Cohort:
    """The cohort where its files stand elsewhere: this text comes before each of their paths.

    Copies made by a storage of Snakemake, for one, lie in a folder laid out as the originals are.
    """

    def there(path: Path) -> Path:
        return Path(f"{prefix}{path}")

    slides = [
        replace(
            slide,
            path=there(slide.path),
            annotation=slide.annotation and there(slide.annotation),
            corrections=tuple(map(there, slide.corrections)),
            coordinates=slide.coordinates and there(slide.coordinates),
        )
        for slide in cohort.slides
    ]
    return Cohort(tuple(slides), cohort.has_patients) if prefix else cohort


def read_cohort(path: Path) -> Cohort:
    """The cohort in a CSV file; relative paths in it count from the working directory.

    Whether its names are spelt in one way each is for `cohort_checks` to say.

    Raises:
        HistotileError: No such file, or what `read_csv_file` refuses; a missing or unknown column,
            an empty or repeated slide_id, a slide path listed twice, slides whose files would have
            the same names, patient_id given for some slides only, an mpp that is not a positive
            number, a word in `split` that is no side, or a path of Windows on another system; all
            wrong rows are named at once.
    """
    if not path.is_file():
        raise HistotileError(
            path, "there is no cohort file here", f"write a CSV with {', '.join(REQUIRED)}"
        )
    found = read_csv_file(path, COLUMNS)
    check_columns(found, REQUIRED, OPTIONAL, COLUMNS)
    problems = [p for number, row in found for p in _row_problems(number, row)]
    problems += _repeats(found, "slide_id") + _repeats(found, "path")
    problems += _shared_files(found.rows)
    has_patients = any(row.get("patient_id") for row in found.rows)
    if has_patients:
        problems += [
            f"row {number}: patient_id is empty (slide {row['slide_id']!r})"
            for number, row in found
            if not row["patient_id"]
        ]
    if not found.rows:
        problems.append("it lists no slide")
    if problems:
        remedy = "mend these rows of the cohort file"
        raise HistotileError(path, some(problems), remedy, problems)
    return Cohort(tuple(_slide(number, row) for number, row in found), has_patients)


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


def _row_problems(number: int, row: dict[str, str]) -> list[str]:
    problems = []
    if not is_file_name(row["slide_id"]):
        problems.append(f"slide_id {row['slide_id']!r} cannot name a file")
    if not row["path"]:
        problems.append("path is empty")
    if _labels(row) is None:
        problems.append("labels is no JSON list: leave it to `histotile collect`")
    if row.get("mpp") and not 0 < (decimal(row["mpp"]) or 0) < float("inf"):
        problems.append(f"mpp {row['mpp']!r} is not a positive number (um per px, e.g. 0.25)")
    if side(row.get("split", "")) is None:
        problems.append(f"split {row['split']!r} is no side: {NO_SIDE}")
    problems += [
        f"{column} {row[column]!r} is a path of Windows: write it as this system does, with /"
        for column in ("path", "annotation", "coordinates")
        if _is_foreign(row.get(column, ""))
    ]
    return [f"row {number}: {problem}" for problem in problems]


def _labels(row: dict[str, str]) -> tuple[str, ...] | None:
    """The classes of a group of tiles; None where the cell holds no list of them."""
    try:
        found = json.loads(row.get("labels") or "[]")
    except ValueError:
        return None
    return tuple(found) if isinstance(found, list) else None


def _is_foreign(cell: str) -> bool:
    """Whether a path is one of Windows on a system that has none such."""
    if os.name == "nt" or not ("\\" in cell or cell[1:2] == ":"):
        return False
    return bool(re.match(r"[A-Za-z]:[\\/]|\\\\", cell)) or not Path(cell).exists()


def _path(cell: str) -> Path:
    return Path(os.path.expanduser(cell.strip()))  # noqa: PTH111 - where there is no home, as it is


def _repeats(found: CsvFile, column: str) -> list[str]:
    rows: dict[str, list[int]] = defaultdict(list)
    for number, row in found:
        value = row[column]
        is_path = column == "path" and value
        rows[os.path.normpath(_path(value)) if is_path else value].append(number)
    return [
        f"{column} {value!r} is listed {len(numbers)} times (rows {some(map(str, numbers), ', ')})"
        for value, numbers in rows.items()
        if value and len(numbers) > 1
    ]


def _shared_files(rows: list[dict[str, str]]) -> list[str]:
    """Ids that would write files of the same name: the heatmap of S.map is S.map.png, as S has."""
    ids = {row["slide_id"] for row in rows}
    return [
        f"slide_id {name + part!r} is how files of slide {name!r} are called"
        for name in sorted(ids)
        for part in _PARTS
        if name + part in ids
    ]


def _slide(number: int, row: dict[str, str]) -> CohortSlide:
    files = [_path(f) for f in row.get("annotation", "").split(SEPARATOR) if f.strip()]
    return CohortSlide(
        slide_id=row["slide_id"],
        patient_id=row.get("patient_id") or row["slide_id"],
        path=_path(row["path"]),
        label=row.get("label") or None,
        annotation=files[0] if files else None,
        site=row.get("site") or None,
        mpp=decimal(row["mpp"]) if row.get("mpp") else None,
        split=TEST if side(row.get("split", "")) == TEST else None,
        labels=_labels(row) or (),
        corrections=tuple(files[1:]),
        coordinates=_path(row["coordinates"]) if row.get("coordinates") else None,
        row=number,
    )
