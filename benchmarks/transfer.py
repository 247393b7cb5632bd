"""Is the table right on real tiles? Every cell, scratch and colour, against the table's choice.

    python benchmarks/transfer.py              all settings that transfer.csv lacks, then the picture
    python benchmarks/transfer.py --only idc_ps50/imagenet_035     (or idc_ps50 alone)
    python benchmarks/transfer.py --draw       the picture and the summary alone

Needs the labelled tiles and weights of `../shared/data` (or HISTOTILE_SHARED). One row of
transfer.csv per data set, backbone, number of training groups and seed: what each strategy reaches
on held-out tiles (AUROC, one class against the rest, and balanced accuracy), what the table chose
from the training patients alone, and its regret: best of the four cells minus the table's choice.

Tiles are shrunk to 64 px and trainings are short (300 steps of 32 tiles), so that two cores can do them all; the same for every
trained cell. Run it on a quiet machine; rows already there are kept.
"""

import argparse
import csv
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from histotile import tables
from histotile.config import Backbone, Config
from histotile.configfile import read_config
from histotile.decision.alarms import AlarmFiles
from histotile.decision.decide import decide
from histotile.decision.gathering import gather_evidence, patients_of_folds
from histotile.decision.record import STRATEGIES
from histotile.models.control import ControlSlide, measure_control
from histotile.models.embedding import embed_slide
from histotile.models.fold import FoldSlide, Machine
from histotile.models.rehearsal import rehearse, rehearse_colour
from histotile.tiles.listing import list_images
from histotile.tiles.tabulate_images import tabulate_images

HERE = Path(__file__).parent
ROOT = HERE.parent
DATA = Path(os.environ.get("HISTOTILE_SHARED", ROOT.parent / "shared")) / "data"
OUTPUT = HERE / "transfer.csv"
SEEDS = (0, 1, 2)
TRAINING = {"batch_size": 32, "epochs": 2, "min_steps": 300, "patience": 1.0}
TAUGHT = ("fixed", "early_fixed", "finetune", "init", "scratch")


@dataclass(frozen=True)
class DataSet:
    """A set of labelled tiles: how they are fed, how many groups train, how many are tested.

    `tested` groups are drawn anew for each seed; 0: the source's own test set is used.
    """

    classes: tuple[str, ...]
    tile_px: int
    sizes: tuple[int, ...]
    tested: int


SETS = {
    "idc_ps50": DataSet(("0", "1"), 64, (8, 24, 84), 42),
    "colorectal5_flagy": DataSet(("AC", "H", "S", "T", "V"), 64, (4, 12, 50), 0),
}
MOBILE = {
    "pad_type": "same",
    "pretrained_cfg_overlay": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
BACKBONES = {
    "imagenet_035": ("mobilenetv2_035", "mobilenetv2_035_in1k_headless_from_tm_float32.pth"),
    "natural": ("auto", "shipped:natural"),
    "imagenet_100": ("mobilenetv2_100", "mobilenetv2_100_in1k_from_coral_qat_uint8.pth"),
}


def backbone_of(name: str) -> Backbone:
    """The backbone of that name in this benchmark."""
    network, weights = BACKBONES[name]
    if not weights.startswith("shipped:"):
        weights = str(DATA / "weights" / weights)
    options = MOBILE if network != "auto" else {}
    return Backbone(name=network, weights=weights, domain="auto", options=options)


def untaught(backbone: Backbone) -> Backbone:
    """The same network with random weights."""
    if backbone.name != "auto":
        return backbone.model_copy(update={"weights": "none"})
    from histotile.models.backbones import build_network

    architecture = build_network(backbone, 2, 96)[1]
    options = architecture.arguments | {
        "pretrained_cfg_overlay": {
            "mean": list(architecture.mean),
            "std": list(architecture.std),
        }
    }
    return Backbone(name=architecture.name, weights="none", domain="auto", options=options)


def settings_of(data: DataSet) -> Config:
    """config.yaml with this data set's tiles and short trainings."""
    config = read_config(ROOT / "config" / "config.yaml", None)
    tile = config.tile.model_copy(update={"tile_px": data.tile_px, "stride_px": data.tile_px})
    train = config.train.model_copy(update=TRAINING)
    return config.model_copy(update={"tile": tile, "train": train, "classes": data.classes})


def tabulate(name: str, folder: Path) -> list[tuple[str, str | None]]:
    """Tile tables of all groups of a set below `folder`; names of groups with their split."""
    data = SETS[name]
    rows = list(csv.DictReader((DATA / "tiles" / name / "files.csv").open(encoding="utf-8")))
    known = data.tested > 0  # then `group` names patients, else the source's train and test
    cohort = folder / "cohort.csv"
    with cohort.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(("path", "label", "group" if known else "split"))
        for row in rows:
            path = DATA / "tiles" / name / row["file"]
            writer.writerow((path, row["label"], row["group"]))
    found = list_images(cohort, data.classes)
    tile = settings_of(data).tile
    for slide in found.cohort.slides:
        images = [image for image in found.images if image.group == slide.slide_id]
        columns, footer = tabulate_images(images, slide.slide_id, data.classes, tile, 1)
        path = folder / "tile" / f"{slide.slide_id}.parquet"
        tables.write_table(path, columns, tables.TILES, footer)
    return [(slide.slide_id, slide.split) for slide in found.cohort.slides]


def divide(
    data: DataSet, groups: Sequence[tuple[str, str | None]], size: int, seed: int
) -> dict[str, list[str]]:
    """Role -> groups: `size` of them train or validate (a fifth), the tested ones never change."""
    rng = np.random.default_rng(seed)
    if data.tested:
        order = [str(g) for g in rng.permutation([g for g, _ in groups])]
        tested, pool = order[: data.tested], order[data.tested :]
    else:
        tested = [g for g, split in groups if split == "test"]
        pool = [str(g) for g in rng.permutation([g for g, split in groups if split != "test"])]
    held = max(1, round(0.2 * size))
    return {"test": tested, "val": pool[:held], "train": pool[held:size]}


def measure(
    name: str, network: str, folder: Path, roles: dict[str, list[str]], seed: int
) -> dict[str, Any]:
    """The scores of one setting, and what the table chose."""
    config = settings_of(SETS[name])
    backbone = backbone_of(network)
    train = config.train.model_copy(update={"seed": seed})
    slides = {
        role: [
            FoldSlide(g, g, role, folder / "tile" / f"{g}.parquet", folder / network / f"{g}.h5")
            for g in members
        ]
        for role, members in roles.items()
    }
    taught, tested = [*slides["train"], *slides["val"]], slides["test"]
    rows = [
        {"fold": "fold0", "slide_id": g, "patient_id": g, "site": None, "label": None, "role": role}
        for role, members in roles.items()
        if role != "test"
        for g in members
    ]
    control = folder / f"{network}.control.{os.getpid()}.h5"
    measure_control(
        [ControlSlide(s.slide_id, s.patient_id, s.tiles) for s in taught],
        config.classes,
        backbone,
        config.control.model_copy(update={"seed": seed}),
        threads=1,
    ).write(control)
    evidence = gather_evidence(
        folder / network, control, folder / "tile", rows, config.classes, bool(SETS[name].tested)
    )
    decision = decide(
        evidence, config.decide, train, patients_of_folds(rows, evidence), AlarmFiles()
    )
    early = decision.early_stage
    row: dict[str, Any] = {
        "tiles": decision.labelled_tiles,
        "neff": round(min(c.effective for c in decision.size.classes), 1),
        "patients": min(c.patients for c in decision.size.classes),
        "size": decision.size.verdict,
        "similarity": decision.similarity.verdict,
        "basis": decision.similarity.basis,
        "gain": round(decision.similarity.gain.value, 4) if decision.similarity.gain else "",
        "shortfall": round(decision.similarity.shortfall.value, 4),
        "depth_sufficient": decision.similarity.depth_sufficient,
        "best_stage": decision.similarity.best_stage,
        "early_stage": early,
        "choice": decision.strategy,
    }
    for cell in (*TAUGHT, "colour"):
        if cell == "colour":
            found = rehearse_colour(taught, tested, config.classes, train)
        else:
            body = untaught(backbone) if cell == "scratch" else backbone
            strategy = "init" if cell == "scratch" else cell
            found = rehearse(
                taught, tested, config.classes, body, train, (strategy, early), Machine(threads=1)
            )
        row |= {cell: auroc(found, config.classes), f"{cell}_bacc": balanced(found, config.classes)}
        row[f"{cell}_s"] = round(found["seconds"], 1)
    row["regret"] = round(max(row[s] for s in STRATEGIES) - row[decision.strategy], 4)
    return row


def auroc(found: dict[str, Any], classes: Sequence[str]) -> float:
    """AUROC of each class against the rest, mean over classes."""
    from sklearn.metrics import roc_auc_score

    judged = classes[1:] if len(classes) == 2 else classes
    each = [
        roc_auc_score(found["label"] == classes.index(c), found[f"prob_{c}"])
        for c in judged
        if np.any(found["label"] == classes.index(c))
    ]
    return round(float(np.mean(each)), 4)


def balanced(found: dict[str, Any], classes: Sequence[str]) -> float:
    """Share of right calls per class, mean over classes."""
    from sklearn.metrics import balanced_accuracy_score

    calls = np.stack([found[f"prob_{c}"] for c in classes], axis=1).argmax(1)
    return round(float(balanced_accuracy_score(found["label"], calls)), 4)


def missing(only: str | None) -> Iterator[tuple[str, str, int, int]]:
    """Settings that the CSV lacks."""
    done = set()
    if OUTPUT.is_file():
        with OUTPUT.open(newline="", encoding="utf-8") as handle:
            done = {
                (r["dataset"], r["backbone"], int(r["groups"]), int(r["seed"]))
                for r in csv.DictReader(handle)
            }
    for network in BACKBONES:
        for seed in SEEDS:
            for name, data in SETS.items():
                for size in data.sizes:
                    setting = (name, network, size, seed)
                    if setting not in done and f"{name}/{network}".startswith(only or ""):
                        yield setting


def run(only: str | None) -> None:
    """Fill the CSV, row by row."""
    prepared: dict[str, tuple[Path, list[tuple[str, str | None]]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, network, size, seed in missing(only):
            folder = Path(scratch) / name
            if name not in prepared:
                folder.mkdir()
                prepared[name] = folder, tabulate(name, folder)
            groups = prepared[name][1]
            config = settings_of(SETS[name])
            for group, _ in groups:
                path = folder / network / f"{group}.h5"
                if not path.is_file():
                    tile = folder / "tile" / f"{group}.parquet"
                    embed_slide(
                        tile, backbone_of(network), config.embed, config.train.augment, 64, 1
                    ).write(path)
            roles = divide(SETS[name], groups, size, seed)
            keys = {"dataset": name, "backbone": network, "groups": size, "seed": seed}
            append(keys | measure(name, network, folder, roles, seed))


def append(row: dict[str, Any]) -> None:
    """One row more, written at once."""
    fresh = not OUTPUT.is_file()
    with OUTPUT.open("a", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(row))
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    if not given.draw:
        run(given.only)
    if given.only is None:
        import transfer_picture

        transfer_picture.main()


if __name__ == "__main__":
    main()
