"""Generators of the best-known CycleGAN implementation: from its tensors' names and shapes to our networks.

Its residual generator is one long sequence, so its keys are numbers: `model.<index>.*`, and inside the blocks
`model.<10 + block>.conv_block.<index>.*`. Every setting is read off names and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from i2i.config.network_base import Norm
from i2i.config.networks import ResNetConfig
from i2i.errors import ModelError
from i2i.networks.build import build
from i2i.networks.resnet import ResNetGenerator

FIRST_BLOCK = 10
# Indices of the two convolutions in a block: reflection (or replication) padding is a layer, zero padding is none.
BLOCK_LAYOUTS = {(1, 5): ("reflect", 0.0), (1, 6): ("reflect", 0.5), (0, 3): ("zero", 0.0), (0, 4): ("zero", 0.5)}
NORM_KEYS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def is_resnet_generator(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has the first layer and the blocks of CycleGAN's ResNet generator."""
    first = state.get("model.1.weight")
    return first is not None and first.ndim == 4 and first.shape[2:] == (7, 7) and _blocks(state) > 0


def resnet_generator(state: Mapping[str, Tensor], path: Path) -> tuple[ResNetConfig, ResNetGenerator]:
    """Our generator with the weights of a state dict of theirs, which `is_resnet_generator` knows.

    `path` is named in errors. Raises ModelError for a tensor that is missing, too many or of another shape.
    """
    config, places = _config(state, path)
    with torch.device("meta"):  # only what fits the file's own tensors is worth memory
        network = build(config)
    names = _names(config, places)
    found = {names[key]: tensor for key, tensor in state.items() if key in names}
    for key, tensor in network.state_dict().items():
        if key.endswith("num_batches_tracked"):
            found.setdefault(key, torch.zeros((), dtype=tensor.dtype))
        if key not in found or found[key].shape != tensor.shape:
            raise ModelError(f"is a ResNet generator whose layer '{key}' is missing or does not fit.", where=path)
        found[key] = found[key].to(tensor.dtype)
    strange = [key for key in state if key not in names and not _is_statistic(key)]
    if strange:
        raise ModelError(f"is a ResNet generator with a layer that CycleGAN's has not: '{strange[0]}'.", where=path)
    network.load_state_dict(found, assign=True)
    return config, network


def _blocks(state: Mapping[str, Tensor]) -> int:
    return len({match[1] for key in state if (match := re.match(r"model\.(\d+)\.conv_block\.", key))})


def _is_statistic(key: str) -> bool:
    """Statistics that old releases kept for instance norm, which never used them."""
    return key.rsplit(".", 1)[-1] in NORM_KEYS[2:]


def _config(state: Mapping[str, Tensor], path: Path) -> tuple[ResNetConfig, tuple[int, int]]:
    """Every setting, and where the two convolutions of a block stand."""
    blocks = _blocks(state)
    convolution = re.compile(rf"model\.{FIRST_BLOCK}\.conv_block\.(\d)\.weight")
    places = tuple(
        sorted(
            int(match[1]) for key, tensor in state.items() if tensor.ndim == 4 and (match := convolution.fullmatch(key))
        )
    )
    last = state.get(f"model.{FIRST_BLOCK + blocks + 7}.weight")
    if places not in BLOCK_LAYOUTS or last is None or last.ndim != 4:
        raise ModelError("is a ResNet generator of another layout than CycleGAN's.", where=path)
    padding, dropout = BLOCK_LAYOUTS[places]
    first = state["model.1.weight"]
    config = ResNetConfig(
        input_channels=first.shape[1],
        output_channels=last.shape[0],
        filters=first.shape[0],
        blocks=blocks,
        norm=_norm(state, path),
        padding="zero" if padding == "zero" else "reflect",
        dropout=dropout,
    )
    return config, (places[0], places[1])


def _norm(state: Mapping[str, Tensor], path: Path) -> Norm:
    """Batch norm brings weights and statistics; instance norm has none, but its convolutions have a bias."""
    if "model.2.weight" in state and "model.2.running_mean" in state:
        return "batch"
    if "model.2.weight" not in state and "model.1.bias" in state:
        return "instance"
    raise ModelError("is a ResNet generator with neither plain instance norm nor batch norm.", where=path)


def _names(config: ResNetConfig, places: tuple[int, int]) -> dict[str, str]:
    """Their name -> our name of every tensor that a generator of this configuration has."""
    layers = {"1": "stem.1", "4": "down.0.0", "7": "down.1.0"}
    norms = {"2": "stem.2", "5": "down.0.1", "8": "down.1.1"}
    for block in range(config.blocks):
        for theirs, ours in zip(places, (1, 6), strict=True):
            layers[f"{FIRST_BLOCK + block}.conv_block.{theirs}"] = f"blocks.{block}.convolve.{ours}"
            norms[f"{FIRST_BLOCK + block}.conv_block.{theirs + 1}"] = f"blocks.{block}.convolve.{ours + 1}"
    after = FIRST_BLOCK + config.blocks
    layers |= {f"{after}": "up.0.0", f"{after + 3}": "up.1.0", f"{after + 7}": "head.1"}
    norms |= {f"{after + 1}": "up.0.1", f"{after + 4}": "up.1.1"}
    names = {f"model.{a}.{key}": f"{b}.{key}" for a, b in layers.items() for key in ("weight", "bias")}
    if config.norm == "batch":
        names |= {f"model.{a}.{key}": f"{b}.{key}" for a, b in norms.items() for key in NORM_KEYS}
    return names
