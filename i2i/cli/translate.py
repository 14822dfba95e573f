"""`i2i translate MODEL INPUT... -o OUT`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from click.core import ParameterSource

from i2i.cli.console import Console, pass_console
from i2i.cli.picture_options import picture_options
from i2i.cli.pictures import PictureRun
from i2i.errors import UsageError


@click.command()
@click.argument("model")
@picture_options
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), help="[default: a2b, or the only one of the model]")
@click.option("--stochastic", is_flag=True, help="Keep dropout on, as pix2pix was published: results vary with --seed.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Of --stochastic.")
@pass_console
@click.pass_context
def translate(context: click.Context, console: Console, /, **asked: Any) -> None:
    """Translate pictures with MODEL: a run folder, a model file, or a name of `i2i models list`.

    An INPUT is a picture, a folder (searched to the bottom and mirrored in OUT), a pattern, - (standard input) or
    @list (a file that names inputs). Size, format, depth, alpha, colours and metadata are kept; inputs are never
    changed. Into a folder, the same command again does only what is missing. A file that cannot be read is passed
    over and named at the end: exit code 3, and the list is OUT/i2i-errors.jsonl.
    """
    from i2i.models.info import call_of, choose_direction, read_info
    from i2i.models.shipped import resolve

    if context.get_parameter_source("seed") == ParameterSource.COMMANDLINE and not asked["stochastic"]:
        raise UsageError("--seed is for --stochastic: without it nothing is drawn.")
    run = PictureRun(console, "translate", asked)
    path = resolve(asked["model"])
    info = read_info(path)
    if info.task != "translate":
        hint = f"Use: {call_of(info, asked['model'])}"
        raise UsageError(f"{asked['model']} is a model to {info.task} pictures.", hint=hint)
    direction = choose_direction(info, asked["direction"])

    from i2i.inference.translator import load

    running = replace(run.running(), stochastic=asked["seed"] if asked["stochastic"] else None)
    translator = load(path, device=asked["device"], direction=direction, running=running)
    context.exit(run.go(translator, f"model {asked['model']}  ·  {direction}"))
