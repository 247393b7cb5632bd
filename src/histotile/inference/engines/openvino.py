"""Networks in ONNX files by OpenVINO, on the processor."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NUMBERS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEngine:
    """A network in an ONNX file, compiled for this processor in a fraction of a second.

    Any number of tiles may be given at once: it changes neither speed nor a single bit.

    Attributes:
        name: "openvino".
        device: "cpu".
        precision: What it really computes in; see `computes_in_bf16`.

    Args:
        file: ONNX; input `tiles`, float32 RGB (N, 3, height, width) in 0-1; first output (N, C).
        threads: Of the processor; None: all cores.
        precision: "float32" or "bfloat16".

    Raises:
        RuntimeError: OpenVINO cannot read or compile the network.
    """

    name = "openvino"
    device = "cpu"

    def __init__(self, file: Path, threads: int | None = None, precision: str = "float32") -> None:
        ov, core = import_openvino(), _core()
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _NUMBERS[precision],  # else bf16 wherever there is some
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # two jobs would sit on the same core
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        compiled = core.compile_model(_taking_bytes(ov, core.read_model(file)), "CPU", options)
        used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.precision = {"f32": "float32", "bf16": "bfloat16"}.get(used, used)
        self._request = compiled.create_infer_request()

    def __call__(self, tiles: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, C) of tiles, uint8 RGB (N, height, width, 3)."""
        return self.outputs(tiles)[0]

    def outputs(self, tiles: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """All outputs of the network."""
        self._request.infer([np.ascontiguousarray(tiles)], share_inputs=True)
        return [tensor.data.copy() for tensor in self._request.output_tensors]


def import_openvino() -> Any:
    """The library, kept from reporting its use to Google Analytics, which its import would do.

    Raises:
        ImportError: It is not installed, or does not run here.
    """
    for reporter in ("openvino_telemetry", "openvino.tools.ovc"):
        sys.modules.setdefault(reporter, None)  # type: ignore[arg-type]
    import openvino

    return openvino


def computes_in_bf16() -> bool:
    """Whether bfloat16 is faster on this processor; on others OpenVINO may imitate it, slowly."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _core() -> Any:
    """The one core of this process, never let go.

    A core lends the thread that makes it a stack for signals, and takes it back when it goes. Gone
    from another thread, say by garbage collection, it would leave a stack that is no more: the
    next signal, as when a worker process ends, kills the process.
    """
    return import_openvino().Core()


def _taking_bytes(ov: Any, model: Any) -> Any:
    """The model with uint8 (N, height, width, 3) in place of float (N, 3, height, width)."""
    from openvino.preprocess import PrePostProcessor

    change = PrePostProcessor(model)
    tiles = change.input("tiles")
    tiles.tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    tiles.preprocess().convert_element_type(ov.Type.f32).scale(255.0)
    tiles.model().set_layout(ov.Layout("NCHW"))
    return change.build()
