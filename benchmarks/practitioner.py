"""A practitioner's recipe, for comparison: AdamW, one cycle, all layers, usual augmentation."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transfer_sets import Material, backbone_of

from histotile.backbones.build import build_network
from histotile.data.augmentation.augmentation import make_transform
from histotile.data.dataset import TileDataset
from histotile.data.selection import Selection, select_tiles
from histotile.tasks.registry import make_task
from histotile.tasks.task import value_columns

LR, WEIGHT_DECAY = 1e-3, 0.01


def practise(material: Material, steps: int, batch: int) -> dict[str, Any]:
    """What the network says of the tested tiles after so many steps on the training tiles.

    A new head and all layers learn at once, batch norm too; the last state counts. Mirror images,
    quarter turns, and light changes of colour and stain, as in config.yaml.
    """
    start = time.monotonic()
    config, seed = material.case.config, material.case.seed
    task, backbone = make_task(config.classes), backbone_of(material.case.backbone)
    torch.manual_seed(seed)
    network, architecture = build_network(backbone, task.outputs, material.case.px)
    shift, scale = (
        torch.tensor(values).view(1, 3, 1, 1) * 255
        for values in (architecture.mean, architecture.std)
    )

    def as_input(tiles: Sequence[torch.Tensor]) -> torch.Tensor:
        pixels = (torch.stack(tuple(tiles)).float() - shift) / scale
        return pixels.contiguous(memory_format=torch.channels_last)  # twice as fast on processors

    taught, tested = (chosen_tiles(material, role) for role in ("train", "test"))
    transform = make_transform("train", config.train.augment, material.case.px, seed)
    data = TileDataset(taught, transform, 2 << 30, seed=seed)
    optimizer = torch.optim.AdamW(network.parameters(), LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    rng = np.random.default_rng(seed)
    network.to(memory_format=torch.channels_last).train()
    order = np.zeros(0, np.int64)
    for step in range(steps):
        while len(order) < batch:
            order = np.concatenate([order, rng.permutation(len(data)) + step * len(data)])
        numbers, order = order[:batch], order[batch:]
        tiles, labels, _ = zip(*(data[int(n)] for n in numbers), strict=True)
        logits = network(as_input(tiles))
        optimizer.zero_grad()
        loss: torch.Tensor = cross_entropy(logits, torch.tensor(np.array(labels)))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    network.eval()
    unchanged = TileDataset(tested, make_transform("test", config.train.augment, 1, seed))
    said = []
    with torch.inference_mode():
        for first in range(0, len(unchanged), 64):
            some = range(first, min(first + 64, len(unchanged)))
            said.append(network(as_input([unchanged[n][0] for n in some])).double().numpy())
    values = task.activate(np.concatenate(said))
    names = np.array(tested.slide_ids)[tested.slide]
    columns = {"label": tested.label, "patient_id": names, **value_columns(task, values)}
    return columns | {"seconds": time.monotonic() - start}


def chosen_tiles(material: Material, role: str) -> Selection:
    """The labelled tiles of a role, as every strategy has them."""
    train = material.case.config.train
    slides = material.slides(role)
    named = {s.slide_id: s.tiles for s in slides}
    task = make_task(material.case.config.classes)
    return select_tiles(named, list(named), task, train.max_tiles_per_slide, train.seed)
