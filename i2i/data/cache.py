"""Pictures kept in memory: the most recently used ones, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

from i2i.images.picture import Pixels


class PictureCache:
    """Scaled pictures by file. A process that gets a copy of the cache gets it empty."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # bytes
        self.held = 0  # bytes
        self._pictures: OrderedDict[tuple[Path, int], Pixels] = OrderedDict()

    def get(self, path: Path, channels: int) -> Pixels | None:
        """The picture, now the last to be dropped, or None."""
        pixels = self._pictures.get((path, channels))
        if pixels is not None:
            self._pictures.move_to_end((path, channels))
        return pixels

    def put(self, path: Path, channels: int, pixels: Pixels) -> None:
        """Keep a picture that is not in the cache; the least recently used ones make room."""
        if pixels.nbytes > self.limit:
            return
        self._pictures[path, channels] = pixels
        self.held += pixels.nbytes
        while self.held > self.limit:
            self.held -= self._pictures.popitem(last=False)[1].nbytes

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self.limit, "held": 0, "_pictures": OrderedDict()}
