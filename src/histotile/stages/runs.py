"""All results below a folder side by side: what differs in their settings, scores, time."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histotile.errors import HistotileError
from histotile.io.atomic import write_json
from histotile.io.text.csv_file import write_columns
from histotile.reports.wording import terminal_safe

LEVELS = ("tile", "slide", "patient")
_SUMMARIES, _EVALUATION = "train/fold*/summary.json", "evaluate/evaluation.json"

Row = dict[str, Any]


@dataclass(frozen=True)
class Outputs:
    """A .csv or .json file; None: the table is printed alone."""

    table: Path | None


def run(folder: Path, outputs: Outputs) -> str:
    """The table of runs as text; also written where that is asked for.

    Args:
        folder: Results, or any folder above several of them.
        outputs: Where the table goes.

    Raises:
        HistotileError: There are no results below, or the output is neither CSV nor JSON.
    """
    if outputs.table is not None and outputs.table.suffix not in {".csv", ".json"}:
        raise HistotileError(outputs.table, "is neither .csv nor .json", "choose one of them")
    places = sorted(set(_places(folder)))
    if not places:
        fact = f"no {_SUMMARIES} nor {_EVALUATION} lies below it"
        raise HistotileError(folder, fact, "name the folder of results, or one above several")
    rows = _differing([(_row(place, folder), _settings(place)) for place in places])
    if outputs.table is not None and outputs.table.suffix == ".json":
        write_json(outputs.table, {"runs": rows})
    elif outputs.table is not None:
        write_columns(outputs.table, {key: [row[key] for row in rows] for key in rows[0]})
    return _text(rows)


def _places(folder: Path) -> Iterator[Path]:
    """Folders of results: those with a trained fold or with scores."""
    yield from (path.parents[2] for path in folder.rglob(_SUMMARIES))
    yield from (path.parents[1] for path in folder.rglob(_EVALUATION))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = "run its rule again, or take the folder away"
        raise HistotileError(path, f"cannot be read: {error}", remedy) from error
    if not isinstance(found, dict):
        raise HistotileError(path, "holds no object", "run its rule again")
    return found


def _summaries(place: Path) -> list[dict[str, Any]]:
    return [_read(path) for path in sorted(place.glob(_SUMMARIES))]


def _row(place: Path, root: Path) -> Row:
    models = _summaries(place)
    scores = place / _EVALUATION
    evaluation = _read(scores) if scores.is_file() else {}
    name = place.relative_to(root)
    row: Row = {
        "run": str(name) if name.parts else place.resolve().name,
        "folds": len(models),
        "strategy": _joined(model.get("strategy") for model in models),
        "fit": _joined((model.get("diagnosis") or {}).get("verdict") for model in models),
    }
    for level in LEVELS:
        found = _score(evaluation.get("metrics", []), level)
        row[f"{level}_metric"] = found.get("metric")
        row |= {f"{level}_{key}": found.get(key) for key in ("value", "lower", "upper")}
    row["train_seconds"] = sum(float(model.get("seconds", 0)) for model in models)
    row["models"] = _digest([model.get("model_id") for model in models]) if models else None
    row["note"] = "; ".join(_notes(place, models, evaluation))
    return row


def _score(metrics: Sequence[Mapping[str, Any]], level: str) -> Mapping[str, Any]:
    """The AUROC of the network over all folds, or the first measure of a task without one."""
    of_level = [
        row
        for row in metrics
        if (row["level"], row["model"], row["fold"]) == (level, "network", "mean")
    ]
    return next((r for r in of_level if r["metric"] == "auroc"), of_level[0] if of_level else {})


def _notes(
    place: Path, models: Sequence[Mapping[str, Any]], evaluation: Mapping[str, Any]
) -> Iterator[str]:
    """What a reader of the scores must know."""
    if len({_digest(model.get("settings")) for model in models}) > 1:
        yield "its folds were trained with different settings"
    if not evaluation:
        yield "not evaluated"
        return
    if models and len(models) != len(evaluation.get("folds", models)):
        yield f"scores are of {len(evaluation['folds'])} folds, and {len(models)} are trained"
    trained = [path.stat().st_mtime for path in place.glob(_SUMMARIES)]
    if trained and (place / _EVALUATION).stat().st_mtime < max(trained):
        yield "trained again since it was evaluated"


def _settings(place: Path) -> dict[str, Any]:
    """What stands of its settings in what it left, by dotted key."""
    models, scores = _summaries(place), place / _EVALUATION
    evaluation = _read(scores) if scores.is_file() else {}
    found: dict[str, Any] = dict(evaluation.get("settings", {}))
    for model in models[:1]:
        found |= {"train": model.get("settings", {}), "backbone": model.get("backbone", {})}
        found["tile"] = {key: model.get(key) for key in ("tile_px", "tile_mpp")}
        found["classes"] = model.get("classes")
        found["histotile"] = model.get("histotile")
    return dict(_flat(found, ""))


def _flat(settings: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _differing(runs: Sequence[tuple[Row, dict[str, Any]]]) -> list[Row]:
    """The rows with a column for each setting that is not the same in all of them."""
    keys = dict.fromkeys(key for _, settings in runs for key in settings)
    differ = [k for k in keys if len({_digest(settings.get(k)) for _, settings in runs}) > 1]
    return [
        {
            **row,
            "settings": _digest(settings),
            **{key: _shown(settings.get(key)) for key in differ},
        }
        for row, settings in runs
    ]


def _shown(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else json.dumps(value)


def _digest(value: Any) -> str:
    """12 hex digits."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _joined(words: Any) -> str:
    return ", ".join(dict.fromkeys(str(word) for word in words if word))


def _text(rows: Sequence[Row]) -> str:
    """The table in columns, scores with their intervals in one."""
    shown = [_short(row) for row in rows]
    used = [key for key in shown[0] if any(row[key] for row in shown)]
    lines = [used, *([terminal_safe(row[key]) for key in used] for row in shown)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(used))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _short(row: Row) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in row.items():
        level, _, part = key.partition("_")
        if level not in LEVELS or part not in {"metric", "value", "lower", "upper"}:
            text = f"{value:.0f}" if key == "train_seconds" else str(value)
            found[key] = "" if value is None else text
        elif part == "value":
            found[level] = _with_interval(row, level)
    return found


def _with_interval(row: Row, level: str) -> str:
    value, lower, upper = (row[f"{level}_{part}"] for part in ("value", "lower", "upper"))
    if value is None:
        return ""
    told = f"{row[f'{level}_metric']} {value:.3f}"
    return told if lower is None or upper is None else f"{told} ({lower:.3f} to {upper:.3f})"
