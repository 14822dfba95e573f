"""`i2i` itself: the welcome, and every error as one line with its exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from i2i import __version__
from i2i.cli import main as door
from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import ConfigError, ImageError, ModelError, TrainingError


@pytest.fixture
def command_that(monkeypatch: pytest.MonkeyPatch):
    """Puts a function in place of the command `demo`."""

    def put(function):
        command = click.Command("demo", callback=verbose_option(function))
        command.params = function.__click_params__
        monkeypatch.setattr(door.cli, "load", lambda name: command)

    return put


def raising(error: BaseException):
    def function() -> None:
        raise error

    return function


def test_i2i_alone_says_what_it_is_on_about_twelve_lines(capsys: pytest.CaptureFixture[str]):
    assert door.main([]) == 0
    text = capsys.readouterr().out
    assert text.startswith("i2i turns pictures into other pictures")
    assert text.count("\n") <= 12
    assert all(name in text for name in door.COMMANDS)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]):
    assert door.main(["--version"]) == 0
    assert capsys.readouterr().out == f"i2i {__version__}\n"


def test_help_lists_every_command_in_order(capsys: pytest.CaptureFixture[str]):
    assert door.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^  ([a-z]+)  ", text, flags=re.M) == list(door.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "no such command 'trian'. Did you mean 'train'? See: i2i --help"),
        (["train", "pix2pxi"], "no such command 'pix2pxi'. Did you mean 'pix2pix'? See: i2i train --help"),
        (
            ["train", "cyclgan"],
            "no such command 'cyclgan'. (Did you mean one of: 'cyclegan', 'dcgan', 'gan'?) See: i2i train --help",
        ),
        (["resume", "--threds", "1"], "no such option '--threds'. Did you mean '--threads'? See: i2i resume --help"),
        (["resume", "--steps", "x"], "invalid value for '--steps': 'x' is not a valid integer. See: i2i resume --help"),
        (["resume"], "missing argument 'RUN'. See: i2i resume --help"),
    ],
)
def test_a_wrong_call_is_one_line_and_code_2(arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]):
    assert door.main(arguments) == 2
    assert capsys.readouterr() == ("", f"i2i: {line}\n")


def test_a_group_without_a_verb_shows_its_help_with_code_2(capsys: pytest.CaptureFixture[str]):
    assert door.main(["train"]) == 2
    assert "Commands:\n  cyclegan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("is wrong.", where="a.toml:3"), 2, "i2i: a.toml:3: is wrong.\n"),
        (ImageError("is bad.", where="a\nb\x1b[31m\udcff.png"), 3, "i2i: a\\nb\\x1b[31m\\udcff.png: is bad.\n"),
        (TrainingError("losses became non-finite.", hint="Try less."), 4, "i2i: losses became non-finite. Try less.\n"),
        (ModelError("is damaged.", where="x.safetensors"), 6, "i2i: x.safetensors: is damaged.\n"),
        (KeyboardInterrupt(), 130, "i2i: stopped.\n"),
        (KeyboardInterrupt(143), 143, ""),
        (click.Abort(), 130, ""),
    ],
)  # fmt: skip
def test_each_error_has_its_code_and_one_line(
    command_that, error: BaseException, code: int, line: str, capsys: pytest.CaptureFixture[str]
):
    command_that(raising(error))
    assert door.main(["demo"]) == code
    assert capsys.readouterr().err == line


def test_an_interrupt_in_the_middle_of_an_import_is_one_line_and_130(tmp_path: Path):
    """The imported module takes it for an error of its own, as large libraries do."""
    (tmp_path / "swallowing.py").write_text(
        "import signal\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "except BaseException as error:\n"
        "    raise AttributeError('half made') from error\n"
    )
    program = (
        "import click, signal; from i2i.cli import main as door; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a job in the background ignores it
        "door.cli.load = lambda name: click.Command('demo', callback=lambda: __import__('swallowing')); "
        "door.sys.argv = ['i2i', 'demo']; door.run()"
    )
    call = [sys.executable, "-c", program]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "i2i: stopped.\n")


def test_v_adds_the_cause(command_that, capsys: pytest.CaptureFixture[str]):
    error = ModelError("is damaged.", where="x.safetensors")
    error.__cause__ = ValueError("header\nis short")
    command_that(raising(error))
    assert door.main(["demo", "-v"]) == 6
    assert capsys.readouterr().err == "i2i: x.safetensors: is damaged.\ncause: ValueError: header\\nis short\n"


def test_a_bug_leaves_its_traceback_in_a_file(
    command_that, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command_that(raising(ZeroDivisionError("by \udcff")))
    assert door.main(["demo"]) == 1
    (file,) = tmp_path.iterdir()
    assert capsys.readouterr().err == (
        f"i2i: unexpected ZeroDivisionError: by \\udcff. This is a bug in i2i; please report it with {file}\n"
    )
    assert "in function\n    raise error\nZeroDivisionError: by \\udcff" in file.read_text()


@pytest.mark.parametrize(("returned", "code"), [(None, 0), (3, 3), ("text", 0)])
def test_a_command_may_return_its_exit_code(command_that, returned: object, code: int):
    command_that(lambda: returned)
    assert door.main(["demo"]) == code


def test_a_closed_pipe_ends_with_141():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        program = "from i2i.cli.main import run; run()"
        call = [sys.executable, "-c", program, "train", "cyclegan", "--print-config"]
        done = subprocess.run(call, stdout=closed, stderr=subprocess.PIPE, check=False, text=True)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_name_that_the_terminal_cannot_show_is_escaped():
    program = "from i2i.cli import main as door; door.WELCOME = 'for 5 \u20ac'; door.main([])"
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert done.stdout == b"for 5 \\u20ac\n"


@click.command()
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
def printing(console: Console) -> None:
    console.note("a note")
    console.detail("a detail")
    if console.json:
        console.document({"name": "\udcff€"})
    else:
        console.result(f"progress {console.progress}")


@pytest.mark.parametrize(
    ("arguments", "out", "err"),
    [
        ([], "progress auto\n", "a note\n"),
        (["--progress", "plain", "-v"], "progress plain\n", "a note\na detail\n"),
        (["-q"], "progress none\n", ""),
        (["--json"], '{"name": "\\udcff\\u20ac"}\n', "a note\n"),
    ],
)
def test_the_result_goes_to_stdout_and_the_rest_to_stderr(
    arguments: list[str], out: str, err: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(door.cli, "load", lambda name: printing)
    assert door.main(["demo", *arguments]) == 0
    assert capsys.readouterr() == (out, err)


@pytest.mark.parametrize(
    ("shell", "words"), [("bash", "complete -o nosort -F"), ("zsh", "#compdef i2i"), ("fish", "complete ")]
)
def test_completion_prints_the_script_of_the_shell(shell: str, words: str, capsys: pytest.CaptureFixture[str]):
    assert door.main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert words in text
    assert "_I2I_COMPLETE" in text


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("i2i tra", "train"), ("i2i train cy", "cyclegan"), ("i2i train cyclegan --pres", "--preset")],
)
def test_commands_methods_and_options_complete(
    typed: str, completed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("_I2I_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(typed.count(" ")))
    assert door.main([]) == 0
    assert f"plain,{completed}" in capsys.readouterr().out
