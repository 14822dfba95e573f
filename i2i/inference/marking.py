"""Where the holes of a picture are: by a mask file, a marker colour or its own transparency. H x W, true = hole."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.errors import ImageError, UsageError
from i2i.images import decoding
from i2i.images.decoding import Frames
from i2i.images.files import read_content, read_size
from i2i.images.limits import Limits
from i2i.images.masks import Mask, brightest
from i2i.images.metadata import orientation
from i2i.images.picture import Picture
from i2i.inference.mask_files import MaskFile, named

if TYPE_CHECKING:
    from i2i.inference.batch import Options

MOST = 0.9  # of a picture: a mask that covers more is probably inverted
ONE_WAY = "Give one of --mask, --mask-color and --mask-alpha."
WHITE_IS_REPAIRED = "White is repaired and black is kept; --invert turns it round."
WHITE_IS_KEPT = "With --invert white is kept and black is repaired."
ORIENTATION_OF_TIFF = 274
FIRST_TRANSPOSED = 5  # of the orientations: height and width are exchanged


@dataclass(frozen=True)
class Marking:
    """How the holes of files are marked; one of the first three is given.

    `mask` is a mask file for all pictures or a folder with one for each; `color` (`#ff00ff`) marks in the picture
    itself what is within `tolerance` of it in each channel, in 8-bit sRGB; `alpha` marks what is not opaque, which is
    opaque in the result. `invert` takes all the rest instead, `grow` adds so many pixels around. Raises UsageError.
    """

    mask: str | PathLike[str] | None = None
    color: str | None = None
    alpha: bool = False
    tolerance: int = 0
    invert: bool = False
    grow: int = 0

    def __post_init__(self) -> None:
        ways = (self.mask is not None) + (self.color is not None) + self.alpha
        if ways != 1:
            told = "nothing says where the holes are" if not ways else "the holes are marked in more than one way"
            raise UsageError(f"{told}.", hint=ONE_WAY)
        if self.mask is not None and not os.fspath(self.mask):
            raise UsageError("--mask names no file.", hint="Give a mask file, or a folder of them.")
        if self.tolerance and self.color is None:
            raise UsageError("--tolerance goes with --mask-color.", hint="Leave it out.")
        whole = isinstance(self.tolerance, int) and isinstance(self.grow, int)
        if not (whole and 0 <= self.tolerance <= 255 and self.grow >= 0):
            raise UsageError("--tolerance is a whole number from 0 to 255, --grow one of pixels.")
        if self.color is not None and not re.fullmatch(r"#?[0-9a-fA-F]{6}", self.color):
            raise UsageError(f"'{self.color}' is no colour such as '#ff00ff'.")

    def __str__(self) -> str:
        """What a journal knows of it; the content of mask files stands beside it."""
        way = "mask" if self.mask is not None else "alpha" if self.alpha else f"color={self.marker.tolist()}"
        given = {"tolerance": self.tolerance, "invert": self.invert, "grow": self.grow}
        return " ".join([way, *(f"{name}={value}" for name, value in given.items() if value)])

    @cached_property
    def marker(self) -> NDArray[np.int16]:
        """(3,): the marker colour."""
        digits = (self.color or "").removeprefix("#")
        return np.array(list(bytes.fromhex(digits)), dtype=np.int16)

    def decoded(self, data: bytes, options: Options, file: MaskFile | None) -> Picture | Frames:
        """The picture of a file, or all of its frames, each with its mask; `file` is its mask file, where it has one.

        Raises ImageError for what cannot be read or repaired.
        """
        found = (decoding.decode_frames if options.frames == "all" else decoding.decode)(data, options.limits, own=True)
        pictures = (found,) if isinstance(found, Picture) else found.pictures
        if file is None:  # each frame marks its own hole, and may have none
            marked = [self._marked_in(picture) for picture in pictures]
            notes: tuple[str, ...] = ()
        else:  # all frames share it
            hole, notes = fitted(file, pictures[0], data, options.limits)
            marked = [hole]
        if not any(mask.any() for mask in marked):
            raise self._nothing_is_marked(pictures[0], file)
        holes = [self._hole(mask) for mask in marked] * (len(pictures) // len(marked))
        self._refuse_hopeless(holes, file)
        made = tuple(self._with_hole(*both).noting(*notes) for both in zip(pictures, holes, strict=True))
        return made[0] if isinstance(found, Picture) else replace(found, pictures=made)

    def _marked_in(self, picture: Picture) -> Mask:
        """The hole that the picture itself marks."""
        if self.alpha:
            return np.zeros(picture.pixels.shape[:2], bool) if picture.alpha is None else picture.alpha < picture.white
        return self._distance(picture) <= self.tolerance

    def _distance(self, picture: Picture) -> NDArray[np.int16]:
        """(H, W): how far each pixel is from the marker colour, in the channel that differs most."""
        pixels = picture.in_eight_bits().pixels.astype(np.int16)
        return np.abs(pixels - self.marker).max(axis=2)  # gray counts as its colour

    def _hole(self, marked: Mask) -> Mask:
        """What was marked, turned round and grown as asked."""
        hole = ~marked if self.invert else marked
        if self.grow and hole.any():
            away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            hole = away <= self.grow
        return hole

    def _with_hole(self, picture: Picture, hole: Mask) -> Picture:
        """The picture with its hole; transparency that marks it is no more."""
        alpha = picture.alpha
        if self.alpha and alpha is not None:
            alpha = np.where(hole, alpha.dtype.type(picture.white), alpha)
        return replace(picture, mask=hole, alpha=alpha)

    def _refuse_hopeless(self, holes: Sequence[Mask], file: MaskFile | None) -> None:
        """Raises ImageError where no picture has a hole, or one is nothing else."""
        whose = _of(file)
        if not any(hole.any() for hole in holes):
            raise ImageError(f"{whose} {_NOTHING}", hint="Leave --invert out.")
        if any(hole.all() for hole in holes):
            hint = WHITE_IS_REPAIRED if file is not None else "Something must be left to go by."
            raise ImageError(f"{whose} {_WHOLE}", hint="Use a smaller --grow." if self.grow else hint)

    def _nothing_is_marked(self, picture: Picture, file: MaskFile | None) -> ImageError:
        if file is not None:
            level = brightest(file.content.data, file.limits)
            what = f"marks nothing: its brightest is {level} of 255." if level else _NOTHING
            return ImageError(f"{_of(file)} {what}", hint=WHITE_IS_KEPT if self.invert else WHITE_IS_REPAIRED)
        if self.alpha:
            return ImageError("nothing of it is transparent.", hint="Mark the hole by --mask.")
        distance = self._distance(picture)
        place = np.unravel_index(int(distance.argmin()), distance.shape)
        nearest = bytes(picture.in_eight_bits().rgb()[place]).hex()
        what = f"no pixel has the colour #{bytes(self.marker.tolist()).hex()}; the nearest is #{nearest}."
        return ImageError(what, hint=f"--tolerance {distance.min()} takes it.")


def _of(file: MaskFile | None) -> str:
    return "its mask" if file is None else f"its mask {file.path}"


_NOTHING = "marks nothing."
_WHOLE = "marks the whole picture: nothing is known of it."


def refuse_hopeless(hole: Mask) -> None:
    """Raises ImageError for a mask that is empty, or nothing else than hole."""
    if not hole.any():
        raise ImageError(f"its mask {_NOTHING}", hint="True, or white, is repaired.")
    if hole.all():
        raise ImageError(f"its mask {_WHOLE}", hint="True, or white, is repaired.")


def suspicion(hole: Mask, *, inverted: bool = False) -> str | None:
    """What makes a mask, `inverted` by --invert or not, look inverted, in words; None where nothing does."""
    share = float(hole.mean())
    border = bool(hole[0].all() and hole[-1].all() and hole[:, 0].all() and hole[:, -1].all())
    if share <= MOST and not (share > 0.5 and border):
        return None
    of_what = "of the picture" if share > MOST else "of the picture and all of its border"
    advice = "leave --invert out" if inverted else "see --invert"
    return f"covers {int(100 * share)} % {of_what}: probably inverted, {advice}"


def fitted(file: MaskFile, picture: Picture, data: bytes, limits: Limits) -> tuple[Mask, tuple[str, ...]]:
    """The mask (H, W) of an upright picture whose file is `data`, and what to note of it.

    A mask of the picture's size is taken as it is; one that was drawn over the stored picture, which its file says to
    turn, is turned as well; one of the same aspect is resized. Raises ImageError for any other.
    """
    mask, size = file.hole, picture.pixels.shape[:2]
    if mask.shape == size:
        return mask, ()
    turned = _turned(mask, decoding.guarded(data, limits, _orientation))
    if turned.shape == size:
        return turned, ()
    for candidate in (mask, turned):
        if _is_same_aspect(candidate.shape, size):
            return _resized(candidate, size), (f"its mask of {mask.shape[1]}x{mask.shape[0]} was resized",)
    raise _unfit(file, mask.shape, size)


def refuse_unfit(file: MaskFile, source: Path, limits: Limits) -> None:
    """Raises ImageError as `fitted` does, by what the files of mask and picture say of their sizes."""
    width, height = read_size(source, limits)
    try:
        mask = _upright_size(file.content.data, file.limits)
    except ImageError as error:
        raise named(file.path, error) from error
    if _is_same_aspect(mask, (height, width)):  # as stored, and so as shown when both are turned
        return
    shown = _upright_size(read_content(source, limits).data, limits)
    if not _is_same_aspect(mask, shown):
        raise _unfit(file, mask, shown)


def _unfit(file: MaskFile, mask: tuple[int, ...], size: tuple[int, ...]) -> ImageError:
    what = f"{_of(file)} is {mask[1]}x{mask[0]}, the picture {size[1]}x{size[0]}."
    return ImageError(what, hint="Make it as large as the picture, or of the same shape.")


def _upright_size(data: bytes, limits: Limits) -> tuple[int, int]:
    """Height and width of a file's picture, before anything is decoded. Raises ImageError."""
    width, height, _ = decoding.header(data, limits)
    is_turned = decoding.guarded(data, limits, _orientation) >= FIRST_TRANSPOSED
    return (width, height) if is_turned else (height, width)


def _resized(mask: Mask, size: tuple[int, int]) -> Mask:
    """Enlarged to the nearest; shrunk, a pixel is hole where any of its area is, so that no thin hole is lost."""
    smaller = min(mask.shape[0], size[0]), min(mask.shape[1], size[1])
    shares = cv2.resize(mask.astype(np.float32), smaller[::-1], interpolation=cv2.INTER_AREA)
    return cv2.resize((shares > 0).astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT) > 0


def _turned(mask: Mask, turn: int) -> Mask:
    picture = Picture(mask[:, :, None].astype(np.uint8))
    return decoding.upright(picture, turn).pixels[:, :, 0] > 0


def _orientation(data: bytes, _: Limits) -> int:
    """1 to 8, as a file's EXIF says."""
    page = decoding.deep_tiff(data)
    if page is not None:
        tag = page.tags.get(ORIENTATION_OF_TIFF)
        return int(tag.value) if tag else 1
    with decoding.opened(data) as image:
        return orientation(image)


def _is_same_aspect(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """To a pixel of rounding in the smaller of both."""
    (height, width), (larger_height, larger_width) = sorted((shape, size))
    off_across = abs(width - height * larger_width / larger_height)
    off_down = abs(height - width * larger_height / larger_width)
    return min(off_across, off_down) < 1
