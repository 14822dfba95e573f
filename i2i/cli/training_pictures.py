"""Options that say where training pictures are, for commands that look at them without training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from i2i.cli.options import SettingOption, given_settings
from i2i.config.methods import METHODS
from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.config.layers import Layer, Resolved

PAIRED, OF_TWO_DOMAINS, WITH_HOLES = ("pix2pix",), ("pix2pix", "cyclegan"), ("inpaint",)


def training_pictures(command: click.Command) -> click.Command:
    """The command with DATA, the method that it is for, and the settings of the pictures that a training has."""
    command.params = [
        click.Argument(["folder"], metavar="[DATA]", required=False, type=click.Path()),
        click.Option(
            ["--method"],
            type=click.Choice(list(METHODS)),
            default="cyclegan",
            show_default=True,
            help="The training that DATA is for.",
        ),
        SettingOption("--a", "data.a", help="Pictures of domain A: a folder or @list."),
        SettingOption("--b", "data.b", help="Pictures of domain B: a folder or @list."),
        SettingOption(
            "--pairs",
            "data.pairs",
            help="Pairs for pix2pix: auto, folders, side-by-side, csv, or made of photos: colorize, edges, degrade.",
        ),
        SettingOption(
            "--direction",
            "method.direction",
            type=click.Choice(["a2b", "b2a"]),
            help="Of pix2pix: b2a where the inputs are B.  [default: a2b]",
        ),
        SettingOption("--masks", "data.masks.folder", help="Of inpaint: a folder of masks instead of drawn ones."),
        SettingOption("--size", "data.size", type=int, help="Side of the crops in pixels.  [default: the training's]"),
        *command.params,
    ]
    return command


def given_pictures(context: click.Context) -> Layer:
    """The layer of what was given. Raises UsageError for what the method does not have."""
    from i2i.config.layers import Placed

    asked = context.params
    method, folder = asked["method"], asked["folder"]
    if method not in OF_TWO_DOMAINS and (asked["a"] or asked["b"]):
        raise UsageError(f"--a and --b name two domains, and {method} has one.", hint="Give DATA.")
    for name in ("pairs", "direction"):
        if method not in PAIRED and asked[name]:
            raise UsageError(f"--{name} is for paired training.", hint="Say --method pix2pix.")
    if method not in WITH_HOLES and asked["masks"]:
        raise UsageError("--masks is for inpainting.", hint="Say --method inpaint.")
    return given_settings(context) | ({"data.path": Placed(folder, "DATA")} if folder else {})


def refuse_data_beside_domains(resolved: Resolved) -> None:
    """Raises UsageError where DATA would be passed over for --a and --b."""
    domains = resolved.config.data.model_dump(include={"a", "b"}, exclude_none=True)
    if domains and resolved.origins["data.path"] == "DATA":
        origins = {f"data.{domain}": resolved.origins[f"data.{domain}"] for domain in domains}
        named = " and ".join(
            origin if origin in ("--a", "--b") else f"{key} ({origin})" for key, origin in origins.items()
        )
        hint = "Leave it out; in a training, --val FOLDER names pictures for validation."
        raise UsageError(f"DATA has no effect beside {named}.", hint=hint)
