"""What docs/stability.md tells a person to type is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods import METHODS
from i2i.config.remedies import RemediesConfig
from i2i.errors import ConfigError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "stability.md").read_text("utf-8")
OPTIONS = sorted({span for span in re.findall(r"`([^`\n]+)`", PAGE) if span.startswith("--set ")})
ROOT = Path(__file__).resolve().parents[2]


def assignments(options: str) -> list[str]:
    return [word for word in shlex.split(options) if word != "--set"]


@pytest.mark.parametrize("options", OPTIONS)
def test_options_of_the_page_are_taken_together_by_a_method(options: str):
    refusals = []
    for method in METHODS:
        try:
            resolve(method, "default", [assignment_layer(assignments(options))])
        except ConfigError as error:
            refusals.append(str(error))
    assert len(refusals) < len(METHODS), refusals


def test_every_remedy_is_on_the_page():
    keys = {assignment.partition("=")[0] for options in OPTIONS for assignment in assignments(options)}
    assert {f"method.remedies.{name}" for name in RemediesConfig.model_fields} <= keys


def test_every_training_and_program_of_the_page_is_there():
    assert set(re.findall(r"i2i train ([\w-]+)", PAGE)) <= set(METHODS)
    assert all((ROOT / program).is_file() for program in re.findall(r"benchmarks/\w+\.py", PAGE))
