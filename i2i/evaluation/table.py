"""Tables of figures for a person."""

from __future__ import annotations


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
