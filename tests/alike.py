"""An embedder for tests of what does not depend on one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def embed_alike(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the same vector for every text, so that the words decide which sentence is quoted."""
    return np.tile(np.float32([1.0, 0.0]), (len(texts), 1))
