"""What a training would be shown: some of its samples as one picture, drawn without building a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from i2i.config.data import LabelledConfig, MaskedConfig, PairedConfig, PhotosConfig, UnpairedConfig
from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.config.methods.inpaint import InpaintConfig
from i2i.config.methods.noise import NoiseMethodConfig
from i2i.config.methods.pix2pix import Pix2PixConfig
from i2i.config.methods.srgan import SRGANConfig
from i2i.config.run import RunConfig
from i2i.data.labelled_opening import facts, open_labelled
from i2i.data.loader import stacked
from i2i.data.masked import open_masked
from i2i.data.opening import open_photos, open_unpaired
from i2i.data.paired_opening import open_paired
from i2i.degradations.build import degradation
from i2i.engine.sheet import sheet
from i2i.images.picture import Picture, Samples

UNIT = (0.0, 1.0)
MOST_COLUMNS = 16  # classes on a sheet
READABLE = 64  # pixels of a column that its caption fits into


def preview(config: RunConfig, *, rows: int = 4, draws: int = 4) -> Picture:
    """A sheet of the first `rows` samples: for an enlargement each photo's crop and `draws` degradations of it; of
    pictures with classes, `rows` of each.

    Raises I2IError as the training would.
    """
    match config.method, config.data:
        case InpaintConfig(), MaskedConfig() as data:
            columns = _masked(data, config.train.seed, rows)
        case SRGANConfig() as method, PhotosConfig() as data:
            columns = _degraded(method, data, config.train.seed, rows, draws)
        case Pix2PixConfig() as method, PairedConfig() as data:
            columns = _paired(method, data, config.train.seed, rows)
        case CycleGANConfig() as method, UnpairedConfig() as data:
            columns = _unpaired(method, data, config.train.seed, rows)
        case NoiseMethodConfig() as method, LabelledConfig() as data:
            columns = _labelled(method, data, config.train.seed, rows, draws)
        case _:
            raise TypeError(f"no preview is drawn for {type(config.method).__name__}")
    return Picture(sheet(columns, UNIT))


def _degraded(method: SRGANConfig, data: PhotosConfig, seed: int, rows: int, draws: int) -> Mapping[str, Tensor]:
    """Crops of photos, and their small pictures enlarged pixel by pixel; each row and column has a seed of its own."""
    degrade, scale = degradation(method.degradation, method.scale), method.scale
    samples = open_photos(data, degrade.margin).train
    rows = min(rows, len(samples))
    real = _unit([samples.sample(seed, 0, row)[0] for row in range(rows)])
    columns: dict[str, Tensor] = {}
    for draw in range(draws):
        columns["photo"], low = degrade.pairs(real, range(draw * rows, (draw + 1) * rows))
        columns[f"degraded {draw + 1}"] = interpolate(low, scale_factor=scale, mode="nearest")
    return columns


def _masked(data: MaskedConfig, seed: int, rows: int) -> Mapping[str, Tensor]:
    """Crops of photos with their holes in gray, and whole."""
    samples = open_masked(data).train
    taken = [samples.sample(seed, 0, row) for row in range(min(rows, len(samples)))]
    real, masks = _unit([crop for crop, _ in taken]), torch.from_numpy(stacked([mask for _, mask in taken]))
    return {"masked": real.masked_fill(masks, 0.5), "real": real}


def _labelled(
    method: NoiseMethodConfig, data: LabelledConfig, seed: int, rows: int, draws: int
) -> Mapping[str, Tensor]:
    """A column for each class; without classes `draws` columns. Small pictures are enlarged pixel by pixel."""
    said = facts(data)
    size, classes = data.size or said.size, method.classes or said.classes
    sized = LabelledConfig(**data.model_dump() | {"size": size})
    samples = open_labelled(sized, channels=method.channels or said.channels, classes=classes, read=said.read).train
    columns: dict[str, list[Samples]] = {name: [] for name in classes[:MOST_COLUMNS] or map(str, range(1, draws + 1))}
    names = list(classes or columns)
    for position in range(len(samples)):
        picture, label = samples.sample(seed, 0, position)
        column = columns.get(names[label.item() if classes else position % draws], [])
        if len(column) < rows:
            column.append(picture)
        elif all(len(column) == rows for column in columns.values()):
            break
    shown = min(len(column) for column in columns.values() if column)
    enlarged = max(1, READABLE // size)
    return {
        name: interpolate(_unit(column[:shown]), scale_factor=enlarged, mode="nearest")
        for name, column in columns.items()
        if column
    }


def _unpaired(method: CycleGANConfig, data: UnpairedConfig, seed: int, rows: int) -> Mapping[str, Tensor]:
    """Crops of both domains."""
    samples = open_unpaired(data, (method.channels_a, method.channels_b)).train
    taken = [samples.sample(seed, 0, row) for row in range(min(rows, len(samples)))]
    return {"real_a": _unit([a for a, _ in taken]), "real_b": _unit([b for _, b in taken])}


def _paired(method: Pix2PixConfig, data: PairedConfig, seed: int, rows: int) -> Mapping[str, Tensor]:
    """Inputs beside what is to come of them; the classes of label maps from black to white."""
    samples = open_paired(data, channels=method.channels, labels=method.labels, direction=method.direction).train
    taken = [samples.sample(seed, 0, row) for row in range(min(rows, len(samples)))]
    real_a = _unit([a for a, _ in taken])
    shown = real_a * (255 / max(1, method.labels - 1)) if method.labels else real_a
    return {"real_a": shown, "real_b": _unit([b for _, b in taken])}


def _unit(pictures: Sequence[Samples]) -> Tensor:
    """(N, C, H, W) from 0 to 1."""
    planes = stacked(pictures)
    return torch.from_numpy(planes).float() / float(np.iinfo(planes.dtype).max)
