"""The cohort: its file, ids, labels, paths and patients, without opening a slide."""

import difflib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from histotile.checks.marks import files_of, marked_files
from histotile.checks.outlines import check_owners
from histotile.checks.problem import Problem, attempt
from histotile.checks.rows import likely_slides
from histotile.config import Config
from histotile.errors import HistotileError
from histotile.io.cohort import Cohort, CohortSlide, read_cohort
from histotile.io.cohort_checks import find_spellings, strange_labels, torn_patients
from histotile.io.findings import Finding, accept
from histotile.io.vocabulary import TEST
from histotile.tasks.registry import config_task
from histotile.tasks.task import Task

_NAMED = 20
_SINGLE = 5  # missing files that have an entry each; of more, one names them all
_LEAST_PATIENTS = 3  # one to train on, one to validate on, one to test on


def check_cohort_file(path: Path, problems: list[Problem]) -> tuple[Cohort | None, Cohort | None]:
    """The cohort, None if it cannot be used; and what can be read of it, to look further."""
    cohort = attempt(problems, read_cohort, path)
    if cohort is not None:
        return cohort, cohort
    if not path.is_file():
        near = _near_file(path)
        if near:
            problems[-1] = Problem("error", str(path), f"{problems[-1].fact}; there is {near}")
        return None, None
    return None, likely_slides(path)


def check_cohort(
    cohort: Cohort, config: Config, wrong: frozenset[str], source: str, stored: bool = False
) -> list[Problem]:
    """What is wrong with a cohort whose file was read.

    Args:
        cohort: The slides.
        config: The settings.
        wrong: Outermost keys of settings that are wrong: what hangs on them is left out.
        source: The cohort file, for the reader.
        stored: Whether its files lie in a storage, where they cannot be looked for.
    """
    problems: list[Problem] = []
    attempt(problems, nameable, cohort)
    problems += _names(cohort, config.accept, source)
    problems += check_owners(cohort.slides, config.accept, source)
    if "classes" not in wrong and not cohort.of_images:
        problems += _labels(cohort.slides, config, source)
    if not {"classes", "split"} & wrong:
        problems += _patients(cohort, config)
    problems += [] if stored else missing_files(cohort.slides, source)
    if not cohort.of_images:  # images are no files of the workflow
        problems += marked_files(cohort.slides, source)
    if not cohort.has_patients:
        unit = "slides" if not cohort.of_images else "groups of neighbouring tiles"
        fact = f"no patients are given: {unit} stand in for them"
        remedy = "fill the column `patient_id`, or leakage between folds cannot be excluded"
        problems.append(Problem("warning", source, fact, remedy))
    return problems


def nameable(cohort: Cohort) -> list[str]:
    """The ids of the slides, none of which Snakemake takes for a pattern of file names.

    Raises:
        HistotileError: Some are.
    """
    ids = [slide.slide_id for slide in cohort.slides]
    odd = [name for name in ids if re.search(r"<.*>|{.*}", name)]
    if odd:
        fact = f"Snakemake cannot name files after {', '.join(odd[:_NAMED])}"
        raise HistotileError("slide_id", fact, "rename these slides without <...> and {...}")
    return ids


def missing_files(slides: Sequence[CohortSlide], source: str) -> list[Problem]:
    """Files of the columns path, annotation and coordinates that do not exist."""
    found: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for slide in slides:
        for column, path in files_of(slide):
            if not path.exists():
                found[column].append((slide.slide_id, path))
    problems = []
    for column, missing in found.items():
        remedy = f"mend the column {column}; relative paths count from {Path.cwd()}"
        if len(missing) > _SINGLE:
            names = ", ".join(str(path) for _, path in missing[:_NAMED])
            fact = f"column {column}: {len(missing)} files do not exist: {names}"
            problems.append(Problem("error", source, fact, remedy))
            continue
        for name, path in missing:
            near = _near_file(path)
            fact = f"{column} {path} does not exist" + (f"; there is {near}" if near else "")
            problems.append(Problem("error", f"{source}, slide {name}", fact, remedy))
    return problems


def _near_file(path: Path) -> Path | None:
    """The file of its folder whose name is most like that of a missing one."""
    try:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.8)
    return path.parent / near[0] if near else None


def _labels(slides: Sequence[CohortSlide], config: Config, source: str) -> list[Problem]:
    held_out, task = set(config.split.test_patients), config_task(config)
    if not task.is_exclusive:
        return _labels_of(task, slides, config, source)
    remedy = "mend the column `label`, or `classes` in config.yaml"
    problems = [
        Problem("error", source, fact, remedy, "split")
        for fact in strange_labels(slides, config.classes)
    ]
    bare = [
        slide.slide_id
        for slide in slides
        if slide.label is None and slide.split != TEST and slide.patient_id not in held_out
    ]
    if bare:
        every = "no slide has a label" if len(bare) == len(slides) else f"no label: {_some(bare)}"
        fact = f"{every}; labels are {', '.join(config.classes)}"
        remedy = "fill the column `label`: folds are balanced by it, and scores compared with it"
        problems.append(Problem("error", source, fact, remedy, "split"))
    return problems


def _labels_of(
    task: Task, slides: Sequence[CohortSlide], config: Config, source: str
) -> list[Problem]:
    """Labels that are none of a task without classes, and slides that none is known of.

    Where outlines tell numbers, slides need none of their own.
    """
    remedy = "mend the column `label`, or `task` and `classes` in config.yaml; see docs/tasks.md"
    problems = [
        Problem(
            "error", source, f"label {text!r} (slide {slide.slide_id}) is none of {task}", remedy
        )
        for slide in slides
        for text in task.foreign([slide.label])
    ]
    by_outlines = task.kind == "regression" and config.tile.labels.source == "annotation"
    held_out = set(config.split.test_patients)
    bare = [
        slide.slide_id
        for slide in slides
        if slide.label is None and slide.split != TEST and slide.patient_id not in held_out
    ]
    if bare and not by_outlines:
        every = "no slide has a label" if len(bare) == len(slides) else f"no label: {_some(bare)}"
        problems.append(Problem("error", source, f"{every}, as {task} needs", remedy, "split"))
    return problems


def _names(cohort: Cohort, accepted: Mapping[str, str], source: str) -> list[Problem]:
    """Names that look the same and are not, and patients on both sides of the split."""
    problems = of_findings(find_spellings(cohort), accepted, source)
    remedy = "put all slides of a patient on one side, or none"
    return problems + [
        Problem("error", source, f"patient on both sides of the split: {fact}", remedy)
        for fact in torn_patients(cohort.slides)
    ]


def of_findings(
    findings: Iterable[Finding], accepted: Mapping[str, str], source: str
) -> list[Problem]:
    """Findings as errors; those that the user accepts as warnings that give the reason."""
    standing, taken = accept(findings, accepted)
    problems = [Problem("error", f"{source}, {f.subject}", _with_id(f), f.remedy) for f in standing]
    return problems + [
        Problem("warning", f"{source}, {f.subject}", f"{_with_id(f)}: accepted: {accepted[f.id]}")
        for f in taken
    ]


def _with_id(finding: Finding) -> str:
    return f"[{finding.id}] {finding.fact}"


def _patients(cohort: Cohort, config: Config) -> list[Problem]:
    """Classes with fewer patients than the folds need; quarantined slides can but lessen them."""
    if not config_task(config).is_exclusive:
        return []  # the division into folds names what is too rare
    fixed = {*config.split.test_patients}
    fixed |= {slide.patient_id for slide in cohort.slides if slide.split == TEST}
    pairs = {
        (label, slide.patient_id)
        for slide in cohort.slides
        if slide.patient_id not in fixed
        for label in slide.labels or (slide.label,)
        if label in config.classes
    }
    counts = Counter(label for label, _ in pairs)
    folds = config.split.folds
    short = {name: n for name, n in counts.items() if not _suffice(n, folds)}
    unit = "patients" if cohort.has_patients else "slides"
    absent = [name for name in config.classes if not counts[name]]
    problems = []
    if counts and absent and not cohort.of_images and config.tile.labels.source == "slide":
        fact = f"class {_some(absent)} has no {unit[:-1]} to learn from"
        problems.append(Problem("warning", "classes", fact, "add slides, or take the class out"))
    if short:
        few = min(short.values())
        most = max((k for k in range(2, few + 1) if _suffice(few, k)), default=None)
        facts = ", ".join(
            f"class {name!r} has {n} {unit if n > 1 else unit[:-1]}"
            for name, n in sorted(short.items())
        )
        remedy = f"each class needs at least {_LEAST_PATIENTS} {unit}: add slides"
        if most:
            remedy = f"set split.folds to {most}, the largest number that works, or add slides"
        fact = f"{folds} folds, but {facts}"
        problems.append(Problem("error", "split.folds", fact, remedy, "split"))
    return problems


def _suffice(patients: int, folds: int) -> bool:
    """Whether each fold can test one and leaves two, even the fold that tests the most."""
    return patients >= folds and patients - math.ceil(patients / folds) >= _LEAST_PATIENTS - 1


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
