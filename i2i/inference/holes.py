"""From a mask to the pieces that are repaired one after the other. H x W pixels, true = hole.

The network sees a square of at most `side` pixels at a time, so a hole is given to it with its neighbourhood only:
what a scratch costs is in proportion to the scratch, whatever the size of the photo. However many thin holes there
are, they cost no more than two grids over the photo, whose windows are twice as wide and high as their cells: one for
those that stay whole, one for those that are cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Boxes = NDArray[np.int64]  # (N, 4): top, left, bottom, right; the last two are not inside any more
Numbers = NDArray[np.int32]

THICKNESS = 1 / 4  # of the side: the thickest hole that is repaired at full resolution
LEAST_MARGIN = 1 / 8  # of the side: what must be seen around a hole
MARGIN_OF_SEGMENT = 1 / 4  # of the side: what is seen around each part of a hole that is cut
MARGIN = 128  # pixels that are seen around a small hole, more around a larger one
MOST_HOLES = 2000  # above, only specks stay whole, and share windows by where they lie
SPECK = 1 / 4  # of the side
CUT = 1  # the group of all thin holes that are cut, along one grid
ROWS = 256  # that are looked at together, so that memory stays small


@dataclass(frozen=True, eq=False)
class Piece:
    """One pass of the network: what it sees of the picture, how much that is shrunk for it, and what it paints there.

    The window goes from `top`, `left` to `bottom`, `right`; painted is what of a group of holes lies in `box`.
    """

    top: int
    left: int
    bottom: int
    right: int
    shrink: float
    box: NDArray[np.int64]
    group: int
    groups: _Groups

    def slices(self) -> tuple[slice, slice]:
        """Of the window, in an array (H, W, ...)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """(h, w) that the network sees."""
        return _shrunk(self.bottom - self.top, self.shrink), _shrunk(self.right - self.left, self.shrink)

    def part(self) -> Mask:
        """(h, w) of the window: true where the network's output is taken."""
        part = np.zeros((self.bottom - self.top, self.right - self.left), dtype=bool)
        top, left, bottom, right = self.box - np.array([self.top, self.left] * 2)
        part[top:bottom, left:right] = self.groups.inside(self.box, self.group)
        return part


def pieces(mask: Mask, side: int, multiple: int = 8) -> list[Piece]:
    """The pieces of a mask (H, W), in the order to work them off; their parts are the mask, each pixel once.

    Small pictures are one piece. Else holes that are thin against the side are seen at full resolution: small ones
    whole, in one window where they lie together, long ones in segments along a grid that they share. Thick ones are
    shrunk until they are thin. Windows lie inside the picture and are multiples of `multiple` wherever it has room.
    """
    height, width = mask.shape
    if not mask.any():
        return []
    if max(height, width) <= side:
        return [Piece(0, 0, height, width, 1.0, np.array([0, 0, height, width]), CUT, _Groups(mask.astype(np.int32)))]
    holes = _Holes(mask)
    shrinks = np.clip(holes.thickness() / (THICKNESS * side), 1, max(height, width) / side)
    numbers = _grouped(holes.boxes, shrinks, mask.shape, side)
    groups = holes.grouped(numbers)
    around, largest = _boxes_of(holes.boxes, numbers), np.ones(numbers.max() + 1)
    np.maximum.at(largest, numbers, shrinks)
    found = []
    for group in np.unique(numbers):
        cutter = _Cutter(mask.shape, side, multiple, float(largest[group]))
        found += list(cutter.cut(groups, int(group), around[group]))
    return sorted(found, key=lambda piece: piece.shrink)  # what is small is known to what is large


class _Groups:
    """The number of its group at each pixel of a hole, 0 elsewhere; of the part of the picture with the holes."""

    def __init__(self, numbers: Numbers, top: int = 0, left: int = 0) -> None:
        self.numbers, self.top, self.left = numbers, top, left

    def inside(self, box: NDArray[np.int64], group: int) -> Mask:
        """(h, w): where in a box the holes of a group are."""
        top, left, bottom, right = (int(edge) for edge in box)
        block = self.numbers[top - self.top : bottom - self.top, left - self.left : right - self.left]
        return block == group


class _Holes:
    """The holes of a mask, numbered from 0 on, with their boxes. What lies beyond all of them is never looked at."""

    def __init__(self, mask: Mask) -> None:
        self.top, self.left, bottom, right = (int(edge) for edge in _tight(mask, 0, 0))
        inside = mask[self.top : bottom, self.left : right].view(np.uint8)
        _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
        self.labels: Numbers = np.asarray(labels, dtype=np.int32)  # 0: no hole
        left, top, width, height = stats[1:, :4].astype(np.int64).T
        self.boxes: Boxes = np.stack([top, left, top + height, left + width], axis=1)
        self.boxes += np.array([self.top, self.left] * 2)
        # a pixel more, so that what is known around the outermost holes is seen
        self.around = mask[max(0, self.top - 1) : bottom + 1, max(0, self.left - 1) : right + 1]

    def thickness(self) -> NDArray[np.float64]:
        """Of each hole, in pixels: twice the way from what is known to the farthest pixel. Outside nothing is known."""
        distance = cv2.distanceTransform(self.around.view(np.uint8), cv2.DIST_L2, 5)
        distance = distance[min(1, self.top) :, min(1, self.left) :]
        farthest = np.zeros(len(self.boxes) + 1, dtype=np.float32)
        for start in range(0, len(self.labels), ROWS):
            labels = self.labels[start : start + ROWS]
            there = labels > 0
            away = distance[start : start + len(labels), : labels.shape[1]]
            np.maximum.at(farthest, labels[there], away[there])
        return 2 * farthest[1:].astype(np.float64)

    def grouped(self, numbers: Numbers) -> _Groups:
        """Where the groups are, by the group of each hole; its own numbers are no more."""
        of_label = np.concatenate([[0], numbers]).astype(np.int32)
        np.take(of_label, self.labels, out=self.labels, mode="clip")
        return _Groups(self.labels, self.top, self.left)


def _grouped(boxes: Boxes, shrinks: NDArray[np.float64], shape: tuple[int, ...], side: int) -> Numbers:
    """(N,): the group of each hole. Small thin ones share one, thick ones have their own, all others are cut."""
    groups = np.full(len(boxes), CUT, dtype=np.int32)
    thick = np.flatnonzero(shrinks > 1)
    groups[thick] = CUT + 1 + np.arange(len(thick))
    small = np.flatnonzero((shrinks == 1) & _fits(boxes, shape, side))
    if len(small) > MOST_HOLES:
        small = small[_longest(boxes[small]) <= SPECK * side]
        shared = _by_place(boxes[small], side)
    else:
        shared = _together(boxes[small], shape, side)
    if len(small) and _area(_boxes_of(boxes[small], shared), side).sum() <= _area_of_grid(boxes[small], side):
        groups[small] = CUT + 1 + len(thick) + shared
    return groups


def _by_place(boxes: Boxes, side: int) -> NDArray[np.int64]:
    """Group of each hole, from 0 on: by the cell that its middle lies in, so large that the least margin is left."""
    cell = (1 - 2 * LEAST_MARGIN) * side - _longest(boxes).max(initial=0)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows, columns = ((middles - middles.min(axis=0, initial=np.inf)) // cell).astype(np.int64).T
    return np.unique(rows * (columns.max(initial=0) + 1) + columns, return_inverse=True)[1]


def _together(boxes: Boxes, shape: tuple[int, ...], side: int) -> NDArray[np.int64]:
    """Group of each hole, from 0 on: two share a window where that costs no more than one for each."""
    groups = np.zeros(len(boxes), dtype=np.int64)
    around: Boxes = np.zeros((len(boxes), 4), dtype=np.int64)
    count = 0
    for number, box in enumerate(boxes):
        joined = np.concatenate([np.minimum(around[:count, :2], box[:2]), np.maximum(around[:count, 2:], box[2:])], 1)
        gain = _area(around[:count], side) + _area(box[None], side) - _area(joined, side)
        gain[~_fits(joined, shape, side)] = -1
        best = int(gain.argmax()) if count else -1
        if best >= 0 and gain[best] >= 0:
            groups[number], around[best] = best, joined[best]
        else:
            groups[number], around[count] = count, box
            count += 1
    return groups


def _fits(boxes: Boxes, shape: tuple[int, ...], reach: int) -> Mask:
    """Which boxes fit into one window, with the least that must be seen around them of the picture."""
    margin = int(LEAST_MARGIN * reach)
    seen = np.minimum(boxes[:, 2:] + margin, shape) - np.maximum(boxes[:, :2] - margin, 0)
    return seen.max(axis=1, initial=0) <= reach


def _area(boxes: Boxes, side: int) -> NDArray[np.int64]:
    """Pixels of their windows."""
    margin = 2 * np.maximum(MARGIN, _longest(boxes) // 2)
    sides = np.minimum(boxes[:, 2:] - boxes[:, :2] + margin[:, None], side)
    return sides.prod(axis=1)


def _area_of_grid(boxes: Boxes, side: int) -> int:
    """Pixels of the windows of all cells, where the holes in these boxes would be cut."""
    sides = boxes[:, 2:].max(axis=0) - boxes[:, :2].min(axis=0)
    return side**2 * int(np.ceil(sides / ((1 - 2 * MARGIN_OF_SEGMENT) * side)).prod())


def _longest(boxes: Boxes) -> NDArray[np.int64]:
    return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0)


def _boxes_of(boxes: Boxes, groups: NDArray[np.integer]) -> Boxes:
    """The box of each group of boxes, by its number; of no size where there is none."""
    count = groups.max(initial=-1) + 1
    around: Boxes = np.zeros((count, 4), dtype=np.int64)
    around[:, :2] = boxes.max(initial=0)
    np.minimum.at(around[:, :2], groups, boxes[:, :2])
    np.maximum.at(around[:, 2:], groups, boxes[:, 2:])
    return around


class _Cutter:
    """Cuts the holes of a picture of `shape` that are shrunk so much."""

    def __init__(self, shape: tuple[int, ...], side: int, multiple: int, shrink: float) -> None:
        self.shape, self.multiple, self.shrink = shape, multiple, shrink
        self.reach = round(side * shrink)  # pixels of the picture that are seen at most

    def cut(self, groups: _Groups, group: int, box: NDArray[np.int64]) -> Iterator[Piece]:
        """One window with the holes of a group, which lie in the box, or a window for each cell of a grid."""
        if _fits(box[None], self.shape, self.reach)[0]:
            yield self._piece(groups, group, box, int(max(MARGIN * self.shrink, _longest(box[None])[0] // 2)))
            return
        margin = int(MARGIN_OF_SEGMENT * self.reach)
        for top, bottom in self._cells(int(box[0]), int(box[2]), margin, self.shape[0]):
            for left, right in self._cells(int(box[1]), int(box[3]), margin, self.shape[1]):
                inside = groups.inside(np.array([top, left, bottom, right]), group)
                if inside.any():
                    yield self._piece(groups, group, _tight(inside, top, left), margin)

    def _piece(self, groups: _Groups, group: int, box: NDArray[np.int64], margin: int) -> Piece:
        top, bottom = self._span(int(box[0]), int(box[2]), margin, self.shape[0])
        left, right = self._span(int(box[1]), int(box[3]), margin, self.shape[1])
        return Piece(top, left, bottom, right, self.shrink, box, group, groups)

    def _cells(self, start: int, end: int, margin: int, length: int) -> Iterator[tuple[int, int]]:
        """Equal cells from start to end; one, where a window sees all of it and what the picture has around it."""
        seen = min(end + margin, length) - max(start - margin, 0)
        count = 1 if seen <= self.reach else ceil((end - start) / (self.reach - 2 * margin))
        return pairwise(start + (end - start) * number // count for number in range(count + 1))

    def _span(self, start: int, end: int, margin: int, length: int) -> tuple[int, int]:
        """A window along one axis: as wide as it may be, moved inward at the border so that no context is lost."""
        wanted = ceil(min(end - start + 2 * margin, self.reach) / self.multiple) * self.multiple
        wanted = max(min(wanted, self.reach, length), end - start)
        first = min(max(0, start - (wanted - (end - start)) // 2), length - wanted)
        return first, first + wanted


def _tight(inside: Mask, top: int, left: int) -> NDArray[np.int64]:
    """The box of what is true in a block whose corner lies at top, left."""
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return np.array([top + rows[0], left + columns[0], top + rows[-1] + 1, left + columns[-1] + 1])


def _shrunk(length: int, shrink: float) -> int:
    return length if shrink == 1 else max(1, round(length / shrink))
