"""Functions compiled to machine code, which a folder keeps for the next process if there is one.

Importing this imports numba, which is slow: import it where there is something to compute.
"""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any]) -> Any:
    """The function in machine code, compiled at its first call; releases the GIL."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no folder that machine code could be kept in
        return njit(nogil=True)(function)
