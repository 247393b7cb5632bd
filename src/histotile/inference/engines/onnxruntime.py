"""Networks in ONNX files by ONNX Runtime, on the processor or a GPU."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class OnnxRuntimeEngine:
    """A network in an ONNX file, in 32-bit floats.

    Attributes:
        name: "onnxruntime".
        device: "cuda" where the library was built for it and finds a GPU, else "cpu".
        precision: "float32".

    Args:
        file: ONNX; input `tiles`, float32 RGB (N, 3, height, width) in 0-1; first output (N, C).
        threads: Of the processor; None: all cores.

    Raises:
        RuntimeError: ONNX Runtime cannot read the network.
    """

    name = "onnxruntime"
    precision = "float32"

    def __init__(self, file: Path, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        options.intra_op_num_threads = threads or 0
        # Threads that wait for work would else keep cores from those that read tiles.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers: list[Any] = ["CPUExecutionProvider"]
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, ("CUDAExecutionProvider", {"use_tf32": 0}))
        try:
            self._session = onnxruntime.InferenceSession(file, options, providers=providers)
        except Exception as error:
            raise RuntimeError(str(error)) from error
        on_gpu = self._session.get_providers()[0].startswith("CUDA")
        self.device = "cuda" if on_gpu else "cpu"

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, C) of tiles, uint8 RGB (N, height, width, 3)."""
        return self.outputs(tiles)[0]

    def outputs(self, tiles: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All outputs of the network."""
        batch = np.ascontiguousarray(tiles.transpose(0, 3, 1, 2), np.float32)
        batch /= 255
        found: list[NDArray[np.float32]] = self._session.run(None, {"tiles": batch})
        return found
