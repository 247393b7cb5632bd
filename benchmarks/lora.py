"""Low-rank additions against all layers: `finetune` of a small transformer on few patients.

Writes benchmarks/lora.csv. A ViT of 1.2 million weights (48 px tiles in patches of 8) learns five
tissues of the colon first, then invasive carcinoma of the breast on 24 patients, by all layers or
by additions of rank 8, at two peak rates; AUROC on the tiles of other patients.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transfer_sets import PLACE, SETS, Case, Material, auroc, divide, tabulate

from histotile.backbones.build import build_network
from histotile.backbones.lora import adapt_attention
from histotile.config import Backbone, Train
from histotile.inference.checkpoint import load
from histotile.inference.model_metadata import CHECKPOINT
from histotile.io.atomic import replacing
from histotile.strategy.verification.train_alternatives import compare
from histotile.tasks.registry import make_task
from histotile.training.job import FoldSlide, Machine
from histotile.training.train_fold import train_fold

OUT = Path(__file__).with_suffix(".csv")
SOURCE, TARGET, PX = "colorectal5_flagy", "idc_ps50", 48
SHAPE = {"patch_size": 8, "embed_dim": 128, "depth": 6, "num_heads": 4}
WAYS = [(rank, lr) for rank in (0, 8) for lr in (1e-4, 1e-3)]
SEEDS = range(1)  # a single division of the patients: an example, no ranking


def main() -> None:
    """Write a row for each way and seed."""
    torch.set_num_threads(1)
    folder = PLACE / "lora"
    taught, found = pretrain(folder), list[Sequence[object]]()
    for row in rows(taught, folder):
        found.append(row)
        print(*row, flush=True)
        with replacing(OUT) as path, path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(("rank", "lr", "seed", "trained_weights", "auroc", "kept", "seconds"))
            writer.writerows(found)


def pretrain(folder: Path) -> Backbone:
    """The transformer after it has learnt the tissues of the colon from random weights."""
    case = Case(SOURCE, PX, "lora", 1, 0)
    groups = tabulate(case, folder / SOURCE)
    slides = [
        FoldSlide(
            name,
            name,
            "val" if side == "test" else "train",
            folder / SOURCE / "tile" / f"{name}.parquet",
        )
        for name, side, _ in groups
    ]
    empty = Backbone(name="vit_tiny_patch16_224", weights="none", domain="auto", options=SHAPE)
    settings = with_recipe(case.config.train, "retrain", adamw_lr=1e-3)
    settings = settings.model_copy(update={"strategy": "retrain", "min_steps": 160, "epochs": 4})
    summary = train_fold(
        folder / "source", slides, make_task(SETS[SOURCE].classes), empty, settings, None
    )
    print("source", summary["best"], flush=True)
    weights = folder / "taught.pth"
    torch.save(load(folder / "source" / CHECKPOINT).network.state_dict(), weights)
    return empty.model_copy(update={"weights": str(weights)})


def with_recipe(train: Train, name: str, **changes: object) -> Train:
    """The settings with another recipe of this strategy."""
    return train.model_copy(update={name: getattr(train, name).model_copy(update=changes)})


def rows(taught: Backbone, folder: Path) -> Iterator[Sequence[object]]:
    """One for each way and seed."""
    task = make_task(SETS[TARGET].classes)
    for seed in SEEDS:
        case = Case(TARGET, PX, "lora", 24, seed)
        material = Material(case, folder / TARGET, divide(case, tabulate(case, folder / TARGET)))
        slides = [
            FoldSlide(s.slide_id, s.patient_id, s.role, s.tiles)
            for s in material.slides("train", "val", "test")
        ]
        for rank, lr in WAYS:
            settings = with_recipe(case.config.train, "finetune", lora_rank=rank, adamw_lr=lr)
            settings = settings.model_copy(update={"min_steps": 100})
            chosen = ("finetune", ())
            found = compare(slides, task, taught, settings, chosen, Machine(threads=1))
            score = auroc(found, SETS[TARGET].classes)
            yield rank, lr, seed, weights(taught, rank), score, found["kept"], seconds(found)


def seconds(found: dict[str, object]) -> float:
    """Of the training."""
    return round(float(np.asarray(found["seconds"])), 1)


def weights(backbone: Backbone, rank: int) -> int:
    """How many learn."""
    network, _ = build_network(backbone, 2, PX)
    if rank:
        adapt_attention(network, rank, backbone.weights)
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


if __name__ == "__main__":
    main()
