"""Model files whose network makes pictures of noise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from i2i.config.networks import CompactConfig
from i2i.config.noise_networks import PerceptronConfig, PerceptronCriticConfig
from i2i.errors import ModelError, UsageError
from i2i.models.info import choose_direction
from i2i.models.modelfile import ModelInfo, check_model, load_model, read_info, save_model
from i2i.networks.build import build

CONFIG = PerceptronConfig(size=8, noise=6, hidden=(5,), classes=("cat", "dog"))
INFO = ModelInfo(task="generate", method="gan", directions=("sample",), networks={"sample": CONFIG})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path / "m.safetensors", {"sample": build(CONFIG)}, INFO, half=True)
    return tmp_path / "m.safetensors"


def test_what_is_saved_comes_back(path: Path):
    file = load_model(path)
    assert file.info == INFO
    assert file.info.sampler() == CONFIG
    assert choose_direction(file.info, None) == "sample"
    assert file.networks["sample"](torch.zeros(2, 6), torch.tensor([0, 1])).shape == (2, 1, 8, 8)
    check_model(path)


def test_it_has_no_direction_of_translations(path: Path):
    with pytest.raises(UsageError, match=r"this model has no direction a2b. It has: sample\."):
        choose_direction(read_info(path), "a2b")


def test_critics_are_saved_beside_it(tmp_path: Path):
    config = PerceptronCriticConfig(size=8, hidden=(5,), classes=("cat", "dog"))
    info = ModelInfo(task="generate", networks={"discriminator": config})
    save_model(tmp_path / "discriminators.safetensors", {"discriminator": build(config)}, info, half=True)
    assert load_model(tmp_path / "discriminators.safetensors").info == info


@pytest.mark.parametrize(
    ("direction", "config"),
    [("sample", CompactConfig(filters=4)), ("a2b", CONFIG), ("sample", PerceptronCriticConfig(size=8))],
    ids=["a picture's generator", "a noise's generator", "a critic"],
)
def test_a_direction_with_a_network_of_another_kind_is_damage(
    direction: str, config: PerceptronConfig | CompactConfig, path: Path
):
    content = json.loads(INFO.model_dump_json())
    content |= {"directions": [direction], "networks": {direction: config.model_dump(mode="json")}}
    save_file(load_file(path), path, metadata={"i2i": json.dumps(content)})
    with pytest.raises(ModelError, match=f"its description has no generator for the direction {direction}"):
        read_info(path)


def test_a_model_of_pictures_has_no_network_for_noise(tiny_model: Path):
    with pytest.raises(ModelError, match=r"its description has no generator that makes pictures of noise\."):
        read_info(tiny_model).sampler()
