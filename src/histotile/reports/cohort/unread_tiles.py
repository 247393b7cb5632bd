"""Slides of which many tiles could not be read when they were predicted."""

from collections.abc import Iterable
from pathlib import Path

from histotile.inference.model_metadata import MOST_LOST
from histotile.io.tables import read_footer
from histotile.strategy.record import Alarm

_NAMED = 10


def lost_share(predictions: Path) -> float:
    """Share of a slide's tiles that could not be read, 0-1, from the footer of its predictions."""
    return float(read_footer(predictions).get("lost_share", 0)) if predictions.is_file() else 0.0


def loss_alarm(share: float) -> Alarm | None:
    """What its page says of a slide that lost so many tiles; None if they are few."""
    if share <= MOST_LOST:
        return None
    fact = (
        f"{share:.0%} of this slide's tiles could not be read and were not predicted: score and "
        "heatmap stand for the rest of it alone"
    )
    remedy = "the file is damaged: copy it from the scanner's archive again, then run this again"
    return Alarm(level="error", name="lost_tiles", fact=fact, remedy=remedy)


def list_losses(folder: Path, slide_ids: Iterable[str]) -> list[str]:
    """A sentence that names the slides of a cohort that lost many tiles; none where none did.

    Args:
        folder: Of prediction tables, {slide_id}.parquet.
        slide_ids: The cohort.
    """
    shares = {name: lost_share(folder / f"{name}.parquet") for name in slide_ids}
    lost = {name: share for name, share in shares.items() if share > MOST_LOST}
    if not lost:
        return []
    worst = sorted(lost, key=lambda name: -lost[name])[:_NAMED]
    named = ", ".join(f"{name} {lost[name]:.0%}" for name in worst)
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    what = "1 slide has" if len(lost) == 1 else f"{len(lost)} slides have"
    return [
        f"{what} lost more than {MOST_LOST:.0%} of the tiles, which could not be read ({named}"
        f"{more}): scores stand for the rest alone; copy the files again."
    ]
