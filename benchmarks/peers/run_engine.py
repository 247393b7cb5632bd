"""Time one engine on tiles in memory: `run_engine.py ENGINE MODEL_FOLDER TILES.npy SECONDS`.

Prints JSON: per number of threads, tiles per second on the clock and per second of the processor;
and the probabilities of the last class.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 32
Logits = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def plain_torch(folder: Path, threads: int) -> Logits:
    """What one writes without thinking of speed: float32, channels first."""
    import torch

    from histotile.inference.checkpoint import load

    torch.set_num_threads(threads)
    model = load(folder / "model.ckpt")
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (model.mean, model.std))

    def logits(tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous().float() / 255
        with torch.inference_mode():
            found: NDArray[np.float32] = model.network((batch - mean) / std).numpy()
        return found

    return logits


def build(engine: str, folder: Path, threads: int) -> Logits:
    """The engine of this name: `torch`, `openvino bfloat16`, ...; `plain` is PyTorch alone."""
    name, _, precision = engine.partition(" ")
    if name == "plain":
        return plain_torch(folder, threads)
    if name == "openvino":
        from histotile.inference.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(folder / "model.onnx", threads, precision or "float32")
    if name == "onnxruntime":
        from histotile.inference.engines.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(folder / "model.onnx", threads)
    from histotile.inference.checkpoint import load
    from histotile.inference.engines.torch import TorchEngine

    model = load(folder / "model.ckpt")
    options: dict[str, Any] = {"precision": precision} if precision else {}
    return TorchEngine(model.network, model.mean, model.std, "cpu", threads, **options)


def measure(engine: Logits, tiles: NDArray[np.uint8], seconds: float) -> dict[str, float]:
    """Rates over at least two batches and this many seconds, after one batch to warm up."""
    engine(tiles[:BATCH])
    count = 0
    start, processor = time.perf_counter(), time.process_time()
    while count < 2 * BATCH or time.perf_counter() - start < seconds:
        first = count % (len(tiles) - BATCH + 1)
        engine(tiles[first : first + BATCH])
        count += BATCH
    clock = time.perf_counter() - start
    return {"clock": count / clock, "processor": count / (time.process_time() - processor)}


def main() -> None:
    engine, folder, tiles, seconds = sys.argv[1:]
    pixels = np.load(tiles)
    found: dict[str, Any] = {}
    for threads in (1, 2):
        logits = build(engine, Path(folder), threads)
        found[str(threads)] = measure(logits, pixels, float(seconds))
    values = logits(pixels[:BATCH]).astype(float)
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    found["probabilities"] = (shares[:, -1] / shares.sum(axis=1)).tolist()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
