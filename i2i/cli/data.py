"""`i2i data`: look at training pictures before they are trained on."""

from __future__ import annotations

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option
from i2i.errors import printable


@click.group()
def data() -> None:
    """Check folders of training pictures."""


@data.command()
@click.argument("folder", metavar="[DATA]", required=False, type=click.Path())
@click.option("--a", help="Pictures of domain A: a folder or @list.")
@click.option("--b", help="Pictures of domain B: a folder or @list.")
@click.option("--size", type=click.IntRange(min=8), default=256, show_default=True, help="Side of the crops in pixels.")
@json_option
@pass_console
@click.pass_context
def check(
    context: click.Context, console: Console, folder: str | None, a: str | None, b: str | None, size: int
) -> None:
    """Read every picture of DATA and tell what a training would find.

    Exit code 0: no problems. 10: problems were found. 2: DATA cannot be trained on.
    """
    from i2i.config.data import UnpairedConfig
    from i2i.data.check import check_unpaired

    found = check_unpaired(UnpairedConfig(path=folder, a=a, b=b, size=size))
    if console.json:
        console.document(found.to_json())
    else:
        for line in found.lines():
            console.result(printable(line))
    context.exit(10 if found.has_problems else 0)
