"""Weights made elsewhere: what is in a file, and a model file of ours with it.

Generators of CycleGAN, pix2pix and DeepFillv2 and upscalers are recognised by the names and shapes of their tensors,
which say every setting that pictures depend on.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from i2i.config.networks import CompactConfig, GatedConfig, ResNetConfig, RRDBConfig, SRResNetConfig, UNetConfig
from i2i.errors import ModelError, UsageError
from i2i.models.foreign_cyclegan import is_resnet_generator, resnet_generator
from i2i.models.foreign_inpainting import deepfill_generator, is_deepfill_generator
from i2i.models.foreign_likeness import likeness
from i2i.models.foreign_unet import is_unet_generator, unet_generator
from i2i.models.foreign_upscalers import nearest, upscaler
from i2i.models.info import COPY_AGAIN, METADATA_KEY, Card, Direction, ModelInfo, sha256
from i2i.models.modelfile import save_model
from i2i.models.pickles import read_in_child
from i2i.networks.base import Network
from i2i.version import __version__

IMPORTABLE = (
    "Can be imported: ResNet generators of CycleGAN, U-Net generators of pix2pix;"
    " upscalers Compact, RRDB (ESRGAN), SRResNet, MSRResNet; for inpainting DeepFillv2."
)
# What made a network of this kind; all other kinds enlarge, and were made in many ways.
METHODS = {"resnet": "cyclegan", "unet": "pix2pix", "gated": "inpaint"}
# What a network that has no directions is called, and the name of the only one in its model file.
ALONE: dict[str, tuple[str, Direction]] = {"upscale": ("an upscaler", "up"), "inpaint": ("an inpainter", "fill")}
# Wrapping modules, and the generator in a file with all networks of a training: its running average if there is one.
PREFIXES = ("module.", "_orig_mod.", "generator_ema.", "generator.", "netG.", "net_g.", "module.")


@dataclass(frozen=True)
class Foreign:
    """A network of ours with the weights of a file; `title` is what people call it."""

    title: str
    config: ResNetConfig | UNetConfig | CompactConfig | RRDBConfig | SRResNetConfig | GatedConfig
    network: Network

    @property
    def task(self) -> Literal["translate", "upscale", "inpaint"]:
        """What the network is for."""
        match self.config:
            case ResNetConfig() | UNetConfig():
                return "translate"
            case GatedConfig():
                return "inpaint"
        return "upscale"


def import_weights(files: Sequence[Path], output: Path, direction: Literal["a2b", "b2a"] | None = None) -> ModelInfo:
    """Write one model file of ours with the weights of one network, or of two generators of CycleGAN or pix2pix.

    Two files are a2b and b2a; `direction` says what a single one is. Weights are stored as they are, without halving.
    Raises ModelError for a file that cannot be read or holds no such network, saying what it looks like; UsageError for
    an upscaler or inpainter with a direction or a second file.
    """
    found = [recognise(read_tensors(path), path) for path in files]
    directions: tuple[Direction, ...] = ("a2b", "b2a") if len(files) == 2 else (direction or "a2b",)
    task = found[0].task
    for path, foreign in zip(files, found, strict=True):
        if foreign.task in ALONE:
            what, name = ALONE[foreign.task]
            if direction is not None or len(files) > 1:
                hint = "Import it alone, without --direction."
                raise UsageError(f"is {what}, and those have no directions.", where=path, hint=hint)
            directions = (name,)
    named = dict(zip(directions, found, strict=True))
    info = ModelInfo(
        version=__version__,
        task=task,
        method=", ".join(dict.fromkeys(METHODS.get(foreign.config.kind, "") for foreign in found)),
        directions=directions,
        networks={name: foreign.config for name, foreign in named.items()},
        keeps_gray=all(foreign.config.kind != "unet" for foreign in found),
        value_range=(0.0, 1.0) if task == "upscale" else (-1.0, 1.0),
        multiple=max(foreign.network.multiple for foreign in found),
        minimum=max(foreign.network.minimum for foreign in found),
        ancestor=", ".join(f"{path.name} (SHA-256 {sha256(path)})" for path in files),
        card=Card(
            description=f"imported weights: {', '.join(dict.fromkeys(foreign.title for foreign in found))}",
            data="unknown",
            licence="unknown: ask where the file came from",
        ),
    )
    save_model(output, {name: foreign.network for name, foreign in named.items()}, info, half=False)
    return info


def recognise(state: Mapping[str, Tensor], path: Path) -> Foreign:
    """The network of ours that a state dict holds the weights of; `path` is named in errors.

    Raises ModelError for everything else, naming it where it is known, and for values that are not finite.
    """
    state = _bare(state)
    if what := likeness(state):
        raise ModelError(f"looks like {what}.", where=path, hint=IMPORTABLE)
    if infinite := next((key for key, tensor in state.items() if not bool(torch.isfinite(tensor).all())), None):
        raise ModelError(f"damaged: '{infinite}' holds values that are not finite.", where=path, hint=COPY_AGAIN)
    if is_resnet_generator(state):
        return Foreign("ResNet generator of CycleGAN", *resnet_generator(state, path))
    if is_unet_generator(state):
        return Foreign("U-Net generator of pix2pix", *unet_generator(state, path))
    if is_deepfill_generator(state):
        return Foreign("DeepFillv2", *deepfill_generator(state, path))
    if known := upscaler(state, path):
        title, config, network = known
        return Foreign(f"{title}, scale {config.scale}", config, network)
    what = f"looks like an unknown network: {len(state)} tensors, the first '{next(iter(state))}'"
    if near := nearest(state):
        what += f"; nearest to {near}"
    raise ModelError(f"{what}.", where=path, hint=IMPORTABLE)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file, or of a PyTorch file, which a process of its own reads. Raises ModelError."""
    if path.suffix.lower() != ".safetensors":
        return read_in_child(path)
    try:
        with safe_open(path, "pt") as file:
            if METADATA_KEY in (file.metadata() or {}):
                hint = f"Ask for what is in it: i2i models info {shlex.quote(str(path))}"
                raise ModelError("is a model file of i2i already.", where=path, hint=hint)
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError("is no safetensors file, or damaged.", where=path, hint=COPY_AGAIN) from error


def _bare(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The generator's tensors alone, under the names that it gives them itself."""
    for prefix in PREFIXES:
        inner = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
        state = inner or state
    return state
