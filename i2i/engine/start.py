"""Where a training begins: at random weights, or at the networks of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from i2i.config.network_base import NetworkConfig
from i2i.errors import ConfigError
from i2i.methods.base import Method
from i2i.models.ancestor import discriminators_beside
from i2i.models.info import sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve
from i2i.networks.base import Network

INITIAL = {"init", "init_gain"}  # how weights were drawn does not matter where they are replaced


def start_from(method: Method, model: str) -> str:
    """Replaces a method's networks by those of a model file, run or shipped model; what names it in the model file.

    Discriminators are taken over where they lie beside the model. Raises UsageError for an unknown model, ConfigError
    where the networks are of other settings.
    """
    path = resolve(model)
    taken = _take_over(method.deployed(), path, model)
    if not taken:
        wanted = ", ".join(method.deployed())
        raise ConfigError(f"{model} has no network that this method deploys ({wanted}).", where="train.init")
    beside = discriminators_beside(path)
    if beside:
        _take_over(method.judges(), beside, model)
    return f"{Path(model).name} (SHA-256 {sha256(path)})"


def _take_over(networks: Mapping[str, Network], path: Path, model: str) -> list[str]:
    """Names of the networks that the file has; their weights are replaced."""
    file = load_model(path)
    taken = [name for name in networks if name in file.networks]
    for name in taken:
        _check_settings(name, networks[name].config, file.info.networks[name], model)
        networks[name].load_state_dict(file.networks[name].state_dict())
    return taken


def _check_settings(name: str, mine: NetworkConfig, theirs: NetworkConfig, model: str) -> None:
    ours, other = mine.model_dump(exclude=INITIAL), theirs.model_dump(exclude=INITIAL)
    for key in ours.keys() | other.keys():
        if ours.get(key) != other.get(key):
            what = f"{model} has {name} with {key}={other.get(key)}, this training asks for {key}={ours.get(key)}."
            raise ConfigError(what, where="train.init", hint="Take the settings of the model's networks.")
