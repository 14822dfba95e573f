"""What a training takes over from the model that it starts from. Without torch: the command line asks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from i2i.config.layers import Layer, Placed
from i2i.config.methods import METHODS
from i2i.config.network_base import NetworkConfig
from i2i.config.networks import TRANSLATORS
from i2i.config.noise_networks import NOISE_GENERATORS
from i2i.config.toml import flatten
from i2i.errors import ConfigError
from i2i.models.info import ModelInfo, read_info
from i2i.models.shipped import resolve


def ancestor_layer(model: str, origin: str, method: str, *, judged: bool = True) -> Layer:
    """The network settings of a model file, run or shipped model as a layer: nobody repeats them after `--init`.

    `origin` says where the model was asked for, `method` what is trained, `judged` whether with a discriminator: only
    then those of the model matter. Raises UsageError for an unknown model, ConfigError for one of another task,
    ModelError for a file that cannot be used.
    """
    path = resolve(model)
    info = read_info(path)
    if info.task != METHODS[method].task:
        what = f"{model} is a model to {info.task} pictures, and {method} learns to {METHODS[method].task} them."
        raise ConfigError(what, where=origin, hint="Name a model of the same task.")
    settings = _generator_settings(info, method)
    if judged and (beside := discriminators_beside(path)):
        judges = read_info(beside).networks
        settings |= _prefixed("method.discriminator", next(iter(judges.values())))
        settings["method.remedies.discriminators"] = _of_one_kind(judges)
    return {key: Placed(value, f"{model} ({origin})") for key, value in settings.items()}


def discriminators_beside(model: Path) -> Path | None:
    """The discriminators that belong to a model file: of the same run, or of the same shipped model."""
    if model.name == "model.safetensors":
        candidate = model.with_name("discriminators.safetensors")
    else:
        candidate = model.parent / "discriminators" / model.name
    return candidate if candidate.is_file() else None


def _of_one_kind(judges: Iterable[str]) -> int:
    """How many judge the same pictures, by their names: `discriminator`, `discriminator_2` ...; also `_a`, `_a_2`."""
    numbers = (name.rpartition("_")[2] for name in judges)
    return max([1, *(int(number) for number in numbers if number.isdecimal())])


def _generator_settings(info: ModelInfo, method: str) -> dict[str, object]:
    if up := info.networks.get("up"):
        own = _prefixed("method.generator", up)
        return own | {"method.scale": own.pop("method.generator.scale")}
    if fill := info.networks.get("fill"):
        return _prefixed("method.generator", fill)
    if isinstance(sample := info.networks.get("sample"), NOISE_GENERATORS):
        return _prefixed("method.generator", sample) | {
            "data.size": sample.size,
            "method.channels": sample.channels,
            "method.classes": sample.classes,
            "method.conditional": bool(sample.classes),
        }
    a2b, b2a = info.networks.get("a2b"), info.networks.get("b2a")
    settings: dict[str, object] = {}
    if isinstance(a2b, TRANSLATORS):
        settings = {"method.channels_a": a2b.input_channels, "method.channels_b": a2b.output_channels}
    elif isinstance(b2a, TRANSLATORS):
        settings = {"method.channels_a": b2a.output_channels, "method.channels_b": b2a.input_channels}
    generator = a2b or b2a
    if method == "pix2pix" and isinstance(generator, TRANSLATORS):
        settings |= {"method.direction": "a2b" if a2b else "b2a", "method.labels": generator.labels}
    return settings | (_prefixed("method.generator", generator) if generator else {})


def _prefixed(table: str, network: NetworkConfig) -> dict[str, object]:
    # Channels, classes and size follow from settings of the method and of the data.
    follows = {"input_channels", "output_channels", "labels", "size", "channels", "classes"}
    own = network.model_dump(exclude=follows)
    return {f"{table}.{key}": value for key, value in flatten(own).items()}
