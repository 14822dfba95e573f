"""The foreign networks are built here from their published layer tables, by torch alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from i2i.errors import ModelError
from i2i.models.foreign import import_weights, recognise
from i2i.models.foreign_cyclegan import resnet_generator
from i2i.models.modelfile import load_model


class Block(nn.Module):
    def __init__(self, channels: int, norm, bias: bool, dropout: bool, padding: str):
        super().__init__()
        pad, inside = ([], 1) if padding == "zero" else ([nn.ReflectionPad2d(1)], 0)
        self.conv_block = nn.Sequential(
            *pad,
            nn.Conv2d(channels, channels, 3, padding=inside, bias=bias),
            norm(channels),
            nn.ReLU(),
            *([nn.Dropout(0.5)] if dropout else []),
            *pad,
            nn.Conv2d(channels, channels, 3, padding=inside, bias=bias),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class Published(nn.Module):
    def __init__(self, n=2, g=4, cin=3, cout=3, batch=False, dropout=False, padding="reflect", legacy=False):
        super().__init__()
        norm = nn.BatchNorm2d if batch else lambda c: nn.InstanceNorm2d(c, track_running_stats=legacy)
        bias = not batch
        self.model = nn.Sequential(
            nn.ReflectionPad2d(3), nn.Conv2d(cin, g, 7, bias=bias), norm(g), nn.ReLU(),
            nn.Conv2d(g, 2 * g, 3, 2, 1, bias=bias), norm(2 * g), nn.ReLU(),
            nn.Conv2d(2 * g, 4 * g, 3, 2, 1, bias=bias), norm(4 * g), nn.ReLU(),
            *(Block(4 * g, norm, bias, dropout, padding) for _ in range(n)),
            nn.ConvTranspose2d(4 * g, 2 * g, 3, 2, 1, 1, bias=bias), norm(2 * g), nn.ReLU(),
            nn.ConvTranspose2d(2 * g, g, 3, 2, 1, 1, bias=bias), norm(g), nn.ReLU(),
            nn.ReflectionPad2d(3), nn.Conv2d(g, cout, 7), nn.Tanh(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


VARIANTS = {
    "as published": {},
    "nine blocks": {"n": 9},
    "six blocks and wider": {"n": 6, "g": 8},
    "batch norm": {"batch": True},
    "batch norm and dropout": {"batch": True, "dropout": True},
    "dropout": {"dropout": True},
    "zero padding": {"padding": "zero"},
    "zero padding and dropout": {"padding": "zero", "dropout": True},
    "gray to colour": {"cin": 1},
    "four channels to one": {"cin": 4, "cout": 1},
    "statistics of an old release": {"legacy": True},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_gives_the_same_pictures(variant: dict[str, object]):
    torch.manual_seed(1)
    theirs = Published(**variant)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):  # training has moved them away from their start
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
    config, ours = resnet_generator(theirs.state_dict(), Path("x.pth"))
    assert config.blocks == variant.get("n", 2)
    assert config.filters == variant.get("g", 4)
    assert config.norm == ("batch" if variant.get("batch") else "instance")
    assert config.dropout == (0.5 if variant.get("dropout") else 0)
    for module in theirs.modules():  # statistics of the picture, dropout off: how its users see results, less the noise
        module.train(not isinstance(module, nn.Dropout))
    picture = torch.rand(1, variant.get("cin", 3), 16, 24) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(ours.eval()(picture), theirs(picture), atol=1e-5, rtol=0)


def test_a_data_parallel_prefix_and_missing_counters_do_not_matter():
    state = Published(batch=True).state_dict()
    old = {f"module.{key}": tensor for key, tensor in state.items() if "num_batches" not in key}
    found = recognise(old, Path("x.pth"))
    assert (found.title, found.config.norm) == ("ResNet generator of CycleGAN", "batch")


def test_a_layer_too_many_too_few_or_too_large_is_named():
    state = dict(Published().state_dict())
    with pytest.raises(ModelError, match=r"with a layer that CycleGAN's has not: 'model\.99\.weight'"):
        resnet_generator(state | {"model.99.weight": torch.zeros(1)}, Path("x.pth"))
    with pytest.raises(ModelError, match=r"layer 'down\.0\.0\.weight' is missing or does not fit"):
        resnet_generator(state | {"model.4.weight": torch.zeros(8, 4, 5, 5)}, Path("x.pth"))
    del state["model.4.bias"]
    with pytest.raises(ModelError, match=r"layer 'down\.0\.0\.bias' is missing or does not fit"):
        resnet_generator(state, Path("x.pth"))
    bare = {key: tensor for key, tensor in state.items() if not key.endswith("bias")}
    with pytest.raises(ModelError, match="neither plain instance norm nor batch norm"):
        resnet_generator(bare, Path("x.pth"))


def test_two_files_become_one_model_file_of_both_directions(tmp_path: Path):
    a2b, b2a = Published(), Published(batch=True)
    torch.save(a2b.state_dict(), tmp_path / "a.pth")
    torch.save(b2a.state_dict(), tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    output = tmp_path / "both.safetensors"
    import_weights([tmp_path / "a.pth", tmp_path / "b.pth"], output)
    file = load_model(output)
    assert file.info.directions == ("a2b", "b2a")
    assert (file.info.task, file.info.method, file.info.value_range) == ("translate", "cyclegan", (-1.0, 1.0))
    assert (file.info.multiple, file.info.minimum) == (4, 8)
    assert "a.pth (SHA-256 " in file.info.ancestor
    picture = torch.rand(1, 3, 16, 16)
    assert torch.allclose(file.networks["a2b"](picture), a2b(picture), atol=1e-5)


@pytest.mark.parametrize("key", ["model.10.conv_block.weight", "model.10.conv_block.a.weight"])
def test_a_block_without_numbers_is_one_line(key: str):
    with pytest.raises(ModelError, match="with a layer that CycleGAN's has not"):
        resnet_generator(dict(Published().state_dict()) | {key: torch.zeros(1, 1, 1, 1)}, Path("x.pth"))


def test_a_file_of_wide_claims_takes_no_memory():
    state = {"model.1.weight": torch.zeros(1, 1, 7, 7).expand(10**7, 1, 7, 7), "model.1.bias": torch.zeros(1)}
    state |= {f"model.10.conv_block.{index}.weight": torch.zeros(1, 1, 1, 1) for index in (1, 5)}
    with pytest.raises(ModelError, match=r"layer '.*' is missing or does not fit"):
        resnet_generator(state | {"model.18.weight": torch.zeros(3, 4, 7, 7)}, Path("x.pth"))
