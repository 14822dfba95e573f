"""Times and intervals as people write them: `90s`, `10min`, `8h`, or a bare number of steps."""

from __future__ import annotations

import re
from dataclasses import dataclass

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Seconds of `90s`, `1.5h`, `30min`, `2d`. Raises ValueError with the accepted forms."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)", text.strip())
    if not match or float(match[1]) == 0:
        raise ValueError(f"'{text}' is no time: write 90s, 30min or 8h")
    return float(match[1]) * SECONDS[match[2]]


@dataclass(frozen=True)
class Interval:
    """Every so many steps, or every so many seconds: one of the two is set."""

    steps: int | None = None
    seconds: float | None = None

    @classmethod
    def parse(cls, text: str) -> Interval:
        """`500` is steps, `10min` is time. Raises ValueError with the accepted forms."""
        if text.strip().isdecimal():
            if int(text) == 0:
                raise ValueError("0 steps is no interval: write 500, or 10min")
            return cls(steps=int(text))
        try:
            return cls(seconds=duration(text))
        except ValueError:
            raise ValueError(f"'{text}' is no interval: write 500 for steps, or 10min") from None
