"""What a trained model carries to recognise what it was not taught."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from histotile.trust.cloud import Cloud

Flag = Literal["familiar", "unusual", "foreign", "unknown"]

VERSION = 1
FOREIGN = 1.0  # distances are told in units of the limit beyond which a slide or tile is foreign
MPP_FACTOR = 1.5  # scanned so much finer or coarser than any slide taught on is unusual


@dataclass(frozen=True)
class Reach:
    """How far held-out training patients lie, of tiles or of slides.

    Attributes:
        features: Distance in what the network sees from which on one is foreign.
        looks: Likewise in colour and sharpness; None where those are not known.
        unusual: From this share of these distances on one is unusual, e.g. 0.8.
    """

    features: float
    looks: float | None
    unusual: float


@dataclass(frozen=True)
class Taught:
    """The tiles and slides of a model's training patients, as far as needed to recognise others.

    Attributes:
        features: What the network sees of them, just before its head.
        looks: Their colour and sharpness; None where the tile tables do not tell them.
        tile: How far held-out patients' tiles lie.
        slide: How far their slides lie.
        mpps: Least and largest mpp at level 0; None where it is not known (ready-made tiles).
        patients: Held-out patients behind the limits.
        false_alarms: Share of slides of unseen patients of the same kind that may be called
            foreign; None: unknown, as patients are too few to say.
        margin: Factor between the largest distance of a held-out slide and the limit of foreign.
    """

    features: Cloud
    looks: Cloud | None
    tile: Reach
    slide: Reach
    mpps: tuple[float, float] | None
    patients: int
    false_alarms: float | None
    margin: float

    def summary(self) -> dict[str, Any]:
        """What people want to know of it, ready for JSON."""
        names = ("patients", "false_alarms", "margin", "mpps")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """JSON-able; some 50 to 200 kB, most of it the directions of the features."""
        plain = {k: v for k, v in vars(self).items() if not hasattr(v, "__dataclass_fields__")}
        return plain | {
            "version": VERSION,
            "features": self.features.to_json(),
            "looks": self.looks.to_json() if self.looks else None,
            "tile": vars(self.tile),
            "slide": vars(self.slide),
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Taught | None":
        """What `to_json` gave; None of another version, whose numbers mean something else."""
        if entry.get("version") != VERSION:
            return None
        looks, mpps = entry["looks"], entry["mpps"]
        return cls(
            features=Cloud.from_json(entry["features"]),
            looks=Cloud.from_json(looks) if looks else None,
            tile=Reach(**entry["tile"]),
            slide=Reach(**entry["slide"]),
            mpps=(float(mpps[0]), float(mpps[1])) if mpps else None,
            patients=int(entry["patients"]),
            false_alarms=entry["false_alarms"],
            margin=float(entry["margin"]),
        )
