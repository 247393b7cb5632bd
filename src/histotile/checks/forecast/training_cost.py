"""What trainings of all layers have to do, and what the forecast keeps in hand for any training."""

import json
import math
from pathlib import Path

from histotile.config import Config

SPARE = 1.25  # times of trainings are bounds: fits of other tiles take more or fewer steps
CACHE_BYTES = 2 << 30  # most that decoded tiles take in memory while layers are trained
_MOST_KEPT, _KEPT = 8192, 64  # tiles of all slides and of each that a training looks at once more


def trained_strategy(config: Config) -> str | None:
    """A strategy by which this run surely trains layers; None where heads alone may be trained."""
    if trains_layers(config):
        return config.train.strategy
    if tails_compared(config):
        return "early_probe"
    return "finetune" if config.verify.budget == "full" else None


def trains_layers(config: Config) -> bool:
    """Whether the rule `train` itself does so."""
    return config.train.trains_layers(config.train.strategy)


def tails_compared(config: Config) -> int:
    """How many of the strategies that `verify` compares in each fold are tails that learn anew."""
    return int(config.verify.budget != "off" and config.train.trains_layers("early_probe"))


def tiles_passed(taught: float, slides: float, config: Config) -> float:
    """Tiles that pass through a network that is trained on so many of so many slides, at most.

    Example:
        700 tiles, 20 epochs, 500 steps of 64 tiles: 46 epochs, 32,200 tiles, and some once more.
    """
    from histotile.training.optimizer import plan

    epochs = plan(max(1, math.ceil(taught)), config.train).epochs
    return epochs * taught + min(_MOST_KEPT, _KEPT * slides)


def passes(tiles: float) -> float:
    """How often `baseline` sends a tile through a network: some of them twice, for batch norm."""
    from histotile.strategy.baselines.random_features import CALIBRATION

    return tiles + min(CALIBRATION, tiles)


def tiles_taught(folder: Path) -> int:
    """Tiles a finished training learnt from and was judged by in each epoch."""
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return sum(sum(role["tiles"].values()) for role in summary["sizes"].values())


def bytes_of_rows(path: Path) -> float:
    """Bytes of a Parquet file that grow with its rows."""
    import pyarrow.parquet as pq

    found = pq.read_metadata(path)
    groups = [found.row_group(number) for number in range(found.num_row_groups)]
    return float(
        sum(g.column(n).total_compressed_size for g in groups for n in range(g.num_columns))
    )
