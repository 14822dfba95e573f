"""Tables of figures for a person, and the means in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from statistics import fmean
from typing import Any, TypeVar

FiguresT = TypeVar("FiguresT", bound=Any)  # a dataclass of numbers, each a float or None


def mean_of(many: Iterable[FiguresT]) -> FiguresT:
    """Mean of each figure of at least one picture; None where a picture has none, such as LPIPS of small ones."""
    all_of = list(many)
    columns = zip(*(asdict(figures).values() for figures in all_of), strict=True)
    return type(all_of[0])(*(None if None in column else fmean(column) for column in columns))


def aligned(table: list[list[str]]) -> list[str]:
    """Lines of cells in columns: the first two, which are names, to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in table
    ]
