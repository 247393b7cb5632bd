"""All results below a folder side by side: what differs in their settings, scores, time."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from histotile.errors import HistotileError
from histotile.io.atomic import write_json
from histotile.io.text.csv_file import write_columns
from histotile.reports.wording import terminal_safe

LEVELS = ("tile", "slide", "patient")
_SUMMARIES, _EVALUATION = "train/fold*/summary.json", "evaluate/evaluation.json"
_NAMED = 3  # settings in which folds differ
_DECIDED = "stages"  # what a decision may have found for each fold

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
    found = [_left_by(place) for place in places]
    rows = _differing([(_row(result, folder), _settings(result)) for result in found])
    if outputs.table is not None and outputs.table.suffix == ".json":
        write_json(outputs.table, {"runs": rows})
    elif outputs.table is not None:
        write_columns(outputs.table, {key: [row[key] for row in rows] for key in rows[0]})
    return _text(rows)


def _places(folder: Path) -> Iterator[Path]:
    """Folders of results: those with a trained fold or with scores."""
    yield from (path.parents[2] for path in folder.rglob(_SUMMARIES))
    yield from (path.parents[1] for path in folder.rglob(_EVALUATION))


@dataclass(frozen=True)
class _Results:
    """What a run left: the summaries of its folds, and its evaluation; empty without one."""

    place: Path
    models: Sequence[Mapping[str, Any]]
    evaluation: Mapping[str, Any]


def _left_by(place: Path) -> _Results:
    models = [_read(path) for path in sorted(place.glob(_SUMMARIES))]
    scores = place / _EVALUATION
    return _Results(place, models, _read(scores) if scores.is_file() else {})


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        remedy = "run its rule again, or take the folder away"
        raise HistotileError(path, f"cannot be read: {error}", remedy) from error
    if not isinstance(found, dict):
        raise HistotileError(path, "holds no object", "run its rule again")
    return found


def _row(result: _Results, root: Path) -> Row:
    models, place = result.models, result.place
    name = place.relative_to(root)
    row: Row = {
        "run": str(name) if name.parts else place.resolve().name,
        "folds": len(models),
        "strategy": _joined(model.get("strategy") for model in models),
        "fit": _joined((model.get("diagnosis") or {}).get("verdict") for model in models),
    }
    for level in LEVELS:
        found = _score(result.evaluation.get("metrics", []), level)
        row[f"{level}_metric"] = found.get("metric")
        row |= {f"{level}_{key}": found.get(key) for key in ("value", "lower", "upper")}
    row["train_seconds"] = sum(float(model.get("seconds", 0)) for model in models)
    row["models"] = _digest([model.get("model_id") for model in models]) if models else None
    row["note"] = "; ".join(_notes(result))
    return row


def _score(metrics: Sequence[Mapping[str, Any]], level: str) -> Mapping[str, Any]:
    """The AUROC of the network over all folds, or the first measure of a task without one."""
    of_level = [
        row
        for row in metrics
        if (row["level"], row["model"], row["fold"]) == (level, "network", "mean")
    ]
    return next((r for r in of_level if r["metric"] == "auroc"), of_level[0] if of_level else {})


def _notes(result: _Results) -> Iterator[str]:
    """What a reader of the scores must know."""
    models, evaluation = result.models, result.evaluation
    mixed = [key for key in _differ([_of_model(model) for model in models]) if key != _DECIDED]
    if mixed:
        told = ", ".join(mixed[:_NAMED]) + (" and more" if len(mixed) > _NAMED else "")
        yield f"its folds were trained with different settings ({told})"
    if not evaluation:
        yield "not evaluated"
        return
    if models and len(models) != len(evaluation.get("folds", models)):
        yield f"scores are of {len(evaluation['folds'])} folds, and {len(models)} are trained"
    trained = [path.stat().st_mtime for path in result.place.glob(_SUMMARIES)]
    if trained and (result.place / _EVALUATION).stat().st_mtime < max(trained):
        yield "trained again since it was evaluated"


def _settings(result: _Results) -> dict[str, Any]:
    """What stands of its settings in what it left, by dotted key; of mixed folds each value."""
    evaluated = result.evaluation
    found = dict(_flat(evaluated.get("settings", {}) | _task_of(evaluated), ""))
    of_folds = [_of_model(model) for model in result.models]
    mixed = _differ(of_folds)
    for values in of_folds[:1]:
        found |= values
    return found | {key: _each(values.get(key) for values in of_folds) for key in mixed}


def _of_model(model: Mapping[str, Any]) -> dict[str, Any]:
    """The settings in a fold's summary, by dotted key."""
    sections = {"train": model.get("settings", {}), "backbone": model.get("backbone", {})}
    sections |= {"tile": {key: model.get(key) for key in ("tile_px", "tile_mpp")}}
    alone = {key: model.get(key) for key in ("histotile", _DECIDED)}
    return dict(_flat(sections | _task_of(model) | alone, ""))


def _task_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What is learnt, in a summary or an evaluation."""
    task = {"kind": told.get("task"), "options": told.get("task_options")}
    return {"task": task, "classes": told.get("classes")}


def _each(values: Iterable[Any]) -> str:
    return " | ".join(str(_shown(value)) for value in values)


def _flat(settings: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _differing(runs: Sequence[tuple[Row, dict[str, Any]]]) -> list[Row]:
    """The rows with a column for each setting that is not the same in all of them."""
    differ = _differ([settings for _, settings in runs])
    return [
        {
            **row,
            "settings": _digest(settings),
            **{key: _shown(settings.get(key)) for key in differ},
        }
        for row, settings in runs
    ]


def _differ(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keys whose values are not the same in all of them."""
    keys = dict.fromkeys(key for values in settings for key in values)
    return [key for key in keys if len({_digest(values.get(key)) for values in settings}) > 1]


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
