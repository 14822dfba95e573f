"""What a person sees while something takes long: a live line on a terminal, a plain line every 30 s elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TextIO

from i2i.cli.console import Progress

LIVE_SECONDS = 0.2
PLAIN_SECONDS = 30.0
CLEAR_LINE = "\r\x1b[K"


class StatusLine:
    """One line on stderr that says how far it is. `clock` counts seconds; `kind` none shows nothing."""

    def __init__(self, kind: Progress, stream: TextIO | None, clock: Callable[[], float]) -> None:
        self.stream, self.clock = stream or sys.stderr, clock
        self.shown = kind != "none"
        self.live = kind == "auto" and self.stream.isatty()
        self.last = clock()

    def show(self, line: Callable[[], str]) -> None:
        """The line, made only when it is time for it."""
        if not self.shown or self.clock() - self.last < (LIVE_SECONDS if self.live else PLAIN_SECONDS):
            return
        self.last = self.clock()
        if self.live:
            self.stream.write(CLEAR_LINE + line()[: shutil.get_terminal_size().columns - 1])
        else:
            self.stream.write(f"{line()}\n")
        self.stream.flush()

    def clear(self) -> None:
        """Leave the terminal as it was, or make way for another line: the live one comes back by itself."""
        if self.live and self.shown:
            self.stream.write(CLEAR_LINE)
            self.stream.flush()


class BatchProgress:
    """Counts pictures and shows rate, remaining time and failures; `place` says where the work is done."""

    def __init__(
        self,
        verb: str,
        total: int,
        kind: Progress,
        place: Callable[[], str],
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.verb, self.total, self.place, self.clock = verb, total, place, clock
        self.status = StatusLine(kind, stream, clock)
        self.done = self.failed = self.translated = self.pixels = 0
        self.began = clock()

    def count(self, *, failed: bool, size: tuple[int, int] | None) -> None:
        """One picture more is done; `size` (width, height) is None where nothing was translated."""
        self.done += 1
        self.failed += failed
        self.translated += size is not None
        self.pixels += size[0] * size[1] if size else 0
        self.status.show(self.line)

    def line(self) -> str:
        """The progress as one line."""
        seconds = max(self.clock() - self.began, 1e-9)
        percent = 100 * self.done // max(self.total, 1)
        parts = [f"{self.verb} {grouped(self.done)}/{grouped(self.total)} {percent} %"]
        if self.translated:
            parts += [f"{self.translated / seconds:.1f} img/s", f"{self.pixels / seconds / 1e6:.1f} Mpx/s"]
        worked = self.translated + self.failed  # what was done before is passed over in no time
        left = (self.total - self.done) * seconds / max(worked, 1)
        parts.append(f"left {timedelta(seconds=round(left))}")
        if self.failed:
            parts.append(f"{grouped(self.failed)} failed")
        return "  ".join([*parts, self.place()])

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Room for another line on stderr: the live one makes way, and comes back with the next picture."""
        self.close()
        yield

    def close(self) -> None:
        """Leave the terminal as it was."""
        self.status.clear()


def grouped(number: int) -> str:
    """1 240 for 1240."""
    return f"{number:,}".replace(",", " ")
