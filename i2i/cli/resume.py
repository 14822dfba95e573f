"""`i2i resume RUN`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.next_steps import next_steps
from i2i.cli.options import (
    given_settings,
    progress_option,
    quiet_option,
    set_option,
    setting_options,
    verbose_option,
)
from i2i.config.run import RunConfig
from i2i.errors import UsageError, printable

# What may well differ the second time: where it runs and for how long. --set reaches the rest.
CHANGEABLE = (
    "train.steps",
    "train.epochs",
    "data.workers",
    "engine.device",
    "engine.threads",
    "engine.save_every",
    "engine.keep",
    "engine.max_time",
)


@click.command()
@click.argument("run", type=click.Path())
@set_option
@progress_option
@quiet_option
@verbose_option
@pass_console
@click.pass_context
def resume(context: click.Context, console: Console, /, run: str, assignments: tuple[str, ...], **_: Any) -> None:
    """Go on with the training in the folder RUN exactly where it stopped.

    It has the settings that it was started with; the options below change them from here on.
    """
    from i2i.config.layers import assignment_layer, environment_layer, load, stack

    settings = Path(run) / "config.toml"
    if not settings.is_file():
        raise UsageError("is no run of i2i: it has no config.toml.", where=run)
    overrides = stack([environment_layer(os.environ), assignment_layer(assignments), given_settings(context)])
    method = load(settings, overrides).config.method.kind  # a wrong setting is told before torch is loaded

    from i2i import api

    api.resume(Path(run), {key: placed.value for key, placed in overrides.items()}, progress=console.progress)
    console.note(next_steps(method, Path(run)))
    console.result(printable(run))


resume.params += setting_options(RunConfig, defaults={}, only=CHANGEABLE)
