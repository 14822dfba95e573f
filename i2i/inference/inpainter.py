"""One picture with holes to the whole picture: what is known of it stays, bit for bit.

H x W pixels, C channels; masks are true in the hole.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, overload

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from i2i.errors import ImageError, NoMemoryError, StoppedError, UsageError
from i2i.images.files import read
from i2i.images.masks import Mask, mask_of, read_mask
from i2i.images.picture import LUMA, WHITE, Picture, Samples, rounded
from i2i.images.transparency import filled
from i2i.inference.holes import LEAST_MARGIN, Piece, pieces
from i2i.inference.marking import Marking, refuse_hopeless, suspicion
from i2i.inference.passage import DTYPES, NotFiniteError
from i2i.inference.translator import pick_device, repeatable
from i2i.inference.ways import Precision, Running, choose_precision, is_out_of_memory
from i2i.models.info import ModelInfo, call_of, choose_direction, sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve

SHIPPED = "inpaint-photo"
COMFORT = 512  # pixels: a side that networks do well with, where the model says nothing
SMALLEST_SIDE, LARGEST_COMFORT = 64, 1024
HALF = 0.5 - 1e-3  # rounding is no reason to lose what is known
NOT_FOR_HOLES = ("tile", "overlap", "runtime", "stochastic")


def load_inpainter(
    model: str | PathLike[str] = SHIPPED,
    *,
    marking: Marking | None = None,
    feather: int = 0,
    device: str = "auto",
    running: Running = Running(),  # noqa: B008  frozen
) -> Inpainter:
    """The inpainter of a model file, a run folder or a shipped model.

    `marking` says where the holes of files are, for folders; without it each call names its mask. Raises UsageError
    for an unknown model or device, or a model that is for something else, ModelError for a file that cannot be used.
    """
    path = resolve(model)
    file = load_model(path)
    refuse_other_tasks(file.info, model)
    network = file.networks[choose_direction(file.info, "fill")]
    found = pick_device(device)
    digest = sha256(path)
    return Inpainter(network, file.info, found, marking=marking, feather=feather, sha256=digest, running=running)


def refuse_other_tasks(info: ModelInfo, model: str | PathLike[str]) -> None:
    """Raises UsageError for a model that repairs nothing."""
    if info.task != "inpaint":
        raise UsageError(f"{model} is a model to {info.task} pictures.", hint=f"Use: {call_of(info, model)}")


@dataclass(frozen=True)
class Pass:
    """How a picture goes through the network: the longest side that it sees at once, and the precision.

    As text it stands in the journal.
    """

    side: int
    precision: Precision

    def __str__(self) -> str:
        return f"side {self.side} {self.precision}"

    @classmethod
    def parse(cls, text: str) -> Pass | None:
        """That of a text; None for anything else."""
        found = re.fullmatch(r"side (\d+) (fp32|bf16|fp16)", text)
        match found and found[2]:
            case "fp32" | "bf16" | "fp16" as precision:
                return cls(int(found[1]), precision) if found else None
        return None


class Inpainter:
    """A generator that paints holes: call it with a picture and a mask, both as arrays, PIL images or paths.

    `tell` hears what a person should know, such as a mask that looks inverted; `running` as far as it can be meant:
    precision and `max_side`, the longest side that the network sees at once. `feather` blends its output over so many
    pixels around each hole; without it what is known stays bit for bit. `stop` is asked between the pieces of a
    picture. Raises UsageError for what cannot be.
    """

    labels = 0  # it takes pictures, no label maps

    def __init__(
        self,
        network: nn.Module,
        info: ModelInfo,
        device: torch.device,
        *,
        marking: Marking | None = None,
        feather: int = 0,
        sha256: str = "",
        running: Running = Running(),  # noqa: B008  frozen
    ) -> None:
        self.network = network.to(device).eval()
        self.info, self.device, self.marking, self.feather = info, device, marking, feather
        _refuse_what_does_not_apply(running)
        self.first = Pass(_side(info, running), choose_precision(device, running.precision))
        if not isinstance(feather, int) or feather < 0:
            raise UsageError(f"feather is {feather!r} and should be a whole number of pixels, 0 or more.")
        if feather > LEAST_MARGIN * self.first.side:
            most = int(LEAST_MARGIN * self.first.side)
            what = f"a feather of {feather} px is too wide where the network sees {self.first.side} px."
            raise UsageError(what, hint=f"Use {most} px or less, or a larger --max-side.")
        # of the file's content and what was asked for: what a journal knows the work by
        parts = [sha256, "fill", running.what_matters(), f"feather={feather}" if feather else "", str(marking or "")]
        self.name = " ".join(filter(None, parts))
        self.tell: Callable[[str], None] = lambda text: None
        self.stop: Callable[[], bool] = lambda: False
        self._told: set[str] = set()

    @overload
    def __call__(self, picture: Picture | str | PathLike[str], mask: Any = None, *, way: str = "") -> Picture: ...
    @overload
    def __call__(self, picture: NDArray[Any], mask: Any = None) -> NDArray[Any]: ...
    @overload
    def __call__(self, picture: Image.Image, mask: Any = None) -> Image.Image: ...
    def __call__(
        self,
        picture: Picture | str | PathLike[str] | NDArray[Any] | Image.Image,
        mask: Any = None,
        *,
        way: str = "",
    ) -> Picture | NDArray[Any] | Image.Image:
        """The repaired picture, of the same kind, size, depth and channels; a path gives a `Picture`.

        Arrays are uint8, uint16 or float32 from 0 to 1, (H, W), (H, W, 1) or (H, W, 3), in sRGB. The mask has the
        picture's size and is true, or white, in the hole: an array (H, W), a PIL image or a path; a `Picture` may
        have it with it. Alpha is kept. `way` is that of an earlier result (`Picture.way`). Raises ImageError for what
        cannot be read or repaired, and for masks that are empty, full or of another size, StoppedError on request.
        """
        match picture:
            case Picture():
                return self._repair(_masked(picture, mask), way)
            case Image.Image():
                return self._repair(_masked(Picture.from_pil(picture), mask), way).to_pil()
            case np.ndarray():
                return self._repair_array(picture, mask)
        return self._repair(_masked(read(picture, own=True), mask), way)

    def expect(self, pictures: int) -> None:
        """Nothing depends on how many pictures are to come."""

    def place(self) -> str:
        """The device, and on CUDA the most memory that was taken there so far."""
        if self.device.type != "cuda":
            return str(self.device)
        return f"{self.device} {torch.cuda.max_memory_allocated(self.device) / 1e9:.1f} GB"

    def _repair_array(self, array: NDArray[Any], mask: Any) -> NDArray[Any]:
        try:
            picture = Picture(array[:, :, None] if array.ndim == 2 else array)
        except ValueError as error:
            raise ImageError(f"the array cannot be repaired: {error}.") from error
        pixels = self._repair(_masked(picture, mask), "").pixels
        return pixels[:, :, 0] if array.ndim == 2 else pixels

    def _repair(self, picture: Picture, way: str) -> Picture:
        hole = picture.mask
        if hole is None:
            hint = "Give the call one; the marking is for i2i.inpaint." if self.marking else "Give one."
            raise ImageError("has no mask.", hint=hint)
        if self.marking is None:  # else it was looked at when it was read or given
            refuse_hopeless(hole)
        elif not hole.any():  # a frame of an animation that is sound
            return picture
        if doubt := suspicion(hole, inverted=self.marking is not None and self.marking.invert):
            self._tell_once(f"a mask {doubt}.")
            picture = picture.noting(f"its mask {doubt}")
        with torch.inference_mode(), repeatable():
            canvas, taken = self._painted(picture, hole, Pass.parse(way) or self.first)
        pixels = np.where(canvas.changed[:, :, None], canvas.pixels, picture.pixels)
        return replace(picture, pixels=pixels, mask=canvas.changed, way=str(taken))

    def _painted(self, picture: Picture, hole: Mask, way: Pass) -> tuple[_Canvas, Pass]:
        """All pieces, one after the other; anew in another way when memory was short, or bits too few."""
        while True:
            canvas = _Canvas(filled(picture), hole, self.feather)
            try:
                for number, piece in enumerate(pieces(hole, way.side, self.info.multiple)):
                    if number and self.stop():
                        raise StoppedError("stopped before the picture was finished.")
                    canvas.take(piece, self._run(*canvas.seen(piece), way.precision))
                return canvas, way
            except NotFiniteError as error:
                if way.precision == "fp32":
                    what = "the network's output is not finite: the model is damaged or was trained badly."
                    raise ImageError(what) from error
                self._tell_once(f"{way.precision} is too coarse for this network: computed in fp32.")
                way = replace(way, precision="fp32")
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                way = self._smaller(way, error)

    def _smaller(self, way: Pass, error: BaseException) -> Pass:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        side = way.side // 2 // self.info.multiple * self.info.multiple
        if side < max(SMALLEST_SIDE, self.info.minimum, self.feather / LEAST_MARGIN):
            what = f"{way.side} pixels at a time need more memory than {self.device} has."
            raise NoMemoryError(what, hint="Use a smaller model, or another --device.") from error
        self._tell_once(f"memory is short for {way.side} px at a time: going on with {side}.")
        return replace(way, side=side)

    def _run(self, unit: Samples, mask: Mask, precision: Precision) -> Samples:
        """(h, w, 3) from 0 to 1 and its mask (h, w) -> what the network paints, (h, w, 3). Raises NotFiniteError."""
        low, high = self.info.value_range
        height, width = mask.shape
        padding = _padding(height, width, self.info)
        picture = np.pad(unit, (*padding, (0, 0)), mode="reflect").transpose(2, 0, 1)
        hole = np.pad(mask, padding, mode="reflect")[None].astype(np.float32)
        known = (picture * (high - low) + low) * (1 - hole)
        batch = torch.from_numpy(np.concatenate([known, hole]).astype(np.float32))[None].to(self.device)  # (1, 4, h, w)
        autocast = torch.autocast(self.device.type, DTYPES[precision]) if precision != "fp32" else nullcontext()
        with autocast:
            output: Tensor = self.network(batch)
        if not bool(torch.isfinite(output).all()):
            raise NotFiniteError
        painted = (output[0, :, :height, :width].float() - low) / (high - low)
        return painted.clamp(0, 1).permute(1, 2, 0).contiguous().cpu().numpy()

    def _tell_once(self, text: str) -> None:
        kind = re.sub(r"\d+", "", text)
        if kind not in self._told:
            self._told.add(kind)
            self.tell(text)


class _Canvas:
    """The picture while it is painted: pixels (H, W, C) of its own type, and the hole that is still there."""

    def __init__(self, pixels: Samples, hole: Mask, feather: int) -> None:
        self.given, self.pixels, self.feather = pixels, pixels.copy(), feather
        self.hole, self.left = hole, hole.copy()
        self.share = np.zeros(hole.shape if feather else (0, 0), dtype=np.float32)  # of the output at each known pixel
        self.kind = pixels.dtype.name

    @property
    def changed(self) -> Mask:
        """(H, W): where something was painted."""
        return self.hole | (self.share > 0) if self.feather else self.hole

    def seen(self, piece: Piece) -> tuple[Samples, Mask]:
        """What the network sees: (h, w, 3) from 0 to 1, and the hole (h, w): all of it that is still there."""
        window, hole = self.pixels[piece.slices()], self.left[piece.slices()]
        unit = np.clip(window.astype(np.float32) / np.float32(WHITE[self.kind]), 0, 1)
        if unit.shape[2] == 1:
            unit = np.repeat(unit, 3, axis=2)
        return (unit, hole) if piece.shrink == 1 else _shrunk(unit, hole, piece.size)

    def take(self, piece: Piece, painted: Samples) -> None:
        """Put what the network painted, (h, w, 3) from 0 to 1, where the piece's part is."""
        rows, columns = piece.slices()
        window, left, part = self.pixels[rows, columns], self.left[rows, columns], piece.part()
        if painted.shape[:2] != part.shape:
            painted = np.clip(cv2.resize(painted, part.shape[::-1], interpolation=cv2.INTER_CUBIC), 0, 1)
        if window.shape[2] == 1:
            painted = (painted @ LUMA)[:, :, None]
        left[part] = False
        window[part] = rounded(painted[part], self.kind)
        if self.feather:
            self._blend(piece, part, painted)

    def _blend(self, piece: Piece, part: Mask, painted: Samples) -> None:
        """The output fades out over the known pixels around the part, which the nearest part changes."""
        window = piece.slices()
        distance = cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        share = np.clip(1 - distance / (self.feather + 1), 0, 1)
        around = (share > self.share[window]) & ~self.hole[window]
        weight = share[around][:, None]
        known = self.given[window][around].astype(np.float32) / np.float32(WHITE[self.kind])
        self.pixels[window][around] = rounded(weight * painted[around] + (1 - weight) * known, self.kind)
        self.share[window][around] = share[around]


def _shrunk(unit: Samples, hole: Mask, size: tuple[int, int]) -> tuple[Samples, Mask]:
    """Means of what is known alone: nothing that a hole hides gets into its rim.

    Where less than half is known, all counts as hole; less is enough where nothing else is known.
    """
    known = (~hole).astype(np.float32)
    sums = _area(unit * known[:, :, None], size)
    weights = _area(known, size)
    means = sums / np.maximum(weights, 1e-6)[:, :, None]
    enough = max(min(HALF, float(weights.max()) / 2), 1e-4)
    return np.clip(means, 0, 1), weights < enough


def _area(samples: Samples, size: tuple[int, int]) -> Samples:
    return cv2.resize(samples, (size[1], size[0]), interpolation=cv2.INTER_AREA)


def _padding(height: int, width: int, info: ModelInfo) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels to add to the right and below, so that the network takes it."""
    least = -(-info.minimum // info.multiple)
    rows, columns = (max(-(-side // info.multiple), least) * info.multiple - side for side in (height, width))
    return (0, rows), (0, columns)


def _refuse_what_does_not_apply(running: Running) -> None:
    """Raises UsageError for what would change nothing here."""
    for name in NOT_FOR_HOLES:
        if getattr(running, name) not in (None, "auto"):
            raise UsageError(f"{name} has no meaning where holes are painted.", hint="Leave it out.")


def _side(info: ModelInfo, running: Running) -> int:
    """The longest side that the network sees: as asked for, or twice that of the training's crops."""
    asked = running.max_side
    if asked is None:
        asked = min(max(2 * info.training.size, SMALLEST_SIDE), LARGEST_COMFORT) if info.training else COMFORT
    elif asked < SMALLEST_SIDE:
        raise UsageError(f"--max-side {asked} shows the network too little.", hint=f"Use {SMALLEST_SIDE} or more.")
    return max(asked // info.multiple * info.multiple, info.minimum)


def _masked(picture: Picture, mask: Any) -> Picture:
    """The picture with the mask that was given. Raises ImageError for one of another size or kind."""
    match mask:
        case None:
            return picture
        case np.ndarray():
            hole = mask.reshape(mask.shape[:2]) if mask.ndim == 3 and mask.shape[2] == 1 else mask
            if hole.dtype != np.bool_:
                hole = _hole_of(hole)
        case Image.Image():
            hole = mask_of(Picture.from_pil(mask))
        case Picture():
            hole = mask_of(mask)
        case _:
            hole = read_mask(mask)
    if hole.shape != picture.pixels.shape[:2]:
        sizes = [f"{shape[1]}x{shape[0]}" for shape in (hole.shape, picture.pixels.shape)]
        raise ImageError(f"the mask is {sizes[0]}, the picture {sizes[1]}.", hint="Scale it to the picture's size.")
    refuse_hopeless(hole)
    return replace(picture, mask=hole)


def _hole_of(array: NDArray[Any]) -> Mask:
    try:
        return mask_of(Picture(array[:, :, None] if array.ndim == 2 else array))
    except ValueError as error:
        raise ImageError(f"the array is no mask: {error}.") from error
