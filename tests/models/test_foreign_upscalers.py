"""Names of published weights, written down here once more; the networks are ours with random weights, or published."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu, pixel_shuffle, prelu, relu

from i2i.config.networks import CompactConfig, RRDBConfig, SRResNetConfig
from i2i.errors import ModelError
from i2i.models.foreign import import_weights, recognise
from i2i.models.modelfile import load_model
from i2i.networks.build import build

HERE = Path("x.pth")
LEAVES = ("weight", "bias")
State = dict[str, Tensor]
Rename = Callable[[str], str]


def trained(config: CompactConfig | RRDBConfig | SRResNetConfig) -> nn.Module:
    """A network whose every tensor has moved away from where it began."""
    torch.manual_seed(1)
    network = build(config).eval()
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape) + 0.5 if "running_var" in key else torch.randn(tensor.shape) * 0.3)
    return network


def renamed(network: nn.Module, name: Rename) -> State:
    return {name(key): tensor for key, tensor in network.state_dict().items()}


def assert_imported(state: State, network: nn.Module, title: str) -> None:
    """The settings are found again, and the same pictures come out."""
    found = recognise(state, HERE)
    assert found.config == network.config.model_copy(update={"init": found.config.init})
    assert found.title == title
    picture = torch.rand(1, network.config.input_channels, 12, 8)
    with torch.no_grad():
        assert torch.equal(found.network.eval()(picture), network(picture))


# RRDB


def rrdb_middle(key: str) -> str:
    words = {"body.": "RRDB_trunk.", "conv_body": "trunk_conv", "conv_up": "upconv", "conv_hr": "HRconv"}
    theirs = next((key.replace(ours, word, 1) for ours, word in words.items() if key.startswith(ours)), key)
    return re.sub(r"\.rdb(\d)", r".RDB\1", theirs)


def rrdb_first(key: str) -> str:
    block = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.(conv\d)\.(\w+)", key)
    if block:
        return f"model.1.sub.{block[1]}.RDB{block[2]}.{block[3]}.0.{block[4]}"
    module, leaf = key.split(".")
    places = {"conv_first": "0", "conv_body": "1.sub.2", "conv_up1": "3", "conv_up2": "6", "conv_hr": "8"}
    return f"model.{places.get(module, '10')}.{leaf}"


RRDB_LAYOUTS = {
    "RRDB": lambda key: key,
    "RRDB (middle names)": rrdb_middle,
    "RRDB with ESRGAN's first names": rrdb_first,
}


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("layout", RRDB_LAYOUTS)
def test_rrdb_of_two_blocks_of_8_and_4_channels_in_every_layout_and_scale(layout: str, scale: int):
    network = trained(RRDBConfig(blocks=2, filters=8, growth=4, scale=scale))
    title = layout.removesuffix(" (middle names)")
    assert_imported(renamed(network, RRDB_LAYOUTS[layout]), network, f"{title}, scale {scale}")


def test_rrdb_of_gray_pictures_and_of_gray_to_colour():
    for channels, outputs in ((1, 1), (1, 3)):
        network = trained(RRDBConfig(blocks=1, filters=6, growth=3, input_channels=channels, output_channels=outputs))
        assert_imported(dict(network.state_dict()), network, "RRDB, scale 4")


def test_rrdb_of_the_published_size_has_702_tensors_of_16_697_987_values():
    with torch.device("meta"):
        published = build(RRDBConfig()).state_dict()
    assert len(published) == 702
    found = recognise({rrdb_middle(key): torch.zeros(tensor.shape) for key, tensor in published.items()}, HERE)
    assert found.config == RRDBConfig()
    assert sum(parameter.numel() for parameter in found.network.parameters()) == 16_697_987


@pytest.mark.parametrize("doublings", [0, 1, 3])
def test_rrdb_of_other_doublings_is_refused(doublings: int):
    state = renamed(trained(RRDBConfig(blocks=2, filters=8, growth=4)), rrdb_first)
    kept = {key: tensor for key, tensor in state.items() if re.match(r"model\.[01]\.", key)}
    kept |= {f"model.{3 * up}.{leaf}": state[f"model.3.{leaf}"] for up in range(1, doublings + 1) for leaf in LEAVES}
    kept |= {f"model.{3 * doublings + 2}.{leaf}": state[f"model.8.{leaf}"] for leaf in LEAVES}
    kept |= {f"model.{3 * doublings + 4}.{leaf}": state[f"model.10.{leaf}"] for leaf in LEAVES}
    with pytest.raises(ModelError) as caught:
        recognise(kept, HERE)
    assert str(caught.value) == (
        f"x.pth: is RRDB with ESRGAN's first names that doubles the size {doublings} times; i2i's doubles it twice."
    )


# SRResNet


def lornatang(key: str, version: str = "_block") -> str:
    """Of two residual blocks."""
    places = {
        r"head\.": f"conv{version}1.",
        r"body\.convolve\.([01])\.convolve\.": r"trunk.\1.rcb.",
        r"body\.convolve\.2\.": f"conv{version}2.0.",
        r"body\.convolve\.3\.": f"conv{version}2.1.",
        r"up\.([02])\.": r"upsampling.0.upsample_block.\1.",
        r"up\.3\.": "upsampling.1.upsample_block.0.",
        r"up\.5\.": "upsampling.1.upsample_block.2.",
        r"tail\.": f"conv{version}3.",
    }
    return next(re.sub(ours, theirs, key) for ours, theirs in places.items() if re.match(ours, key))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("version", ["_block", ""])
def test_srresnet_of_two_blocks_of_8_channels_in_every_scale(version: str, scale: int):
    network = trained(SRResNetConfig(blocks=2, filters=8, scale=scale))
    state = renamed(network, lambda key: lornatang(key, version))
    assert_imported(state, network, f"SRResNet, scale {scale}")


def test_convolutions_of_srresnet_without_bias_get_zeros_and_batch_norms_without_counter_one():
    network = trained(SRResNetConfig(blocks=2, filters=8))
    state = renamed(network, lornatang)
    bare = re.compile(r"trunk\.\d\.rcb\.[03]\.bias|conv_block2\.0\.bias|.*num_batches_tracked")
    left = {key: tensor for key, tensor in state.items() if not bare.fullmatch(key)}
    assert len(state) - len(left) == 10
    for key, tensor in network.state_dict().items():
        if bare.fullmatch(lornatang(key)):
            tensor.zero_()
    assert_imported(left, network, "SRResNet, scale 4")


def test_a_batch_norm_without_bias_is_not_filled():
    state = renamed(trained(SRResNetConfig(blocks=2, filters=8)), lornatang)
    del state["trunk.1.rcb.4.bias"]
    with pytest.raises(ModelError, match=r"of another form than i2i's: missing 'body\.convolve\.1\.convolve\.4\.bias'"):
        recognise(state, HERE)


def test_srresnet_that_enlarges_by_8_is_refused():
    state = renamed(trained(SRResNetConfig(blocks=2, filters=8)), lornatang)
    third = {
        key.replace("upsampling.1", "upsampling.2"): tensor for key, tensor in state.items() if "sampling.1" in key
    }
    with pytest.raises(ModelError) as caught:
        recognise(state | third, HERE)
    assert str(caught.value) == (
        "x.pth: is SRResNet that enlarges by 2 and 2 and 2; i2i's enlarges by 2, by 3, or by 2 and 2."
    )


MSRRESNET_LAYOUTS = {
    "basicsr": ("body", "upconv{}", "conv_hr"),
    "esrgan": ("recon_trunk", "upconv{}", "HRconv"),
    "mmagic": ("trunk_net", "upsample{}.upsample_conv", "conv_hr"),
}


def msrresnet(state: State, body: str, up: str, high: str) -> State:
    names = {"head.0": "conv_first", "up.0": up.format(1), "up.3": up.format(2), "tail.0": high, "tail.2": "conv_last"}
    names |= {f"body.{i}.convolve.{ours}": f"{body}.{i}.conv{k}" for i in (0, 1) for ours, k in ((0, 1), (2, 2))}
    return {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": tensor for key, tensor in state.items()}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("layout", MSRRESNET_LAYOUTS)
def test_msrresnet_of_two_blocks_of_8_channels_in_every_layout_and_scale(layout: str, scale: int):
    network = trained(SRResNetConfig(blocks=2, filters=8, scale=scale, norm="none"))
    assert_imported(msrresnet(network.state_dict(), *MSRRESNET_LAYOUTS[layout]), network, f"MSRResNet, scale {scale}")


def test_msrresnet_is_the_published_computation():
    state = msrresnet(
        trained(SRResNetConfig(blocks=2, filters=8, norm="none")).state_dict(), "body", "upconv{}", "conv_hr"
    )
    x = torch.rand(1, 3, 7, 5)

    def convolve(x: Tensor, name: str) -> Tensor:
        return conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    y = leaky_relu(convolve(x, "conv_first"), 0.1)
    for block in ("body.0", "body.1"):
        y = y + convolve(relu(convolve(y, f"{block}.conv1")), f"{block}.conv2")
    for up in ("upconv1", "upconv2"):
        y = leaky_relu(pixel_shuffle(convolve(y, up), 2), 0.1)
    y = convolve(leaky_relu(convolve(y, "conv_hr"), 0.1), "conv_last")
    expected = y + interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
    with torch.no_grad():
        assert torch.allclose(recognise(state, HERE).network.eval()(x), expected, atol=1e-5, rtol=0)


# Compact


def compact(state: State, x: Tensor) -> Tensor:
    """The published computation at scale 4."""
    last = max(int(key.split(".")[1]) for key in state)
    y = x
    for index in range(0, last, 2):
        y = conv2d(y, state[f"body.{index}.weight"], state[f"body.{index}.bias"], padding=1)
        y = prelu(y, state[f"body.{index + 1}.weight"])
    y = conv2d(y, state[f"body.{last}.weight"], state[f"body.{last}.bias"], padding=1)
    return pixel_shuffle(y, 4) + interpolate(x, scale_factor=4, mode="nearest")


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [
        ("realesr-animevideov3", 16),
        pytest.param("realesr-general-x4v3_from-ncnn-fp16", 32, marks=pytest.mark.thorough),
    ],
)
def test_published_weights_are_imported_to_the_bit(test_data: Path, tmp_path: Path, name: str, convolutions: int):
    source, output = test_data / f"weights/{name}.pth", tmp_path / "x.safetensors"
    info = import_weights([source], output)
    assert info.networks["up"] == CompactConfig(filters=64, convolutions=convolutions, scale=4)
    published = torch.load(source, map_location="cpu", weights_only=True)["params"]
    network = load_model(output).networks["up"]
    assert published.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, published[key].float()) for key, tensor in network.state_dict().items())
    picture = torch.rand(1, 3, 20, 28)
    with torch.no_grad():
        assert torch.allclose(network(picture), compact(published, picture), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_compact_of_three_convolutions_of_8_channels_in_every_scale(scale: int):
    network = trained(CompactConfig(filters=8, convolutions=3, scale=scale))
    assert_imported(dict(network.state_dict()), network, f"Compact, scale {scale}")


def test_half_precision_weights_become_float32_of_the_same_values():
    network = trained(CompactConfig(filters=4, convolutions=0, scale=2)).half()
    found = recognise(dict(network.state_dict()), HERE).network.state_dict()
    assert all(tensor.dtype == torch.float32 for tensor in found.values())
    assert all(torch.equal(tensor.half(), network.state_dict()[key]) for key, tensor in found.items())


# Bent files


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"body.3.weight": None}, "missing 'body.3.weight'"),
        (
            {f"body.{i}.bias": None for i in (0, 2, 4, 6)},
            "missing 'body.0.bias', 'body.2.bias', 'body.4.bias' and 1 more",
        ),
        ({"tail": torch.zeros(1)}, "unexpected 'tail'"),
        ({"body.1.weight": torch.zeros(1)}, "'body.1.weight' is (1,) and should be (8,)"),
        ({"body.6.weight": torch.zeros(7, 8, 3, 3)}, "that makes 7 channels of 3"),
        ({"body.6.weight": torch.zeros(75, 8, 3, 3)}, "that makes 75 channels of 3; i2i's makes 1, 4, 9 or 16 times"),
        ({"body.0.weight": torch.zeros(8, 0, 3, 3)}, "without the convolution 'body.0.weight'"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Tensor | None], told: str):
    state = dict(trained(CompactConfig(filters=8, convolutions=2)).state_dict()) | change
    with pytest.raises(ModelError, match=re.escape(told)) as caught:
        recognise({key: tensor for key, tensor in state.items() if tensor is not None}, HERE)
    assert str(caught.value).startswith("x.pth: is Compact ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            CompactConfig(filters=4, convolutions=0, input_channels=4, output_channels=4),
            "Compact that takes 4 channels and makes 4",
        ),
        (RRDBConfig(filters=4, growth=2, blocks=1, input_channels=4), "RRDB that takes 4 channels and makes 3"),
        (
            SRResNetConfig(filters=4, blocks=1, norm="none", output_channels=2),
            "MSRResNet that takes 3 channels and makes 2",
        ),
    ],
)
def test_networks_of_2_or_4_channels_are_refused(config: CompactConfig | RRDBConfig | SRResNetConfig, told: str):
    state = dict(trained(config).state_dict())
    if isinstance(config, SRResNetConfig):
        state = msrresnet(state, *MSRRESNET_LAYOUTS["esrgan"])
    with pytest.raises(ModelError) as caught:
        recognise(state, HERE)
    assert str(caught.value) == f"x.pth: is {told}; i2i's takes and makes 1 or 3."


def test_two_names_of_one_tensor_are_not_confused():
    state = dict(trained(RRDBConfig(blocks=1, filters=4, growth=2)).state_dict())
    with pytest.raises(ModelError, match=r"unexpected 'HRconv\.weight'"):
        recognise(state | {"HRconv.weight": state["conv_hr.weight"] + 1}, HERE)


def test_a_file_of_wide_claims_takes_no_memory():
    state = dict(trained(RRDBConfig(blocks=1, filters=4, growth=2)).state_dict())
    state["conv_first.weight"] = torch.zeros(1).expand(10**6, 3, 3, 3)
    state["body.9999999.rdb1.conv1.weight"] = torch.zeros(1)
    state[f"body.{'9' * 5000}.rdb1.conv1.weight"] = torch.zeros(1)
    with pytest.raises(ModelError, match=r"x\.pth: is RRDB of another form than i2i's: missing 'body\.1\.rdb1"):
        recognise(state, HERE)
