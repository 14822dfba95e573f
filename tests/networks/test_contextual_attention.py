"""Contextual attention against a loop written as the paper's release describes it, patch by patch."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from i2i.networks.contextual_attention import Sampling, contextual_attention

Array = NDArray[np.float64]


def features_of(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def mask_of(height: int, width: int, *boxes: tuple[int, int, int, int]) -> Tensor:
    """One sample's mask at the picture's size; boxes are top, bottom, left, right."""
    mask = torch.zeros(1, 1, height, width)
    for top, bottom, left, right in boxes:
        mask[..., top:bottom, left:right] = 1
    return mask


def patch(image: Array, row: int, column: int, side: int) -> Array:
    """(C, side, side) around a place, of an image (C, H, W) with zeros around it; the place is its second pixel."""
    padded = np.pad(image, ((0, 0), (1, 2), (1, 2)))
    return padded[:, row : row + side, column : column + side]


def aligned(side: int, count: int) -> list[int]:
    """The pixels that TensorFlow takes when it shrinks a side and aligns corners."""
    return [int(place * (side - 1) / max(1, count - 1) + 0.5) for place in range(count)]


def slowly(features: Array, mask: Array, fuse: bool, corners: bool = False) -> Array:
    """(C, H, W) features and the mask (4H, 4W) of one sample."""
    channels, height, width = features.shape
    small, holes = features[:, ::2, ::2], mask[::8, ::8]
    if corners:
        small = features[:, aligned(height, height // 2)][:, :, aligned(width, width // 2)]
        holes = mask[aligned(4 * height, height // 2)][:, aligned(4 * width, width // 2)]
    places = [(i, j) for i in range(height // 2) for j in range(width // 2)]
    count = len(places)
    scores = np.zeros((count, count))  # [background, foreground]
    for b, (i, j) in enumerate(places):
        key = patch(small, i, j, 3)
        key = key / max(np.sqrt((key**2).sum()), 1e-4)
        for f, (k, m) in enumerate(places):
            scores[b, f] = (key * patch(small, k, m, 3)).sum()
    if fuse:
        scores = along_the_diagonal(scores)
        turned = [j * (height // 2) + i for i, j in places]  # number of a place, column after column
        by_columns = np.zeros_like(scores)
        for b in range(count):
            for f in range(count):
                by_columns[turned[b], turned[f]] = scores[b, f]
        by_columns = along_the_diagonal(by_columns)
        for b in range(count):
            for f in range(count):
                scores[b, f] = by_columns[turned[b], turned[f]]
    known = np.array([not np.pad(holes, 1)[i : i + 3, j : j + 3].any() for i, j in places])
    pasted = np.zeros((channels, height + 3, width + 3))
    for f, (i, j) in enumerate(places):
        logits = 10 * scores[:, f] * known
        weights = np.exp(logits - logits.max())
        weights = weights / weights.sum() * known
        mean = sum(w * patch(features, 2 * k, 2 * m, 4) for w, (k, m) in zip(weights, places, strict=True))
        pasted[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += mean / 4
    return pasted[:, 1 : height + 1, 1 : width + 1]


def along_the_diagonal(scores: Array) -> Array:
    padded = np.pad(scores, 1)
    return padded[:-2, :-2] + scores + padded[2:, 2:]


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("sampling", ["first", "corners"])
def test_a_batch_of_different_masks_is_the_slow_loop(fuse: bool, sampling: Sampling):
    features = features_of(3, 5, 12, 16)
    masks = torch.cat(
        [
            mask_of(48, 64, (10, 30, 20, 37)),
            mask_of(48, 64, (0, 48, 0, 24), (40, 48, 50, 64)),
            mask_of(48, 64),
        ]
    )
    found = contextual_attention(features, masks, fuse=fuse, sampling=sampling)
    pairs = zip(features, masks, strict=True)
    wanted = [slowly(x.numpy(), m[0].numpy(), fuse, sampling == "corners") for x, m in pairs]
    np.testing.assert_allclose(found.numpy(), np.stack(wanted), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize(("height", "width"), [(12, 16), (2, 10), (10, 2), (6, 6), (2, 2)])
@pytest.mark.parametrize("at_a_time", [1, 5, 16, 47])
def test_chunks_give_what_the_whole_gives(fuse: bool, height: int, width: int, at_a_time: int):
    features = features_of(2, 3, height, width)
    masks = torch.cat([mask_of(4 * height, 4 * width, (0, 3, 0, 3)), mask_of(4 * height, 4 * width, (0, 8, 0, 8))])
    patches = height * width // 4
    whole = contextual_attention(features, masks, fuse=fuse)
    chunked = contextual_attention(features, masks, fuse=fuse, most_scores=2 * patches * at_a_time)
    torch.testing.assert_close(chunked, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fuse", [True, False])
def test_without_a_known_patch_the_sample_is_given_back(fuse: bool):
    features = features_of(2, 3, 8, 8)
    masks = torch.cat([torch.ones(1, 1, 32, 32), mask_of(32, 32, (0, 8, 0, 8))])
    found = contextual_attention(features, masks, fuse=fuse)
    assert torch.equal(found[0], features[0])
    assert not torch.equal(found[1], features[1])


def test_a_sample_does_not_depend_on_its_neighbours():
    features = features_of(2, 3, 8, 12)
    masks = torch.cat([mask_of(32, 48, (0, 16, 0, 16)), mask_of(32, 48, (0, 9, 0, 48))])
    both = contextual_attention(features, masks, fuse=True)
    apart = [contextual_attention(features[k : k + 1], masks[k : k + 1], fuse=True) for k in (0, 1)]
    torch.testing.assert_close(both, torch.cat(apart))


def test_a_repeated_texture_is_continued_into_the_hole():
    """Each place of a pattern of period 4 has a known patch that is the same: what comes out is the pattern."""
    tile = 10 * features_of(1, 6, 4, 4)
    features = tile.repeat(1, 1, 6, 6)
    found = contextual_attention(features, mask_of(96, 96, (40, 56, 40, 56)), fuse=False)
    torch.testing.assert_close(found[..., 8:16, 8:16], features[..., 8:16, 8:16], rtol=0, atol=1e-6)


def test_corners_are_sampled_and_the_places_between_them_evenly():
    """A hole in the last column alone: the first of each 8 pixels do not see it, the aligned ones do."""
    features, mask = features_of(1, 3, 8, 8), mask_of(32, 32, (0, 32, 31, 32))
    nothing = mask_of(32, 32)
    assert torch.equal(*(contextual_attention(features, m, fuse=False) for m in (mask, nothing)))
    found, wanted = (contextual_attention(features, m, fuse=False, sampling="corners") for m in (mask, nothing))
    assert not torch.equal(found, wanted)


def test_a_hole_that_no_sample_hits_passes_for_known():
    """As published: a line of 7 pixels between two samples of the mask."""
    features = features_of(1, 3, 8, 8)
    found, wanted = (
        contextual_attention(features, m, fuse=True) for m in (mask_of(32, 32, (9, 16, 0, 32)), mask_of(32, 32))
    )
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("sampling", ["first", "corners"])
def test_gradients_are_those_of_finite_differences(fuse: bool, sampling: Sampling):
    features = features_of(1, 2, 4, 8).requires_grad_()
    mask = mask_of(16, 32, (0, 8, 0, 8))
    attend = lambda x: contextual_attention(x, mask, fuse=fuse, sampling=sampling)  # noqa: E731
    assert torch.autograd.gradcheck(attend, features)


def test_after_a_look_without_gradients_they_are_still_to_be_had():
    features, mask = features_of(1, 2, 6, 4), mask_of(24, 16, (0, 8, 0, 8))
    with torch.inference_mode():
        contextual_attention(features, mask, fuse=True, sampling="corners")
    slopes = features.requires_grad_()
    contextual_attention(slopes, mask, fuse=True, sampling="corners").sum().backward()
    assert features.grad is not None


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("sampling", ["first", "corners"])
def test_the_device_is_never_waited_for(fuse: bool, sampling: Sampling, monkeypatch: pytest.MonkeyPatch):
    """The meta device holds no values: whatever asks for one, or for a size that depends on some, raises there."""
    monkeypatch.setattr(torch, "autocast", lambda *given, **named: nullcontext())  # there is none for this device
    features, mask = features_of(2, 3, 10, 12).to("meta"), mask_of(40, 48).repeat(2, 1, 1, 1).to("meta")
    assert contextual_attention(features, mask, fuse=fuse, sampling=sampling).shape == features.shape


def test_features_of_zero_have_a_gradient():
    features = torch.zeros(1, 3, 8, 8, requires_grad=True)
    contextual_attention(features, mask_of(32, 32, (0, 8, 0, 8)), fuse=True).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_and_in_half_precision_scores_are_full(dtype: torch.dtype):
    features, mask = features_of(2, 16, 8, 12).to(dtype), mask_of(32, 48, (8, 24, 8, 24)).repeat(2, 1, 1, 1)
    wanted = contextual_attention(features.double(), mask, fuse=True)
    with torch.autocast("cpu", dtype):
        found = contextual_attention(features, mask, fuse=True)
        of_float = contextual_attention(features.float(), mask, fuse=True)
    assert found.dtype == dtype
    assert of_float.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=0.02, atol=0.02)
    torch.testing.assert_close(of_float.double(), wanted, rtol=0.02, atol=0.02)


def test_large_values_do_not_overflow_half_precision():
    """Four patches of 40000 overlap at each place inside: their sum is above 65504, their mean is not."""
    features = torch.full((1, 3, 8, 8), 40000.0, dtype=torch.float16)
    found = contextual_attention(features, mask_of(32, 32, (0, 8, 0, 8)), fuse=True)
    wanted = contextual_attention(features.double(), mask_of(32, 32, (0, 8, 0, 8)), fuse=True)
    torch.testing.assert_close(found.double(), wanted, rtol=0.005, atol=0)


def test_masks_are_bool_or_float():
    features, mask = features_of(1, 3, 8, 8), mask_of(32, 32, (0, 20, 0, 8))
    expected = contextual_attention(features, mask, fuse=True)
    assert torch.equal(contextual_attention(features, mask.bool(), fuse=True), expected)


def test_scores_held_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """The largest softmax of 256 patches in chunks of 2048 scores has 2048 of them."""
    sizes, softmax = [], Tensor.softmax
    monkeypatch.setattr(Tensor, "softmax", lambda x, dim: sizes.append(x.numel()) or softmax(x, dim))
    contextual_attention(features_of(1, 2, 32, 32), mask_of(128, 128), fuse=True, most_scores=2048)
    assert max(sizes) == 2048
    assert sum(sizes) == 256**2
    sizes.clear()
    contextual_attention(features_of(1, 2, 32, 32).requires_grad_(), mask_of(128, 128), fuse=True, most_scores=2048)
    assert sizes == [256**2]  # a gradient needs all of them, whole or in chunks
