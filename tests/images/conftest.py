"""What many tests of pictures need."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@pytest.fixture
def smooth() -> np.ndarray:
    """Slow ramps inside every gamut, of middling saturation."""
    y, x = np.mgrid[0:20, 0:30]
    return np.stack([80 + 3 * x, 90 + 2 * y, 100 + x + y], axis=-1).astype(np.uint8)
