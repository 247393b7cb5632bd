"""Whether the names in a cohort say what they mean: spellings, labels, sides, places held free."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, CohortSlide
from histotile.io.findings import Finding, accept, stop
from histotile.io.names import alike, choose, nearest, show
from histotile.io.text.csv_file import decimal, some
from histotile.io.vocabulary import NOBODY, TEST

_COLUMNS = ("slide_id", "patient_id", "site", "label")
_ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+\d+|\d{15}0{2,}")  # 15 digits are all it keeps
_ONE_SPELLING = "spell it in one way; or accept the finding if they are really different"


def check_cohort(cohort: Cohort, accepted: Mapping[str, str], subject: object = "cohort") -> None:
    """Nothing, if every name in the cohort is spelt in one way, but for what the user accepts.

    Args:
        cohort: The slides.
        accepted: Ids of findings -> the user's reasons.
        subject: Named in errors, e.g. the cohort file.

    Raises:
        HistotileError: Names that look the same and are not, ids that a spreadsheet has rounded,
            words for "unknown" as the patient of several slides, or a patient on both sides of the
            split; all with their rows.
    """
    torn = torn_patients(cohort.slides)
    if torn:
        remedy = "put all slides of a patient on one side, or none"
        raise HistotileError(subject, f"patients on both sides of the split: {some(torn)}", remedy)
    stop(subject, accept(find_spellings(cohort), accepted)[0])


def check_classes(classes: Sequence[str], accepted: Mapping[str, str]) -> None:
    """Nothing, if no two classes look the same, but for what the user accepts.

    Raises:
        HistotileError: Some do.
    """
    stop("classes", accept(find_class_spellings(classes), accepted)[0])


def find_spellings(cohort: Cohort) -> list[Finding]:
    """What is doubtful in the names of a cohort, whether accepted or not."""
    found: list[Finding] = []
    for column in _COLUMNS:
        if column == "patient_id" and not cohort.has_patients:
            continue
        slides: dict[str, list[CohortSlide]] = defaultdict(list)
        for slide in cohort.slides:
            slides[getattr(slide, column) or ""].append(slide)
        slides.pop("", None)
        if cohort.of_images and column == "slide_id" and cohort.has_patients:
            continue  # groups stand in both columns
        if column == "label" and all(decimal(name) is not None for name in slides):
            continue  # 5 and 5.0 are one number, and no class unless it is spelt as one
        found += [_spelling(column, group, slides) for group in alike(slides)]
        if column == "patient_id":
            found += [_doubt(name, slides[name]) for name in slides if _doubts(name, slides[name])]
    return found + [_comment(slide) for slide in cohort.slides if slide.slide_id[:1] == "#"]


def accepted_lines(cohort: Cohort, accepted: Mapping[str, str]) -> list[str]:
    """What the user accepts of a cohort's names, with their reasons, for people to read."""
    taken = accept(find_spellings(cohort), accepted)[1]
    return [f"Accepted by you ({accepted[finding.id]}): {finding}" for finding in taken]


def find_class_spellings(classes: Sequence[str]) -> list[Finding]:
    """Classes that look the same and are not."""
    return [
        Finding(
            "spelling",
            f"classes: {sorted(group)}",
            "classes",
            f"{' and '.join(show(group))} look the same",
            _ONE_SPELLING,
        )
        for group in alike(classes)
    ]


def strange_labels(slides: Iterable[CohortSlide], classes: Sequence[str]) -> list[str]:
    """Labels that are no class, with their slides and the class that was probably meant."""
    wrong: dict[str, list[CohortSlide]] = defaultdict(list)
    for slide in slides:
        for label in slide.labels or (slide.label,):
            if label is not None and label not in classes:
                wrong[label].append(slide)
    return [
        f"label {show([label])[0]} ({_places(found)}) is not among classes {list(classes)}"
        + (f": did you mean {meant!r}?" if (meant := nearest(label, classes)) else "")
        for label, found in wrong.items()
    ]


def torn_patients(slides: Iterable[CohortSlide]) -> list[str]:
    """Patients with slides on both sides of the split, and where these stand."""
    sides: dict[str, dict[bool, list[CohortSlide]]] = defaultdict(lambda: defaultdict(list))
    for slide in slides:
        sides[slide.patient_id][slide.split == TEST].append(slide)
    return [
        f"{patient!r}, {TEST} ({_places(parts[True])}) and not ({_places(parts[False])})"
        for patient, parts in sides.items()
        if len(parts) > 1
    ]


def _spelling(
    column: str, group: Sequence[str], slides: Mapping[str, Sequence[CohortSlide]]
) -> Finding:
    spelt = " and ".join(
        f"{shown} ({_places(slides[name])})" for shown, name in zip(show(group), group, strict=True)
    )
    return Finding(
        "spelling",
        f"{column}: {sorted(group)}",
        f"column {column}",
        f"{spelt} look the same",
        _ONE_SPELLING,
    )


def _comment(slide: CohortSlide) -> Finding:
    return Finding(
        "spelling",
        f"slide_id: {slide.slide_id}",
        "column slide_id",
        f"{slide.slide_id!r} ({_places([slide])}) looks like a row that somebody has taken out",
        "delete the row, for `#` makes no comment here; or accept the finding if it is an id",
    )


def _doubts(name: str, slides: Sequence[CohortSlide]) -> str | None:
    if _ROUNDED.fullmatch(name):
        return "is what a spreadsheet makes of a long number: its last digits are lost"
    if len(slides) > 1 and choose(name, NOBODY):
        return "says that nobody is known, and makes one patient of several slides"
    return None


def _doubt(name: str, slides: Sequence[CohortSlide]) -> Finding:
    return Finding(
        "patient",
        f"patient_id: {name}",
        "column patient_id",
        f"{name!r} ({_places(slides)}) {_doubts(name, slides)}",
        "give each patient an id of their own; or accept the finding if it is one patient",
    )


def _places(slides: Sequence[CohortSlide]) -> str:
    """Rows of slides, or their ids where they come from no file."""
    numbers = [str(s.row) if s.row else s.slide_id for s in slides]
    kind = "row" if slides[0].row else "slide"
    return f"{kind}{'s' if len(numbers) > 1 else ''} {some(numbers, ', ')}"
