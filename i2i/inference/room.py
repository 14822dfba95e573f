"""How many pixels are in memory at once."""

from __future__ import annotations

import threading


class Room:
    """Lets pictures in one after the other, as long as there is room for them; one alone always gets in.

    Each has a number, from 0 on without gaps, and takes its turn in that order: a picture that is waited for is never
    kept out by later ones.
    """

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self._inside, self._next = 0, 0
        self._change = threading.Condition()
        self._closed = False

    def turn(self, number: int) -> Turn:
        """The turn of a number, for use with `with`: who leaves it without having entered needs no room."""
        return Turn(self, number)

    def leave(self, pixels: int) -> None:
        """A picture is gone from memory."""
        with self._change:
            self._inside -= pixels
            self._change.notify_all()

    def close(self) -> None:
        """Nobody waits any more: the work ends before its end."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _enter(self, number: int, pixels: int) -> None:
        with self._change:
            self._change.wait_for(lambda: self._closed or (self._next == number and self._fits(pixels)))
            self._inside += pixels
            self._next += 1
            self._change.notify_all()

    def _fits(self, pixels: int) -> bool:
        return self._inside == 0 or pixels == 0 or self._inside + pixels <= self.pixels


class Turn:
    """See `Room.turn`."""

    def __init__(self, room: Room, number: int) -> None:
        self._room, self._number = room, number
        self.pixels: int | None = None

    def enter(self, pixels: int) -> None:
        """Wait until there is room for so many pixels."""
        self._room._enter(self._number, pixels)
        self.pixels = pixels

    def __enter__(self) -> Turn:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.pixels is None:
            self._room._enter(self._number, 0)
        elif kind is not None:
            self._room.leave(self.pixels)
