"""What each task reaches on unseen patients of drawn tiles with known truth.

Writes benchmarks/tasks.csv: per cohort and seed the score that decides (mean over folds of left-out
patients, with its 95 % interval of resampled patients), the same of colour alone, and the seconds.

- `multilabel`: necrosis, tumour, both or neither; mean AUROC over the labels, to be 0.95 or more;
- `regression`: share of large nuclei in the area of all; Spearman's rho, to be 0.9 or more, beside
  it R2 and MAE;
- `binary` and `multiclass` of two: the same tiles, healthy or tumour; AUROC, to differ by 0.005 at
  most.

Every row is one run of the stages of the workflow, from the list of tiles to the evaluation, with
the shipped histology backbone and a linear probe of its last stage:

    python benchmarks/tasks.py
"""

import csv
import datetime
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from histotile.config import Config
from histotile.config.yaml_file import over_standard, standard_config, validate
from histotile.stages import aggregate, collect, embed, evaluate, predict, split, tile_images, train
from histotile.stages.folds import Inputs as FoldInputs
from histotile.stages.folds import Network
from histotile.stages.machine import Machine
from histotile.synthetic.labelled_tiles import LESIONS, Cohort, write_labelled_tiles
from histotile.tasks.registry import config_task
from histotile.training.job import Machine as TrainingMachine

REPOSITORY = Path(__file__).parents[1]
PATIENTS, TILES, FOLDS, SEEDS = 24, 16, 3, (0, 1)
PLAIN = f"""
backbone: {{name: auto, weights: "shipped:histology"}}
tile: {{mpp: 0.5, tile_px: 96}}
split: {{folds: {FOLDS}}}
train: {{strategy: linear_probe}}
engine: {{name: torch}}
"""
TASKS: dict[str, tuple[Cohort, dict[str, Any]]] = {
    "multilabel": (
        "multilabel",
        {"classes": list(LESIONS), "task": {"kind": "multilabel"}},
    ),
    "regression": (
        "regression",
        {
            "classes": ["tumour area"],
            "task": {"kind": "regression", "unit": "%", "range": [0, 100]},
            "aggregate": {"method": "mean"},
        },
    ),
    "binary": ("binary", {"classes": ["healthy", "tumour"], "task": {"kind": "binary"}}),
    "multiclass": ("binary", {"classes": ["healthy", "tumour"], "task": {"kind": "multiclass"}}),
}


def run(name: str, folder: Path, patients: int = PATIENTS, seed: int = 0) -> Path:
    """The metrics of a drawn cohort of this task."""
    drawn, changes = TASKS[name]
    listed = write_labelled_tiles(folder / "data", drawn, patients, TILES, seed=seed)
    groups = [f"p{patient:03d}" for patient in range(patients)]
    return through_all_stages(name, folder, listed, groups, changes)


def through_all_stages(
    name: str, folder: Path, listed: Path, groups: list[str], changes: dict[str, Any]
) -> Path:
    """The metrics after all stages, from a list of tiles to its evaluation.

    Args:
        name: Of the cohort, for messages.
        folder: Receives all files.
        listed: CSV of path, label, group.
        groups: Those in the list.
        changes: Sections over the standard settings.
    """
    settings = over_standard(yaml.safe_load(PLAIN) | changes, standard_config())
    settings["tile"]["labels"] |= {"names": {}, "outside": None}  # tiles have no outlines
    config = validate(Config, settings, name)
    task, machine = config_task(config), Machine(config.engine, 1)
    for part in ("tile", "embed", "predict"):
        (folder / part).mkdir()
    cohort, folds = folder / "slides.csv", folder / "folds.csv"
    collect.run(collect.Inputs(listed), collect.Outputs(cohort), task, {})
    tables = [folder / "tile" / f"{group}.parquet" for group in groups]
    of_tiles = tile_images.Inputs(listed), tile_images.Outputs(tables)
    tile_images.run(*of_tiles, config.tile, groups, task, 1)
    split.run(split.Inputs(cohort), split.Outputs(folds), config.split, task, {})
    features = [folder / "embed" / f"{group}.h5" for group in groups]
    of_embed = embed.Inputs(tables), embed.Outputs(features)
    embed.run(*of_embed, config.embed, config.backbone, None, machine)
    for fold in range(FOLDS):
        place = f"fold{fold}"
        known = FoldInputs(folds, place, folder / "tile", features=folder / "embed")
        left = train.Outputs(folder / "train" / place)
        network = Network(config.backbone, task)
        train.run(known, left, config.train, network, TrainingMachine(threads=1))
    guesses = [folder / "predict" / f"{group}.parquet" for group in groups]
    of_predict = predict.Inputs(folder / "train", tables, folds), predict.Outputs(guesses)
    predict.run(*of_predict, machine)
    scored = aggregate.Outputs(folder / "slides_scores.csv", folder / "patients.csv")
    aggregate.run(aggregate.Inputs(folder / "predict", folds), scored, config.aggregate, task)
    files = (folder / name for name in ("metrics.csv", "confusion.csv", "all.json", "figures.json"))
    outputs = evaluate.Outputs(*files)
    given = evaluate.Inputs(cohort, folds, folder / "tile", folder / "predict")
    evaluate.run(given, outputs, config.evaluate, config.aggregate, task)
    return outputs.metrics


def scores(metrics: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Model and metric -> row, of tiles, mean over folds."""
    with metrics.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return {
        (row["model"], row["metric"]): row
        for row in rows
        if row["level"] == "tile" and row["fold"] == "mean"
    }


def tell(
    task: str, known: dict[tuple[str, str], dict[str, str]], facts: dict[str, Any], seconds: float
) -> list[dict[str, Any]]:
    """A row per metric of a task, printed."""
    decides = "spearman" if task == "regression" else "auroc"
    others = [k for m, k in known if m == "network" and k.split()[0] in ("r2", "mae")]
    found = []
    for metric in (decides, *others):
        own, colour = known["network", metric], known["colour", metric]
        found.append(
            {
                "task": task,
                "metric": metric,
                **{k: f"{float(own[k]):.4f}" for k in ("value", "lower", "upper")},
                "colour": f"{float(colour['value']):.4f}",
                "tiles": own["n"],
                **facts,
                "seconds": round(seconds),
                "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            }
        )
        print(found[-1], flush=True)
    return found


def write_rows(path: Path, found: list[dict[str, Any]]) -> None:
    """The CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(found[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(found)


def main() -> None:
    """All tasks and seeds, one after the other."""
    found: list[dict[str, Any]] = []
    for seed, task in itertools.product(SEEDS, TASKS):
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            known = scores(run(task, Path(folder), seed=seed))
        facts = {"seed": seed, "patients": PATIENTS}
        found += tell(task, known, facts, time.monotonic() - begun)
        write_rows(REPOSITORY / "benchmarks" / "tasks.csv", found)


if __name__ == "__main__":
    main()
