"""`i2i train METHOD DATA`: the command of each method is made from its configuration."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i import __version__
from i2i.cli.console import Console, pass_console
from i2i.cli.lazy import LazyGroup
from i2i.cli.next_steps import next_steps
from i2i.cli.options import (
    given_settings,
    progress_option,
    quiet_option,
    set_option,
    setting_options,
    verbose_option,
)
from i2i.cli.training_pictures import refuse_data_beside_domains
from i2i.config.methods import METHODS, run_class
from i2i.errors import UsageError, printable

if TYPE_CHECKING:
    from i2i.config.layers import Layer, Resolved

DESCRIPTION = """Train {method}: {text}.

DATA is the {place} of the training pictures; `i2i data check DATA --method {method}` tells what is found in it.
Settings: built-in values < --preset < --config files < I2I_DEVICE < --set < the options below."""

PRESET_TEXTS = {
    "paper": "as published",
    "finetune": "from a trained model to your photos",
    "mnist": "small gray pictures, on a CPU too",
}


def method_command(method: str) -> click.Command:
    """The command that trains this method, with an option for each setting that names one."""
    from i2i.config.data import LabelledConfig
    from i2i.config.layers import presets, resolve
    from i2i.config.toml import flatten

    config = resolve(method, "default", []).config
    place = "folder or file" if isinstance(config.data, LabelledConfig) else "folder"

    @click.command(method, help=DESCRIPTION.format(method=method, text=METHODS[method].text, place=place))
    @click.argument("data", required=False, type=click.Path())
    @click.option(
        "-o",
        "--output",
        metavar="RUN",
        type=click.Path(),
        help="Folder of the run.  [default: runs/METHOD-DATA-NUMBER]",
    )
    @click.option(
        "--preset",
        type=click.Choice(presets(method)),
        default="default",
        show_default=True,
        help=_preset_help(presets(method)),
    )
    @click.option("--config", "files", multiple=True, type=click.Path(), metavar="TOML", help="Settings. Repeatable.")
    @set_option
    @click.option("--print-config", is_flag=True, help="Print every setting and where it comes from; train nothing.")
    @click.option("--dry-run", is_flag=True, help="Check everything, say what the training needs; write nothing.")
    @click.option("--overwrite", is_flag=True, help="Begin anew in a RUN that exists.")
    @progress_option
    @quiet_option
    @verbose_option
    @pass_console
    @click.pass_context
    def command(context: click.Context, console: Console, /, **_: Any) -> None:
        _train(method, context, console)

    command.params += setting_options(run_class(method), flatten(config.model_dump()))
    return command


train = LazyGroup(
    "train",
    texts={name: f"{entry.text[:1].upper()}{entry.text[1:]}." for name, entry in METHODS.items()},
    load=method_command,
    help="Train a model of your own from folders of pictures.",
)


def _preset_help(names: list[str]) -> str:
    return "; ".join(f"{name}: {text}" for name, text in PRESET_TEXTS.items() if name in names) + "."


def _train(method: str, context: click.Context, console: Console) -> None:
    from i2i.config.layers import resolve
    from i2i.config.toml import annotate
    from i2i.engine.runfolder import RunFolder

    asked = context.params
    layers = _layers(context)
    resolved = resolve(method, asked["preset"], layers)
    if model := resolved.config.train.init:
        from i2i.models.ancestor import ancestor_layer

        origin, judged = resolved.origins["train.init"], resolved.config.method.judged
        ancestor = ancestor_layer(model, origin, method, judged=judged)
        resolved = resolve(method, asked["preset"], [ancestor, *layers])
    if asked["print_config"]:
        console.result(annotate(resolved.config, resolved.origins, f"i2i {__version__}\n{console.command}"))
        return
    refuse_data_beside_domains(resolved)
    folder = _folder_of_pictures(resolved)
    run = Path(asked["output"]) if asked["output"] else _next_run(method, folder)
    RunFolder(run).refuse_unless_free(overwrite=asked["overwrite"])

    from i2i import api

    if asked["dry_run"]:
        console.result(api.dry_run(resolved.config, progress=console.progress))
        console.result(f"{_changes(resolved, asked['preset'])}. Nothing was written.")
        return
    api.train(
        resolved.config,
        run,
        command=console.command,
        origins=resolved.origins,
        progress=console.progress,
        overwrite=asked["overwrite"],
    )
    console.note(next_steps(method, run))
    console.result(printable(str(run)))


def _layers(context: click.Context) -> list[Layer]:
    from i2i.config.layers import Placed, assignment_layer, environment_layer, file_layer

    asked = context.params
    return [
        *(file_layer(Path(file)) for file in asked["files"]),
        environment_layer(os.environ),
        assignment_layer(asked["assignments"]),
        given_settings(context) | ({"data.path": Placed(asked["data"], "DATA")} if asked["data"] else {}),
    ]


def _folder_of_pictures(resolved: Resolved) -> str:
    """The folder or file that the run is named after. Raises UsageError where pictures are not said or not there."""
    from i2i.config.data import LabelledConfig, PairedConfig, ScaledConfig

    has_lists, has_files = (isinstance(resolved.config.data, kind) for kind in (PairedConfig, LabelledConfig))
    data = resolved.config.data.model_dump(include={"path", "a", "b"}, exclude_none=True)
    if "path" not in data and len(data) < 2:
        hint = "Give DATA, or --a and --b." if isinstance(resolved.config.data, ScaledConfig) else "Give DATA."
        raise UsageError("it is not said where the pictures are.", hint=hint)
    for name, place in data.items():
        is_list = name != "path" and place.startswith("@")
        if is_list and not Path(place[1:]).is_file():
            raise UsageError(f"there is no list {place[1:]}.", where=resolved.origins[f"data.{name}"])
        is_known = has_files or (has_lists and Path(place).suffix.lower() == ".csv")
        if is_known and name == "path" and Path(place).is_file():
            continue
        if not is_list and Path(place).is_file():
            from i2i.data.layouts import instead_of_file

            what = f"{place} is a file, not a folder of training pictures."
            raise UsageError(what, where=resolved.origins[f"data.{name}"], hint=instead_of_file(Path(place)))
        if not is_list and not Path(place).is_dir():
            kind = "folder or file" if has_files else "folder"
            raise UsageError(f"there is no {kind} {place}.", where=resolved.origins[f"data.{name}"])
    return data.get("path") or data["a"].removeprefix("@")


def _changes(resolved: Resolved, preset: str) -> str:
    """How far the configuration is from its preset."""
    changed = [origin for origin in resolved.origins.values() if origin not in ("default", f"preset {preset}", "DATA")]
    return f"config: preset {preset} + {len(changed)} change{'' if len(changed) == 1 else 's'}"


def _next_run(method: str, folder: str) -> Path:
    data = Path(folder).resolve()
    name = data.stem if data.is_file() else data.name
    runs = (Path("runs", f"{method}-{name}-{number}") for number in count(1))
    return next(run for run in runs if not run.exists())
