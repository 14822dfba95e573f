"""A folder that is looked at again and again: what is new in it, once it is complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from i2i.errors import UsageError
from i2i.inference.plan import Job, Plan

SECONDS = 2.0
PAUSE_FOR_EACH_LOOK = 5  # times as long as a look takes: a hundred thousand files take seconds

Status = tuple[int, ...]  # size in bytes, time of change in nanoseconds; of a picture, then of its mask


class Watch:
    """Call it for the next jobs: it waits until a file is new or changed, and the same at two looks (`seconds` apart).

    `first` is the plan that was worked on already; `plan` makes it anew, and `note` hears why where it cannot be made.
    The plan has no jobs when `stop` says so.
    """

    def __init__(
        self,
        first: Plan,
        plan: Callable[[], Plan],
        stop: Callable[[], bool],
        note: Callable[[str], None] = lambda problem: None,
        seconds: float = SECONDS,
    ) -> None:
        self.plan, self.stop, self.note, self.seconds = plan, stop, note, seconds
        self._empty, self._told = replace(first, jobs=(), unlisted=()), ""
        self._done = _statuses(first)
        self._before: dict[Job, Status] = {}

    def __call__(self) -> Plan:
        """See above."""
        while True:
            start = time.monotonic()
            try:
                plan = self.plan()
            except UsageError as error:  # such as a disk that was pulled out: it may come back
                self._tell(str(error))
                plan = self._empty
            else:
                self._told = ""
            now = _statuses(plan)
            fresh = tuple(job for job in plan.jobs if self._is_fresh(job, now))
            self._before = now
            if fresh or self.stop():
                self._done |= {job: now[job] for job in fresh}
                return replace(plan, jobs=() if self.stop() else fresh, unlisted=())
            self._wait(max(self.seconds, PAUSE_FOR_EACH_LOOK * (time.monotonic() - start)))

    def _is_fresh(self, job: Job, now: dict[Job, Status]) -> bool:
        status = now.get(job)
        return status is not None and status == self._before.get(job) and status != self._done.get(job)

    def _tell(self, problem: str) -> None:
        """Once, until it is another one."""
        if problem != self._told:
            self.note(f"{problem} Waiting.")
        self._told = problem

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < end:
            time.sleep(0.1)


def _statuses(plan: Plan) -> dict[Job, Status]:
    found: dict[Job, Status] = {}
    for job in plan.jobs:
        try:
            statuses = [os.stat(path) for path in (job.source, job.mask) if path]
        except OSError:  # taken away between two looks
            continue
        found[job] = tuple(number for status in statuses for number in (status.st_size, status.st_mtime_ns))
    return found
