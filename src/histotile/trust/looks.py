"""Colour and sharpness of tiles as numbers whose spread is even."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

MEANS, SPREADS, SHARPNESS = ("mean_r", "mean_g", "mean_b"), ("sd_r", "sd_g", "sd_b"), "sharpness"
COLUMNS = (*MEANS, *SPREADS, SHARPNESS)  # of a tile table
# Standard deviations by which laboratories, cuts and scanners of one stain differ anyway.
UNITS = (0.1, 0.1, 0.1, 0.15, 0.15, 0.15, 0.3)


def tile_looks(columns: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """(N, 7): optical densities, logarithms of spreads and of sharpness; NaN where unknown.

    A stain twice as strong doubles an optical density, whatever the light of the scanner.

    Args:
        columns: `COLUMNS` of a tile table.
    """
    raw = {name: np.asarray(columns[name], np.float64) for name in COLUMNS}
    dense = [-np.log((raw[name] + 1) / 256) for name in MEANS]
    spread = [np.log(raw[name] + 1) for name in SPREADS]
    sharp = np.log(np.maximum(raw[SHARPNESS], 1e-4))
    return np.stack([*dense, *spread, sharp], axis=1)
