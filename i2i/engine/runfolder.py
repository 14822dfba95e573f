"""The run folder: the whole truth about a run, readable without i2i.

RUN/config.toml          every setting, resolved
RUN/log.jsonl            a line of losses every `log.every` steps
RUN/events.jsonl         start, resume, save, stop
RUN/data.json            the pictures that were found, so that a resume sees the same ones
RUN/samples/             sheets of fixed pictures
RUN/checkpoints/         see checkpoint.py
RUN/model.safetensors    the averaged generators: what picture commands take
RUN/discriminators.safetensors   half precision, so that `--init RUN` can train on
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.errors import LockedError, UsageError
from i2i.images.atomic import replace_file

# Samples and checkpoints, and what a killed process left of them.
WRITTEN = re.compile(r"step-\d+(\.jpg)?|\.(step-\d+|[0-9a-f]{12})\.part")


class RunFolder:
    """Paths and line files of a run. While entered, no other process works on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.data = path / "data.json"
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model.safetensors"
        self.discriminators = path / "discriminators.safetensors"
        self._log, self._events = path / "log.jsonl", path / "events.jsonl"
        self._lock = FileLock(path / ".lock")

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """Raises UsageError where there is no run."""
        run = cls(path)
        if not run.config.is_file():
            raise UsageError(
                "no run is here (no config.toml).", where=path, hint="Start one: i2i train METHOD DATA -o RUN"
            )
        return run

    def __enter__(self) -> RunFolder:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LockedError("another process trains in this run.", where=self.path, hint="Wait, or end it.") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def clear(self) -> None:
        """Removes what an earlier training wrote here, and nothing else."""
        for folder in (self.samples, self.checkpoints):
            _empty(folder)
        for path in (self.config, self.data, self.model, self.discriminators, self._log, self._events):
            path.unlink(missing_ok=True)

    def write_config(self, text: str) -> None:
        """config.toml, whole or not at all."""
        replace_file(self.config, text.encode())

    def write_data(self, scans: dict[str, Any]) -> None:
        """data.json, whole or not at all."""
        replace_file(self.data, json.dumps(scans, indent=1).encode())

    def read_data(self) -> dict[str, Any] | None:
        """What `write_data` wrote; None where it is missing or damaged, and every picture is read again."""
        try:
            return json.loads(self.data.read_bytes())
        except (OSError, ValueError):
            return None

    def command(self) -> str:
        """The command that started the run, as events.jsonl has it."""
        try:
            return json.loads(self._events.read_text().splitlines()[0])["command"]
        except (OSError, ValueError, KeyError, IndexError):
            return ""

    def log(self, step: int, values: dict[str, float]) -> None:
        """One line of log.jsonl. JSON has no NaN: such a value is null."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        _append(self._log, {"step": step, **finite})

    def event(self, event: str, **values: Any) -> None:
        """One line of events.jsonl."""
        _append(self._events, {"event": event, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **values})

    def forget_after(self, step: int) -> None:
        """Removes log lines of steps that a resumed run will take again."""
        if self._log.is_file():
            lines = [line for line in self._log.read_text().splitlines() if _step(line) <= step]
            replace_file(self._log, "".join(f"{line}\n" for line in lines).encode())


def _empty(folder: Path) -> None:
    """Removes what trainings name so; the folder too, if nothing else is in it."""
    for path in [path for path in folder.glob("*") if WRITTEN.fullmatch(path.name)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):  # a line that a crash cut off
        return math.inf


def _append(path: Path, record: dict[str, Any]) -> None:
    with path.open("ab+") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - 1))
        begin = "\n" if file.read(1) not in (b"", b"\n") else ""  # a crash cut off the line before
        file.write(f"{begin}{json.dumps(record)}\n".encode())
