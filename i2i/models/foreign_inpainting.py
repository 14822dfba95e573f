"""DeepFillv2 generators of the best-known PyTorch port: from its tensors' names and shapes to our network.

It has two layouts. Weights that were trained in PyTorch have blocks in two stages (`stage1.conv1.conv.weight`); those
converted from the authors' TensorFlow release keep the names of its layers (`conv1.conv.weight`, `xconv1`, `pmconv1`,
`allconv11`) and need its padding. Both have the same layers in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from i2i.config.networks import GatedConfig
from i2i.errors import ModelError
from i2i.networks.build import build
from i2i.networks.gated import GatedGenerator

PUBLISHED = "Only the published forms of DeepFillv2 can be imported."
FIRST = {"stage1.conv1.conv.weight": "pytorch", "xconv1.conv.weight": "tensorflow"}
FUSE_WEIGHT = "contextual_attention.fuse_weight"  # a constant that newer releases store
NAMES_OF_BRANCHES = (("b1_", "b2_"), ("conv_", "ca_"))  # of the fine stage, in different releases


def is_deepfill_generator(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has a layer that only DeepFillv2's generator has, in one of the two layouts."""
    return any(key in state for key in FIRST)


def deepfill_generator(state: Mapping[str, Tensor], path: Path) -> tuple[GatedConfig, GatedGenerator]:
    """Our generator with the weights of a state dict of theirs, which `is_deepfill_generator` knows.

    Weights converted from TensorFlow are shown as the port's program shows them: without fusing scores. `path` is named
    in errors. Raises ModelError for a tensor that is missing, too many or of another shape.
    """
    is_converted = "xconv1.conv.weight" in state
    config = GatedConfig(
        filters=_filters(state, "conv1.conv.weight" if is_converted else "stage1.conv1.conv.weight", path),
        padding="tf" if is_converted else "same",
        fuse=not is_converted,
    )
    with torch.device("meta"):  # only what fits the file's own tensors is worth memory
        network = build(config)
    names = _names(network, _converted_layers() if is_converted else _pytorch_layers(state))
    wanted = network.state_dict()
    known = {*names.values(), FUSE_WEIGHT, f"stage2.{FUSE_WEIGHT}"}
    if strange := next((key for key in state if key not in known), None):
        raise _misfit(f"with a tensor that DeepFillv2's has not: '{strange}'", path)
    network.load_state_dict(
        {key: _fitted(state, names[key], tensor, path) for key, tensor in wanted.items()}, assign=True
    )
    return config, network


def _filters(state: Mapping[str, Tensor], key: str, path: Path) -> int:
    """The first convolution makes half of `filters`, and as many gates."""
    if key not in state:
        raise _misfit(f"without its tensor '{key}'", path)
    shape = tuple(state[key].shape)
    if len(shape) != 4 or shape[0] == 0:
        raise _misfit(f"whose '{key}' is {shape}, no convolution", path)
    if shape[1] != 5:
        raise _misfit(f"that takes {shape[1]} channels; i2i's takes a picture, ones and a mask, 5 in all", path)
    if shape[0] % 4:
        raise _misfit(f"of {shape[0]} filters; i2i's has a multiple of 4", path)
    return shape[0]


def _names(network: GatedGenerator, layers: Iterable[str]) -> dict[str, str]:
    """Our name -> their name of every tensor; their layers are in the order of ours."""
    ours = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d)]
    pairs = zip(ours, layers, strict=True)
    return {f"{mine}.{key}": f"{theirs}.{key}" for mine, theirs in pairs for key in ("weight", "bias")}


def _pytorch_layers(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the convolutions of both stages in the layout of blocks."""
    convolving, attending = next(
        (pair for pair in NAMES_OF_BRANCHES if f"stage2.{pair[1]}conv1.conv.weight" in state), NAMES_OF_BRANCHES[0]
    )
    down = [f"down_block{k}.{layer}" for k in (1, 2) for layer in ("conv1_downsample", "conv2")]
    up = [f"up_block{k}.{layer}" for k in (1, 2) for layer in ("conv1_upsample.conv", "conv2")]
    bottleneck = [f"conv_bn{k}" for k in range(1, 8)]
    coarse = ["conv1", *down, *bottleneck, *up, "conv_to_rgb"]
    fine = [
        *(f"{convolving}{name}" for name in ("conv1", *down, *bottleneck[:5])),
        *(f"{attending}{name}" for name in ("conv1", *down, "conv_bn1", "conv_bn4", "conv_bn5")),
        *("conv_bn6", "conv_bn7", *up, "conv_to_rgb"),
    ]
    return [*(f"stage1.{name}.conv" for name in coarse), *(f"stage2.{name}.conv" for name in fine)]


def _converted_layers() -> list[str]:
    """Names of the convolutions of both stages as in TensorFlow."""
    down = ["conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6"]
    dilated = [f"conv{k}_atrous" for k in range(7, 11)]
    up = ["conv13_upsample.conv", "conv14", "conv15_upsample.conv", "conv16", "conv17"]
    decoder = ["conv11", "conv12", *up]
    layers = [
        *(*down, *dilated, *decoder),
        *(f"x{name}" for name in (*down, *dilated)),
        *(f"pm{name}" for name in (*down, "conv9", "conv10")),
        *(f"all{name}" for name in decoder),
    ]
    return [f"{name}.conv" for name in layers]


def _fitted(state: Mapping[str, Tensor], key: str, wanted: Tensor, path: Path) -> Tensor:
    """The tensor of a name of theirs as our network wants it."""
    if key not in state:
        raise _misfit(f"without its tensor '{key}'", path)
    found = state[key]
    if found.shape != wanted.shape:
        raise _misfit(f"whose '{key}' is {tuple(found.shape)} and should be {tuple(wanted.shape)}", path)
    return found.to(wanted.dtype)


def _misfit(what: str, path: Path) -> ModelError:
    return ModelError(f"is a DeepFillv2 generator {what}.", where=path, hint=PUBLISHED)
