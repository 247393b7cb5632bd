"""Where the numbers of a cohort come from, line by line."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from histotile.reports.facts import CohortFacts
from histotile.reports.wording import count

Line = tuple[str, str, str | None]  # what, which, remark


def list_provenance(facts: CohortFacts) -> list[Line]:
    """Slides, folds, models, code, settings and seeds of a run; what is unknown says so."""
    run = facts.run
    lines = [_slides_line(facts)]
    if run.folds:
        lines.append(("Fold table", run.split_digest or "unknown", "split/folds.csv, SHA-256"))
    tiled = _shares((slide.tile_code for slide in facts.slides), facts.unit)
    if tiled:
        lines.append(("Tiles made by code", tiled, None))
    predicted = _shares((slide.model_id for slide in facts.slides), facts.unit)
    if predicted:
        lines.append(("Predicted by model", predicted, None))
    lines += [_model_line(n, model) for n, model in enumerate(run.models)]
    lines.append(("Settings", run.settings_digest or "unknown", "SHA-256 of all of them"))
    if run.seeds:
        lines.append(
            ("Seeds", ", ".join(f"{name} {seed}" for name, seed in run.seeds.items()), None)
        )
    lines += [
        ("Commit", run.commit or "unknown", _commit_note(run.commit)),
        ("Code of the pages", run.code or "unknown", "digest of all modules"),
        ("Written", run.written or "unknown", None),
    ]
    return lines


def digest_cohort(facts: CohortFacts) -> str | None:
    """12 hex digits over the checksums of all slides in cohort order; None if none has one."""
    sums = [slide.checksum for slide in facts.slides if slide.checksum]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()[:12] if sums else None


def _slides_line(facts: CohortFacts) -> Line:
    known = sum(slide.checksum is not None for slide in facts.slides)
    note = f"over the SHA-256 of {count(known)} of {count(len(facts.slides))} files"
    pages = "; each stands on its own page" if facts.unit == "slide" else ""
    return (
        "Slides" if facts.unit == "slide" else "Images",
        digest_cohort(facts) or "unknown",
        note + pages,
    )


def _model_line(number: int, model: Mapping[str, Any]) -> Line:
    made = ", ".join(
        str(word)
        for word in (
            model.get("strategy"),
            f"histotile {model['histotile']}" if model.get("histotile") else None,
            f"torch {model['torch']}" if model.get("torch") else None,
        )
        if word
    )
    return (f"Model of fold {number}", str(model.get("model_id", "unknown")), made or None)


def _shares(names: Iterable[str | None], unit: str) -> str:
    """Each name with how many slides bear it, most first; empty if nothing is known."""
    counts = Counter(name for name in names if name)
    return ", ".join(
        f"{name} ({count(n)} {unit}{'' if n == 1 else 's'})" for name, n in counts.most_common()
    )


def _commit_note(commit: str | None) -> str | None:
    if commit is None:
        return "the code is no checkout of its repository"
    return "with changes that are not committed" if commit.endswith("+") else None
