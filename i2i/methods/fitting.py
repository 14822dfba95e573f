"""Whether the networks of a method can take training crops of a size."""

from __future__ import annotations

from i2i.config.networks import PatchGANConfig, UNetConfig
from i2i.errors import ConfigError
from i2i.methods.base import Method
from i2i.networks.base import Network


def refuse_unfit_crops(method: Method, size: int) -> None:
    """Raises ConfigError, with the sizes that fit, where a network cannot take crops of `size` x `size` pixels."""
    sides = method.sides(size)
    for name, network in (method.deployed() | method.judges()).items():
        called = f"the generator ({name})" if name in method.deployed() else f"the {name.replace('_', ' ')}"
        shrunk = size // sides[name]  # crops are so many times larger than what this network sees of them
        least, multiple = network.minimum * shrunk, network.multiple * shrunk
        if size < least:
            hint = f"Use --size {least} or more{_or_fewer_layers(network, sides[name])}."
            raise ConfigError(f"crops of {size} px are too small for {called}.", where="data.size", hint=hint)
        if size % multiple:
            below, above = size // multiple * multiple, -(-size // multiple) * multiple
            hint = f"Use --size {below} or --size {above}{_or_fewer_layers(network, sides[name])}."
            what = f"crops of {size} px do not fit {called}, which needs multiples of {multiple}."
            raise ConfigError(what, where="data.size", hint=hint)


def _or_fewer_layers(network: Network, side: int) -> str:
    """The setting by which a network takes pictures of that side; nothing where there is none."""
    match network.config:
        case UNetConfig():
            table, name, fitting = "generator", "downs", range(5, (side & -side).bit_length())  # 5 are the fewest
        case PatchGANConfig():
            table, name, fitting = "discriminator", "layers", range(1, (side // 3).bit_length())
        case _:
            return ""
    return f", or --set method.{table}.{name}={fitting[-1]}" if fitting else ""
