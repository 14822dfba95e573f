"""Settings of the training pictures."""

from __future__ import annotations

from typing import Literal, Self, get_args

from pydantic import model_validator

from i2i.config.base import Settings, TextOrNumber, setting
from i2i.config.masks import MaskConfig

Derivation = Literal["colorize", "edges", "degrade"]
PairLayout = Literal["folders", "side-by-side", "csv", Derivation]
DERIVED: tuple[Derivation, ...] = get_args(Derivation)


def scaled_for(size: int) -> int:
    """The published proportion: 286 for crops of 256, 143 for 128."""
    return round(size * 286 / 256)


class DataConfig(Settings):
    """What all kinds of training data share."""

    path: str | None = setting(None, "folder of the training pictures")
    size: int = setting(256, "side of the square training crops in pixels", option="--size", ge=8)
    val: TextOrNumber = setting(
        "auto",
        "held-out pictures: a folder, a share such as 0.05, 0 for none; auto: DATA/val, else 5 % from 40 pictures on",
        option="--val",
    )
    workers: int | None = setting(
        None, "loader processes; 0 loads in the main one (default: by cores)", option="--workers", ge=0
    )


class ScaledConfig(DataConfig):
    """What pictures of two domains share, which are scaled before crops are cut."""

    load: int | None = setting(
        None, "size in pixels that pictures are scaled to before the crop (default: 286/256 of size)", ge=8
    )
    transform: Literal["squash", "keep"] = setting(
        "squash", "squash: scale to load x load as published; keep: scale the short side to load, keep the aspect"
    )
    flip: bool = setting(True, "mirror half of the crops left to right")
    a: str | None = setting(None, "pictures of domain A: a folder or @list", option="--a")
    b: str | None = setting(None, "pictures of domain B: a folder or @list", option="--b")

    @model_validator(mode="after")
    def _crops_fit_into_the_scaled_pictures(self) -> Self:
        if self.load_size < self.size:
            wanted = scaled_for(self.size)
            raise ValueError(f"load={self.load} is smaller than size={self.size}: set data.load={wanted}")
        return self

    @property
    def load_size(self) -> int:
        """`load`, or where that is not set the published proportion of `size`."""
        return self.load if self.load is not None else scaled_for(self.size)


class UnpairedConfig(ScaledConfig):
    """Two folders of unrelated pictures."""


class PairedConfig(ScaledConfig):
    """Pairs of an input and its target: files of equal name, halves of one file, lines of a CSV, or made of photos."""

    pairs: Literal["auto", PairLayout] = setting(
        "auto",
        "where the pairs are; auto: a CSV of pairs, two folders or side-by-side pictures; "
        "colorize, edges, degrade: inputs made of one folder of photos",
        option="--pairs",
    )
    jitter: float = setting(
        0.0, "strength of random brightness, contrast and saturation changes of the input alone; 0: none", ge=0, le=1
    )
    depth: Literal[8, 16] = setting(8, "bits of the samples in training; 16 for pictures of more depth")

    @model_validator(mode="after")
    def _settings_suit_the_pairs(self) -> Self:
        if self.pairs not in ("auto", "folders") and (self.a is not None or self.b is not None):
            raise ValueError(f"a and b name two folders, which pairs={self.pairs} has not: give DATA alone")
        if self.pairs in DERIVED and self.depth == 16:
            raise ValueError(f"pairs={self.pairs} makes inputs of 8 bit: set data.depth=8")
        return self


class PhotosConfig(DataConfig):
    """One folder of photos, from which crops are cut at full resolution."""

    size: int = setting(128, "side of the square training crops in pixels", option="--size", ge=16)
    crops: int = setting(16, "crops of each photo in an epoch", ge=1)
    candidates: int = setting(
        1, "places drawn for each crop, of which the one with most detail is taken; 1: any place", ge=1, le=64
    )
    zoom: float = setting(
        1.0, "crops are cut up to this many times as large, at random, and shrunk; 1: all at full resolution", ge=1
    )
    turn: bool = setting(True, "turn crops by quarters and mirror them: each of the eight positions equally often")
    cache: int = setting(1024, "megabytes of decoded photos that a loader process keeps", ge=16)


class LabelledConfig(DataConfig):
    """Pictures that are made alike in size, with classes: folders, MNIST's IDX files, CIFAR's binaries, npz."""

    size: int | None = setting(  # type: ignore[assignment]
        None,
        "side in pixels that pictures are brought to (default: their own where all are alike and at most 64, else 64)",
        option="--size",
        ge=4,
        le=1024,
    )
    val: TextOrNumber = setting("0", "held-out pictures: a folder, a share such as 0.05, 0 for none", option="--val")
    flip: bool = setting(False, "mirror half of the pictures left to right")


class MaskedConfig(PhotosConfig):
    """One folder of photos, whose crops get holes."""

    size: int = setting(256, "side of the square training crops in pixels", option="--size", ge=16)
    masks: MaskConfig = setting(MaskConfig(), "holes in the crops")
