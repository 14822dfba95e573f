"""How much of a file is believed before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

MAX_PIXELS = 178_000_000  # about twice the size at which Pillow begins to warn
BYTES_PER_PIXEL = 16  # four channels of 32 bit
ROOM_FOR_METADATA = 64_000_000


@dataclass(frozen=True)
class Limits:
    """`max_pixels` of all frames that are read together; `allow_truncated` takes what a cut file still has."""

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False

    @property
    def max_bytes(self) -> int:
        """The largest file that so many pixels can need."""
        return self.max_pixels * BYTES_PER_PIXEL + ROOM_FOR_METADATA
