"""Logits of tiles by PyTorch, on the processor or a GPU."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn


class TorchEngine:
    """Turns a batch of tiles into logits; every engine has this one method.

    The network is set to evaluation and channels-last. Numbers are 32 bit floats by default:
    results then do not depend on the batch size beyond 1e-5.

    Args:
        network: Takes normalised float NCHW, gives (N, C).
        mean: Of the three channels, in units of 0-1.
        std: Of the three channels, in units of 0-1.
        device: "cpu", "cuda", "cuda:1", or "auto": a GPU where there is one.
        threads: Processor threads; None leaves PyTorch's choice.
        bf16: Whether a GPU may use 16-bit brain floats: faster, probabilities move by up to 0.002.
    """

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "auto",
        threads: int | None = None,
        bf16: bool = False,
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self.device = torch.device(name)
        self._bf16 = bf16 and self.device.type == "cuda"
        shape = (1, 3, 1, 1)
        self._shift = torch.tensor(mean, device=self.device).view(shape) * 255
        self._scale = torch.tensor(std, device=self.device).view(shape) * 255
        self._network: Any = network.to(self.device).eval()
        self._network.to(memory_format=torch.channels_last)

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (N, C) of tiles, uint8 RGB (N, height, width, 3)."""
        # A permuted NHWC array is channels-last already: no copy before the device.
        batch = torch.from_numpy(np.require(tiles, requirements=["C", "W"])).permute(0, 3, 1, 2)
        with torch.inference_mode(), self._numbers():
            pixels = batch.to(self.device, non_blocking=True).float()
            logits = self._network((pixels - self._shift) / self._scale)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result

    def _numbers(self) -> AbstractContextManager[object]:
        if self._bf16:
            return torch.autocast("cuda", torch.bfloat16)
        if self.device.type == "cuda":  # cuDNN would else round to 10 bits (TF32)
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()
