"""One picture through one network: any size, depth and channels, nothing of it lost.

H x W pixels, C channels, s the network's scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from i2i.config.networks import TRANSLATORS
from i2i.errors import ImageError, NoMemoryError, UsageError
from i2i.images.files import read
from i2i.images.labels import read_labels
from i2i.images.picture import Picture, Samples
from i2i.images.transparency import filled
from i2i.inference.canvas import Canvas, Pixels, resized
from i2i.inference.passage import NotFiniteError, Passage
from i2i.inference.quick import MANY, Quick, QuickError, is_installed, tried
from i2i.inference.ways import Running, Way, Ways, is_out_of_memory, total_memory
from i2i.models.info import Direction, ModelInfo, choose_direction
from i2i.models.info import sha256 as sha256_of
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve
from i2i.networks.base import Network
from i2i.networks.folding import folded


def load(
    model: str | PathLike[str],
    *,
    device: str = "auto",
    direction: Direction | None = None,
    running: Running = Running(),  # noqa: B008  frozen
) -> Translator:
    """The translator of a model file, a run folder or a shipped model.

    Without a direction it is a2b, or the only one that the model has. Raises UsageError for an unknown model, device
    or direction, a model to inpaint or to generate, or for what the network cannot do, ModelError for a file that
    cannot be used.
    """
    path = resolve(model)
    file = load_model(path)
    if file.info.task == "inpaint":
        what = f"{model} is a model to inpaint pictures: it takes a mask too."
        raise UsageError(what, hint="Use: i2i.load_inpainter")
    if file.info.task == "generate":
        what = f"{model} is a model to generate pictures: it takes none."
        raise UsageError(what, hint="Use: i2i.load_generator")
    chosen = choose_direction(file.info, direction)
    network = file.networks[chosen]
    return Translator(network, file.info, chosen, pick_device(device), sha256=sha256_of(path), running=running)


def pick_device(name: str) -> torch.device:
    """The device of a name; auto takes CUDA, then MPS, then the CPU. Raises UsageError for one that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UsageError(f"no device '{name}' here.", hint="Take --device auto.") from error
    return device


class Translator:
    """A generator with what it needs to take any picture: call it with a picture, an array, a PIL image or a path.

    `tell` hears what a person should know, such as memory that was short; `running` and `memory` see `Ways`.
    """

    marking = None  # it looks for no holes

    def __init__(
        self,
        network: nn.Module,
        info: ModelInfo,
        direction: Direction,
        device: torch.device,
        *,
        sha256: str = "",
        running: Running = Running(),  # noqa: B008  frozen
        memory: int | None = None,
    ) -> None:
        self.network = folded(network.to(device).eval())
        if running.stochastic is not None:
            _keep_dropout(self.network)
        self.info, self.direction, self.device, self.running = info, direction, device, running
        # of the file's content and what was asked for: what a journal knows the work by
        self.name = " ".join(filter(None, [sha256, direction, running.what_matters()]))
        generator = info.generator(direction)
        self.channels_in, self.scale = generator.input_channels, generator.scale
        # of the label maps that it reads, whose pixels are class numbers; 0 for pictures
        self.labels = generator.labels if isinstance(generator, TRANSLATORS) else 0
        if self.labels and running.max_side:
            raise UsageError("label maps cannot be shrunk: classes have no means.", hint="Leave --max-side out.")
        self.ways = Ways(self.network, self.channels_in, device, running, memory or total_memory(device))
        self.passage = Passage(self.ways)
        self.tell: Callable[[str], None] = lambda text: None
        self._told: set[str] = set()
        self._has_tried = self._expects_many = False
        self._fitted: tuple[int, Way] | None = (
            None  # pixels that were too many for another way, and the way that fitted
        )

    @overload
    def __call__(self, picture: Picture | str | PathLike[str], *, way: str = "") -> Picture: ...
    @overload
    def __call__(self, picture: NDArray[Any]) -> NDArray[Any]: ...
    @overload
    def __call__(self, picture: Image.Image) -> Image.Image: ...
    def __call__(
        self, picture: Picture | str | PathLike[str] | NDArray[Any] | Image.Image, *, way: str = ""
    ) -> Picture | NDArray[Any] | Image.Image:
        """The translated picture, of the same kind and depth and s times the size; a path gives a `Picture`.

        Arrays are uint8, uint16 or float32 from 0 to 1, (H, W), (H, W, 1) or (H, W, 3), in sRGB. Alpha is kept as it
        is (enlarged for s > 1); wholly transparent pixels are shown to the network in the colours around them. Gray
        stays gray where the network's input and output are colour, unless the model makes colour of gray. A model of
        label maps takes class numbers: gray in 8 bit, or palettes by their indices. Raises ImageError for what cannot
        be read or translated. `way` is that of an earlier result (`Picture.way`): to get the same again, to the byte,
        where memory was short or onnxruntime took part.
        """
        match picture:
            case Picture():
                return self._translate(picture, way)
            case Image.Image():
                is_map = self.labels and picture.mode in ("P", "1")
                return self._translate(Picture.from_pil(_indices(picture) if is_map else picture)).to_pil()
            case np.ndarray():
                return self._translate_array(picture)
        return self._translate(Picture(read_labels(picture)) if self.labels else read(picture), way)

    def expect(self, pictures: int) -> None:
        """Say how many pictures are to come: for many it is worth while to try what is quicker."""
        self._expects_many = pictures >= MANY

    def place(self) -> str:
        """The device, and on CUDA the most memory that was taken there so far."""
        if self.device.type != "cuda":
            return str(self.device)
        return f"{self.device} {torch.cuda.max_memory_allocated(self.device) / 1e9:.1f} GB"

    def _translate_array(self, array: NDArray[Any]) -> NDArray[Any]:
        try:
            picture = Picture(array[:, :, None] if array.ndim == 2 else array)
        except ValueError as error:
            raise ImageError(f"the array cannot be translated: {error}.") from error
        pixels = self._translate(picture).pixels
        return pixels[:, :, 0] if array.ndim == 2 and pixels.shape[2] == 1 else pixels

    def _translate(self, picture: Picture, asked: str = "") -> Picture:
        with torch.inference_mode(), repeatable():
            if self.labels:
                self._refuse_other_than_labels(picture)
            shown = picture if self.labels else picture.with_pixels(filled(picture))
            pixels = shown.gray() if self.channels_in == 1 else shown.rgb()
            as_luma = picture.is_gray and self.channels_in == 3 and self.info.keeps_gray
            result, way = self._result(pixels, picture.pixels.dtype.name, as_luma, Way.parse(asked))
            alpha = _as_large(picture.alpha, result)
            made = replace(picture, pixels=result, alpha=alpha, way=str(way or ""), mask=None, own=None)
        return self._with_note(made) if way and way.sampled else made

    def _refuse_other_than_labels(self, picture: Picture) -> None:
        """Raises ImageError for what is no label map, or one of other classes."""
        if not picture.is_gray or picture.pixels.dtype != np.uint8:
            raise ImageError("this model reads label maps: 8 bit, one channel, class numbers.")
        if (highest := int(picture.pixels.max())) >= self.labels:
            known = "class 0 alone" if self.labels == 1 else f"the classes 0 to {self.labels - 1}"
            hint = "Give such pixels a class that it knows, or train with more: --set method.labels=N"
            raise ImageError(f"holds class {highest}, and the model knows {known}.", hint=hint)

    def _result(self, pixels: Samples, kind: str, as_luma: bool, known: Way | None) -> tuple[Samples, Way | None]:
        """(H, W, C_in) -> (sH, sW, C_out) of a type, and the way it took, if it took one."""
        small = self._shrunk(pixels)
        if small is None:
            return self._run(pixels, kind, as_luma, known)
        result, way = self._run(small, "float32", as_luma, known)
        return resized(result, (pixels.shape[0] * self.scale, pixels.shape[1] * self.scale), kind), way

    def _shrunk(self, pixels: Samples) -> Samples | None:
        """Float pixels whose longer side is `max_side`; None where they need not be shrunk."""
        height, width = pixels.shape[:2]
        most = self.running.max_side
        if most is None or max(height, width) <= most:
            return None
        ratio = most / max(height, width)
        return resized(pixels, (max(1, round(height * ratio)), max(1, round(width * ratio))), "float32")

    def _run(self, pixels: Samples, kind: str, as_luma: bool, known: Way | None) -> tuple[Samples, Way]:
        """(H, W, C_in) -> (sH, sW, C_out) and the way it took: another one when memory was short, or too few bits."""
        source = Pixels(self._pad(pixels), self.info, self.device)
        way = self._first(source, pixels.shape[:2], known if known and self.ways.takes(known) else None)
        following = self.ways.after(way)
        while True:
            canvas = Canvas(pixels.shape[0] * self.scale, pixels.shape[1] * self.scale, kind, self.info, as_luma)
            try:
                with _drawn_from(self.running.stochastic, self.device):  # anew for each try
                    self.passage.take(way, source, canvas.write)
                return canvas.samples, way
            except NotFiniteError as error:
                if way.precision == "fp32":
                    what = "the network's output is not finite: the model is damaged or was trained badly."
                    raise ImageError(what) from error
                self._tell_once(f"{way.precision} is too coarse for this network: computed in fp32.")
                way = replace(way, precision="fp32")
                following = self.ways.after(way)
            except QuickError as error:
                self._tell_once(f"onnxruntime failed, torch goes on: {error}")
                way = replace(way, quick=False)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                way = self._smaller(pixels, following, error)
                self._fitted = pixels.shape[0] * pixels.shape[1], way

    def _first(self, source: Pixels, size: tuple[int, int], known: Way | None) -> Way:
        """The way that is known, or that fitted a picture no larger, or that is to be tried first."""
        way = known or self.ways.first(*size)
        if known is None and self._fitted and size[0] * size[1] >= self._fitted[0]:
            return self._fitted[1]
        may = self.ways.may_be_quick(way) and isinstance(self.network, Network) and not source.is_uniform
        may = may and self.running.stochastic is None
        asked = self.running.runtime == "onnxruntime"
        wanted = known.quick if known else asked or self._expects_many
        quick = (
            may and wanted and (asked or is_installed()) and self._has_quick(way, source, asked or known is not None)
        )
        return replace(way, quick=quick)

    def _has_quick(self, way: Way, source: Pixels, asked: bool) -> bool:
        """Whether onnxruntime is at hand, tried and found right; and quicker, unless it is asked for."""
        if not self._has_tried and isinstance(self.network, Network):
            self._has_tried = True
            try:
                quick = Quick(self.network, self.channels_in)
                self.passage.lay_out(way, source)
                trial = tried(quick, self.network, source, self.info.value_range)
            except Exception as error:
                if self.running.runtime == "onnxruntime":
                    raise UsageError(f"onnxruntime cannot compute this network: {error}") from error
                self.tell(f"onnxruntime: not used, since it failed: {error}")
                return False
            used = trial.difference <= 1 and (asked or trial.is_passed)
            verdict = "used" if trial.is_passed else "used, as asked" if used else "not used"
            self.tell(f"{trial}: {verdict}")
            self.passage.quick = quick if used else None
        return self.passage.quick is not None

    def _smaller(self, pixels: Samples, following: Iterator[Way], error: BaseException) -> Way:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        way = next(following, None)
        size = f"{pixels.shape[1]}x{pixels.shape[0]} pixels"
        if way is None:
            smaller = "" if self.running.tile is None else f", in tiles of {self.running.tile} too"
            hint = "Use --max-side, or a smaller --tile." if self.running.tile else "Use --max-side."
            raise NoMemoryError(f"{size} need more memory than {self.device} has{smaller}.", hint=hint) from error
        self._tell_once(f"memory is short for {size}: going on in smaller tiles.")
        return way

    def _tell_once(self, text: str) -> None:
        kind = text.split(":")[-1]
        if kind not in self._told:
            self._told.add(kind)
            self.tell(text)

    def _with_note(self, made: Picture) -> Picture:
        note = "too large for exact statistics: colours may differ by a few levels from those of a smaller copy"
        self._tell_once(f"a picture is {note}.")
        return made.noting(note)

    def _pad(self, pixels: Samples) -> Samples:
        """Reflected to the right and below, over and over where the picture is small; one pixel is repeated."""
        multiple, minimum = self.info.multiple, self.info.minimum
        missing = [max(-(-side // multiple), -(-minimum // multiple)) * multiple - side for side in pixels.shape[:2]]
        if not any(missing):
            return pixels
        return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="reflect")


def _as_large(alpha: Samples | None, result: Samples) -> Samples | None:
    """(H, W) -> the result's size: apart from the colours, so that nothing of what it hides gets into the border."""
    if alpha is None or alpha.shape == result.shape[:2]:
        return alpha
    return resized(alpha[:, :, None], result.shape[:2], alpha.dtype.name)[:, :, 0]


def _indices(image: Image.Image) -> Image.Image:
    """The gray picture of a palette's indices, or of zeros and ones."""
    return Image.fromarray(np.asarray(image).astype(np.uint8))


def _keep_dropout(network: nn.Module) -> None:
    """Evaluated, but for dropout. Raises UsageError where there is none."""
    layers = [module for module in network.modules() if isinstance(module, nn.Dropout) and module.p]
    if not layers:
        raise UsageError("this network has no dropout to keep on.", hint="Leave --stochastic out.")
    for layer in layers:
        layer.train()


@contextmanager
def _drawn_from(seed: int | None, device: torch.device) -> Iterator[None]:
    """What is random is drawn from the seed; torch's generators are as they were afterwards."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def repeatable() -> Iterator[None]:
    """cuDNN takes deterministic algorithms, and the same ones each time; afterwards all is as it was."""
    # torch.backends.cudnn.flags() would also touch the TF32 switches, and raises where they were set one by one
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
