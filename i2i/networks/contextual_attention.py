"""Contextual attention: what is missing is put together of patches from what is known (Yu et al. 2018, 2019).

N batch, C channels, H x W features, L = HW/4 patches, P of them at a time, D = 9C.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

RATE = 2  # patches are compared at half of the size of the features, and lie as far apart
SCALE = 10.0  # of the scores before the softmax
LEAST_NORM = 1e-4
MOST_SCORES = 8_000_000  # at a time: 32 MB in float32, and several such tables
OVERLAP = 4  # pasted patches at each place

Sampling = Literal["first", "corners"]


class Fusing(NamedTuple):
    """Which scores are summed in an order of the patches: those of a patch, the one before it and the one after it."""

    rows: Tensor  # (3, P), places in the table of what was compared
    before: Tensor  # (L + 1)
    after: Tensor


class Chunk(NamedTuple):
    """The patches that are compared at a time (Q), and how their scores are fused to those of fewer."""

    compared: Tensor
    fusings: tuple[Fusing, ...]


def contextual_attention(
    features: Tensor,
    mask: Tensor,
    *,
    fuse: bool,
    sampling: Sampling = "first",
    most_scores: int = MOST_SCORES,
) -> Tensor:
    """(N, C, H, W) -> (N, C, H, W): every patch as the mean of known ones, by how alike they are.

    H and W are even. `mask` (N, 1, sH, sW) is 1 in the hole, at s times the size of the features; each sample has its
    own. For comparing, features are sampled at every second pixel and the mask at every 2s-th, as published; a patch
    is known where none of the 3 x 3 pixels of the sampled mask around it is in the hole, so that what is thinner than
    2s may pass for known. The samples are the first of each 2 (2s), or with "corners" those that TensorFlow takes when
    it aligns corners: evenly spread from the first to the last. A sample without a known patch is given back as it is.

    With `fuse`, scores of neighbouring patches with neighbouring places are added, along rows and along columns.
    Without gradients, scores of `most_scores` pairs are held at a time, with `fuse` also those of their neighbours, and
    the result is the same for any number.
    """
    count, _, height, width = features.shape
    size = height // RATE, width // RATE
    patches = size[0] * size[1]
    values = F.unfold(features, 2 * RATE, stride=RATE, padding=1)  # (N, 16C, L)
    known = _known(mask, size, sampling)  # (N, L)
    # Scores are multiplied by 10 and not bounded: half precision would blur them.
    with torch.autocast(features.device.type, enabled=False):
        exact = features.to(torch.promote_types(features.dtype, torch.float32))
        places = F.unfold(_sampled(exact, size, sampling), 3, padding=1).mT  # (N, L, D)
        places = F.pad(places, (0, 0, 0, 1))  # the last is nowhere, and like nothing
        keys = F.normalize(places, dim=2, eps=LEAST_NORM).mT  # (N, D, L + 1)
    # What a gradient needs of each chunk is kept anyway.
    is_whole = torch.is_grad_enabled() and features.requires_grad
    at_a_time = patches if is_whole else min(patches, max(1, most_scores // (count * patches)))
    parts = []
    for chunk in _chunks(*size, at_a_time, fuse, features.device):
        with torch.autocast(features.device.type, enabled=False):
            scores = _scores(places, keys, chunk)[..., :-1]  # (N, P, L)
            weights = (SCALE * scores * known[:, None]).softmax(dim=2) * known[:, None]
        parts.append(values @ weights.to(values.dtype).mT)  # (N, 16C, P)
    shares = torch.cat(parts, dim=2) / OVERLAP  # before they are summed, which float16 could not hold
    pasted = F.fold(shares, (height, width), 2 * RATE, stride=RATE, padding=1)
    return torch.where(known.any(dim=1)[:, None, None, None], pasted.to(features.dtype), features)


def _known(mask: Tensor, size: tuple[int, int], sampling: Sampling) -> Tensor:
    """(N, L) of the patches, 1 where nothing of a patch's neighbourhood in the sampled mask lies in the hole."""
    holes = _sampled(mask, size, sampling).float()  # (N, 1, H/2, W/2)
    return 1 - F.max_pool2d(holes, 3, stride=1, padding=1).flatten(1)


def _sampled(x: Tensor, size: tuple[int, int], sampling: Sampling) -> Tensor:
    """(N, C, H, W) -> (N, C, *size), whose sides divide H and W."""
    (height, width), (rows, columns) = x.shape[2:], size
    if sampling == "first":
        return x[..., :: height // rows, :: width // columns]
    return x[..., _aligned(height, rows, x.device)[:, None], _aligned(width, columns, x.device)]


@lru_cache(maxsize=64)
def _aligned(side: int, count: int, device: torch.device) -> Tensor:
    """The pixels nearest to `count` places from the first to the last, halves upwards. In float32, as in TensorFlow."""
    with torch.inference_mode(False):
        places = torch.linspace(0, side - 1, count, dtype=torch.float32, device="cpu")
        return (places + 0.5).floor().long().to(device)


def _scores(places: Tensor, keys: Tensor, chunk: Chunk) -> Tensor:
    """(N, P, L + 1): how alike the chosen patches are to all; each fusing sums three along their diagonal."""
    scores = places[:, chunk.compared] @ keys
    for (here, last, following), before, after in chunk.fusings:
        scores = scores[:, here] + scores[:, last][..., before] + scores[:, following][..., after]
    return scores


# A device would have to be waited for: how many different patches a chunk needs is not known before they are counted.
@lru_cache(maxsize=16)
def _chunks(height: int, width: int, at_a_time: int, fuse: bool, device: torch.device) -> tuple[Chunk, ...]:
    """All patches, so many at a time."""
    with torch.inference_mode(False):  # or no gradient could pass them
        orders = _orders(height, width) if fuse else ()
        every = torch.arange(height * width, device="cpu")
        return tuple(_chunk(chosen, orders, device) for chosen in torch.split(every, at_a_time))


def _chunk(chosen: Tensor, orders: Sequence[tuple[Tensor, Tensor]], device: torch.device) -> Chunk:
    """What has to be compared for the chosen patches; the orders are fused one after the other."""
    fusings: list[Fusing] = []
    for before, after in reversed(orders):
        wanted = torch.stack([chosen, before[chosen], after[chosen]])
        chosen, rows = torch.unique(wanted, return_inverse=True)
        fusings.insert(0, Fusing(rows.to(device), before.to(device), after.to(device)))
    return Chunk(chosen.to(device), tuple(fusings))


def _orders(height: int, width: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Before and after each patch, row after row, and column after column. What has no neighbour has L: nowhere."""
    by_rows = torch.arange(height * width, device="cpu")
    by_columns = by_rows.view(height, width).T.flatten()
    return _neighbours(by_rows), _neighbours(by_columns)


def _neighbours(order: Tensor) -> tuple[Tensor, Tensor]:
    """Before and after each patch of an order, and of nowhere, which is nowhere: (L + 1) each."""
    nowhere = torch.full((1,), len(order), device="cpu")
    before, after = (torch.full((len(order) + 1,), len(order), device="cpu") for _ in range(2))
    before[order] = torch.cat([nowhere, order[:-1]])
    after[order] = torch.cat([order[1:], nowhere])
    return before, after
