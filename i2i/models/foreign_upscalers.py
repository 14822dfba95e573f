"""Upscalers of the best-known implementations: from their tensors' names and shapes to our networks.

A layout is how one implementation names its tensors. They are first given our names; every setting is then read off
names and shapes of those, the same way for all layouts of a network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.config.networks import CompactConfig, RRDBConfig, SRResNetConfig
from i2i.errors import ModelError
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.srresnet import SHUFFLES

State = Mapping[str, Tensor]
Config = CompactConfig | RRDBConfig | SRResNetConfig
Names = Callable[[str], str]  # from a tensor's name in the file to ours

RRDB_NAMES = {
    r"RRDB_trunk\.": "body.",
    r"(body\.\d+)\.RDB": r"\1.rdb",
    r"trunk_conv\.": "conv_body.",
    r"upconv": "conv_up",
    r"HRconv\.": "conv_hr.",
}
MSRRESNET_NAMES = {
    r"conv_first\.": "head.0.",
    r"(?:body|recon_trunk|trunk_net)\.(\d+)\.conv1\.": r"body.\1.convolve.0.",
    r"(?:body|recon_trunk|trunk_net)\.(\d+)\.conv2\.": r"body.\1.convolve.2.",
    r"(?:upconv1|upsample1\.upsample_conv)\.": "up.0.",
    r"(?:upconv2|upsample2\.upsample_conv)\.": "up.3.",
    r"(?:conv_hr|HRconv)\.": "tail.0.",
    r"conv_last\.": "tail.2.",
}


class MisfitError(ValueError):
    """A file of a known layout that our network cannot be: the words that follow 'is RRDB'."""


@dataclass(frozen=True)
class Layout:
    """The tensors' names in one implementation."""

    title: str
    telling: Callable[[State], bool]  # whether a state dict has this layout
    names: Callable[[State], Names]
    settings: Callable[[State], Config]  # of tensors with our names; raises MisfitError
    smallest: Config  # has a tensor of every kind


def upscaler(state: State, path: Path) -> tuple[str, Config, Network] | None:
    """Title, settings and network of ours with the weights of a state dict of theirs; None: no layout is recognised.

    `path` is named in errors. Raises ModelError for a known layout whose settings or tensors do not fit our network.
    """
    layout = next((layout for layout in LAYOUTS if layout.telling(state)), None)
    if layout is None:
        return None
    try:
        ours, unexpected = _renamed(state, layout.names(state))
        config = layout.settings(ours)
        _refuse_other_channels(config)
        with torch.device("meta"):  # only what fits the file's own tensors is worth memory
            network = build(config)
        network.load_state_dict(_fitted(network, ours, unexpected), assign=True)
    except MisfitError as error:
        raise ModelError(f"is {layout.title} {error}.", where=path) from None
    return layout.title, config, network


def nearest(state: State) -> str:
    """Which layout shares most names with a state dict of none, and how they differ; '' if none shares any."""
    best, words = 0.0, ""
    for layout in LAYOUTS:
        ours, twice = _renamed(state, layout.names(state))
        with torch.device("meta"):
            wanted = {_kind(key): key for key in build(layout.smallest).state_dict()}
        found = {_kind(key): key for key in ours}
        likeness = len(wanted.keys() & found.keys()) / len(wanted.keys() | found.keys())
        if likeness > best:
            missing = [key for kind, key in wanted.items() if kind not in found]
            unexpected = [*twice, *(key for kind, key in found.items() if kind not in wanted)]
            best = likeness
            words = ", ".join(filter(None, (layout.title, _difference(missing, unexpected))))
    return words


def _renamed(state: State, names: Names) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by our names, and the file's names of those that would take a place twice."""
    ours: dict[str, Tensor] = {}
    twice = []
    for key, tensor in state.items():
        name = names(key)
        if name in ours:
            twice.append(key)
        ours.setdefault(name, tensor)
    return ours, twice


def _refuse_other_channels(config: Config) -> None:
    """Pictures are gray or in colour. Raises MisfitError for a network of anything else."""
    if not {config.input_channels, config.output_channels} <= {1, 3}:
        theirs = f"takes {config.input_channels} channels and makes {config.output_channels}"
        raise MisfitError(f"that {theirs}; i2i's takes and makes 1 or 3")


def _fitted(network: Network, ours: State, unexpected: list[str]) -> dict[str, Tensor]:
    """The tensors as the network wants them. Raises MisfitError, naming the first that are missing or unexpected."""
    wanted = network.state_dict()
    absent = {key: tensor for key, tensor in wanted.items() if key not in ours}
    filled = {
        key: torch.zeros(tensor.shape, dtype=tensor.dtype) for key, tensor in absent.items() if _is_zero(network, key)
    }
    missing = [key for key in absent if key not in filled]
    strange = [*unexpected, *(key for key in ours if key not in wanted)]
    if missing or strange:
        raise MisfitError(f"of another form than i2i's: {_difference(missing, strange)}")
    for key, found in ours.items():
        if found.shape != wanted[key].shape:
            shapes = f"{tuple(found.shape)} and should be {tuple(wanted[key].shape)}"
            raise MisfitError(f"of another form than i2i's: '{key}' is {shapes}")
    return filled | {key: tensor.to(wanted[key].dtype) for key, tensor in ours.items()}


def _is_zero(network: Network, key: str) -> bool:
    """Whether a tensor that a file lacks is nought: old batch norms had no counter, and SRResNet's convolutions
    before batch norm often have no bias."""
    module, _, leaf = key.rpartition(".")
    if leaf == "num_batches_tracked":
        return True
    return (
        leaf == "bias"
        and isinstance(network.config, SRResNetConfig)
        and isinstance(network.get_submodule(module), nn.Conv2d)
    )


def _difference(missing: list[str], unexpected: list[str]) -> str:
    return ", ".join(
        f"{word} {_first(keys)}" for word, keys in (("missing", missing), ("unexpected", unexpected)) if keys
    )


def _first(keys: list[str], count: int = 3) -> str:
    told = ", ".join(f"'{key}'" for key in keys[:count])
    return f"{told} and {len(keys) - count} more" if len(keys) > count else told


def _kind(key: str) -> str:
    """The name without its numbers: the same for all blocks."""
    return re.sub(r"\d+", "#", key)


def _by(rules: Mapping[str, str | Callable[[re.Match[str]], str]]) -> Names:
    """Replaces what the first letters of a name match, rule after rule."""

    def name(key: str) -> str:
        for pattern, ours in rules.items():
            key = re.sub(rf"\A{pattern}", ours, key)
        return key

    return name


def _old_rrdb_names(state: State) -> Names:
    """ESRGAN's first release is one sequence; each doubling takes three places of it, from the third on."""
    places = [int(match[1]) for key in state if (match := re.match(r"model\.(\d{1,4})\.", key))]
    last = max(places, default=0)
    ups = {rf"model\.{place}\.": f"conv_up{place // 3}." for place in range(3, last - 2, 3)}
    return _by(
        {r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.": r"body.\1.rdb\2.conv\3."}
        | {r"model\.1\.sub\.\d+\.(?=weight|bias)": "conv_body.", r"model\.0\.": "conv_first."}
        | ups
        | {rf"model\.{last - 2}\.": "conv_hr.", rf"model\.{last}\.": "conv_last."}
    )


def _srresnet_names(state: State) -> Names:
    blocks = _count(r"trunk\.(\d+)\.", state)
    return _by(
        {
            r"conv(?:_block)?1\.": "head.",
            r"trunk\.(\d+)\.rcb\.": r"body.convolve.\1.convolve.",
            r"conv(?:_block)?2\.0\.": f"body.convolve.{blocks}.",
            r"conv(?:_block)?2\.1\.": f"body.convolve.{blocks + 1}.",
            r"upsampling\.(\d{1,4})\.upsample_block\.(\d{1,4})\.": lambda match: (
                f"up.{3 * int(match[1]) + int(match[2])}."
            ),
            r"conv(?:_block)?3\.": "tail.",
        }
    )


def _compact_settings(state: State) -> CompactConfig:
    convolutions = sum(tensor.ndim == 4 for key, tensor in state.items() if key.startswith("body."))
    inner = max(0, convolutions - 2)
    filters, channels = _channels(state, "body.0.weight")
    outputs, _ = _channels(state, f"body.{2 * inner + 2}.weight")
    scale = isqrt(outputs // channels)
    if not 1 <= scale <= 4 or outputs != channels * scale**2:
        raise MisfitError(f"that makes {outputs} channels of {channels}; i2i's makes 1, 4, 9 or 16 times as many")
    return CompactConfig(
        input_channels=channels, output_channels=channels, filters=filters, convolutions=inner, scale=scale
    )


def _rrdb_settings(state: State) -> RRDBConfig:
    doublings = _count(r"conv_up(\d+)\.", state)
    if doublings != 2:
        raise MisfitError(f"that doubles the size {doublings} times; i2i's doubles it twice")
    filters, folded = _channels(state, "conv_first.weight")
    outputs, _ = _channels(state, "conv_last.weight")
    growth, _ = _channels(state, "body.0.rdb1.conv1.weight")
    # Networks of scale 2 and 1 see their input folded to a half and a quarter of its sides.
    scale: Literal[1, 2, 4] = 2 if folded == 4 * outputs else 1 if folded == 16 * outputs else 4
    return RRDBConfig(
        input_channels=folded // (4 // scale) ** 2,
        output_channels=outputs,
        filters=filters,
        growth=growth,
        blocks=_count(r"body\.(\d+)\.", state),
        scale=scale,
    )


def _srresnet_settings(state: State) -> SRResNetConfig:
    return _residual_settings(state, "batch", "tail.weight", r"body\.convolve\.(\d+)\.convolve\.")


def _msrresnet_settings(state: State) -> SRResNetConfig:
    return _residual_settings(state, "none", "tail.2.weight", r"body\.(\d+)\.")


def _residual_settings(state: State, norm: Literal["batch", "none"], tail: str, block: str) -> SRResNetConfig:
    filters, channels = _channels(state, "head.0.weight")
    outputs, _ = _channels(state, tail)
    steps = sum(tensor.ndim == 4 for key, tensor in state.items() if key.startswith("up."))
    shuffles = tuple(isqrt(_channels(state, f"up.{3 * step}.weight")[0] // filters) for step in range(steps))
    scale = next((scale for scale, known in SHUFFLES.items() if known == shuffles), None)
    if scale is None:
        factors = " and ".join(map(str, shuffles))
        raise MisfitError(f"that enlarges by {factors}; i2i's enlarges by 2, by 3, or by 2 and 2")
    return SRResNetConfig(
        input_channels=channels,
        output_channels=outputs,
        filters=filters,
        blocks=_count(block, state),
        scale=scale,
        norm=norm,
    )


def _channels(state: State, key: str) -> tuple[int, int]:
    """Output and input channels of a convolution."""
    tensor = state.get(key)
    if tensor is None or tensor.ndim != 4 or tensor.numel() == 0:
        raise MisfitError(f"without the convolution '{key}'")
    return tensor.shape[0], tensor.shape[1]


def _count(pattern: str, state: State) -> int:
    """How many numbers stand in a pattern's group; not the highest, which a file can make as high as it likes."""
    return len({match[1] for key in state if (match := re.match(pattern, key))})


LAYOUTS = (
    Layout(
        title="Compact",
        telling=lambda state: {"body.0.weight": 4, "body.1.weight": 1}.items() <= _dimensions(state).items(),
        names=lambda state: _by({}),
        settings=_compact_settings,
        smallest=CompactConfig(convolutions=0),
    ),
    Layout(
        title="RRDB",
        telling=lambda state: _count(r"(?:body|RRDB_trunk)\.(\d+)\.(?:rdb|RDB)1\.conv1\.weight", state) > 0,
        names=lambda state: _by(RRDB_NAMES),
        settings=_rrdb_settings,
        smallest=RRDBConfig(blocks=1),
    ),
    Layout(
        title="RRDB with ESRGAN's first names",
        telling=lambda state: _count(r"model\.1\.sub\.(\d+)\.RDB1\.conv1\.0\.weight", state) > 0,
        names=_old_rrdb_names,
        settings=_rrdb_settings,
        smallest=RRDBConfig(blocks=1),
    ),
    Layout(
        title="SRResNet",
        telling=lambda state: _count(r"trunk\.(\d+)\.rcb\.0\.weight", state) > 0,
        names=_srresnet_names,
        settings=_srresnet_settings,
        smallest=SRResNetConfig(blocks=1, scale=2),
    ),
    Layout(
        title="MSRResNet",
        telling=lambda state: _count(r"(?:body|recon_trunk|trunk_net)\.(\d+)\.conv1\.weight", state) > 0,
        names=lambda state: _by(MSRRESNET_NAMES),
        settings=_msrresnet_settings,
        smallest=SRResNetConfig(blocks=1, scale=2, norm="none"),
    ),
)


def _dimensions(state: State) -> dict[str, int]:
    return {key: tensor.ndim for key, tensor in state.items()}
