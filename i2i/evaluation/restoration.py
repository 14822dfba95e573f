"""How well small pictures are enlarged, by the protocol that published tables follow; the bicubic row beside it.

docs/evaluate.md tells the protocol and its conventions. N batch, C channels, H x W pixels, s scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.degradations.bicubic import imresize
from i2i.errors import ImageError, printable
from i2i.evaluation.fidelity import WINDOW, luma, ssim
from i2i.evaluation.lpips import Lpips
from i2i.evaluation.pairs import BICUBIC, Case, Pairing
from i2i.evaluation.plain import alike, plain, planes
from i2i.evaluation.table import aligned, mean_of
from i2i.images.picture import Picture
from i2i.inference.translator import Translator, load
from i2i.losses.reconstruction import psnr

Lumas = tuple[Tensor, Tensor]  # (1, 1, H, W) each, in [0, 1]: of what was made, and of the truth
HEADINGS = {
    "psnr_y": "PSNR Y",
    "ssim_y": "SSIM Y",
    "psnr_rgb": "PSNR RGB",
    "ssim_rgb": "SSIM RGB",
    "lpips": "LPIPS",
}


@dataclass(frozen=True)
class Figures:
    """PSNR in dB, at most 100; SSIM up to 1; LPIPS from 0, None where it is not measured."""

    psnr_y: float
    ssim_y: float
    psnr_rgb: float
    ssim_rgb: float
    lpips: float | None = None


@dataclass(frozen=True)
class Row:
    """The figures of each picture by name, as one model, folder or baseline made it."""

    who: str
    pictures: dict[str, Figures]

    @property
    def mean(self) -> Figures:
        """Mean of each figure over the pictures; that of LPIPS only where every picture has one."""
        return mean_of(self.pictures.values())


@dataclass(frozen=True)
class Report:
    """What was measured, and how, in words."""

    scale: int
    protocol: str
    rows: tuple[Row, ...]

    @property
    def has_lpips(self) -> bool:
        """Whether there is one of any picture."""
        return any(figures.lpips is not None for row in self.rows for figures in row.pictures.values())

    def as_json(self) -> dict[str, Any]:
        """One document; fields are only added within a schema number."""
        rows = [
            {
                "name": row.who,
                "mean": asdict(row.mean),
                "pictures": [{"name": name} | asdict(figures) for name, figures in row.pictures.items()],
            }
            for row in self.rows
        ]
        return {"schema": 1, "scale": self.scale, "protocol": self.protocol, "rows": rows}

    def lines(self) -> list[str]:
        """A table for a person: every picture, then the means, one line for each row of the report."""
        columns = [name for name in HEADINGS if name != "lpips" or self.has_lpips]
        cells = [["picture", "by", *(HEADINGS[name] for name in columns)]]
        for name in self.rows[0].pictures:
            cells += [[name, row.who, *_digits(row.pictures[name], columns)] for row in self.rows]
        cells += [["mean", row.who, *_digits(row.mean, columns)] for row in self.rows]
        return [self.protocol, *aligned([[printable(cell) for cell in line] for line in cells])]


def measure(
    asked: Pairing, *, lpips: Lpips | None = None, device: str = "auto", counted: Callable[[], None] = lambda: None
) -> Report:
    """Measures what `pair_up` has found, with the bicubic baseline beside it; `counted` is called after each picture.

    Raises ImageError for a picture that cannot be read, enlarged or compared, and what `translator.load` raises.
    """
    model = load(asked.model, device=device) if asked.model else None
    rows = {who: Row(who, {}) for who in (BICUBIC, asked.who)}
    for case in asked.cases:
        whole = plain(case.truth)
        truth = _cut(whole, asked.scale, case)
        small = _small(truth, asked.scale, case)
        judge = partial(_figures, truth=truth, border=asked.scale, lpips=lpips)
        lumas = None if case.low else _classic_lumas(truth, small)
        rows[BICUBIC].pictures[case.name] = judge(_enlarged(small, truth), lumas=lumas)
        if model:
            rows[asked.who].pictures[case.name] = judge(_through(model, small, case))
        elif case.made:
            rows[asked.who].pictures[case.name] = judge(_finished(case.made, case.truth, whole, truth))
        counted()
    return Report(asked.scale, _protocol(asked, lpips), tuple(rows.values()))


def _protocol(asked: Pairing, lpips: Lpips | None) -> str:
    s, from_truth = asked.scale, asked.cases[0].low is None
    parts = [
        f"x{s}, {len(asked.cases)} picture{'s' if len(asked.cases) != 1 else ''}",
        f"truth cut to multiples of {s} at the right and below",
        "small pictures " + ("from the truth by MATLAB's bicubic" if from_truth else "as given"),
        f"results in 8 bit, {s} px of border left out",
        "Y of BT.601 not rounded" + (", but of the row bicubic rounded and enlarged alone" if from_truth else ""),
        "SSIM by a Gaussian of 11x11, 1.5",
        *(["LPIPS 0.1 by AlexNet"] if lpips else []),
    ]
    return "; ".join(parts)


def _cut(whole: Picture, scale: int, case: Case) -> Picture:
    """Cut at the right and below to multiples of the scale. Raises ImageError where too little is left to measure."""
    least = -(-(WINDOW + 2 * scale) // scale) * scale  # a window of SSIM and both borders
    if min(whole.height, whole.width) < least:
        what = f"{whole.width}x{whole.height} pixels: at x{scale}, {least} px a side are needed."
        raise ImageError(what, where=case.truth)
    return whole.with_pixels(whole.pixels[: whole.height // scale * scale, : whole.width // scale * scale])


def _small(truth: Picture, scale: int, case: Case) -> Picture:
    """The given small picture, else the truth shrunk as a file of 8 bit. Raises ImageError for another size."""
    height, width = truth.height // scale, truth.width // scale
    if case.low is None:
        return _picture(imresize(planes(truth), (height, width), eight_bit=True))
    small = plain(case.low)
    if (small.height, small.width) != (height, width):
        what = f"{small.width}x{small.height} pixels: at x{scale}, {case.truth} needs {width}x{height}."
        raise ImageError(what, where=case.low)
    return small


def _through(model: Translator, small: Picture, case: Case) -> Picture:
    try:
        return model(small)
    except ImageError as error:
        raise type(error)(error.what, where=case.low or case.truth, hint=error.hint) from error


def _finished(path: Path, true_path: Path, whole: Picture, truth: Picture) -> Picture:
    """A finished picture, cut as the truth is if it was not. Raises ImageError for another size."""
    made = plain(path)
    if (made.height, made.width) not in ((whole.height, whole.width), (truth.height, truth.width)):
        what = f"{made.width}x{made.height} pixels: {true_path} has {whole.width}x{whole.height}."
        raise ImageError(what, where=path)
    return made.with_pixels(made.pixels[: truth.height, : truth.width])


def _enlarged(small: Picture, truth: Picture) -> Picture:
    """By bicubic, to the size of the truth."""
    return _picture(imresize(planes(small), (truth.height, truth.width), eight_bit=True))


def _classic_lumas(truth: Picture, small: Picture) -> Lumas:
    """The baseline's luma as published tables have it: rounded, shrunk and enlarged in float, rounded."""
    luma = _rounded(_luma(truth))
    shrunk = imresize(luma, (small.height, small.width))
    return _rounded(imresize(shrunk, (truth.height, truth.width))), luma


def _figures(made: Picture, *, truth: Picture, border: int, lpips: Lpips | None, lumas: Lumas | None = None) -> Figures:
    """Of two pictures of one size without their borders; `lumas` stand for those of the pictures where they differ."""
    made = alike(made, truth)
    inside = slice(border, -border)
    y_made, y_truth = (y[..., inside, inside] for y in lumas or (_luma(made), _luma(truth)))
    made, truth = (Picture(picture.pixels[inside, inside]) for picture in (made, truth))
    colours, true_colours = planes(made), planes(truth)
    is_large = min(truth.height, truth.width) >= Lpips.SMALLEST
    return Figures(
        psnr_y=float(psnr(y_made, y_truth)),
        ssim_y=ssim(y_made, y_truth),
        psnr_rgb=float(psnr(colours, true_colours)),
        ssim_rgb=ssim(colours, true_colours),
        lpips=lpips(made.rgb(), truth.rgb()) if lpips and is_large else None,
    )


def _luma(picture: Picture) -> Tensor:
    """(1, 1, H, W) in [0, 1]; gray is taken as luma, from 0 to 1, as published tables do."""
    return planes(picture) if picture.is_gray else luma(planes(picture))


def _picture(colours: Tensor) -> Picture:
    """(1, C, H, W) in [0, 1] in 8 bit."""
    return Picture((_rounded(colours)[0] * 255).round().permute(1, 2, 0).to(torch.uint8).numpy())


def _rounded(x: Tensor) -> Tensor:
    """To the nearest of the 256 levels, halves upwards, as MATLAB's uint8 does."""
    return (x * 255 + 0.5).floor().clamp(0, 255) / 255


def _digits(figures: Figures, columns: list[str]) -> list[str]:
    values = asdict(figures)
    return ["-" if values[name] is None else f"{values[name]:.{2 if 'psnr' in name else 4}f}" for name in columns]
