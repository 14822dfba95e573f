"""Settings that all methods share which make pictures of noise."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from i2i.config.base import Settings, setting
from i2i.config.data import LabelledConfig
from i2i.config.noise_networks import (
    CRITICS,
    NOISE_GENERATORS,
    Critic,
    DCGANConfig,
    DCGANCriticConfig,
    NoiseGenerator,
    doublings,
)
from i2i.config.remedies import RemediesConfig, check_samples
from i2i.config.run import MethodConfig, RunConfig

ANY_SIZE = ("perceptron", "perceptron-critic", "maxout-critic")  # the others double or halve it
FOLLOWS_FROM = {"size": "data.size", "channels": "method.channels", "classes": "method.classes"}
DEFAULTS = {
    kind.model_fields["kind"].default: {key: kind.model_fields[key].default for key in FOLLOWS_FROM}
    for kind in (*NOISE_GENERATORS, *CRITICS)
}
Judged = Literal["vanilla", "saturating", "lsgan", "hinge", "ragan", "ralsgan", "rahinge"]


class NoiseMethodConfig(MethodConfig):
    """A generator of noise and what judges its pictures: both of the same size, channels and classes."""

    conditional: bool = setting(
        False, "tell generator and discriminator the class of each picture", option="--conditional"
    )
    classes: tuple[str, ...] = setting(
        (), "names of the classes in the order of their numbers, where they are told (default: those of the data)"
    )
    channels: Literal[1, 3] | None = setting(
        None, "channels of the pictures: 3 colour, 1 gray (default: as the data has them)"
    )
    generator: NoiseGenerator = setting(DCGANConfig(), "network that makes pictures of noise", validate_default=True)
    discriminator: Critic = setting(DCGANCriticConfig(), "network that judges pictures", validate_default=True)
    mode_seeking: float = setting(
        0.0, "weight of the loss that wants unlike pictures of two noises; 1 in Mao et al. 2019", ge=0
    )
    remedies: RemediesConfig = setting(RemediesConfig(), "remedies against unstable training")

    @field_validator("generator", mode="before")
    @classmethod
    def _the_generator_makes_what_the_method_says(cls, network: Any, info: ValidationInfo) -> Any:
        said = info.data  # without what is wrong itself
        given = {"classes": said.get("classes", ()) if said.get("conditional") else ()}
        channels = {"channels": said["channels"]} if said.get("channels") else {}
        return _following(network, {**given, **channels})

    @field_validator("discriminator", mode="before")
    @classmethod
    def _the_discriminator_judges_what_the_generator_makes(cls, network: Any, info: ValidationInfo) -> Any:
        made = info.data.get("generator")
        return _following(network, made.model_dump(include=set(FOLLOWS_FROM))) if made else network

    @model_validator(mode="after")
    def _classes_are_told(self) -> Self:
        if self.classes and not self.conditional:
            raise ValueError("the classes are told to nobody: add --conditional, or set method.classes=[]")
        if len(self.classes) == 1:
            raise ValueError("one class alone tells nothing: name two or more, or leave --conditional out")
        for name in self.classes:
            if self.classes.count(name) > 1:
                raise ValueError(f"the classes name {name} twice: give each a name of its own")
        return self


class NoiseRun(RunConfig):
    """A training of one of them: the networks have the size of the data."""

    method: NoiseMethodConfig
    data: LabelledConfig = LabelledConfig()

    @model_validator(mode="before")
    @classmethod
    def _networks_have_the_size_of_the_data(cls, tables: Any) -> Any:
        if not isinstance(tables, dict) or not isinstance(size := _table(tables.get("data")).get("size"), int):
            return tables
        method = _table(tables.get("method", cls.model_fields["method"].default))
        own = cls.model_fields["method"].annotation.model_fields  # type: ignore[union-attr]
        networks = {name: _table(method.get(name, own[name].default)) for name in ("generator", "discriminator")}
        if any(network.get("kind") not in ANY_SIZE for network in networks.values()):
            _refuse_a_size_out_of_reach(size)
        return tables | {"method": method | {"generator": _of_size(networks["generator"], size)}}

    @property
    def following(self) -> dict[str, Any]:
        """Size, channels and classes of the networks, but what is still open."""
        told = {"size": self.data.size, "channels": self.method.channels}
        generator = {"classes"} | {name for name, value in told.items() if value is not None}
        return {"method": {"generator": generator, "discriminator": set(FOLLOWS_FROM)}}

    @model_validator(mode="after")
    def _samples_can_be_compared(self) -> Self:
        check_samples(self.method.discriminator, self.samples, self.engine.micro_batches)
        return self


def _refuse_a_size_out_of_reach(size: int) -> None:
    try:
        doublings(size)
    except ValueError as error:
        raise ValueError(f"data.size: {error}") from None


def _table(settings: Any) -> dict[str, Any]:
    """Settings as a table; of anything else, which is wrong here, an empty one."""
    if isinstance(settings, Settings):
        return settings.model_dump()
    return settings if isinstance(settings, dict) else {}


def _of_size(network: dict[str, Any], size: int) -> Any:
    try:
        return _following(network, {"size": size})
    except ValueError as error:
        raise ValueError(f"method.generator: {error}") from None


def _following(network: Any, told: dict[str, Any]) -> Any:
    """The settings of a network, of which those that it is told are no longer its own.

    Raises ValueError where it has others of its own. Those of its kind by default are no such: nobody need have set
    them. What is no table of a known kind stays as it is, to be refused.
    """
    table = _table(network)
    defaults = DEFAULTS.get(str(table.get("kind")))
    if defaults is None:
        return network
    for key, value in told.items():
        own = table.get(key, value)
        own = tuple(own) if isinstance(own, list) else own
        if own not in (value, defaults[key]):
            source = FOLLOWS_FROM[key]
            raise ValueError(f"{key}={table[key]} cannot be set by itself: it follows from {source}, set that alone")
    return table | told
