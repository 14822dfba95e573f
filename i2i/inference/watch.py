"""A folder that is looked at again and again: what is new in it, once it is complete."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

from i2i.inference.plan import Job, Plan

SECONDS = 2.0

Status = tuple[int, int]  # size in bytes, time of change in nanoseconds


class Watch:
    """Call it for the next jobs: it waits until a file is new or changed, and the same at two looks (`seconds` apart).

    `first` is the plan that was worked on already; `plan` makes it anew. The plan has no jobs when `stop` says so.
    """

    def __init__(
        self, first: Plan, plan: Callable[[], Plan], stop: Callable[[], bool], seconds: float = SECONDS
    ) -> None:
        self.plan, self.stop, self.seconds = plan, stop, seconds
        self._done = _statuses(first)
        self._before: dict[Job, Status] = {}

    def __call__(self) -> Plan:
        """See above."""
        while True:
            plan = self.plan()
            now = _statuses(plan)
            fresh = tuple(job for job in plan.jobs if self._is_fresh(job, now))
            self._before = now
            if fresh or self.stop():
                self._done |= {job: now[job] for job in fresh}
                return replace(plan, jobs=() if self.stop() else fresh, unlisted=())
            self._wait()

    def _is_fresh(self, job: Job, now: dict[Job, Status]) -> bool:
        status = now.get(job)
        return status is not None and status == self._before.get(job) and status != self._done.get(job)

    def _wait(self) -> None:
        end = time.monotonic() + self.seconds
        while not self.stop() and time.monotonic() < end:
            time.sleep(0.1)


def _statuses(plan: Plan) -> dict[Job, Status]:
    found = {}
    for job in plan.jobs:
        try:
            status = os.stat(job.source)
        except OSError:  # taken away between two looks
            continue
        found[job] = (status.st_size, status.st_mtime_ns)
    return found
