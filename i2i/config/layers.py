"""The layers of a configuration: defaults < preset < files < I2I_DEVICE < --set < named options.

A layer is flat: dotted key -> value and origin. Layers are laid over each other, then checked once.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from i2i.config import toml
from i2i.config.methods import run_class
from i2i.config.problems import explain
from i2i.config.run import RunConfig
from i2i.errors import ConfigError, UsageError

PRESETS = Path(__file__).parent / "presets"


class Placed(NamedTuple):
    """A value and where it was set: "default", "preset paper", "run.toml:14", "I2I_DEVICE", "--set", "--lr"."""

    value: Any
    origin: str


Layer = dict[str, Placed]


@dataclass(frozen=True)
class Resolved:
    """A checked configuration, and the origin of each dotted key."""

    config: RunConfig
    origins: dict[str, str]


def resolve(method: str, preset: str, layers: Iterable[Layer]) -> Resolved:
    """The configuration of a training: defaults, the preset, then the layers, later ones over earlier ones.

    Raises ConfigError for the first thing that is wrong, UsageError for an unknown method.
    """
    run = run_class(method)
    return _check(run, method, [_defaults(run), preset_layer(method, preset), *layers])


def load(path: Path, overrides: Layer | None = None) -> Resolved:
    """The configuration of a file that says its method itself (`RUN/config.toml`), with `overrides` over it.

    No preset lies below: what the file leaves out has its built-in default. Raises ConfigError.
    """
    layer = file_layer(path)
    if "method.kind" not in layer:
        raise ConfigError("does not say which method: [method] kind is missing.", where=path)
    method, origin = layer["method.kind"]
    try:
        run = run_class(method)
    except UsageError as error:
        raise ConfigError(error.what, where=origin, hint=error.hint) from None
    return _check(run, method, [_defaults(run), layer, overrides or {}])


def _defaults(run: type[RunConfig]) -> Layer:
    return {key: Placed(value, "default") for key, value in toml.flatten(run.model_validate({}).model_dump()).items()}


def presets(method: str) -> list[str]:
    """The names of a method's presets."""
    return sorted(file.stem for file in (PRESETS / method).glob("*.toml"))


def preset_layer(method: str, preset: str) -> Layer:
    """The settings of one of a method's presets. Raises ConfigError for a name that is none."""
    if preset not in presets(method):
        raise ConfigError(f"{method} has no preset '{preset}'.", hint=f"Presets: {', '.join(presets(method))}.")
    tables, _ = toml.read(PRESETS / method / f"{preset}.toml")
    return {key: Placed(value, f"preset {preset}") for key, value in toml.flatten(tables).items()}


def file_layer(path: Path) -> Layer:
    """The settings of a TOML file; each origin is file and line."""
    tables, lines = toml.read(path)
    return {key: Placed(value, f"{path}:{lines[key]}") for key, value in toml.flatten(tables).items()}


def environment_layer(environment: Mapping[str, str]) -> Layer:
    """The one setting that a variable may hold: I2I_DEVICE."""
    device = environment.get("I2I_DEVICE")
    return {"engine.device": Placed(device, "I2I_DEVICE")} if device else {}


def assignment_layer(assignments: Iterable[str]) -> Layer:
    """The settings of all `--set table.key=value`, later ones over earlier ones."""
    layer: Layer = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not re.fullmatch(r"[\w-]+(\.[\w-]+)*", key):
            raise ConfigError(f"'{assignment}' is no setting.", where="--set", hint="Write --set table.key=value.")
        tables = toml.flatten(toml.nest({key: _value(key, text.strip())}))
        layer = lay_over(layer, {name: Placed(value, "--set") for name, value in tables.items()})
    return layer


def _value(key: str, text: str) -> Any:
    """A TOML value; anything that is none is taken as text, so that words need no quotes."""
    if not text:
        raise ConfigError(f"{key} gets no value.", where="--set", hint=f"Write --set {key}=value.")
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text[0] in "\"'[{":
            raise ConfigError(f"{key}: {text} is no finished TOML value.", where="--set") from None
        return text


def stack(layers: Iterable[Layer]) -> Layer:
    """One layer of several, later ones over earlier ones. Raises ConfigError as `lay_over` does."""
    return reduce(lay_over, layers, {})


def lay_over(earlier: Layer, later: Layer) -> Layer:
    """The later layer over the earlier. A table that gets another `kind` loses what it held before.

    Raises ConfigError where one has a table and the other a value.
    """
    changed = [key for key in later if key in earlier and earlier[key].value != later[key].value]
    replaced = tuple(key.removesuffix("kind") for key in changed if key.endswith(".kind"))
    merged = {key: placed for key, placed in earlier.items() if not key.startswith(replaced)}
    for key, placed in later.items():
        inside = [name for name in merged if name.startswith(f"{key}.")]
        if inside and placed.value == {}:
            continue
        if inside:
            raise ConfigError(
                f"{key} is a table.", where=placed.origin, hint=f"Set one of its keys, such as {inside[0]}."
            )
        _make_room(merged, key, placed.origin)
        merged[key] = placed
    return merged


def _make_room(merged: Layer, key: str, origin: str) -> None:
    """The key's tables are none yet, or empty. Raises ConfigError where one of them is a value."""
    parts = key.split(".")
    for depth in range(1, len(parts)):
        parent = ".".join(parts[:depth])
        if parent in merged and merged[parent].value == {}:
            del merged[parent]  # an empty table, which is no longer empty
        elif parent in merged:
            raise ConfigError(f"{parent} is a value, not a table.", where=origin, hint=f"Set {parent} itself.")


def _check(run: type[RunConfig], method: str, layers: Iterable[Layer]) -> Resolved:
    merged = stack(layers)
    _refuse_text_that_no_file_can_hold(merged)
    given = {key: placed.origin for key, placed in merged.items()}
    tables = toml.nest({key: placed.value for key, placed in merged.items()})
    try:
        config = run.model_validate(tables)
    except ValidationError as error:
        raise explain(error, run, tables, given, method) from error
    origins = {key: given.get(key, "default") for key in toml.flatten(config.model_dump())}
    _refuse_epochs_beside_steps(config, origins)
    return Resolved(config, origins)


def _refuse_epochs_beside_steps(config: RunConfig, origins: Mapping[str, str]) -> None:
    """Steps win over epochs; somebody who asks for epochs now must hear that."""
    steps, asked = config.train.steps, origins["train.epochs"]
    if steps is not None and asked in ("--epochs", "--set"):
        other = origins["train.steps"]
        raise ConfigError(
            f"train.epochs has no effect beside train.steps={steps} ({other}).", where=asked, hint="Set train.steps."
        )


def _refuse_text_that_no_file_can_hold(layer: Layer) -> None:
    for key, (value, origin) in layer.items():
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise ConfigError(f"{key} is no UTF-8 text: {value}.", where=origin, hint="Rename that folder or file.")
