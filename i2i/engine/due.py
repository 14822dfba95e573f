"""When something is due: every so many steps, or every so many seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

from i2i.config.intervals import Interval


class Due:
    """Tells when an interval is over. Step intervals are multiples of the step, the same after a resume."""

    def __init__(self, interval: Interval, clock: Callable[[], float] = time.monotonic) -> None:
        self.interval, self._clock, self._last = interval, clock, clock()

    def __call__(self, step: int) -> bool:
        """Whether it is due after `step` steps are done."""
        if self.interval.steps:
            return step % self.interval.steps == 0
        if self._clock() - self._last < (self.interval.seconds or 0):
            return False
        self._last = self._clock()
        return True
