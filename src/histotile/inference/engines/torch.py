"""Networks by PyTorch, on the processor or a GPU."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from histotile.inference.engines.hardware import has_bf16
from histotile.inference.engines.memory import keep_freed_memory

_NUMBERS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class TorchEngine:
    """A network in evaluation, its memory laid out channels-last.

    In 32-bit floats, which are the default, results do not depend on the batch size beyond 1e-5.

    Attributes:
        name: "torch".
        device: "cpu", "cuda" or "cuda:1".
        precision: What it computes in.

    Args:
        network: Takes normalised float NCHW, gives (N, C), or a tuple of it and more.
        mean: Of the three channels, in units of 0-1.
        std: Of the three channels, in units of 0-1.
        device: "cpu", "cuda", "cuda:1", or "auto": a GPU where there is one.
        threads: Processor threads; None leaves PyTorch's choice.
        precision: "float32", "bfloat16" or "float16"; see `faster_precision`.
    """

    name = "torch"

    def __init__(
        self,
        network: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        device: str = "auto",
        threads: int | None = None,
        precision: str = "float32",
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = (
            ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        )
        self.precision = precision
        self._device = torch.device(self.device)
        if self._device.type == "cpu":
            keep_freed_memory()
        shape = (1, 3, 1, 1)
        self._shift = torch.tensor(mean, device=self._device).view(shape) * 255
        self._scale = torch.tensor(std, device=self._device).view(shape) * 255
        self._network: Any = network.to(self._device).eval()
        self._network.to(memory_format=torch.channels_last)
        self._locked: Tensor | None = None

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, C) of tiles, uint8 RGB (N, height, width, 3)."""
        return self.outputs(tiles)[0]

    def outputs(self, tiles: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All outputs of the network."""
        batch = torch.from_numpy(np.require(tiles, requirements=["C", "W"]))
        with torch.inference_mode(), self._numbers():
            # A permuted NHWC array is channels-last already: no copy before the device.
            pixels = self._moved(batch).permute(0, 3, 1, 2).float()
            found = self._network((pixels - self._shift) / self._scale)
        tensors = found if isinstance(found, tuple) else (found,)
        return [tensor.float().cpu().numpy() for tensor in tensors]

    def _moved(self, batch: Tensor) -> Tensor:
        """The tiles on the device; to a GPU by way of page-locked memory, which it fetches."""
        if self._device.type != "cuda":
            return batch
        if (
            self._locked is None
            or self._locked[0].shape != batch[0].shape
            or (len(self._locked) < len(batch))
        ):
            self._locked = torch.empty_like(batch, pin_memory=True)
        # Free again: the call before ended only when its result had come back.
        locked = self._locked[: len(batch)].copy_(batch)
        return locked.to(self._device, non_blocking=True)

    def _numbers(self) -> AbstractContextManager[object]:
        if self.precision in _NUMBERS:
            return torch.autocast(self._device.type, _NUMBERS[self.precision])
        if self._device.type == "cuda":  # cuDNN would else round to 10 bits (TF32)
            return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        return nullcontext()


def compiled(network: nn.Module) -> nn.Module:
    """The network, which PyTorch compiles at its first call: that takes a minute."""
    return _OfOneSize(network)


class _OfOneSize(nn.Module):
    """A network that is compiled once: it always sees as many tiles as in its first batch.

    Tiles of zeros fill a smaller batch up.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self._run: Any = torch.compile(network)
        self._size = 0

    def forward(self, batch: Tensor) -> Tensor | tuple[Tensor, ...]:
        self._size = max(self._size, len(batch))
        lacking = self._size - len(batch)
        if lacking:
            filled = torch.cat([batch, batch.new_zeros(lacking, *batch.shape[1:])])
            batch = filled.contiguous(memory_format=torch.channels_last)
        found: Tensor | tuple[Tensor, ...] = self._run(batch)
        kept = self._size - lacking
        return tuple(f[:kept] for f in found) if isinstance(found, tuple) else found[:kept]


def faster_precision() -> str | None:
    """The 16-bit floats in which this machine computes faster than in 32 bit; None: there are none.

    GPUs older than Ampere have no bfloat16, but float16.
    """
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.get_device_capability() >= (8, 0) else "float16"
    return "bfloat16" if has_bf16() else None
