"""Options: those that several commands share, and those that are made from the fields of a configuration."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import click

from i2i.cli.console import Console

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from i2i.config.layers import Layer


def _keep_quiet(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.ensure_object(Console).quiet = value


def _keep_verbose(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.ensure_object(Console).verbose = value


def _keep_json(context: click.Context, _: click.Parameter, value: bool) -> None:
    context.ensure_object(Console).json = value


def _keep_progress(context: click.Context, _: click.Parameter, value: Literal["auto", "plain", "none"]) -> None:
    context.ensure_object(Console).asked_progress = value


quiet_option = click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, callback=_keep_quiet, help="Errors only: no notes, no progress."
)
verbose_option = click.option(
    "-v", "--verbose", is_flag=True, expose_value=False, callback=_keep_verbose, help="Say the cause of an error."
)
json_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_keep_json, help="Print JSON on stdout and nothing else there."
)
progress_option = click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "none"]),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=_keep_progress,
    help="auto: live on a terminal, a line now and then elsewhere.",
)
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting by its dotted name, such as --set train.lr=1e-4. Repeatable.",
)


class SettingOption(click.Option):
    """An option that stands for the setting `key`; not given, it is None."""

    def __init__(self, declaration: str, key: str, **settings: Any) -> None:
        super().__init__([declaration], default=None, **settings)
        self.key = key


def setting_options(
    configuration: type[BaseModel], defaults: Mapping[str, Any], only: Collection[str] | None = None
) -> list[click.Option]:
    """An option for each field that names one, with the help text of the field.

    `defaults` (dotted key -> value) are shown; a key that is not in it shows none. `only` picks by dotted key.
    """
    return [
        SettingOption(
            _declaration(option, field),
            key,
            type=_click_type(_plain_type(field.annotation)),
            help=_help(field, defaults.get(key)),
        )
        for key, field in _fields(configuration)
        if (option := _option_name(field)) and (only is None or key in only)
    ]


def given_settings(context: click.Context) -> Layer:
    """The settings that were given by options of their own, each with its option as origin."""
    from i2i.config.layers import Placed

    layer = {}
    for parameter in context.command.params:
        if isinstance(parameter, SettingOption):
            value = context.params[parameter.name or ""]
            names = parameter.secondary_opts if value is False else parameter.opts
            if value is not None:
                layer[parameter.key] = Placed(value, names[0])
    return layer


def _fields(configuration: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    from pydantic import BaseModel

    for name, field in configuration.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _option_name(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    name = extra.get("option") if isinstance(extra, dict) else None
    return name if isinstance(name, str) else None


def _declaration(option: str, field: FieldInfo) -> str:
    return f"{option}/--no-{option.removeprefix('--')}" if _plain_type(field.annotation) is bool else option


def _plain_type(annotation: Any) -> Any:
    """`int` of `int | None`, `str` of `Annotated[str, ...] | None`."""
    if get_origin(annotation) is Annotated:
        return _plain_type(get_args(annotation)[0])
    inner = [part for part in get_args(annotation) if part is not NoneType]
    return _plain_type(inner[0]) if NoneType in get_args(annotation) else annotation


def _click_type(annotation: Any) -> Any:
    return click.Choice(get_args(annotation)) if get_origin(annotation) is Literal else annotation


def _help(field: FieldInfo, default: Any) -> str:
    description = field.description or ""
    text = f"{description[:1].upper()}{description[1:]}."
    return text if default is None else f"{text}  [default: {_shown(default)}]"


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)
