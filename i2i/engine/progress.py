"""What a person sees while a training goes on: a live line on a terminal, a plain line every 30 s elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from i2i.errors import printable

ProgressKind = Literal["auto", "plain", "none"]
PLAIN_SECONDS = 30.0
LIVE_SECONDS = 0.5


class Progress:
    """Shows steps with their losses, rate and remaining time on stderr; notes scroll above the live line."""

    def __init__(self, kind: ProgressKind = "auto", stream: TextIO | None = None) -> None:
        stream = stream or sys.stderr
        self._console = Console(file=stream, highlight=False, soft_wrap=True)
        self._shown = kind != "none"
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if self._is_live(kind) else None
        self._every = LIVE_SECONDS if self._live else PLAIN_SECONDS
        self._began = self._last = time.monotonic()
        self._first: int | None = None
        self._saved: float | None = None

    def _is_live(self, kind: ProgressKind) -> bool:
        return kind == "auto" and self._console.is_terminal and not self._console.is_dumb_terminal

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, text: str) -> None:
        """A line that stays; control characters in it are escaped."""
        if self._shown:
            self._console.print(Text(printable(text)))

    def saved(self) -> None:
        """A checkpoint was written just now."""
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether the line wants new numbers: reading losses waits for the device, so they are read only then."""
        return self._shown and time.monotonic() - self._last >= self._every

    def counted(self, verb: str) -> Callable[[int, int], None]:
        """A function of (done, total) that shows how far something else than steps is."""

        def count(done: int, total: int) -> None:
            if self.due():
                self._print(f"{verb} {_grouped(done)}/{_grouped(total)} {100 * done // total} %")
                self._last = time.monotonic()

        return count

    def show(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        """The line after `step` of `total` steps."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = step, now
        rate = (step - self._first) / (now - self._began) if now > self._began else 0.0
        parts = [f"step {_grouped(step)}/{_grouped(total)} {100 * step // total} %"]
        parts += [f"{name} {value:.2f}" for name, value in losses.items()]
        if rate:
            left = timedelta(seconds=round((total - step) / rate))
            parts += [f"{rate:.1f} it/s" if rate >= 0.1 else f"{1 / rate:.0f} s/it", f"left {left}"]
        if self._saved is not None:
            parts.append(f"saved {_ago(now - self._saved)} ago")
        self._print("  ".join(parts))
        self._last = now

    def _print(self, line: str) -> None:
        if self._live:
            self._live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)
        else:
            self._console.print(Text(line))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
