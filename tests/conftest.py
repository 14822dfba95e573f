"""What many tests need: real pictures where they are at hand, and small drawn ones everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real pictures and weights that I2I_TEST_DATA names; the test is skipped without it."""
    folder = os.environ.get("I2I_TEST_DATA")
    if not folder:
        pytest.skip("I2I_TEST_DATA names no folder of test data")
    return Path(folder)


@pytest.fixture(scope="session")
def pond(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpaired set: six plain and six striped fish of 32 px to learn from, two of each to translate."""
    from i2i.data.drawn import draw_set

    folder = tmp_path_factory.mktemp("pond")
    draw_set(folder, train=6, test=2, side=32, first=0)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file whose network has two convolutions of four channels."""
    import torch

    from i2i.config.networks import CompactConfig
    from i2i.models.modelfile import ModelInfo, save_model
    from i2i.networks.build import build

    torch.manual_seed(0)
    config = CompactConfig(filters=4, convolutions=1)
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(path, {"a2b": build(config)}, ModelInfo(directions=("a2b",), networks={"a2b": config}), half=False)
    return path
