"""Figures of filled holes: of each one, their means by band, as a document and as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import Any

from i2i.errors import printable
from i2i.evaluation.mask_pairs import shares
from i2i.evaluation.table import aligned, mean_of
from i2i.masks.fixed import BANDS

HEADINGS = {
    "hole_l1": "hole L1",
    "hole_psnr": "hole PSNR",
    "hole_ssim": "hole SSIM",
    "l1": "L1",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "lpips": "LPIPS",
}
COLUMNS = 100  # that a terminal has
LONGEST = 20  # letters of whoever filled the holes that the table has room for


@dataclass(frozen=True)
class Figures:
    """L1 in percent of white; PSNR in dB, at most 100; SSIM up to 1; LPIPS from 0, None where it is not measured.

    Those with `hole_` are over the hole alone, the others over the whole picture.
    """

    hole_l1: float
    hole_psnr: float
    hole_ssim: float
    l1: float
    psnr: float
    ssim: float
    lpips: float | None = None


@dataclass(frozen=True)
class Filled:
    """One hole: the picture's and the mask's place, its band (None outside all) and its share of the picture."""

    picture: str
    mask: str
    band: int | None
    area: float
    figures: Figures


@dataclass(frozen=True)
class Row:
    """The figures of each hole as one model, folder or baseline filled it."""

    who: str
    filled: list[Filled]

    @property
    def bands(self) -> dict[int | None, Figures]:
        """Means over the holes of each band that there is, in order; of those outside all bands, last."""
        found = sorted({one.band for one in self.filled}, key=lambda band: len(BANDS) if band is None else band)
        return {band: mean_of(one.figures for one in self.filled if one.band == band) for band in found}

    @property
    def mean(self) -> Figures:
        """Means over all holes."""
        return mean_of(one.figures for one in self.filled)

    def count(self, band: int | None) -> int:
        """How many holes of a band there are."""
        return sum(one.band == band for one in self.filled)


@dataclass(frozen=True)
class Report:
    """What was measured, and how, in words."""

    protocol: str
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        """One document; fields are only added within a schema number."""
        return {
            "schema": 1,
            "task": "inpaint",
            "protocol": self.protocol,
            "rows": [_document(row) for row in self.rows],
        }

    def lines(self) -> list[str]:
        """A table for a person: a block for each band, then one over all holes, a line for each row of the report."""
        has_lpips = any(one.figures.lpips is not None for row in self.rows for one in row.filled)
        columns = [name for name in HEADINGS if name != "lpips" or has_lpips]
        table = [["hole", "by", "holes", *(HEADINGS[name] for name in columns)]]
        for band in self.rows[0].bands:
            table += [
                [shares(band), _short(row.who), str(row.count(band)), *_digits(row.bands[band], columns)]
                for row in self.rows
            ]
        table += [["all", _short(row.who), str(len(row.filled)), *_digits(row.mean, columns)] for row in self.rows]
        return [*wrap(self.protocol, COLUMNS), *aligned(table)]


def _document(row: Row) -> dict[str, Any]:
    bands = [
        {
            "band": band,
            "area": None if band is None else list(BANDS[band]),
            "holes": row.count(band),
            "mean": asdict(mean),
        }
        for band, mean in row.bands.items()
    ]
    pictures = [
        {"name": one.picture, "mask": one.mask, "band": one.band, "area": one.area} | asdict(one.figures)
        for one in row.filled
    ]
    return {"name": row.who, "mean": asdict(row.mean), "bands": bands, "pictures": pictures}


def _short(who: str) -> str:
    """The end of a long name, which says more than its beginning."""
    told = printable(who)
    return told if len(told) <= LONGEST else f"...{told[3 - LONGEST :]}"


def _digits(figures: Figures, columns: list[str]) -> list[str]:
    values = asdict(figures)
    places = {"hole_l1": 2, "l1": 3, "psnr": 2, "hole_psnr": 2}
    return ["-" if values[name] is None else f"{values[name]:.{places.get(name, 4)}f}" for name in columns]
