"""Settings of degradations: defaults, ranges, and what is said about wrong ones."""

from __future__ import annotations

import tomllib
from math import pi
from typing import Any

import pytest
import tomli_w
from pydantic import TypeAdapter, ValidationError

from i2i.config.degradation import BicubicConfig, Degradation, FirstOrderConfig, SecondOrderConfig, SecondStageConfig

ADAPTER: TypeAdapter[BicubicConfig | FirstOrderConfig | SecondOrderConfig] = TypeAdapter(Degradation)


@pytest.mark.parametrize("config", [BicubicConfig(), FirstOrderConfig(), SecondOrderConfig(antialias=True)])
def test_toml_holds_every_kind(config: BicubicConfig | FirstOrderConfig | SecondOrderConfig) -> None:
    assert ADAPTER.validate_python(tomllib.loads(tomli_w.dumps(config.model_dump()))) == config


def test_a_part_of_the_second_round_leaves_the_rest_of_it_as_published() -> None:
    config = ADAPTER.validate_python({"kind": "second-order", "second": {"grow": 0.1}})
    assert isinstance(config, SecondOrderConfig)
    assert config.second == SecondStageConfig(grow=0.1)
    assert (config.second.sigma, config.first.sigma) == ((0.2, 1.5), (0.2, 3.0))


@pytest.mark.parametrize("low_and_high", [[2.0, 0.2], [0.01, 2.0], [0.2, 21.0]])
def test_a_range_is_two_numbers_within_bounds_the_smaller_first(low_and_high: list[float]) -> None:
    with pytest.raises(ValidationError, match=r"write two numbers from 0.05 to 20, the smaller first, not \["):
        FirstOrderConfig(sigma=low_and_high)


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"kernel": (7, 20)}, r"kernels have a pixel in the middle: write odd numbers, not \[7, 20\]"),
        ({"kernel": (1, 21)}, r"write two numbers from 3 to 51, the smaller first, not \[1, 21\]"),
        ({"generalized_beta": (1.5, 4)}, r"half above: write a range around 1, not \[1.5, 4.0\]"),
        ({"factor": (0.2, 0.9)}, r"half above: write a range around 1, not \[0.2, 0.9\]"),
        ({"quality": (0, 95)}, r"write two numbers from 1 to 100, the smaller first, not \[0.0, 95.0\]"),
        ({"grow": 0.5}, r"grow=0.5 and shrink=0.7 are more than all pictures: lower one"),
        ({"sinc": 1.5}, r"less than or equal to 1"),
    ],
)
def test_a_stage_that_cannot_be_drawn_is_refused_with_what_to_write(stage: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ADAPTER.validate_python({"kind": "second-order", "first": stage})


def test_a_stage_without_any_kernel_is_refused() -> None:
    names = ("isotropic", "anisotropic", "generalized_isotropic", "generalized_anisotropic")
    none = dict.fromkeys([*names, "plateau_isotropic", "plateau_anisotropic"], 0)
    with pytest.raises(ValidationError, match="all kernels have the weight 0: set isotropic=1"):
        ADAPTER.validate_python({"kind": "second-order", "second": none})


def test_the_last_cut_off_reaches_pi_and_no_further() -> None:
    assert SecondOrderConfig().final_cutoff == (pi / 3, pi)
    with pytest.raises(ValidationError, match=r"write two numbers from 0.1 to 3.14159"):
        SecondOrderConfig(final_cutoff=(1.0, 3.2))
