from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from i2i.config.networks import ResNetConfig
from i2i.errors import ModelError
from i2i.models.modelfile import ModelInfo, check_model, load_model, read_info, save_model, sha256
from i2i.networks.build import build

SMALL = ResNetConfig(filters=4, blocks=1)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build(SMALL)


def described(config: ResNetConfig = SMALL) -> ModelInfo:
    return ModelInfo(
        version="1", method="cyclegan", directions=("a2b",), networks={"a2b": config}, multiple=4, minimum=8
    )


@pytest.fixture
def path(tmp_path: Path, network: nn.Module) -> Path:
    save_model(tmp_path / "m.safetensors", {"a2b": network}, described(), half=False)
    return tmp_path / "m.safetensors"


def rewrite(path: Path, change, **description) -> None:
    """Save the file again with other tensors or another description."""
    content = json.loads(read_info(path).model_dump_json()) | description
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"i2i": json.dumps(content)})


def test_what_is_saved_comes_back_to_the_bit(path: Path, network: nn.Module):
    file = load_model(path)
    assert file.info == described()
    picture = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(file.networks["a2b"](picture), network(picture))
    assert all(parameter.requires_grad for parameter in file.networks["a2b"].parameters())


def test_the_same_model_makes_the_same_file(path: Path, network: nn.Module, tmp_path: Path):
    save_model(tmp_path / "again.safetensors", {"a2b": network}, described(), half=False)
    assert sha256(tmp_path / "again.safetensors") == sha256(path)


def test_loading_draws_no_random_numbers(path: Path):
    before = torch.get_rng_state()
    load_model(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_half_precision_is_half_as_large_and_close(network: nn.Module, tmp_path: Path):
    with torch.no_grad():
        network.stem[1].bias[0] = 1e6
    save_model(tmp_path / "half.safetensors", {"a2b": network}, described(), half=True)
    stored = load_file(tmp_path / "half.safetensors")
    assert stored["a2b.stem.1.weight"].dtype == torch.float16
    assert stored["a2b.stem.1.bias"].dtype == torch.float32
    loaded = load_model(tmp_path / "half.safetensors").networks["a2b"]
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float32}
    assert loaded.stem[1].bias[0] == 1e6


def test_channels_last_and_shared_memory_can_be_saved(network: nn.Module, path: Path, tmp_path: Path):
    network.to(memory_format=torch.channels_last)
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in network.parameters()])
    save_model(tmp_path / "last.safetensors", {"a2b": network}, described(), half=False)
    assert sha256(tmp_path / "last.safetensors") == sha256(path)
    network.stem[1].bias.data, network.head[1].bias.data = flat[:4], flat[1:4]
    save_model(tmp_path / "shared.safetensors", {"a2b": network}, described(), half=False)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_every_norm_survives(tmp_path: Path, norm: str):
    config = ResNetConfig(filters=4, blocks=1, norm=norm, upsampling="resize", padding="zero", dropout=0.5)
    network = build(config).eval()
    save_model(tmp_path / "m.safetensors", {"a2b": network}, described(config), half=False)
    picture = torch.rand(1, 3, 8, 8)
    assert torch.equal(load_model(tmp_path / "m.safetensors").networks["a2b"].eval()(picture), network(picture))


def test_a_newer_format_says_update(path: Path):
    rewrite(path, lambda tensors: None, format=2, surprise="new")
    with pytest.raises(ModelError) as caught:
        load_model(path)
    text = f"{path}: has format 2; this i2i reads format 1. Update i2i: pip install -U i2i-toolkit"
    assert str(caught.value) == text
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("description", "text"),
    [
        ({"task": "fly"}, "wrong at task: Input should be 'translate', 'upscale', 'inpaint' or 'generate'."),
        ({"surprise": 1}, "its description is wrong at surprise: Extra inputs are not permitted."),
        ({"directions": ["b2a"]}, "its description has no generator for the direction b2a."),
        ({"format": "1"}, "damaged: its description names no format."),
    ],
)
def test_a_wrong_description_is_named(path: Path, description: dict[str, object], text: str):
    rewrite(path, lambda tensors: None, **description)
    with pytest.raises(ModelError, match=re.escape(text)):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda tensors: tensors.pop("a2b.head.1.bias"), "the tensor a2b.head.1.bias is missing."),
        (lambda tensors: tensors.update({"a2b.head.1.bias": torch.zeros(4)}), "is (4,) and should be (3,)."),
        (lambda tensors: tensors.update({"a2b.more": torch.zeros(4)}), "its network has no tensor a2b.more."),
        (lambda tensors: tensors.update({"b2a.more": torch.zeros(4)}), "no network of it has the tensor b2a.more."),
    ],
)
def test_tensors_that_do_not_fit_are_named(path: Path, change, text: str):
    rewrite(path, change)
    with pytest.raises(ModelError, match="damaged") as caught:
        load_model(path)
    assert text in str(caught.value)


def test_values_that_are_not_finite_are_found(path: Path):
    check_model(path)
    rewrite(path, lambda tensors: tensors["a2b.head.1.bias"].fill_(float("nan")))
    with pytest.raises(ModelError, match=r"a2b\.head\.1\.bias holds values that are not finite"):
        check_model(path)


def test_a_file_cut_anywhere_is_refused_in_one_line(path: Path):
    data = path.read_bytes()
    for length in (0, 4, 8, 100, 2000, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ModelError, match="damaged") as caught:
            load_model(path)
        assert "\n" not in str(caught.value)


def test_other_files_are_refused_with_the_next_step(tmp_path: Path):
    path = tmp_path / "w.pth"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match=r"is a PyTorch file.*Import it: i2i models import \S+w\.pth -o"):
        load_model(path)
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(ModelError, match="holds weights without a description by i2i"):
        load_model(tmp_path / "plain.safetensors")
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        load_model(tmp_path / "none.safetensors")


def test_a_description_of_any_length_is_told_from_a_pickle(network: nn.Module, tmp_path: Path):
    path, starts = tmp_path / "m.safetensors", set()
    for length in range(0, 256, 8):  # the length is the first byte, and 0x80 is how a pickle begins
        info = described().model_copy(update={"version": "x" * length})
        save_model(path, {"a2b": network}, info, half=False)
        starts.add(path.read_bytes()[0])
        assert load_model(path).info == info
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(ModelError, match="damaged"):
            load_model(path)
    assert 0x80 in starts


def test_networks_and_description_must_agree(network: nn.Module, tmp_path: Path):
    with pytest.raises(ValueError, match=r"networks \['b2a'\] are described as \['a2b'\]"):
        save_model(tmp_path / "m.safetensors", {"b2a": network}, described(), half=False)


def test_a_folder_that_is_not_there_is_one_line(network: nn.Module, tmp_path: Path):
    with pytest.raises(ModelError, match="cannot be written: No such file"):
        save_model(tmp_path / "no" / "m.safetensors", {"a2b": network}, described(), half=False)
