"""What became of the pictures of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from i2i.inference.plan import Job


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `notes` tell what of a picture was left out or became another."""

    job: Job
    status: Literal["ok", "skipped", "failed"]
    reason: str = ""
    milliseconds: int = 0
    size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()
    as_png: bool = False  # since its own format cannot hold it
    exit_code: int = 3  # of a failure

    def as_json(self) -> dict[str, Any]:
        """The event that `--json` prints."""
        event: dict[str, Any] = {"event": "file", "in": self.job.name_in, "out": self.job.name_out}
        event |= {"status": self.status, "ms": self.milliseconds}
        if self.size:
            event["size"] = list(self.size)
        if self.reason:
            event["error"] = self.reason
        if self.notes:
            event["notes"] = list(self.notes)
        return event


@dataclass(frozen=True)
class Summary:
    """Counts of a finished batch, and the failures with their reasons; `not_tried` after an end before the end."""

    ok: int
    skipped: int
    failures: tuple[Outcome, ...]
    as_png: int = 0
    not_tried: int = 0
    problem: str = ""  # why the failures could not be listed in a file

    @property
    def exit_code(self) -> int:
        """0 when all is done, 3 when something failed, 5 when memory was short for it."""
        return max((failure.exit_code for failure in self.failures), default=3 if self.problem else 0)

    def as_json(self, exit_code: int | None = None) -> dict[str, Any]:
        """The last event that `--json` prints; `exit_code` is the process's where it is another."""
        failed = len(self.failures)
        event = {"event": "summary", "ok": self.ok, "skipped": self.skipped, "failed": failed}
        code = self.exit_code if exit_code is None else exit_code
        return event | {"not_tried": self.not_tried, "exit": code, "schema": 1}
