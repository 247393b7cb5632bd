"""Does the table choose well on real tiles? Every strategy against the table's choice.

    python benchmarks/transfer.py              what transfer.csv lacks of the plan, then the picture
    python benchmarks/transfer.py --heads      the same without trainings (about a minute a row)
    python benchmarks/transfer.py --only ebhi_seg/224/imagenet_035
    python benchmarks/transfer.py --again heads          the heads and choices of all rows anew
    python benchmarks/transfer.py --draw       the picture and the summary alone

Needs the labelled tiles and weights of `../shared/data` (or HISTOTILE_SHARED). One row of
transfer.csv per set of tiles, tile size, backbone, number of groups that teach, and seed: what each
strategy reaches on groups that it has not seen (AUROC, one class against the rest, and balanced
accuracy), what the table chose from the groups that teach alone, and its regret, which is the best
strategy minus the choice.

The plan. Heads on cached features, colour alone and random weights: every row. Trainings of all
layers (`finetune`, `retrain`, and a practitioner's recipe, see practitioner.py): the rows of
`TRAINED`, 300 steps of 32 tiles each, some 12 processor minutes at 224 px and 2 at 96 px, in all
under ten processor hours. Each training is kept in the CSV as soon as it is done, so any
interruption costs one; two runs side by side share the work. Rows at 64 px were measured by the
first version of this script, with its heads and recipes.
"""

import argparse
import csv
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from practitioner import chosen_tiles, practise
from transfer_sets import DATA, ROOT, SETS, TRAINING, Case, Material, auroc, backbone_of, balanced
from transfer_sets import prepare as prepared

from histotile.io.atomic import replacing
from histotile.io.features import read_baseline
from histotile.strategy.baselines.random_features import BaselineSlide, measure_baseline
from histotile.strategy.decide import decide
from histotile.strategy.entry import Estimate
from histotile.strategy.leakage.checks import AlarmFiles
from histotile.strategy.load_evidence import gather_evidence, patients_of_folds
from histotile.strategy.record import STRATEGIES, Decision
from histotile.strategy.verification.train_alternatives import compare
from histotile.strategy.verification.train_baselines import compare_colour
from histotile.tasks.probe import Features, fit_probe
from histotile.tasks.registry import make_task
from histotile.tasks.task import value_columns
from histotile.training.job import Machine

OUTPUT = ROOT / "benchmarks" / "transfer.csv"
HEADS = ("linear_probe", "early_probe", "random", "colour")
TRAININGS = ("finetune", "retrain", "practitioner")
FACTS = (
    *("dataset", "px", "backbone", "groups", "seed", "tiles", "neff", "patients", "size"),
    *("similarity", "basis", "gain", "best_gain", "best_gain_high", "best_score", "shortfall"),
    *("depth_sufficient", "best_stage", "last_stage", "early_stages", "choice"),
)
COLUMNS = (
    *FACTS,
    *(f"{name}{part}" for name in (*HEADS, *TRAININGS, "scratch") for part in ("", "_bacc", "_s")),
    *("finetune_kept", "retrain_kept", "regret"),
)
TRAINED = (
    Case("ebhi_seg", 224, "imagenet_035", 106, 0),
    Case("ebhi_seg", 224, "imagenet_035", 24, 0),
    Case("colorectal5_flagy", 224, "imagenet_035", 50, 0),
    Case("colorectal5_flagy", 224, "imagenet_035", 12, 0),
    Case("osteosarcoma_60", 224, "imagenet_035", 17, 0),
    Case("ucsb_breast_tma", 224, "imagenet_035", 6, 0),
    Case("ebhi_seg", 224, "imagenet_035", 60, 0),
    Case("ebhi_seg", 96, "imagenet_035", 106, 0),
    Case("ebhi_seg", 96, "imagenet_035", 24, 0),
    Case("ebhi_seg", 96, "natural", 106, 0),
    Case("ebhi_seg", 96, "natural", 24, 0),
    Case("colorectal5_flagy", 96, "imagenet_035", 50, 0),
    Case("colorectal5_flagy", 96, "natural", 50, 0),
    Case("idc_ps50", 96, "imagenet_035", 84, 0),
    Case("idc_ps50", 96, "imagenet_035", 24, 0),
    Case("idc_ps50", 96, "natural", 84, 0),
    Case("ebhi_seg", 224, "imagenet_035", 60, 1),
    *(  # by backbones that no rule was set by
        Case(dataset, 96, backbone, groups, 0)
        for dataset, backbone, groups in (
            ("ebhi_seg", "imagenet_100", 24),
            ("idc_ps50", "imagenet_100", 24),
            ("ebhi_seg", "histology", 24),
            ("idc_ps50", "histology", 84),
            ("colorectal5_flagy", "imagenet_v1", 12),
            ("ebhi_seg", "imagenet_v1", 106),
            ("colorectal5_flagy", "histology", 12),
        )
    ),
)
PROBED = tuple(
    Case(dataset, px, backbone, size, seed)
    for dataset, px, backbones, sizes in (
        ("ebhi_seg", 224, ("imagenet_035", "imagenet_v1"), (24, 60, 106)),
        ("ebhi_seg", 224, ("imagenet_100",), (106,)),
        ("colorectal5_flagy", 224, ("imagenet_035", "imagenet_v1"), (12, 50)),
        ("idc_ps50", 96, ("imagenet_035",), (24, 84)),
        ("ucsb_breast_tma", 224, ("imagenet_035",), (6,)),
        ("osteosarcoma_60", 224, ("imagenet_035",), (17,)),
    )
    for backbone in backbones
    for size in sizes
    for seed in (0, 1, 2)
)
Row = dict[str, Any]
Stages = tuple[int, ...]


def decided(material: Material) -> tuple[Decision, Row]:
    """What the table says from the groups that teach alone, and the columns about it."""
    case, config = material.case, material.case.config
    task = make_task(config.classes)
    taught = material.slides("train", "val")
    unknown = {"fold": "fold0", "site": None, "label": None}
    rows = [
        unknown | {"slide_id": s.slide_id, "patient_id": s.patient_id, "role": s.role}
        for s in taught
    ]
    baseline = material.random.with_name(f"{os.getpid()}.baseline")
    measure_baseline(
        [BaselineSlide(s.slide_id, s.patient_id, s.tiles) for s in taught],
        task,
        backbone_of(case.backbone),
        config.baseline.model_copy(update={"seed": case.seed}),
        threads=1,
    ).write(baseline)
    evidence = gather_evidence(
        material.random.parent,
        baseline,
        material.folder / "tile",
        rows,
        task,
        bool(SETS[case.dataset].tested),
    )
    baseline.unlink()
    folds = patients_of_folds(rows, evidence)
    decision = decide(evidence, config.decide, config.train, folds, AlarmFiles())
    similarity = decision.similarity
    return decision, {
        "tiles": decision.labelled_tiles,
        "neff": round(min(c.effective for c in decision.size.classes), 1),
        "patients": min(c.patients for c in decision.size.classes),
        "size": decision.size.verdict,
        "similarity": similarity.verdict,
        "basis": similarity.basis,
        "gain": round(similarity.gain.value, 4) if similarity.gain else "",
        "best_gain": round(similarity.best_gain.value, 4) if similarity.best_gain else "",
        "best_gain_high": high_end(similarity.best_gain),
        "best_score": round(max(s.score.value for s in similarity.stages), 4),
        "shortfall": round(similarity.shortfall.value, 4),
        "depth_sufficient": similarity.depth_sufficient,
        "best_stage": similarity.best_stage,
        "last_stage": decision.last_stage,
        "early_stages": " ".join(map(str, similarity.early_stages)),
        "choice": decision.strategy,
    }


def high_end(found: Estimate | None) -> float | str:
    """The upper end of its 95 % interval; nothing where it could not be had."""
    return "" if found is None or found.high is None else round(found.high, 4)


def random_head(material: Material, decision: Decision) -> Row:
    """What a head on the best stage of random weights says of the tested tiles."""
    scores = {s.stage: s.random_score.value for s in decision.similarity.stages if s.random_score}
    stage = max(scores, key=scores.__getitem__)
    file = read_baseline(material.random)
    row_of = {
        key: n for n, key in enumerate(zip(file.slide_ids.tolist(), file.tile_ids, strict=True))
    }

    def seen(*roles: str) -> Features:
        found = [chosen_tiles(material, role) for role in roles]
        groups = np.concatenate([np.array(s.slide_ids)[s.slide] for s in found])
        tiles = np.concatenate([s.tile_id for s in found])
        rows = [row_of[key] for key in zip(groups.tolist(), tiles, strict=True)]
        labels = np.concatenate([s.label for s in found])
        return Features(file.of_stage(stage)[rows].astype(np.float64), labels, groups)

    task = make_task(material.case.config.classes)
    head = fit_probe(task, seen("train", "val"), True, material.case.seed).head
    tested = seen("test")
    values = task.activate(head.logits(tested.values))
    return {"label": tested.labels, **value_columns(task, values), "seconds": 0.0}


def score(material: Material, name: str, decision: Decision | None, early: Stages) -> Row:
    """The columns of one strategy or baseline; `early`: the stages of `early_probe`."""
    config, case = material.case.config, material.case
    task = make_task(config.classes)
    slides = material.slides("train", "val", "test")
    if name == "practitioner":
        found = practise(material, TRAINING["min_steps"], TRAINING["batch_size"])
    elif name == "colour":
        found = compare_colour(slides, task, config.train)
    elif name == "random":
        assert decision is not None
        found = random_head(material, decision)
    else:
        chosen, body = (name, early), backbone_of(case.backbone)
        found = compare(slides, task, body, config.train, chosen, Machine(threads=1))
    row = {name: auroc(found, config.classes), f"{name}_bacc": balanced(found, config.classes)}
    row[f"{name}_s"] = round(found["seconds"], 1)
    if f"{name}_kept" in COLUMNS:
        row[f"{name}_kept"] = found["kept"]
    return row


def with_regret(row: Row) -> Row:
    """The row with the regret of the table's choice, where every strategy was trained."""
    scores = [row.get(strategy, "") for strategy in STRATEGIES]
    if "" in scores or not row["choice"]:
        return row | {"regret": ""}
    best = max(map(float, scores))
    return row | {"regret": round(best - float(row[row["choice"]]), 4)}


def read() -> list[Row]:
    """The rows there are."""
    if not OUTPUT.is_file():
        return []
    with OUTPUT.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def case_of(row: Row) -> Case:
    """What a row is about."""
    numbers = (int(row[name]) for name in ("px", "groups", "seed"))
    px, groups, seed = numbers
    return Case(row["dataset"], px, row["backbone"], groups, seed)


def keep(case: Case, found: Row) -> None:
    """Put columns into the row of a case, which is made where it is missing."""
    with locked():
        rows = {case_of(row): row for row in read()}
        keys = {name: getattr(case, name) for name in FACTS[:5]}
        old = rows.get(case, dict.fromkeys(COLUMNS, ""))
        rows[case] = with_regret(old | keys | found)
        write(list(rows.values()))
    print(case, {k: v for k, v in found.items() if k in (*HEADS, *TRAININGS, "choice")}, flush=True)


@contextmanager
def locked() -> Iterator[None]:
    """Alone with the CSV."""
    (ROOT / "results").mkdir(exist_ok=True)
    with (ROOT / "results" / "transfer.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write(rows: list[Row]) -> None:
    """The CSV, whole or not at all."""
    with replacing(OUTPUT) as path, path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def heads(case: Case) -> None:
    """The table's choice, and all that is no training."""
    material = prepared(case)
    decision, found = decided(material)
    for name in HEADS:
        found |= score(material, name, decision, tuple(decision.similarity.early_stages))
    keep(case, found)


def training(case: Case, name: str) -> None:
    """One training of all layers; the probe takes its place where it does not better it."""
    (row,) = (row for row in read() if case_of(row) == case)
    early = tuple(map(int, row["early_stages"].split()))
    keep(case, score(prepared(case), name, None, early))


def missing(only: str, trainings: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """What the CSV lacks of the plan, in its order."""
    rows = {case_of(row): row for row in read()}
    for case in dict.fromkeys((*TRAINED, *PROBED)):
        if not str(case).startswith(only):
            continue
        row = rows.get(case, {})
        if not row.get("choice"):
            yield f"{case}/heads", partial(heads, case)
        for name in TRAININGS if trainings and case in TRAINED else ():
            if not row.get(name):
                yield f"{case}/{name}", partial(training, case, name)


def run(only: str, trainings: bool) -> None:
    """Fill the CSV; what another process is at is left to it."""
    claims = OUTPUT.parent.parent / "results" / "transfer" / "claims"
    claims.mkdir(parents=True, exist_ok=True)
    done: set[str] = set()
    while True:
        todo = next((t for t in missing(only, trainings) if t[0] not in done), None)
        if todo is None:
            return
        name, work = todo
        done.add(name)
        with (claims / name.replace("/", "_")).open("w") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            work()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--heads", action="store_true")
    parser.add_argument("--again", choices=["heads"])
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    if given.again:
        for row in read():
            if int(row["px"]) != 64 and str(case_of(row)).startswith(given.only):
                heads(case_of(row))
    elif not given.draw:
        run(given.only, not given.heads)
    if not given.only:
        import transfer_picture

        transfer_picture.main()


if __name__ == "__main__":
    main()
