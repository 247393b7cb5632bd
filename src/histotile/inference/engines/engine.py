"""What every inference engine is: a network, ready to be called with tiles."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """Turns a batch of tiles into logits or features.

    Attributes:
        name: "torch", "openvino" or "onnxruntime".
        device: "cpu", "cuda", ...
        precision: Of the numbers inside: "float32", "bfloat16" or "float16"; what comes out is
            always float32.
    """

    name: str
    device: str
    precision: str

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, C) of tiles, uint8 RGB (N, height, width, 3), N at least 1."""

    def outputs(self, tiles: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All that the network gives: first what `__call__` gives, then e.g. features (N, D)."""
