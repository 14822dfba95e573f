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

import errno
import json
import math
import os
import re
import shlex
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.errors import FREE_SPACE, LockedError, NoRoomError, UsageError
from i2i.images.atomic import replace_file

WRITTEN = re.compile(r"step-\d+(\.jpg)?")  # samples and checkpoints
PARTS = re.compile(r"\.(step-\d+(\.old)?|[0-9a-f]{12})\.part")  # what a killed process left of a file or checkpoint


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

    @property
    def resume_command(self) -> str:
        """What to type to go on."""
        return f"i2i resume {shlex.quote(str(self.path))}"

    def refuse_unless_free(self, *, overwrite: bool) -> None:
        """Raises UsageError where something else is, or a run that is not to be overwritten."""
        is_empty_folder = self.path.is_dir() and not any(self.path.iterdir())
        if not self.path.exists() or is_empty_folder:
            return
        if not self.config.is_file():
            raise UsageError("exists and is no run of i2i.", where=self.path, hint="Choose another folder with -o.")
        if not overwrite:
            hint = f"To go on use `{self.resume_command}`; --overwrite begins anew."
            raise UsageError("holds a training.", where=self.path, hint=hint)

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise LockedError("another process trains in this run.", where=self.path, hint="Wait, or end it.") from None
        except OSError as error:
            what = f"a run cannot be written here: {error.strerror or error}."
            raise UsageError(what, where=self.path, hint="Choose another folder with -o.") from error
        for folder in (self.path, self.samples, self.checkpoints):
            _sweep(folder, PARTS)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def clear(self) -> None:
        """Removes what an earlier training wrote here, and nothing else."""
        for folder in (self.samples, self.checkpoints):
            _sweep(folder, WRITTEN)
            with suppress(OSError):  # a person's own files are in it
                folder.rmdir()
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

    def started(self) -> dict[str, Any]:
        """The first event: the command that started the run, and the model that it started from."""
        try:
            return json.loads(self._events.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return {}

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


def _sweep(folder: Path, names: re.Pattern[str]) -> None:
    """Removes what trainings name so."""
    for path in [path for path in folder.glob("*") if names.fullmatch(path.name)]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError):  # a line that a crash cut off
        return math.inf


def _append(path: Path, record: dict[str, Any]) -> None:
    """Raises NoRoomError when the disk is full."""
    try:
        with path.open("ab+") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - 1))
            begin = "\n" if file.read(1) not in (b"", b"\n") else ""  # a crash cut off the line before
            file.write(f"{begin}{json.dumps(record)}\n".encode())
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoRoomError("disk full.", where=path, hint=FREE_SPACE) from error
