"""What a model file says about itself. Read without torch, so that lists and checks of arguments are quick."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from i2i.config.base import Settings, setting
from i2i.config.networks import GENERATORS, GeneratorConfig, Network
from i2i.config.noise_networks import NOISE_GENERATORS, DCGANConfig, NoiseResNetConfig, PerceptronConfig
from i2i.errors import ModelError, UsageError

FORMAT = 1
LARGEST_HEADER = 16_000_000
METADATA_KEY = "i2i"
COPY_AGAIN = "Copy or download it again."

Direction = Literal["a2b", "b2a", "up", "fill", "sample"]
NoiseGeneratorConfig = PerceptronConfig | DCGANConfig | NoiseResNetConfig


class TrainingScale(Settings):
    """At which size the training saw its pictures."""

    size: int = setting(256, "side of the training crops in pixels", ge=1)
    load: int | None = setting(None, "size in pixels that pictures were scaled to before the crop", ge=1)
    transform: Literal["squash", "keep"] | None = setting(None, "how they were scaled")


class Card(Settings):
    """What a person should know before using the model."""

    description: str = setting("", "what it turns into what")
    data: str = setting("", "what it was trained on")
    licence: str = setting("", "terms of the weights")
    command: str = setting("", "the command that made it")
    metrics: dict[str, float] = setting({}, "figures by name, measured on held-out pictures")


class ModelInfo(Settings):
    """Everything needed to use the networks of a model file; nobody repeats a training flag."""

    format: int = setting(FORMAT, "number of the file format")
    version: str = setting("", "version of i2i that wrote the file")
    task: Literal["translate", "upscale", "inpaint", "generate"] = setting("translate", "what the model does")
    method: str = setting("", "how it was trained")
    directions: tuple[Direction, ...] = setting(
        (),
        "directions that pictures can go in: a2b, b2a of a translation, up of an enlargement, fill of inpainting; "
        "sample: pictures of noise",
    )
    networks: dict[str, Network] = setting(..., "settings of each network; generators are named by their direction")
    value_range: tuple[float, float] = setting((-1.0, 1.0), "black and white as the networks see them")
    keeps_gray: bool = setting(True, "gray pictures stay gray where the networks are in colour")
    multiple: int = setting(1, "sides must be multiples of it", ge=1, le=1024)
    minimum: int = setting(1, "smallest side", ge=1, le=1024)
    training: TrainingScale | None = setting(None, "sizes in the training")
    ancestor: str | None = setting(None, "the model or file that this one was made from")
    card: Card = setting(Card(), "data, licence, figures")

    def generator(self, direction: Direction) -> GeneratorConfig:
        """The settings of a direction's generator that takes pictures. Raises ModelError if there is none."""
        found = self.networks.get(direction)
        if not isinstance(found, GENERATORS):
            raise ModelError(f"its description has no generator for the direction {direction}.")
        return found

    def sampler(self) -> NoiseGeneratorConfig:
        """The settings of the generator that makes pictures of noise. Raises ModelError if there is none."""
        found = self.networks.get("sample")
        if not isinstance(found, NOISE_GENERATORS):
            raise ModelError("its description has no generator that makes pictures of noise.")
        return found


def read_info(path: Path) -> ModelInfo:
    """The description inside a model file. Raises ModelError for a damaged, foreign or newer file."""
    try:
        content = json.loads(_metadata(path)[METADATA_KEY])
    except KeyError:
        raise ModelError("holds weights without a description by i2i.", where=path) from None
    except ValueError as error:
        raise ModelError("damaged: its description is no JSON.", where=path, hint=COPY_AGAIN) from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise ModelError("damaged: its description names no format.", where=path, hint=COPY_AGAIN)
    if content["format"] != FORMAT:
        what = f"has format {content['format']}; this i2i reads format {FORMAT}."
        raise ModelError(what, where=path, hint="Update i2i: pip install -U i2i-toolkit")
    try:
        info = ModelInfo.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "description"
        raise ModelError(f"its description is wrong at {place}: {first['msg']}.", where=path) from error
    for direction in info.directions:
        if not isinstance(info.networks.get(direction), NOISE_GENERATORS if direction == "sample" else GENERATORS):
            raise ModelError(f"its description has no generator for the direction {direction}.", where=path)
    return info


def choose_direction(info: ModelInfo, direction: Direction | None) -> Direction:
    """The wanted direction, else the first that the model has. Raises UsageError or ModelError if there is none."""
    if not info.directions:
        raise ModelError("this model file has no generator.")
    if direction is None:
        return info.directions[0]
    if direction not in info.directions:
        raise UsageError(f"this model has no direction {direction}.", hint=f"It has: {', '.join(info.directions)}.")
    return direction


def call_of(info: ModelInfo, model: str | os.PathLike[str]) -> str:
    """The command that a model is for, to be told by those that it is not for."""
    match info.task:
        case "generate":
            return f"i2i generate {model} -o OUT"
        case "translate":
            return f"i2i translate {model} INPUT... -o OUT"
    return f"i2i {info.task} INPUT... -o OUT --model {model}"


def sha256(path: Path) -> str:
    """SHA-256 of a file, as 64 hex digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _metadata(path: Path) -> dict[str, Any]:
    """The `__metadata__` of a safetensors file: eight bytes of length, then JSON, then the tensors."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            if length > min(LARGEST_HEADER, os.fstat(stream.fileno()).st_size - 8):
                raise _no_model_file(path, start)
            header = json.loads(stream.read(length))
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}.", where=path) from error
    except ValueError as error:
        raise ModelError("is no model file, or damaged.", where=path, hint=COPY_AGAIN) from error
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else {}
    return metadata if isinstance(metadata, dict) else {}


def _no_model_file(path: Path, start: bytes) -> ModelError:
    # The length that begins a safetensors file may begin with a pickle's first byte, but never fills all eight.
    is_pickle = start.startswith(b"\x80") and start[4:] not in (b"", bytes(len(start[4:])))
    if start.startswith(b"PK\x03\x04") or is_pickle:
        hint = f"Import it: i2i models import {shlex.quote(str(path))} -o MODEL.safetensors"
        return ModelError("is a PyTorch file, no model file of i2i.", where=path, hint=hint)
    return ModelError("is no model file, or damaged.", where=path, hint=COPY_AGAIN)
