"""Pictures of noise: each a function of the model, a seed, its class and its number alone.

N pictures, Z numbers of noise, S x S pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i.config.noise_networks import NoiseConfig
from i2i.errors import ModelError, NoRoomError, UsageError
from i2i.images.limits import Limits
from i2i.images.picture import Carried, Picture, rounded
from i2i.images.synthetic import synthetic_xmp
from i2i.inference.samples import COUNT, PER_CLASS, Sample, Sampling, refuse_other_tasks
from i2i.inference.translator import pick_device, repeatable
from i2i.inference.ways import is_out_of_memory
from i2i.methods.base import derive_seed
from i2i.models.info import ModelInfo, sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve

PIXELS_AT_ONCE = 1 << 20
MOST_AT_ONCE = 16
GAP = 2  # pixels between the pictures of a sheet

Pixels = NDArray[np.uint8]


def load_generator(model: str | PathLike[str], *, device: str = "auto", batch: int | None = None) -> Generator:
    """The generator of a model file, a run folder or a shipped model.

    `batch` pictures go through the network at once. Raises UsageError for an unknown model or device, or a model that
    is for something else, ModelError for a file that cannot be used.
    """
    path = resolve(model)
    file = load_model(path)
    refuse_other_tasks(file.info, str(model))
    found = pick_device(device)
    return Generator(file.networks["sample"], file.info, found, name=called(model), sha256=sha256(path), batch=batch)


def called(model: str | PathLike[str]) -> str:
    """What a person calls a model, without the way to it: a run by its folder."""
    path = Path(model)
    return path.resolve().name if path.is_dir() else path.stem


class Generator:
    """A network that makes pictures of noise: call it with how many.

    The noise of each picture is drawn on the CPU from a seed of its own, so it is the same on every device and whatever
    else is made. The network always sees `batch` pictures at once, each number in the same place, so that a picture is
    the same to the byte too when only some are made; another `batch` or device may round otherwise, by a level.
    """

    def __init__(
        self,
        network: nn.Module,
        info: ModelInfo,
        device: torch.device,
        *,
        name: str = "model",
        sha256: str = "",
        batch: int | None = None,
    ) -> None:
        self.network = network.to(device).eval()
        self.config = info.sampler()
        self.info, self.device, self.name, self.sha256 = info, device, name, sha256
        fitting = max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // self.config.size**2))
        self.batch = fitting if batch is None else batch
        if self.batch < 1:
            raise UsageError(f"a batch of {self.batch} is none: take 1 or more.")

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that it knows, in the order of their numbers."""
        return self.config.classes

    def __call__(self, count: int = 1, *, seed: int = 0, classes: Sequence[str | int] = ()) -> list[Picture]:
        """The first `count` pictures of a seed, in 8 bit; they take the classes (names, or numbers from 0 on) in turns.

        Where a class is called by a number itself, as digits are, all are names: 3 is the class "3".

        Raises UsageError for classes that it does not know, NoRoomError where memory is short, ModelError for a network
        whose output is not finite.
        """
        samples = Sampling(count=count, classes=classes, seed=seed).samples(self.classes, self.name)
        return [picture for group in self.groups(samples) for picture in self.made(group, seed)]

    def groups(self, samples: Sequence[Sample]) -> Iterator[list[Sample]]:
        """The samples, in their order, in groups that go through the network at once."""
        group: list[Sample] = []
        for sample in samples:
            if group and not self._follows(group[-1], sample):
                yield group
                group = []
            group.append(sample)
        if group:
            yield group

    def made(self, group: Sequence[Sample], seed: int) -> list[Picture]:
        """The pictures of a group, each with a mark that it is synthetic. Raises as a call does."""
        noise = torch.zeros(self.batch, self.config.noise)
        labels = torch.zeros(self.batch, dtype=torch.int64)
        places = [self._place(sample) for sample in group]
        for place, sample in zip(places, group, strict=True):
            noise[place] = noise_of(self.config, seed, sample)
            labels[place] = sample.label or 0
        pixels = self._pixels(noise, labels)
        return [self._marked(pixels[place], self.said(s, seed)) for place, s in zip(places, group, strict=True)]

    def grid(self, sampling: Sampling) -> Picture:
        """One sheet: a row for each class, else about as many rows as columns; 64 pictures, or 8 of each class."""
        asked = sampling.or_else(per_class=PER_CLASS) if self.classes else sampling.or_else(count=COUNT)
        samples = asked.samples(self.classes, self.name)
        rows = _rows(samples)
        self._refuse_too_large(max(map(len, rows)), len(rows))
        made = [picture.pixels for group in self.groups(samples) for picture in self.made(group, asked.seed)]
        pixels = dict(zip(samples, made, strict=True))
        text = self.said(samples[0], asked.seed) if len(samples) == 1 else f"Pictures {self._origin(asked.seed)}."
        return self._marked(tiled([[pixels[sample] for sample in row] for row in rows]), text)

    def interpolation(self, sampling: Sampling, steps: int) -> Picture:
        """A strip of `steps` pictures on the way from each picture to the one of the next number, of the same class.

        One strip below the other: of each class, or as many as the sampling says. Raises as a call does.
        """
        asked = sampling.or_else(per_class=1) if self.classes else sampling.or_else(count=1)
        samples = asked.samples(self.classes, self.name)
        self._refuse_too_large(steps, len(samples))
        text = f"Pictures on the way from one to another, {self._origin(asked.seed)}."
        return self._marked(tiled([self._way(sample, asked.seed, steps) for sample in samples]), text)

    def said(self, sample: Sample, seed: int) -> str:
        """What a file says of its picture."""
        of_class = "" if sample.label is None else f" of class {self.classes[sample.label]}"
        return f"Picture {sample.number}{of_class} {self._origin(seed)}."

    def place(self) -> str:
        """The device, and on CUDA the most memory that was taken there so far."""
        if self.device.type != "cuda":
            return str(self.device)
        return f"{self.device} {torch.cuda.max_memory_allocated(self.device) / 1e9:.1f} GB"

    def _origin(self, seed: int) -> str:
        model = f"{self.name} (SHA-256 {self.sha256})" if self.sha256 else self.name
        return f"made of noise by the model {model} with seed {seed}"

    def _place(self, sample: Sample) -> int:
        return (sample.number - 1) % self.batch

    def _follows(self, before: Sample, sample: Sample) -> bool:
        """Whether both are of the same batch, one before the other."""
        same = (before.number - 1) // self.batch == (sample.number - 1) // self.batch
        return same and before.number < sample.number

    def _way(self, sample: Sample, seed: int, steps: int) -> list[Pixels]:
        following = Sample(sample.number + 1, sample.label)
        first, last = (noise_of(self.config, seed, end) for end in (sample, following))
        noises = between(first, last, steps, self.config.distribution)
        labels = torch.full((self.batch,), sample.label or 0)
        strip: list[Pixels] = []
        for part in torch.split(noises, self.batch):
            noise = torch.zeros(self.batch, self.config.noise)
            noise[: len(part)] = part
            strip += [*self._pixels(noise, labels)[: len(part)]]
        return strip

    def _pixels(self, noise: Tensor, labels: Tensor) -> Pixels:
        """(batch, Z) and (batch,) -> (batch, S, S, C)."""
        low, high = self.info.value_range
        try:
            with torch.inference_mode(), repeatable():
                known = labels.to(self.device) if self.classes else None
                made = self.network(noise.to(self.device), known).float().cpu().numpy()  # (batch, C, S, S)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            hint = f"Use --batch {self.batch // 2}." if self.batch > 1 else "Use another --device."
            what = f"pictures of {self.config.size} px need more memory than {self.device} has."
            raise NoRoomError(what, hint=hint) from error
        if not np.isfinite(made).all():
            what = "the network's output is not finite: the model is damaged or was trained badly."
            raise ModelError(what, where=self.name, hint="Train again with a lower --lr: docs/stability.md")
        return rounded((made.transpose(0, 2, 3, 1) - low) / (high - low), "uint8")

    def _marked(self, pixels: Pixels, text: str) -> Picture:
        return Picture(np.ascontiguousarray(pixels), carried=Carried(xmp=synthetic_xmp(text)))

    def _refuse_too_large(self, columns: int, rows: int) -> None:
        width, height = (count * (self.config.size + GAP) - GAP for count in (columns, rows))
        if width * height > Limits().max_pixels:
            what = f"a sheet of {width}x{height} pixels is too large."
            raise UsageError(what, hint="Ask for fewer pictures, or for a folder of files.")


def noise_of(config: NoiseConfig, seed: int, sample: Sample) -> Tensor:
    """(Z,) the noise of a picture, drawn on the CPU."""
    own = derive_seed(seed, -1 if sample.label is None else sample.label, sample.number)
    generator = torch.Generator().manual_seed(own)
    if config.distribution == "uniform":
        return torch.rand(config.noise, generator=generator) * 2 - 1
    return torch.randn(config.noise, generator=generator)


def between(first: Tensor, last: Tensor, steps: int, distribution: str) -> Tensor:
    """(Z,), (Z,) -> (steps, Z) from one noise to the other, both included.

    On the arc for normal noise, which lies near a sphere, so that all that is between has its length too (Shoemake
    1985, slerp; White 2016); on the line for uniform noise. Raises UsageError for fewer than two steps.
    """
    if steps < 2:
        raise UsageError(f"a way of {steps} pictures is none: take 2 or more.")
    share = torch.linspace(0, 1, steps, dtype=torch.float64)[:, None]
    a, b = first.double(), last.double()
    angle = torch.arccos((a @ b / (a.norm() * b.norm())).clamp(-1, 1))
    if distribution == "uniform" or angle.sin() < 1e-6:
        way = (1 - share) * a + share * b
    else:
        way = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    return way.float()


def tiled(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Rows of (S, S, C) pictures on one white sheet, with a gap between them."""
    size, _, channels = rows[0][0].shape
    step = size + GAP
    columns = max(map(len, rows))
    sheet = np.full((len(rows) * step - GAP, columns * step - GAP, channels), 255, dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, pixels in enumerate(row):
            sheet[i * step : i * step + size, j * step : j * step + size] = pixels
    return sheet


def _rows(samples: Sequence[Sample]) -> list[list[Sample]]:
    """A row for each class, else a square."""
    if samples[0].label is not None:
        labels = dict.fromkeys(sample.label for sample in samples)
        return [[sample for sample in samples if sample.label == label] for label in labels]
    columns = int(np.ceil(np.sqrt(len(samples))))
    return [list(samples[start : start + columns]) for start in range(0, len(samples), columns)]
