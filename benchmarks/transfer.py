"""Is the table right on real tiles? Every strategy, scratch and colour, against the table's choice.

    python benchmarks/transfer.py                   settings that transfer.csv lacks, the picture
    python benchmarks/transfer.py --only idc_ps50/imagenet_035     (or idc_ps50 alone)
    python benchmarks/transfer.py --decide-again    the table's choices by today's rule
    python benchmarks/transfer.py --draw            the picture and the summary alone

Needs the labelled tiles and weights of `../shared/data` (or HISTOTILE_SHARED). One row of
transfer.csv per data set, backbone, number of training groups and seed: what each strategy reaches
on held-out tiles (AUROC, one class against the rest, and balanced accuracy), what the table chose
from the training patients alone, and its regret: the best strategy minus the table's choice.

Tiles are shrunk to 64 px and trainings are short (300 steps of 32 tiles), so that two cores can do
them all; the same for every trained strategy. Run it on a quiet machine; rows already there stay.
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

from histotile.config import Backbone, Config
from histotile.config.yaml_file import read_config
from histotile.inference.embed import embed_slide
from histotile.io import tables
from histotile.io.atomic import replacing
from histotile.strategy.baselines.random_features import BaselineSlide, measure_baseline
from histotile.strategy.decide import decide
from histotile.strategy.entry import Estimate
from histotile.strategy.leakage.checks import AlarmFiles
from histotile.strategy.load_evidence import gather_evidence, patients_of_folds
from histotile.strategy.record import STRATEGIES, Decision
from histotile.strategy.verification.train_alternatives import compare, compare_colour
from histotile.tasks.registry import make_task
from histotile.tiling.image_cohort.listing import list_images
from histotile.tiling.image_cohort.tile_table import tabulate_images
from histotile.tiling.measures import Readers
from histotile.training.job import FoldSlide, Machine

HERE = Path(__file__).parent
ROOT = HERE.parent
DATA = Path(os.environ.get("HISTOTILE_SHARED", ROOT.parent / "shared")) / "data"
OUTPUT = HERE / "transfer.csv"
SEEDS = {"imagenet_035": (0, 1, 2), "imagenet_100": (0, 1, 2), "natural": (0, 1, 2)}
TRAINING = {"batch_size": 32, "epochs": 2, "min_steps": 300, "patience": 2}
TAUGHT = ("linear_probe", "early_probe", "finetune", "retrain", "scratch")


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
    "imagenet_100": ("mobilenetv2_100", "mobilenetv2_100_in1k_from_coral_qat_uint8.pth"),
    "natural": ("auto", "shipped:natural"),
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
    from histotile.backbones.build import build_network

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
        columns, footer = tabulate_images(images, slide.slide_id, data.classes, tile, Readers(1))
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


@dataclass(frozen=True)
class Setting:
    """Some groups of a set that teach, and others that judge."""

    name: str
    network: str
    folder: Path
    roles: dict[str, list[str]]
    seed: int

    @property
    def config(self) -> Config:
        """Settings of its data set, with its seed."""
        config = settings_of(SETS[self.name])
        train = config.train.model_copy(update={"seed": self.seed})
        return config.model_copy(update={"train": train})

    def slides(self, *roles: str) -> list[FoldSlide]:
        """The groups of some roles, with their files."""
        return [
            FoldSlide(
                group,
                group,
                role,  # type: ignore[arg-type]
                self.folder / "tile" / f"{group}.parquet",
                self.folder / self.network / f"{group}.h5",
            )
            for role in roles
            for group in self.roles[role]
        ]


def decided(setting: Setting) -> tuple[Decision, dict[str, Any]]:
    """What the table says from the groups that teach alone, and the columns about it."""
    config = setting.config
    taught = setting.slides("train", "val")
    unknown = {"fold": "fold0", "site": None, "label": None}
    rows = [
        unknown | {"slide_id": s.slide_id, "patient_id": s.patient_id, "role": s.role}
        for s in taught
    ]
    baseline = setting.folder / f"{setting.network}.baseline.{os.getpid()}.h5"
    measure_baseline(
        [BaselineSlide(s.slide_id, s.patient_id, s.tiles) for s in taught],
        make_task(config.classes),
        backbone_of(setting.network),
        config.baseline.model_copy(update={"seed": setting.seed}),
        threads=1,
    ).write(baseline)
    evidence = gather_evidence(
        setting.folder / setting.network,
        baseline,
        setting.folder / "tile",
        rows,
        make_task(config.classes),
        bool(SETS[setting.name].tested),
    )
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
        "shortfall": round(similarity.shortfall.value, 4),
        "depth_sufficient": similarity.depth_sufficient,
        "best_stage": similarity.best_stage,
        "last_stage": decision.last_stage,
        "early_stage": decision.early_stage,
        "choice": decision.strategy,
    }


def high_end(found: Estimate | None) -> float | str:
    """The upper end of its 95 % interval; nothing where it could not be had."""
    return "" if found is None or found.high is None else round(found.high, 4)


def scored(setting: Setting, early: int) -> dict[str, Any]:
    """What each strategy reaches on the groups that judge."""
    config, backbone = setting.config, backbone_of(setting.network)
    task = make_task(config.classes)
    slides = setting.slides("train", "val", "test")
    row: dict[str, Any] = {}
    for strategy in (*TAUGHT, "colour"):
        if strategy == "scratch" and setting.network == "imagenet_100" and setting.seed:
            row |= {
                strategy: "",
                f"{strategy}_bacc": "",
                f"{strategy}_s": "",
            }  # the larger net, to save time
            continue
        if strategy == "colour":
            found = compare_colour(slides, task, config.train)
        else:
            body = untaught(backbone) if strategy == "scratch" else backbone
            chosen = ("retrain" if strategy == "scratch" else strategy, early)
            machine = Machine(threads=1)
            found = compare(slides, task, body, config.train, chosen, machine)
        row |= {
            strategy: auroc(found, config.classes),
            f"{strategy}_bacc": balanced(found, config.classes),
        }
        row[f"{strategy}_s"] = round(found["seconds"], 1)
    return row


def with_regret(row: dict[str, Any]) -> dict[str, Any]:
    """The row with the regret of the table's choice."""
    best = max(float(row[strategy]) for strategy in STRATEGIES)
    return row | {"regret": round(best - float(row[row["choice"]]), 4)}


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


def read() -> list[dict[str, Any]]:
    """The rows there are."""
    if not OUTPUT.is_file():
        return []
    with OUTPUT.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def key(row: dict[str, Any]) -> tuple[str, str, int, int]:
    """What tells a row from others."""
    return row["dataset"], row["backbone"], int(row["groups"]), int(row["seed"])


def missing(only: str | None) -> Iterator[tuple[str, str, int, int]]:
    """Settings that the CSV lacks."""
    done = {key(row) for row in read()}
    for network in BACKBONES:
        for seed in SEEDS[network]:
            for name, data in SETS.items():
                for size in data.sizes:
                    setting = (name, network, size, seed)
                    if setting not in done and f"{name}/{network}".startswith(only or ""):
                        yield setting


class Workplace:
    """Tile tables and features, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups: dict[str, list[tuple[str, str | None]]] = {}

    def prepare(self, name: str, network: str, size: int, seed: int) -> Setting:
        """All files of a setting."""
        folder = self.folder / name
        if name not in self.groups:
            folder.mkdir()
            self.groups[name] = tabulate(name, folder)
        config = settings_of(SETS[name])
        for group, _ in self.groups[name]:
            path = folder / network / f"{group}.h5"
            if not path.is_file():
                tile = folder / "tile" / f"{group}.parquet"
                body, augment = backbone_of(network), config.train.augment
                embed_slide(tile, body, config.embed, augment, 64, 1).write(path)
        roles = divide(SETS[name], self.groups[name], size, seed)
        return Setting(name, network, folder, roles, seed)


def run(only: str | None) -> None:
    """Fill the CSV, row by row."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Workplace(Path(scratch))
        for name, network, size, seed in missing(only):
            setting = place.prepare(name, network, size, seed)
            decision, columns = decided(setting)
            keys = {"dataset": name, "backbone": network, "groups": size, "seed": seed}
            row = with_regret(keys | columns | scored(setting, decision.early_stage))
            write([*read(), row])
            print(row, flush=True)


def decide_again() -> None:
    """The choice and its regret anew by today's thresholds, from the probes in the rows."""
    import pandas as pd
    from transfer_picture import rule_in_force

    rule = rule_in_force()
    probed = [row for _, row in pd.read_csv(OUTPUT).iterrows()]
    again = zip(read(), probed, strict=True)
    write([with_regret(row | {"choice": rule.choose(probes)}) for row, probes in again])


def write(rows: list[dict[str, Any]]) -> None:
    """The whole CSV, whole or not at all."""
    with replacing(OUTPUT) as path, path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only")
    parser.add_argument("--decide-again", action="store_true")
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()
    if not DATA.is_dir():
        print(f"skipped: no labelled tiles at {DATA}; set HISTOTILE_SHARED")
        return
    if given.decide_again:
        decide_again()
    elif not given.draw:
        run(given.only)
    if given.only is None:
        import transfer_picture

        transfer_picture.main()


if __name__ == "__main__":
    main()
