from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Writes a picture of noise: draw("A/1.png", width=40, height=30, mode="RGB", seed=1)."""

    def write(name: str, *, width: int = 40, height: int = 30, mode: str = "RGB", seed: int | None = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        number = seed if seed is not None else crc32(name.encode())
        noise = np.random.default_rng(number).integers(0, 256, (height, width, 4), dtype=np.uint8)
        Image.fromarray(noise).convert("RGB" if path.suffix == ".jpg" and mode == "RGBA" else mode).save(path)
        return path

    return write
