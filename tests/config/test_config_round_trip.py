"""A configuration written as TOML and read again is the same configuration."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i2i.config.intervals import Interval, duration
from i2i.config.methods.cyclegan import CycleGANRun
from i2i.config.toml import dump

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
share = st.floats(0, 1, exclude_max=True)
positive = st.floats(1e-300, 1e300)
network = {"filters": st.integers(1, 512), "norm": st.sampled_from(["instance", "batch", "none"])}

tables = st.fixed_dictionaries(
    {
        "method": st.fixed_dictionaries(
            {
                "generator": st.fixed_dictionaries(network, optional={"dropout": share, "blocks": st.integers(0, 20)}),
                "discriminator": st.one_of(
                    st.fixed_dictionaries({"kind": st.just("patchgan"), "layers": st.integers(1, 6), **network}),
                    st.fixed_dictionaries({"kind": st.just("pixel"), **network}),
                ),
                "cycle_a": st.floats(0, 1e300),
            }
        ),
        "data": st.fixed_dictionaries({"flip": st.booleans()}, optional={"path": text, "a": text}),
        "train": st.fixed_dictionaries(
            {"lr": positive, "beta1": share, "seed": st.integers(0, 2**63 - 1)},
            optional={"steps": st.integers(1, 10**12), "init": text},
        ),
        "engine": st.fixed_dictionaries({"save_every": st.sampled_from(["500", "10min", "1.5h"])}),
    }
)


@given(tables)
@settings(max_examples=50, deadline=None)
def test_toml_holds_every_configuration(tables: dict[str, Any]):
    config = CycleGANRun.model_validate(tables)
    assert CycleGANRun.model_validate(tomllib.loads(dump(config, "header"))) == config


def test_times_are_seconds_and_bare_numbers_are_steps():
    assert [duration("90s"), duration("30min"), duration("1.5h"), duration("2d")] == [90, 1800, 5400, 172_800]
    assert Interval.parse("500") == Interval(steps=500)
    assert Interval.parse("10min") == Interval(seconds=600)


@pytest.mark.parametrize("words", ["", "10", "0s", "-3h", "1 hour", "min"])
def test_other_words_are_no_time(words: str):
    with pytest.raises(ValueError, match="is no time: write 90s, 30min or 8h"):
        duration(words)
