"""Arrays of numbers as text in JSON: vectors in 32-bit floats, matrices in 16-bit ones."""

import base64

import numpy as np
from numpy.typing import NDArray


def pack(values: NDArray[np.floating]) -> str:
    """Shape and numbers, e.g. "2x3 AAA...", bytes in base64."""
    shape = "x".join(map(str, values.shape))
    numbers = values.astype(_kind(values.ndim))
    return f"{shape} {base64.b64encode(numbers.tobytes()).decode('ascii')}"


def unpack(text: str) -> NDArray[np.float64]:
    """What `pack` was given, rounded; raises ValueError where the text is damaged."""
    head, _, body = text.partition(" ")
    shape = tuple(map(int, head.split("x")))
    numbers = np.frombuffer(base64.b64decode(body, validate=True), _kind(len(shape)))
    return numbers.astype(np.float64).reshape(shape)


def _kind(dimensions: int) -> str:
    return "<f2" if dimensions > 1 else "<f4"
