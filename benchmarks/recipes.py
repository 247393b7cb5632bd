"""Which optimizer, and which state to keep? `retrain` both ways, on settings of no other page.

    python benchmarks/recipes.py            what recipes.csv lacks, then the summary

AdamW or SGD, each at its shipped rate; the state in which the planned course ends, or that of the
epoch with the least loss on validation patients. AUROC on groups not seen, see transfer.py, whose
rows have seed 0. Needs `../shared/data` as transfer.py does. About 80 processor seconds a row.
"""

import csv
from itertools import product
from pathlib import Path

import numpy as np
from transfer_sets import DATA, Case, auroc, backbone_of, prepare

from histotile.io.atomic import replacing
from histotile.strategy.verification.train_alternatives import compare
from histotile.tasks.registry import make_task
from histotile.training.job import Machine

CSV = Path(__file__).with_suffix(".csv")
CASES = (
    Case("ebhi_seg", 96, "imagenet_035", 60, 1),
    Case("idc_ps50", 96, "imagenet_035", 24, 1),
    Case("colorectal5_flagy", 96, "natural", 12, 1),
    Case("ebhi_seg", 96, "natural", 106, 1),
)
OPTIMIZERS, KEPT = ("adamw", "sgd"), ("last", "least loss")
NEVER_STOPS = 10_000  # epochs of patience: the course is whole, and the best epoch kept
Key = tuple[str, str, str]


def measure(case: Case, optimizer: str, kept: str) -> float:
    """AUROC of `retrain`."""
    train = case.config.train
    changes = {
        "retrain": train.retrain.model_copy(update={"optimizer": optimizer}),
        "patience": None if kept == "last" else NEVER_STOPS,
    }
    slides = prepare(case).slides("train", "val", "test")
    task, body = make_task(case.config.classes), backbone_of(case.backbone)
    settings = train.model_copy(update=changes)
    found = compare(slides, task, body, settings, ("retrain", ()), Machine(threads=1))
    return auroc(found, case.config.classes)


def read() -> dict[Key, float]:
    """What is measured already."""
    if not CSV.is_file():
        return {}
    with CSV.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    return {(r["setting"], r["optimizer"], r["kept"]): float(r["auroc"]) for r in rows}


def write(found: dict[Key, float]) -> None:
    """The CSV, whole or not at all."""
    with replacing(CSV) as path, path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("setting", "optimizer", "kept", "auroc"))
        writer.writerows((*key, value) for key, value in found.items())


def tell(found: dict[Key, float]) -> None:
    """The differences of each setting, and their mean."""
    settings = [str(case) for case in CASES]
    for name, one, other in (
        ("last - least loss (AdamW)", ("adamw", "last"), ("adamw", "least loss")),
        ("AdamW - SGD (last)", ("adamw", "last"), ("sgd", "last")),
    ):
        values = [found[s, *one] - found[s, *other] for s in settings]
        print(f"{name}: {np.mean(values):+.3f}; " + " ".join(f"{v:+.3f}" for v in values))


def main() -> None:
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    for case, optimizer, kept in product(CASES, OPTIMIZERS, KEPT):
        found = read()
        if (str(case), optimizer, kept) not in found:
            value = measure(case, optimizer, kept)
            print(case, optimizer, kept, value, flush=True)
            write(found | {(str(case), optimizer, kept): value})
    tell(read())


if __name__ == "__main__":
    main()
