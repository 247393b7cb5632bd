"""The labelled tiles, backbones and divisions of transfer.py and probes.py.

Sets whose images are far larger than a tile are cut into tiles first: an excerpt of 896 x 768 px
gives 12 of 224 px. All files lie in a folder that is kept, so that an interrupted run goes on:
results/transfer, or HISTOTILE_SCRATCH.
"""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histotile.config import Backbone, Config
from histotile.config.yaml_file import read_config
from histotile.inference.embed import embed_slides, torch_embedder
from histotile.io import tables
from histotile.strategy.baselines.random_features import BaselineSlide, measure_baseline
from histotile.tasks.registry import make_task
from histotile.tiling.image_cohort.listing import list_images
from histotile.tiling.image_cohort.tile_table import tabulate_images
from histotile.tiling.measures import Readers
from histotile.training.job import FoldSlide

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("HISTOTILE_SHARED", ROOT.parent / "shared")) / "data"
PLACE = Path(os.environ.get("HISTOTILE_SCRATCH", ROOT / "results" / "transfer"))
TRAINING = {"batch_size": 32, "epochs": 2, "min_steps": 300}


@dataclass(frozen=True)
class DataSet:
    """A set of labelled tiles.

    Args:
        classes: Names.
        tested: Whether groups that judge are drawn, anew for each seed: a third of each class's;
            else the source's own test set is used.
        cut: Side of the squares that its images are cut into, px; 0: an image is a tile.
    """

    classes: tuple[str, ...]
    tested: bool
    cut: int = 0


SETS = {
    "idc_ps50": DataSet(("0", "1"), True),
    "colorectal5_flagy": DataSet(("AC", "H", "S", "T", "V"), False),
    "ebhi_seg": DataSet(
        ("normal", "polyp", "low_grade_IN", "high_grade_IN", "adenocarcinoma", "serrated_adenoma"),
        True,
    ),
    "ucsb_breast_tma": DataSet(("benign", "malignant"), True, 224),
    "osteosarcoma_60": DataSet(("non_tumor", "non_viable_tumor", "viable"), True, 256),
}
MOBILE = {
    "pad_type": "same",
    "pretrained_cfg_overlay": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
}
BACKBONES = {
    "imagenet_035": ("mobilenetv2_035", "mobilenetv2_035_in1k_headless_from_tm_float32.pth"),
    "imagenet_100": ("mobilenetv2_100", "mobilenetv2_100_in1k_from_coral_qat_uint8.pth"),
    "imagenet_v1": ("mobilenetv1_100", "mobilenetv1_100_in1k_from_coral_qat_uint8_fp16.pth"),
    "natural": ("auto", "shipped:natural"),
    "histology": ("auto", "shipped:histology"),
}


def backbone_of(name: str) -> Backbone:
    """The backbone of that name in these benchmarks."""
    network, weights = BACKBONES[name]
    if not weights.startswith("shipped:"):
        weights = str(DATA / "weights" / weights)
    options = MOBILE if network != "auto" else {}
    return Backbone(name=network, weights=weights, domain="auto", options=options)


@dataclass(frozen=True)
class Case:
    """What a row is about: a set at a tile size, a backbone, so many groups that teach, a seed."""

    dataset: str
    px: int
    backbone: str
    groups: int
    seed: int

    @property
    def config(self) -> Config:
        """config.yaml with these tiles, this seed and short trainings."""
        config = read_config(ROOT / "config" / "config.yaml", None)
        tile = config.tile.model_copy(update={"tile_px": self.px, "stride_px": self.px})
        train = config.train.model_copy(update=TRAINING | {"seed": self.seed})
        classes = SETS[self.dataset].classes
        return config.model_copy(update={"tile": tile, "train": train, "classes": classes})

    def __str__(self) -> str:
        """E.g. ebhi_seg/224/imagenet_035/60/0."""
        return f"{self.dataset}/{self.px}/{self.backbone}/{self.groups}/{self.seed}"


@dataclass(frozen=True)
class Material:
    """The files of a case, and its groups by role."""

    case: Case
    folder: Path
    roles: dict[str, list[str]]

    def slides(self, *roles: str) -> list[FoldSlide]:
        """The groups of some roles, with their files."""
        features = self.folder / self.case.backbone
        return [
            FoldSlide(
                group,
                group,
                role,  # type: ignore[arg-type]
                self.folder / "tile" / f"{group}.parquet",
                features / f"{group}.h5",
            )
            for role in roles
            for group in self.roles[role]
        ]

    @property
    def random(self) -> Path:
        """Features of all tiles of the set by random weights."""
        return self.folder / self.case.backbone / "random.baseline"


def prepare(case: Case) -> Material:
    """Tile tables and features of a case's set, made once, and its groups by role."""
    folder = PLACE / case.dataset / str(case.px)
    groups = tabulate(case, folder)
    made = folder / case.backbone
    tiles = [folder / "tile" / f"{group}.parquet" for group, _, _ in groups]
    missing = [path for path in tiles if not (made / f"{path.stem}.h5").is_file()]
    if missing:
        embedder = torch_embedder(backbone_of(case.backbone), case.px, 1)
        found = embed_slides(missing, embedder, case.config.embed, None, 32)
        for path, (features, _) in zip(missing, found, strict=True):
            features.write(made / f"{path.stem}.h5")
    if not (made / "random.baseline").is_file():
        settings = case.config.baseline.model_copy(update={"max_tiles": 8000})
        slides = [BaselineSlide(path.stem, path.stem, path) for path in tiles]
        task = make_task(case.config.classes)
        measured = measure_baseline(slides, task, backbone_of(case.backbone), settings, 1)
        measured.write(made / "random.baseline")
    return Material(case, folder, divide(case, groups))


Group = tuple[str, str | None, frozenset[str]]  # its name, the source's side, its classes


def tabulate(case: Case, folder: Path) -> list[Group]:
    """Tile tables of all groups of a set below `folder`; their names, sides and classes."""
    data = SETS[case.dataset]
    cohort = folder / "cohort.csv"
    folder.mkdir(parents=True, exist_ok=True)
    with cohort.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(("path", "label", "group" if data.tested else "split"))
        writer.writerows(_listed(case.dataset))
    found = list_images(cohort, make_task(data.classes))
    groups = []
    for slide in found.cohort.slides:
        images = [image for image in found.images if image.group == slide.slide_id]
        path = folder / "tile" / f"{slide.slide_id}.parquet"
        if not path.is_file():
            columns, footer = tabulate_images(
                images, slide.slide_id, make_task(data.classes), case.config.tile, Readers(1)
            )
            tables.write_table(path, columns, tables.TILES, footer)
        labels = frozenset(image.label for image in images)
        groups.append((slide.slide_id, slide.split, labels))
    return groups


def _listed(dataset: str) -> list[tuple[Path, str, str]]:
    """File, label and group of each tile; images are cut where the set says so."""
    folder, cut = DATA / "tiles" / dataset, SETS[dataset].cut
    with (folder / "files.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    found = []
    for row in rows:
        path = folder / row["file"]
        for file in _cut(path, cut, PLACE / dataset / "cut") if cut else [path]:
            found.append((file, row["label"], row["group"]))
    return found


def _cut(image: Path, side: int, folder: Path) -> list[Path]:
    """Squares of an image, row by row; a rest at the right or below is left out."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    pixels = cv2.imread(str(image))
    assert pixels is not None, image
    found = []
    for y in range(0, pixels.shape[0] - side + 1, side):
        for x in range(0, pixels.shape[1] - side + 1, side):
            path = folder / f"{image.stem}_{x}_{y}.png"
            if not path.is_file():
                cv2.imwrite(str(path), pixels[y : y + side, x : x + side])
            found.append(path)
    return found


def divide(case: Case, groups: Sequence[Group]) -> dict[str, list[str]]:
    """Role -> groups: `case.groups` of them train or validate (a fifth); the tested ones stay.

    Those that judge are drawn at random. Those that teach are drawn class by class in turn, so that
    each class has its few patients however small the cohort is; a fifth of each class's validates.
    """
    data, rng = SETS[case.dataset], np.random.default_rng(case.seed)
    shuffled = [groups[n] for n in rng.permutation(len(groups))]
    if data.tested:
        dealt = _each_class(shuffled, data.classes)
        tested = [group for of_class in dealt for group in of_class[: round(len(of_class) / 3)]]
        pool = [group for group in shuffled if group not in tested]
    else:
        tested = [group for group in groups if group[1] == "test"]
        pool = [group for group in shuffled if group[1] != "test"]
    turns = zip_longest(*_each_class(pool, data.classes))
    order = [group for turn in turns for group in turn if group][: case.groups]
    taught = _each_class(order, data.classes)
    held = [group for some in taught for group in some[len(some) - round(0.2 * len(some)) :]]
    held = held or order[-1:]
    return {
        "test": [name for name, _, _ in tested],
        "val": [name for name, _, _ in held],
        "train": [group[0] for group in order if group not in held],
    }


def _each_class(groups: Sequence[Group], classes: Sequence[str]) -> list[list[Group]]:
    """Per class groups that show it: classes choose in turn, the first of what is left."""
    left, found = list(groups), {name: list[Group]() for name in classes}
    while left:
        for name in classes:
            place = next((n for n, group in enumerate(left) if name in group[2]), None)
            if place is not None:
                found[name].append(left.pop(place))
    return list(found.values())


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

    calls: NDArray[Any] = np.stack([found[f"prob_{c}"] for c in classes], axis=1).argmax(1)
    return round(float(balanced_accuracy_score(found["label"], calls)), 4)
