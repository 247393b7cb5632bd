"""Names of the array types that the factory hands around."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Small = NDArray[np.int8]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
