"""Signals during long work: finish what was begun, save, say how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

IMPORTING = "<frozen importlib._bootstrap>"  # where Python's own code stands that imports


class Interrupt:
    """While entered: the first SIGINT or SIGTERM asks for an end after the step, the second one ends at once.

    SIGUSR1 asks for a checkpoint. Outside the main thread signals are left alone.
    """

    def __init__(self) -> None:
        self.exit_code: int | None = None  # set when an end was asked for
        self._save = False
        self._before: dict[int, Any] = {}

    def save_asked(self) -> bool:
        """Whether a checkpoint was asked for since the last call."""
        asked, self._save = self._save, False
        return asked

    def end_asked(self) -> bool:
        """Whether an end was asked for."""
        return self.exit_code is not None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
                if number := getattr(signal, name, None):
                    self._before[number] = signal.signal(number, self._noted)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _noted(self, number: int, frame: FrameType | None) -> None:
        if number not in (signal.SIGINT, signal.SIGTERM):
            self._save = True
        elif self.exit_code is not None:
            raise KeyboardInterrupt(128 + number)
        else:
            self.exit_code = 128 + number


@contextmanager
def imports_end_by(end: Callable[[], NoReturn]) -> Iterator[None]:
    """While inside, a SIGINT in the middle of an import calls `end`; anywhere else it stays a KeyboardInterrupt.

    Libraries take an interrupt within their imports for one of their own errors, and go on with modules half made.
    """

    def at_once(number: int, frame: FrameType | None) -> None:
        while frame:
            if frame.f_code.co_filename == IMPORTING:
                end()
            frame = frame.f_back
        raise KeyboardInterrupt

    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not is_usual or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, at_once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
