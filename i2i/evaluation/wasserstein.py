"""How far one set of pictures is from another: sliced Wasserstein distances of patches and of AlexNet features.

On a line the Wasserstein-1 distance of two samples is the mean gap between their sorted values; the sliced distance of
two clouds of points is its mean over random directions (Rabin, Peyré, Delon, Bernot 2011, Wasserstein barycenter and
its application to texture mixing; for patches at several scales: Karras, Aila, Laine, Lehtinen 2018, Progressive
growing of GANs, section 5). N and M points, D dimensions, K directions, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.evaluation.alexnet import AlexNet
from i2i.images.picture import Pixels

Pictures = Sequence[Pixels]  # each (H, W, 3)

DIRECTIONS = 128
POINTS = 50_000  # at most so many points of each set of pictures
PATCH = 7  # side of a patch in pixels
MEASURED = ("conv3", "conv5")  # AlexNet's layers


def sliced_wasserstein(x: Tensor, y: Tensor, *, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """Mean over random unit directions w of W1(x w, y w), for points x (N, D) and y (M, D).

    W1 on a line is the area between two quantile functions; where N and M differ, the larger set's is read at the
    middles of as many equal steps as the smaller set has points. Symmetric, and 0 for equal sets.
    """
    generator = torch.Generator().manual_seed(seed)
    slices = F.normalize(torch.randn(directions, x.shape[1], generator=generator), dim=1).to(x.dtype)  # (K, D)
    count = min(len(x), len(y))
    gaps = _quantiles(slices @ x.T, count) - _quantiles(slices @ y.T, count)  # (K, count)
    return float(gaps.abs().mean())


def patch_distance(pictures: Pictures, reference: Pictures) -> float:
    """Distance of two sets of pictures by their 7 x 7 patches, the mean over three scales of a Laplacian pyramid.

    Fine and middle patches hold the detail that is lost when the picture is halved, coarse ones the picture at a
    quarter of its size: texture and colour have a scale each. A patch is a point of 147 numbers in gray levels.
    Raises ValueError unless all sides are multiples of 4 from 28 px on.
    """
    ours, theirs = _patches(pictures), _patches(reference)
    distances = [sliced_wasserstein(x, y) for x, y in zip(ours, theirs, strict=True)]
    return sum(distances) / len(distances)


def feature_distances(pictures: Pictures, reference: Pictures, alexnet: AlexNet) -> dict[str, float]:
    """Distances of two sets of pictures by AlexNet's features: one for each of its measured layers, by name.

    A point is the vector of all channels at one place of one picture. The unit is that of the activations.
    """
    ours, theirs = _clouds(pictures, alexnet), _clouds(reference, alexnet)
    return {layer: sliced_wasserstein(ours[layer], theirs[layer]) for layer in MEASURED}


def _clouds(pictures: Pictures, alexnet: AlexNet) -> dict[str, Tensor]:
    """All feature vectors of the pictures by layer: (N, C) each."""
    found = [alexnet.features(picture) for picture in pictures]
    return {
        layer: _pooled([one[layer].flatten(1).T for one in found])  # (h w, C) of each picture
        for layer in MEASURED
    }


def _patches(pictures: Pictures) -> list[Tensor]:
    """The patches of all pictures at each scale, fine to coarse: (N, 147) each."""
    pyramids = [_pyramid(picture) for picture in pictures]
    return [
        _pooled([F.unfold(level, PATCH)[0].T for level in levels])  # (places, 147) of each picture
        for levels in zip(*pyramids, strict=True)
    ]


def _pyramid(picture: Pixels) -> tuple[Tensor, Tensor, Tensor]:
    """Detail of a picture, detail at half its size, the picture at a quarter: (1, 3, H, W) (Burt, Adelson 1983)."""
    height, width = picture.shape[:2]
    if min(height, width) < 4 * PATCH or height % 4 or width % 4:
        raise ValueError(f"sides are multiples of 4 from {4 * PATCH} px on, got {width} x {height}")
    whole = _planes(picture)[None]
    half = F.avg_pool2d(whole, 2)
    quarter = F.avg_pool2d(half, 2)
    return whole - _doubled(half), half - _doubled(quarter), quarter


def _doubled(x: Tensor) -> Tensor:
    """(1, 3, H, W) -> (1, 3, 2H, 2W), smoothly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _pooled(clouds: list[Tensor]) -> Tensor:
    """The points of all pictures, thinned at random to an equal share of POINTS each: [(n, D)] -> (N, D)."""
    share = max(1, POINTS // len(clouds))
    generator = torch.Generator().manual_seed(0)
    return torch.cat([cloud[torch.randperm(len(cloud), generator=generator)[:share]] for cloud in clouds])


def _planes(picture: Pixels) -> Tensor:
    """(H, W, 3) uint8 -> (3, H, W) float32 of 0 to 255."""
    return torch.from_numpy(picture).permute(2, 0, 1).float()


def _quantiles(values: Tensor, count: int) -> Tensor:
    """(K, N) -> (K, count): each row in order, read in the middles of `count` equal steps."""
    ordered = values.sort(dim=1).values
    length = ordered.shape[1]
    if length == count:
        return ordered
    places = (torch.arange(count, dtype=torch.float64) + 0.5) * (length / count) - 0.5
    below = places.floor().long()
    share = (places - below).to(values.dtype)
    return ordered[:, below] * (1 - share) + ordered[:, (below + 1).clamp(max=length - 1)] * share
