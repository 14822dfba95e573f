"""The command `i2i`: finds the command, and turns every error into one line and an exit code."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from typing import NoReturn

import click
from click.exceptions import Exit, NoArgsIsHelpError

from i2i import __version__
from i2i.cli.console import Console, forget_stdout
from i2i.cli.lazy import LazyGroup
from i2i.cli.libraries import kept_quiet
from i2i.errors import I2IError, printable
from i2i.interrupt import imports_end_by

WELCOME = """\
i2i turns pictures into other pictures, with models that you can train on your own.

  i2i demo                                   see it work: offline, in minutes
  i2i upscale photos/ -o big/                enlarge a folder of photos
  i2i inpaint a.jpg --mask m.png -o b.jpg    repair what is white in a mask
  i2i train cyclegan photos/ -o runs/mine    learn from two folders of pictures
  i2i translate runs/mine in/ -o out/        translate a folder with the result

Commands: {commands}
Help:     i2i COMMAND --help"""

INTERRUPTED, STOPPED = 130, "stopped."

# name -> (module:command, one line of help)
COMMANDS = {
    "demo": ("i2i.cli.demo:demo", "Translate bundled pictures, then train a small model: offline, in minutes."),
    "train": ("i2i.cli.train:train", "Train a model of your own from folders of pictures."),
    "resume": ("i2i.cli.resume:resume", "Go on with a training exactly where it stopped."),
    "upscale": ("i2i.cli.upscale:upscale", "Enlarge photos, with models that come along."),
    "inpaint": ("i2i.cli.inpaint:inpaint", "Repair photos: scratches, text, things that should not be there."),
    "translate": ("i2i.cli.translate:translate", "Translate pictures with a model."),
    "generate": ("i2i.cli.generate:generate", "Make new pictures of noise with a model."),
    "evaluate": ("i2i.cli.evaluate:evaluate", "Measure enlarged or repaired pictures against true ones."),
    "data": ("i2i.cli.data:data", "Fetch and check folders of training pictures."),
    "models": ("i2i.cli.models:models", "List, describe, verify and import models."),
    "export": ("i2i.cli.export:export", "Write a model as ONNX or OpenVINO IR, compared with its source."),
    "completion": ("i2i.cli.completion:completion", "Print the script that completes commands in your shell."),
}


def _load(name: str) -> click.Command:
    module, attribute = COMMANDS[name][0].split(":")
    return getattr(import_module(module), attribute)


def _welcome() -> None:
    if click.get_current_context().invoked_subcommand is None:
        click.echo(WELCOME.format(commands="  ".join(COMMANDS)))


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"i2i {__version__}")
        context.exit()


VERSION = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)

cli = LazyGroup(
    "i2i",
    texts={name: text for name, (_, text) in COMMANDS.items()},
    load=_load,
    callback=_welcome,
    params=[VERSION],
    invoke_without_command=True,
    help="Image-to-image translation: train on your own pictures, translate folders.",
)


def run() -> NoReturn:
    """The program: ends with the exit code of the command."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code; an error is printed as one line on stderr."""
    console = Console(shlex.join(["i2i", *arguments]))
    _escape_what_stdout_cannot_print()
    code = _told(arguments, console)
    try:
        sys.stdout.flush()
    except OSError:  # what could not be written has been told
        forget_stdout()
    return code


def _told(arguments: Sequence[str], console: Console) -> int:
    try:
        with kept_quiet(console), imports_end_by(partial(_stop, console)):
            code = _call(list(arguments), console)
        sys.stdout.flush()
        return code
    except I2IError as error:
        console.error(str(error))
        if error.__cause__:
            console.detail(f"cause: {type(error.__cause__).__name__}: {printable(str(error.__cause__))}")
        return error.exit_code
    except NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        console.error(_usage_line(error))
        return error.exit_code
    except KeyboardInterrupt as stop:
        if stop.args:  # the second signal, which says which one it was; the first one was told
            return stop.args[0]
        console.error(STOPPED)
        return INTERRUPTED
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return 141
    except Exception as error:
        console.error(_bug_line(error))
        return 1


def _stop(console: Console) -> NoReturn:
    console.error(STOPPED)
    os._exit(INTERRUPTED)


def _call(arguments: list[str], console: Console) -> int:
    """What click's own `main` does, but it would turn a closed pipe into exit code 1."""
    instruction = os.environ.get("_I2I_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "i2i", "_I2I_COMPLETE", instruction)
    try:
        with cli.make_context("i2i", arguments, obj=console) as context:
            code = cli.invoke(context)
    except Exit as end:
        return end.exit_code
    return code if isinstance(code, int) else 0


def _usage_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f" See: {context.command_path} --help" if context else ""
    return f"{message[:1].lower()}{message[1:]}{hint}"


def _bug_line(error: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="i2i-error-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    return f"unexpected {type(error).__name__}: {error}. This is a bug in i2i; please report it with {file.name}"


def _escape_what_stdout_cannot_print() -> None:
    # stdout may be replaced by something that cannot be reconfigured, as test runners do
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace")
