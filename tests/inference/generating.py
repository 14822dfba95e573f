"""Generators that nobody trained, and how tests look at what they make."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from i2i.config.noise_networks import DCGANConfig, PerceptronConfig
from i2i.errors import I2IError, UsageError
from i2i.images.picture import Picture
from i2i.inference.generator import Generator, load_generator
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

PETS = ("cat", "dog", "bird")
PLAIN = PerceptronConfig(size=8, noise=6, hidden=(5,))
CONDITIONAL = PerceptronConfig(size=8, noise=6, hidden=(5,), channels=3, classes=PETS)
CONVOLUTIONAL = DCGANConfig(size=28, noise=20, channels=1, filters=8, classes=PETS)


def saved(folder: Path, name: str, config: PerceptronConfig | DCGANConfig, seed: int = 0) -> Path:
    """A model file with weights that nobody trained."""
    torch.manual_seed(seed)
    path = folder / f"{name}.safetensors"
    info = ModelInfo(task="generate", method="gan", directions=("sample",), networks={"sample": config})
    save_model(path, {"sample": build(config)}, info, half=False)
    return path


def generator(model: Path, batch: int | None = None) -> Generator:
    return load_generator(model, device="cpu", batch=batch)


def pixels(pictures: list[Picture]) -> list[bytes]:
    return [picture.pixels.tobytes() for picture in pictures]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*.png") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def refusal(work: Callable[[], object], kind: type[I2IError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)
