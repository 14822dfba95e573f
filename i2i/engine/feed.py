"""Endless batches, cut into micro-batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Batch = Any  # a NamedTuple of tensors whose first dimension is the sample


class Feed:
    """Gives each part its slice of the same batches, whatever order the parts ask in. `taken` is the data position."""

    def __init__(self, batches: Iterator[Batch], convert: Callable[[Batch], Batch], parts: int, taken: int = 0) -> None:
        self._batches, self._convert, self.parts, self.taken = batches, convert, parts, taken
        self._held: list[Batch] = []
        self._asked = [0] * parts

    def begin(self) -> None:
        """A new step: what its parts have not asked for is dropped."""
        self._held, self._asked = [], [0] * self.parts

    def part(self, part: int) -> Callable[[], Batch]:
        """The feed of one part: each call is that part's slice of a fresh batch, on the device and in range."""

        def feed() -> Batch:
            number = self._asked[part]
            self._asked[part] += 1
            while number >= len(self._held):
                try:
                    self._held.append(next(self._batches))
                except StopIteration:
                    raise RuntimeError("the feed ended: batches must be endless") from None
                self.taken += 1
            return self._convert(self._cut(self._held[number], part))

        return feed

    def _cut(self, batch: Batch, part: int) -> Batch:
        size, rest = divmod(len(batch[0]), self.parts)
        if rest:
            raise ValueError(f"a batch of {len(batch[0])} cannot be cut into {self.parts} equal parts")
        return type(batch)(*(tensor[part * size : (part + 1) * size] for tensor in batch))
