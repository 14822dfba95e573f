"""U-Net generators of the best-known pix2pix implementation: from its tensors' names and shapes to our networks.

Its levels stand one inside the other, so its names grow with depth: `model.model.0.*` is of the outermost level,
`model.model.1.model.1.*` of the next, `model.model.1.model.3.model.1.*` of the one inside that. Every setting but
dropout is read off names and shapes; dropout comes last in its level and moves no name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from i2i.config.network_base import Norm
from i2i.config.networks import UNetConfig
from i2i.errors import ModelError
from i2i.models.foreign_cyclegan import NORM_KEYS
from i2i.networks.build import build
from i2i.networks.unet import UNetGenerator

OUTERMOST = "model.model."
INSIDE = "model.model.1.model."
LAST = f"{OUTERMOST}3"
FEWEST, MOST = 5, 10  # halvings of our network; theirs has five at least
PUBLISHED = "Only the published form of pix2pix's U-Net can be imported."


def is_unet_generator(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has one level inside another, as pix2pix's U-Net generator."""
    return any(key.startswith(INSIDE) for key in state)


def unet_generator(state: Mapping[str, Tensor], path: Path) -> tuple[UNetConfig, UNetGenerator]:
    """Our generator with the weights of a state dict of theirs, which `is_unet_generator` knows.

    Batch norm is evaluated by each picture's own statistics, as their test does (Isola et al. 2017, section 3.3).
    `path` is named in errors. Raises ModelError for a tensor that is missing, too many or of another shape, and for
    pictures of other than 1 or 3 channels.
    """
    config = _config(state, path)
    with torch.device("meta"):  # only what fits the file's own tensors is worth memory
        network = build(config)
    wanted, names = network.state_dict(), _names(config.downs)
    known = {names[key] for key in wanted}
    if config.norm == "instance":  # old releases kept statistics for it, which it never used
        known |= {theirs for theirs in names.values() if theirs.endswith(NORM_KEYS[2:])}
    if strange := next((key for key in state if key not in known), None):
        raise _misfit(f"with a tensor that pix2pix's has not: '{strange}'", path)
    found = {key: _fitted(state, names[key], tensor, config.norm, path) for key, tensor in wanted.items()}
    network.load_state_dict(found, assign=True)
    return config, network


def _config(state: Mapping[str, Tensor], path: Path) -> UNetConfig:
    """Every setting. Weights do not tell whether there was dropout in their training, so none is claimed."""
    downs = 1 + max(_depth(key) for key in state)
    if not FEWEST <= downs <= MOST:
        raise _misfit(f"that halves the size {downs} times; i2i's halves it {FEWEST} to {MOST} times", path)
    filters, inputs = _sides(state, f"{OUTERMOST}0.weight", path)
    _, outputs = _sides(state, f"{LAST}.weight", path)
    if not {inputs, outputs} <= {1, 3}:
        raise _misfit(f"that takes {inputs} channels and makes {outputs}; i2i's takes and makes 1 or 3", path)
    return UNetConfig(
        input_channels=inputs,
        output_channels=outputs,
        filters=filters,
        downs=downs,
        norm=_norm(state, path),
        dropout=0.0,
        dropout_at="pytorch",
    )


def _depth(key: str) -> int:
    """How many levels lie around the level of a tensor."""
    nested = re.match(r"model\.model\.1\.((?:model\.3\.)*)model\.\d", key)
    return 1 + nested[1].count("model.") if nested else 0


def _norm(state: Mapping[str, Tensor], path: Path) -> Norm:
    """Batch norm brings weights and statistics; instance norm has none, but its convolutions have a bias."""
    has_weights = f"{INSIDE}2.weight" in state
    if f"{OUTERMOST}0.bias" in state or f"{INSIDE}1.bias" in state:
        if has_weights:
            raise _misfit("with weights in its norms and a bias before them; i2i has one of the two", path)
        return "instance"
    return "batch" if has_weights or f"{INSIDE}2.running_mean" in state else "none"


def _names(downs: int) -> dict[str, str]:
    """Our name -> their name of every tensor that a generator of so many halvings can have."""
    innermost = downs - 1
    layers = {"down.0": f"{OUTERMOST}0", f"up.{innermost}.1": LAST}
    norms: dict[str, str] = {}
    for level in range(1, downs):
        place = "model.model.1." + "model.3." * (level - 1) + "model."
        # The innermost level has no norm on its way down, and nothing between its convolutions.
        up, norm = (3, 4) if level == innermost else (5, 6)
        layers |= {f"down.{level}.1": f"{place}1", f"up.{innermost - level}.1": f"{place}{up}"}
        norms |= {f"up.{innermost - level}.2": f"{place}{norm}"}
        if level < innermost:
            norms |= {f"down.{level}.2": f"{place}2"}
    names = {f"{ours}.{key}": f"{theirs}.{key}" for ours, theirs in layers.items() for key in ("weight", "bias")}
    return names | {f"{ours}.{key}": f"{theirs}.{key}" for ours, theirs in norms.items() for key in NORM_KEYS}


def _fitted(state: Mapping[str, Tensor], key: str, wanted: Tensor, norm: Norm, path: Path) -> Tensor:
    """The tensor of a name of theirs as our network wants it."""
    # Old batch norms had no counter; where there is no norm at all, ours has biases and theirs has none but the last.
    is_nought = key.endswith("num_batches_tracked") or (
        norm == "none" and key.endswith("bias") and key != f"{LAST}.bias"
    )
    if key not in state and is_nought:
        return torch.zeros(wanted.shape, dtype=wanted.dtype)
    found = _tensor(state, key, path)
    if found.shape != wanted.shape:
        raise _misfit(f"whose '{key}' is {tuple(found.shape)} and should be {tuple(wanted.shape)}", path)
    return found.to(wanted.dtype)


def _sides(state: Mapping[str, Tensor], key: str, path: Path) -> tuple[int, int]:
    """The first two sides of a convolution's weight: outputs and inputs, or, transposed, inputs and outputs."""
    shape = tuple(_tensor(state, key, path).shape)
    if len(shape) != 4 or 0 in shape:
        raise _misfit(f"whose '{key}' is {shape}, no convolution", path)
    return shape[0], shape[1]


def _tensor(state: Mapping[str, Tensor], key: str, path: Path) -> Tensor:
    if key not in state:
        raise _misfit(f"without its tensor '{key}'", path)
    return state[key]


def _misfit(what: str, path: Path) -> ModelError:
    return ModelError(f"is a U-Net generator {what}.", where=path, hint=PUBLISHED)
