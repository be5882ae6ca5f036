"""Names for the array types of signatures; shapes stand in the docstrings."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Complex = NDArray[np.complex128]
Bool = NDArray[np.bool_]
Int = NDArray[np.int64]
