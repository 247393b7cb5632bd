"""What computes; none of it belongs to the science."""

from dataclasses import dataclass

from histotile.config import Engine


@dataclass(frozen=True)
class Machine:
    """What runs networks over tiles.

    Attributes:
        engine: Section `engine`.
        threads: Of the processor.
        batch_size: Tiles at once; None: what suits the engine.
    """

    engine: Engine
    threads: int
    batch_size: int | None = None
