"""Help loads nothing heavy, whatever the command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from i2i.cli.main import COMMANDS

HEAVY = {"torch", "numpy", "cv2", "PIL", "rich", "albumentations"}
PROGRAM = """
import sys
from i2i.cli.main import main
code = main(sys.argv[1:])
print("MODULES", *sys.modules)
sys.exit(code)
"""


def modules_after(*arguments: str, code: int = 0) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return set(done.stdout.rpartition("MODULES")[2].split())


HELPS = [
    ["--help"], *([name, "--help"] for name in COMMANDS),
    ["train", "cyclegan", "--help"], ["data", "check", "--help"], ["data", "fetch", "--help"],
    *(["models", verb, "--help"] for verb in ("list", "info", "verify", "import")),
]  # fmt: skip


@pytest.mark.parametrize("arguments", HELPS, ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]):
    assert not HEAVY & modules_after(*arguments)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["train", "--help"]], ids=" ".join)
def test_what_needs_no_configuration_loads_no_pydantic(arguments: list[str]):
    assert "pydantic" not in modules_after(*arguments)


def test_the_help_of_the_whole_imports_no_command():
    commands = {module.partition(":")[0] for module, _ in COMMANDS.values()}
    assert not commands & modules_after("--help")


def test_the_help_of_a_method_loads_only_its_own_configuration():
    methods = {name for name in modules_after("train", "cyclegan", "--help") if name.startswith("i2i.config.methods.")}
    assert methods == {"i2i.config.methods.cyclegan"}


def test_a_wrong_call_is_told_before_anything_heavy_is_loaded():
    assert not HEAVY & modules_after("train", "cyclegan", "no such folder", code=2)
    assert not HEAVY & modules_after("resume", "no such run", code=2)
