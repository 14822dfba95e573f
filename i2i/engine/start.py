"""Where a training begins: at random weights, or at the networks of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from i2i.config.network_base import NetworkConfig
from i2i.errors import ConfigError
from i2i.methods.base import Method
from i2i.models.ancestor import discriminators_beside
from i2i.models.info import sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve
from i2i.networks.base import Network

INITIAL = {"init", "init_gain"}  # how weights were drawn does not matter where they are replaced


def start_from(method: Method, model: str, note: Callable[[str], None] = lambda line: None) -> str:
    """Replaces a method's networks by those of a model file, run or shipped model; what names it in the model file.

    Discriminators are taken over where they lie beside the model and have the settings that are asked for; `note` hears
    of those that begin anew. Raises UsageError for an unknown model, ConfigError where a deployed network is of other
    settings.
    """
    path = resolve(model)
    _take_over_deployed(method.deployed(), path, model)
    _take_over_judges(method.judges(), path, model, note)
    return f"{Path(model).name} (SHA-256 {sha256(path)})"


def _take_over_deployed(networks: Mapping[str, Network], path: Path, model: str) -> None:
    file = load_model(path)
    taken = [name for name in networks if name in file.networks]
    if not taken:
        raise ConfigError(
            f"{model} has no network that this method deploys ({', '.join(networks)}).", where="train.init"
        )
    for name in taken:
        if other := _difference(networks[name].config, file.info.networks[name]):
            what = f"{model} has {name} with {other.theirs}, this training asks for {other.ours}."
            raise ConfigError(what, where="train.init", hint="Take the settings of the model's networks.")
        networks[name].load_state_dict(file.networks[name].state_dict())


def _take_over_judges(networks: Mapping[str, Network], path: Path, model: str, note: Callable[[str], None]) -> None:
    beside = discriminators_beside(path)
    file = load_model(beside) if beside else None
    for name, network in networks.items():
        if file is None or name not in file.networks:
            note(f"{name} begins anew: {model} has none of that name.")
        elif other := _difference(network.config, file.info.networks[name]):
            note(f"{name} begins anew: {model} has it with {other.theirs}, this training asks for {other.ours}.")
        else:
            network.load_state_dict(file.networks[name].state_dict())
    left = [name for name in (file.networks if file else ()) if name not in networks]
    if left:
        note(f"{', '.join(left)} of {model}: this training has no discriminator of that name, and goes on without.")


class Difference(NamedTuple):
    """A setting that two networks have different, in words."""

    ours: str
    theirs: str


def _difference(mine: NetworkConfig, theirs: NetworkConfig) -> Difference | None:
    ours, other = mine.model_dump(exclude=INITIAL), theirs.model_dump(exclude=INITIAL)
    for key in dict.fromkeys(["kind", *ours, *other]):
        if ours.get(key) != other.get(key):
            return Difference(f"{key}={ours.get(key)}", f"{key}={other.get(key)}")
    return None
