from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.config.networks import CompactConfig, RRDBConfig
from i2i.errors import ModelError, UsageError
from i2i.models.foreign import IMPORTABLE, import_weights, read_tensors, recognise
from i2i.models.modelfile import check_model, load_model
from i2i.networks.build import build

SMALL = CompactConfig(filters=4, convolutions=1, scale=2)


def convolution(side: int = 3, outputs: int = 8) -> Tensor:
    return torch.zeros(outputs, 3, side, side)


def with_keys(*keys: str) -> dict[str, Tensor]:
    return {key: convolution() for key in keys}


OTHERS = {
    "ESRGAN+, RRDB with 1x1 convolutions inside the blocks": [
        with_keys("model.0.weight", "model.1.sub.0.RDB1.conv1x1.weight", "model.1.sub.0.RDB1.conv1.0.weight"),
        with_keys("RRDB_trunk.0.RDB1.conv1x1.weight"),
    ],
    "SRResNet of leftthomas/SRGAN, whose output goes through tanh; i2i's SRResNet has none, and": [
        with_keys("block1.0.weight", "block2.conv1.weight", "block8.2.weight")
    ],
    "SRResNet of sgrvinod's tutorial, whose output goes through tanh": [
        with_keys("residual_blocks.0.conv_block1.conv_block.0.weight"),
        with_keys("net.residual_blocks.0.conv_block1.conv_block.0.weight"),
    ],
    "SRResNet, an early release of Lornatang/SRGAN-PyTorch, whose output goes through tanh": [
        with_keys("conv1.0.weight", "trunk.0.conv1.weight", "subpixel_conv.0.conv.weight", "conv3.0.weight")
    ],
    "SRResNet of Lornatang/SRGAN-PyTorch, whose output goes through tanh": [
        with_keys("conv_block1.0.weight", "trunk.0.rcb.0.weight", "conv_block3.0.weight")
    ],
    "a U-Net discriminator of Real-ESRGAN": [
        with_keys("conv0.weight", "conv1.weight_orig"),
        with_keys("conv0.weight", "conv1.parametrizations.weight.original"),
    ],
    "a VGG-style discriminator of ESRGAN": [with_keys("conv0_0.weight", "conv0_1.weight", "linear1.weight")],
    "a discriminator of SRGAN": [
        {"net.0.weight": convolution()},
        with_keys("conv_blocks.0.conv_block.0.weight", "fc1.weight"),
        {
            "features.0.weight": convolution(),
            "classifier.0.weight": torch.zeros(9, 9),
            "classifier.2.weight": torch.zeros(1, 9),
        },
    ],
    "EDSR or RCAN": [
        with_keys("conv_first.weight", "body.0.conv1.weight", "conv_after_body.weight", "upsample.0.weight"),
        with_keys("sub_mean.weight", "head.0.weight", "body.0.body.0.weight", "tail.0.0.weight"),
    ],
    "SPAN in its published form": [with_keys("conv_1.eval_conv.weight"), with_keys("conv_1.sk.weight")],
    "LaMa, an inpainting network that is not built in. Can be": [
        with_keys("generator.model.1.ffc.convl2l.weight", "discriminator.model0.0.weight"),
        with_keys("model.model.1.ffc.convl2l.weight", "model.model.1.bn_l.running_mean"),
    ],
    "MAT, an inpainting network that is not built in": [
        with_keys("mapping.fc0.weight", "synthesis.first_stage.conv_first.conv.resample_filter", "a.attn.q.weight")
    ],
    "AOT-GAN, an inpainting network": [with_keys("encoder.1.weight", "middle.0.block00.1.weight", "decoder.4.weight")],
    "a U-Net with partial convolutions, an inpainting network": [
        with_keys("enc_1.conv.input_conv.weight", "enc_1.conv.mask_conv.weight", "dec_1.conv.input_conv.weight"),
        with_keys("enc_1.conv.weight", "dec_1.conv.weight"),
    ],
    "DeepFillv1, an inpainting network": [
        with_keys("coarse_generator.conv1.conv.weight", "fine_generator.pmconv1.conv.weight")
    ],
    "DeepFillv2 with layers of its own (InpaintSANet), an inpainting network": [
        with_keys("coarse_net.0.conv2d.weight", "coarse_net.0.mask_conv2d.weight", "refine_conv_net.0.conv2d.weight")
    ],
    "a transformer (SwinIR, HAT, DAT or like them)": [
        with_keys("conv_first.weight", "layers.0.residual_group.blocks.0.attn.relative_position_bias_table"),
        with_keys("layers.0.blocks.0.attn.qkv.weight"),
    ],
    "a discriminator of pix2pixHD": [with_keys("scale0_layer0.0.weight")],
    "a PatchGAN discriminator": [{"model.0.weight": convolution(4)}],
    "a pixel discriminator": [{"net.0.weight": convolution(1)}],
    "a classifier's features": [
        with_keys("features.0.weight"),
        {"features.0.weight": convolution(), "classifier.6.weight": torch.zeros(1000, 9)},
    ],
    "Compact with ReLU or LeakyReLU; i2i's has PReLU": [with_keys("body.0.weight", "body.2.weight", "body.4.weight")],
    "an empty state dict": [{}],
}


@pytest.mark.parametrize(("likeness", "states"), OTHERS.items(), ids=OTHERS)
def test_a_network_that_cannot_be_imported_is_named(likeness: str, states: list[dict[str, Tensor]]):
    for state in states:
        with pytest.raises(ModelError) as caught:
            recognise(state, Path("x.pth"))
        assert str(caught.value).startswith(f"x.pth: looks like {likeness}")
        assert str(caught.value).endswith(IMPORTABLE)


@pytest.mark.parametrize("name", ["vgg19_to_relu3_4", "alexnet_features", "squeezenet1_1_features"])
def test_published_classifiers_are_named(test_data: Path, name: str):
    path = test_data / f"weights/{name}_fp16.safetensors"
    with pytest.raises(ModelError, match=r"looks like a classifier's features\. Can be imported: ResNet generators"):
        recognise(read_tensors(path), path)


def test_an_unknown_network_is_described():
    with pytest.raises(ModelError) as caught:
        recognise({"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}, Path("x.pth"))
    assert str(caught.value) == (
        f"x.pth: looks like an unknown network: 2 tensors, the first 'fc.weight'. {IMPORTABLE}"
    )


def test_an_unknown_network_is_compared_with_the_nearest_layout():
    state = dict(build(RRDBConfig(blocks=1, filters=4, growth=2)).state_dict())
    odd = {key.replace("rdb1.", "dense1."): tensor for key, tensor in state.items() if not key.startswith("conv_body")}
    with pytest.raises(ModelError) as caught:
        recognise(odd, Path("x.pth"))
    assert (
        "unknown network: 40 tensors, the first 'conv_first.weight'; nearest to RRDB, missing 'conv_body.weight',"
        " 'conv_body.bias', unexpected 'body.0.dense1.conv5.weight', 'body.0.dense1.conv5.bias'."
    ) in str(caught.value)


def test_values_that_are_not_finite_are_refused():
    state = dict(build(SMALL).state_dict())
    state["body.2.bias"][1] = torch.nan
    with pytest.raises(ModelError, match=r"x\.pth: damaged: 'body\.2\.bias' holds values that are not finite"):
        recognise(state, Path("x.pth"))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "generator.", "netG.", "net_g.", "generator.module."])
def test_prefixes_do_not_matter(prefix: str):
    state = {f"{prefix}{key}": tensor for key, tensor in build(SMALL).state_dict().items()}
    assert recognise(state, Path("x.pth")).config.filters == 4


def test_of_a_training_the_averaged_generator_is_taken():
    averaged, last = build(SMALL).state_dict(), build(SMALL).state_dict()
    state = {f"generator.{key}": tensor for key, tensor in last.items()} | {"step_counter": torch.zeros(1)}
    state |= {f"generator_ema.{key}": tensor for key, tensor in averaged.items()}
    found = recognise(state | {"discriminator.conv0.weight": convolution()}, Path("x.pth"))
    assert torch.equal(found.network.state_dict()["body.0.weight"], averaged["body.0.weight"])


def test_an_upscaler_becomes_a_model_file_that_explains_itself(tmp_path: Path):
    network = build(RRDBConfig(blocks=1, filters=4, growth=2, scale=2))
    source, output = tmp_path / "theirs.safetensors", tmp_path / "ours.safetensors"
    save_file(network.state_dict(), source)
    import_weights([source], output)
    check_model(output)
    info = load_model(output).info
    assert (info.task, info.directions, info.value_range, info.method) == ("upscale", ("up",), (0.0, 1.0), "")
    assert (info.multiple, info.minimum) == (2, 2)
    assert info.networks["up"].scale == 2
    assert info.ancestor == f"theirs.safetensors (SHA-256 {hashlib.sha256(source.read_bytes()).hexdigest()})"
    assert info.card.description == "imported weights: RRDB, scale 2"
    assert info.card.licence == "unknown: ask where the file came from"
    stored = load_file(output)
    assert all(torch.equal(stored[f"up.{key}"], tensor) for key, tensor in network.state_dict().items())
    with pytest.raises(ModelError, match=r"ours\.safetensors: is a model file of i2i already\. Ask for what is in it"):
        import_weights([output], tmp_path / "again.safetensors")


def test_an_upscaler_has_no_directions(tmp_path: Path):
    source, output = tmp_path / "x.safetensors", tmp_path / "ours.safetensors"
    save_file(build(SMALL).state_dict(), source)
    told = re.escape(f"{source}: is an upscaler, and those have no directions. Import it alone, without --direction.")
    with pytest.raises(UsageError, match=told):
        import_weights([source], output, "a2b")
    with pytest.raises(UsageError, match=told):
        import_weights([source, source], output)
    assert not output.exists()


def test_a_damaged_safetensors_file_is_one_line(tmp_path: Path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"PK\x03\x04 is no safetensors file")
    with pytest.raises(ModelError, match=r"x\.safetensors: is no safetensors file, or damaged\. Copy or download"):
        read_tensors(path)
