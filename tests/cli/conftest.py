"""`i2i` as a process of its own, without the seconds that starting one with torch takes."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from i2i.cli.main import main, run
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.translator import Translator

PATIENCE = 30.0  # seconds


@pytest.fixture(scope="session")
def tiny_model(tiny_model: Path) -> Path:
    """It has run once: torch has all its modules, and a forked process need not load them."""
    picture, made = tiny_model.with_name("a.png"), tiny_model.with_name("b.png")
    write(Picture(np.zeros((4, 4, 3), dtype=np.uint8)), picture)
    assert main(["translate", str(tiny_model), str(picture), "-o", str(made), "-q", "--device", "cpu"]) == 0
    return tiny_model


@pytest.fixture
def twelve(tmp_path: Path) -> Path:
    """A folder of twelve small pictures."""
    for number in range(12):
        path = tmp_path / "in" / ("trip" if number % 3 else "") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Picture(np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)), path)
    return tmp_path / "in"


class Process:
    """A forked `i2i`. Its streams go to files, unless they are given as open files."""

    def __init__(self, folder: Path, arguments: tuple[object, ...], before: Callable[[], None], streams: Any) -> None:
        self._paths = {name: folder / name for name in ("stdin", "stdout", "stderr")}
        folder.mkdir()
        self._paths["stdin"].touch()
        mine = [open(self._paths["stdin"]), *(open(self._paths[name], "w") for name in ("stdout", "stderr"))]  # noqa: SIM115
        files = [streams.get(name) or file for name, file in zip(self._paths, mine, strict=True)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads here, which the child does not need
            self.pid = os.fork()
        if self.pid == 0:
            _become_i2i([file.fileno() for file in files], [str(argument) for argument in arguments], before)
        for file in mine:
            file.close()
        self.code: int | None = None

    def wait(self) -> int:
        """The exit code; negative: the signal that ended it."""
        end = time.monotonic() + PATIENCE
        while self.code is None and time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
            else:
                time.sleep(0.005)
        assert self.code is not None, f"does not end; said: {self.err}"
        return self.code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def end(self) -> None:
        """Kill it if it is still there."""
        if self.code is None:
            self.send(signal.SIGKILL)
            self.wait()

    @property
    def out(self) -> str:
        """What it has written to stdout."""
        return self._paths["stdout"].read_text()

    @property
    def err(self) -> str:
        """What it has written to stderr."""
        return self._paths["stderr"].read_text()


def _become_i2i(handles: list[int], arguments: list[str], before: Callable[[], None]) -> NoReturn:
    code = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if os.isatty(handles[2]):
            os.setsid()
            fcntl.ioctl(handles[2], termios.TIOCSCTTY, 0)
        for number, handle in enumerate(handles):
            os.dup2(handle, number)
        os.closerange(3, 256)  # the other ends of its pipes
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
        before()
        sys.argv = ["i2i", *arguments, "--device", "cpu", "--threads", "1"]
        try:
            run()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        try:
            sys.stdout.flush()  # as Python does at its end
        except OSError:
            code = 120
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


@pytest.fixture
def i2i_process(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts `i2i` with arguments; `before` runs in its process first, stdin, stdout and stderr are open files."""
    started: list[Process] = []

    def start(*arguments: object, before: Callable[[], None] = lambda: None, **streams: Any) -> Process:
        started.append(Process(tmp_path / f"process-{len(started)}", arguments, before, streams))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def gate(tmp_path: Path) -> Callable[[int], Callable[[], None]]:
    """Gives a `before` for a process: its network makes so many pictures, then waits for the file `go`."""

    def held_after(count: int) -> Callable[[], None]:
        def hold() -> None:
            translate, calls = Translator.__call__, []

            def held(self: Translator, picture: Picture) -> Picture:
                calls.append(1)
                if len(calls) > count:
                    (tmp_path / "waits").touch()
                    while not (tmp_path / "go").exists():
                        time.sleep(0.005)
                return translate(self, picture)

            Translator.__call__ = held  # type: ignore[method-assign]

        return hold

    return held_after


@pytest.fixture
def until() -> Callable[[Callable[[], Any]], None]:
    """Waits until something is so."""

    def wait(condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "never came"
            time.sleep(0.005)

    return wait
