"""JPEG compression of tensors on their device, to the byte as libjpeg-turbo does it and Pillow with it.

There and back without the entropy coding, which loses nothing. N batch, C channels, H x W pixels; in between all
numbers are whole: levels of 255 less 128, and coefficients. Sources: ITU-T T.81 for blocks and steps, ITU-T T.871 for
colours, and where they leave a choice the arithmetic of libjpeg's accurate integer transform (Loeffler et al. 1989).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.degradations.draws import BLOCK, Jpeg

LUMINANCE = (  # T.81, table K.1: steps of the coefficients at quality 50, slow waves first
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (  # table K.2
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)
# sqrt(8) times the cosine transform, in 8192ths: the left half of each wave; the right one mirrors it, odd waves with
# the other sign. Not always the nearest number: each is a sum of the few constants that libjpeg multiplies by.
WAVES = (
    (8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260),
    (10703, 4433, -4433, -10703),
    (9633, -2259, -11362, -6436),
    (8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633),
    (4433, -10704, 10704, -4433),
    (2260, -6436, 9633, -11363),
)
# Colours in 65536ths; the last of each row makes the floor a rounding: halves up, but down for the two colours.
TO_YCC = ((19595, 38470, 7471, 32768), (-11059, -21709, 32768, 32767), (32768, -27439, -5329, 32767))
TO_RGB = ((65536, 0, 91881, 32768), (65536, -22554, -46802, 32768), (65536, 116130, 0, 32768))

_LEFT = torch.tensor(WAVES, dtype=torch.float32)
_SIGNS = torch.tensor([1, -1] * 4)[:, None]
_TRANSFORM = torch.cat([_LEFT, _SIGNS * _LEFT.flip(1)], 1)  # (8 waves, 8 pixels)
_STEPS = torch.tensor([LUMINANCE, CHROMINANCE])


def compressed(pictures: Tensor, settings: Sequence[Jpeg]) -> Tensor:
    """(N, C, H, W) in [0, 1] with the traces of JPEG, each with its own setting of N; C is 3, or 1 for gray.

    The pixels are rounded to 8 bit before and after; no gradient passes. Colours are halved (4:2:0). Beyond the
    picture lie its outermost pixels, repeated. Raises ValueError for another number of settings than N.
    """
    height, width = pictures.shape[-2:]
    levels = (pictures.clamp(0, 1) * 255).round()
    framed = torch.stack([_framed(one, jpeg) for one, jpeg in zip(levels, settings, strict=True)])
    # In float64 no sum is rounded, whatever its order. MPS has none: in float32, 3 in a million values differ.
    exact = framed.to(torch.float32 if framed.device.type == "mps" else torch.float64)
    coded = _coded(exact - 128, _steps(settings).to(exact, non_blocking=True)) + 128
    places = zip(coded, (jpeg.corner for jpeg in settings), strict=True)
    cut = torch.stack([one[:, row : row + height, column : column + width] for one, (row, column) in places])
    return cut.to(pictures.dtype) / 255


def _framed(picture: Tensor, jpeg: Jpeg) -> Tensor:
    """(C, H, W) moved by the corner, in whole blocks of one size for all corners, so that a batch can be stacked."""
    row, column = jpeg.corner
    below, right = (BLOCK + -side % BLOCK for side in picture.shape[-2:])
    return F.pad(picture, (column, right - column, row, below - row), "replicate")


def _steps(settings: Sequence[Jpeg]) -> Tensor:
    """(N, 2, 8, 8): steps of brightness and of colours, 1 to 255, by libjpeg's scale in whole percent."""
    percent = [int(5000 / jpeg.quality if jpeg.quality < 50 else 200 - 2 * jpeg.quality) for jpeg in settings]
    scaled = (_STEPS * torch.tensor(percent).view(-1, 1, 1, 1) + 50) // 100
    return scaled.clamp(1, 255).float()


def _coded(levels: Tensor, steps: Tensor) -> Tensor:
    """(N, C, H, W) in levels less 128, H and W multiples of 16, to the same as decoded; `steps` as from `_steps`."""
    if levels.shape[1] == 1:
        return _quantised(levels, steps[:, :1])
    planes = _mixed(levels, TO_YCC)
    brightness = _quantised(planes[:, :1], steps[:, :1])
    colours = _doubled(_quantised(_halved(planes[:, 1:]), steps[:, 1:]))
    return _mixed(torch.cat([brightness, colours], 1), TO_RGB).clamp(-128, 127)


def _mixed(planes: Tensor, mixture: Sequence[Sequence[int]]) -> Tensor:
    """(N, 3, H, W) in other colours, as whole numbers."""
    weights = torch.tensor(mixture).to(planes, non_blocking=True) / 65536  # (3, 4)
    mixed = weights[:, :3] @ planes.flatten(2)  # (N, 3, H W)
    return mixed.add_(weights[:, 3:]).floor_().view_as(planes)


def _halved(planes: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, H/2, W/2): means of four, halves down and up in turn."""
    means = F.avg_pool2d(planes, 2)
    return means.add_((_odd_columns(means) + 1) / 4).floor_()


def _doubled(planes: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 2H, 2W): 3/4 of the nearest and 1/4 of the next, halves up and down in turn."""
    between = F.interpolate(planes, scale_factor=2, mode="bilinear")
    return between.add_((8 - _odd_columns(between)) / 16).floor_()


def _odd_columns(planes: Tensor) -> Tensor:
    """(W): 0, 1, 0, 1 and so on."""
    return torch.arange(planes.shape[-1], device=planes.device) % 2


def _quantised(planes: Tensor, steps: Tensor) -> Tensor:
    """(N, C, H, W) after the coefficients of its blocks were rounded to multiples of `steps` (N, 1, 8, 8)."""
    waves = _TRANSFORM.to(planes, non_blocking=True)
    steps = steps.repeat(1, 1, planes.shape[2] // 8, planes.shape[3] // 8)  # (N, 1, H, W)
    found = _down(_across(planes, waves / 2**11), waves / 2**15)  # 8 times the coefficients
    kept = (found.abs() / (8 * steps)).add_(0.5).floor_().copysign_(found) * steps
    return _across(_down(kept, waves.mT / 2**11), waves.mT / 2**18).clamp_(-128, 127)


def _across(planes: Tensor, matrix: Tensor) -> Tensor:
    """Each eight values of a row times the matrix, rounded, halves up."""
    eights = planes.view(*planes.shape[:-1], -1, 8)  # (N, C, H, W/8, 8)
    return (eights @ matrix.mT).add_(0.5).floor_().flatten(-2)


def _down(planes: Tensor, matrix: Tensor) -> Tensor:
    """The same with each eight values of a column."""
    eights = planes.view(*planes.shape[:-2], -1, 8, planes.shape[-1])  # (N, C, H/8, 8, W)
    return (matrix @ eights).add_(0.5).floor_().flatten(-3, -2)
