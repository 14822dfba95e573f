"""The model file: networks and their description in one safetensors file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from i2i.errors import ModelError
from i2i.images.atomic import replace_file
from i2i.models.info import COPY_AGAIN, METADATA_KEY, Card, ModelInfo, TrainingScale, read_info, sha256
from i2i.networks.build import build

__all__ = ["Card", "ModelFile", "ModelInfo", "TrainingScale", "load_model", "read_info", "save_model", "sha256"]


@dataclass(frozen=True)
class ModelFile:
    """Networks on the CPU in float32, by the names of `info.networks`, and what is known about them."""

    info: ModelInfo
    networks: dict[str, nn.Module]


def save_model(path: Path, networks: dict[str, nn.Module], info: ModelInfo, half: bool) -> None:
    """Write a model file, whole or not at all; `half` stores float16 wherever that stays finite.

    Raises ValueError when networks and description do not have the same names, ModelError when the file cannot be
    written, NoRoomError when the disk is full.
    """
    if set(networks) != set(info.networks):
        raise ValueError(f"networks {sorted(networks)} are described as {sorted(info.networks)}")
    tensors = {
        f"{name}.{key}": _stored(tensor, half)
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    data = to_bytes(tensors, metadata={METADATA_KEY: info.model_dump_json()})
    try:
        replace_file(path, data)
    except OSError as error:
        raise ModelError(f"cannot be written: {error.strerror or error}.", where=path) from error


def load_model(path: Path) -> ModelFile:
    """The networks of a model file. Raises ModelError for a damaged, foreign or newer file."""
    info = read_info(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError("damaged: its tensors cannot be read.", where=path, hint=COPY_AGAIN) from error
    networks = {}
    for name in info.networks:
        mine = {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        networks[name] = _network(path, info, name, mine)
    strange = [key for key in tensors if key.split(".")[0] not in networks]
    if strange:
        raise ModelError(f"damaged: no network of it has the tensor {strange[0]}.", where=path, hint=COPY_AGAIN)
    return ModelFile(info, networks)


def check_model(path: Path) -> None:
    """Read a model file completely. Raises ModelError when it is damaged or holds a value that is not finite."""
    for name, network in load_model(path).networks.items():
        for key, tensor in network.state_dict().items():
            if not bool(torch.isfinite(tensor).all()):
                raise ModelError(f"damaged: {name}.{key} holds values that are not finite.", where=path)


def _stored(tensor: Tensor, half: bool) -> Tensor:
    """A contiguous copy on the CPU that shares no memory: safetensors refuses anything else."""
    copy = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    if half and copy.dtype == torch.float32:
        small = copy.half()
        return small if bool(torch.isfinite(small).all()) else copy
    return copy


def _network(path: Path, info: ModelInfo, name: str, tensors: dict[str, Tensor]) -> nn.Module:
    # On the meta device nothing is allocated or drawn: a file cannot ask for more memory than its tensors take.
    with torch.device("meta"):
        network: nn.Module = build(info.networks[name])
    expected = network.state_dict()
    strange = sorted(set(tensors) - set(expected))
    if strange:
        raise ModelError(f"damaged: its network has no tensor {name}.{strange[0]}.", where=path, hint=COPY_AGAIN)
    for key, wanted in expected.items():
        if key not in tensors:
            raise ModelError(f"damaged: the tensor {name}.{key} is missing.", where=path, hint=COPY_AGAIN)
        found = tensors[key]
        if found.shape != wanted.shape or found.is_floating_point() != wanted.is_floating_point():
            what = f"damaged: {name}.{key} is {tuple(found.shape)} and should be {tuple(wanted.shape)}."
            raise ModelError(what, where=path, hint=COPY_AGAIN)
        tensors[key] = found.to(wanted.dtype)
    network.load_state_dict(tensors, assign=True)
    return network
