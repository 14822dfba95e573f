"""How well holes are filled: the whole picture and the hole alone, by the share that is missing; baselines beside it.

docs/evaluate.md tells the protocol. N batch, C channels, H x W pixels; masks are true in the hole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.errors import ImageError
from i2i.evaluation.baselines import BASELINES, Filler
from i2i.evaluation.fidelity import WINDOW, ssim_map
from i2i.evaluation.filled_report import Figures, Filled, Report, Row
from i2i.evaluation.lpips import Lpips
from i2i.evaluation.mask_pairs import Hole, Masking, refuse_other_size
from i2i.evaluation.plain import alike, plain, planes
from i2i.images.masks import Mask, read_mask
from i2i.images.picture import Picture, Pixels
from i2i.inference.inpainter import load_inpainter
from i2i.losses.reconstruction import l1_loss, psnr
from i2i.masks.fixed import fixed_mask

EDGE = WINDOW // 2  # pixels that a window of SSIM reaches beyond its middle


def measure(
    asked: Masking, *, lpips: Lpips | None = None, device: str = "auto", counted: Callable[[], None] = lambda: None
) -> Report:
    """Measures what `find_holes` has found, with the baselines beside it; `counted` is called after each hole.

    Nobody who fills a hole sees what is true in it: it is black there. Raises ImageError for a picture that cannot be
    read, filled or compared, and what loading a model raises.
    """
    fillers = dict(BASELINES)
    if asked.model:
        fillers[asked.who] = _filler(asked.model, device)
    rows = {who: Row(who, []) for who in (*fillers, asked.who)}
    for path, holes in groupby(asked.holes, key=lambda hole: hole.truth):
        truth = _true(path)
        is_large = min(truth.height, truth.width) >= Lpips.SMALLEST
        distance = lpips.towards(truth.rgb()) if lpips and is_large else None
        for hole in holes:
            mask = _mask(hole, truth, asked.seed)
            for who, made in _made(hole, truth, mask, fillers, asked.who):
                figures = figures_of(made, truth, mask, distance)
                rows[who].filled.append(Filled(hole.picture, hole.name, hole.band, float(mask.mean()), figures))
            counted()
    return Report(_protocol(asked, lpips), tuple(rows.values()))


def figures_of(made: Picture, truth: Picture, mask: Mask, distance: Callable[[Pixels], float] | None = None) -> Figures:
    """Of a filled picture, whose known pixels are taken from the truth before anything is measured.

    `distance` is the LPIPS from the truth to (H, W, 3). SSIM of the whole picture is the mean over windows that lie
    inside, as ever; that of the hole is the mean over the windows around its pixels, and the pictures are mirrored at
    their borders for those that reach beyond them.
    """
    made = truth.with_pixels(np.where(mask[:, :, None], alike(made, truth).pixels, truth.pixels))
    x, y = planes(made), planes(truth)  # (1, C, H, W)
    hole = torch.from_numpy(mask)
    similar = ssim_map(_mirrored(x), _mirrored(y))  # (1, C, H, W)
    return Figures(
        hole_l1=100 * float(l1_loss(x[..., hole], y[..., hole])),  # (1, C, pixels)
        hole_psnr=float(psnr(x[..., hole], y[..., hole])),
        hole_ssim=float(similar[..., hole].mean()),
        l1=100 * float(l1_loss(x, y)),
        psnr=float(psnr(x, y)),
        ssim=float(similar[..., EDGE:-EDGE, EDGE:-EDGE].mean()),
        lpips=distance(made.rgb()) if distance else None,
    )


def _mirrored(x: Tensor) -> Tensor:
    """(1, C, H, W) -> (1, C, H + 10, W + 10), so that each pixel has a window around it."""
    return F.pad(x, (EDGE, EDGE, EDGE, EDGE), mode="reflect")


def _true(path: Path) -> Picture:
    truth = plain(path)
    if min(truth.height, truth.width) < WINDOW:
        raise ImageError(f"{truth.width}x{truth.height} pixels: {WINDOW} px a side are needed.", where=path)
    return truth


def _mask(hole: Hole, truth: Picture, seed: int) -> Mask:
    """The given mask, else the drawn one. Raises ImageError for another size."""
    if hole.mask is None:
        assert hole.band is not None
        return fixed_mask(truth.height, truth.width, hole.band, hole.picture, seed)
    mask = read_mask(hole.mask)
    refuse_other_size(hole.mask, (mask.shape[1], mask.shape[0]), hole.truth, (truth.width, truth.height))
    return mask


def _made(
    hole: Hole, truth: Picture, mask: Mask, fillers: dict[str, Filler], who: str
) -> Iterator[tuple[str, Picture]]:
    """What each one makes of the picture without what is true in its hole; the finished picture where there is one."""
    holed = truth.with_pixels(np.where(mask[:, :, None], np.uint8(0), truth.pixels))
    for name, fill in fillers.items():
        try:
            yield name, fill(holed, mask)
        except ImageError as error:
            raise type(error)(error.what, where=hole.truth, hint=error.hint) from error
    if hole.made:
        made = plain(hole.made)
        refuse_other_size(hole.made, (made.width, made.height), hole.truth, (truth.width, truth.height))
        yield who, made


def _filler(model: Path, device: str) -> Filler:
    inpainter = load_inpainter(model, device=device)
    return lambda picture, mask: inpainter(replace(picture, mask=mask))


def _protocol(asked: Masking, lpips: Lpips | None) -> str:
    pictures = len({hole.picture for hole in asked.holes})
    parts = [
        f"{len(asked.holes)} hole{'s' if len(asked.holes) != 1 else ''} in {pictures} "
        f"picture{'s' if pictures != 1 else ''}",
        f"masks drawn from seed {asked.seed}" if asked.are_drawn else "masks as given",
        "8 bit, known pixels are the true ones",
        "L1 in percent of white",
        "first three figures over the hole alone, the others over the whole picture",
        "SSIM by a Gaussian of 11x11, 1.5",
        *(["LPIPS 0.1 by AlexNet, whole picture"] if lpips else []),
    ]
    return "; ".join(parts)
