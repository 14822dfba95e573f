"""The foreign network is a list of layers here, as its port describes it in each layout, run by torch's functions."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from i2i.config.networks import GatedConfig
from i2i.errors import ModelError, UsageError
from i2i.models.foreign import import_weights, recognise
from i2i.models.foreign_inpainting import deepfill_generator
from i2i.models.modelfile import check_model, load_model
from i2i.networks.build import build

HERE = Path("x.pth")


class Layer(NamedTuple):
    name: str
    inputs: float  # in filters, or channels from 3 on for the first of a branch
    outputs: float  # of the gated pair, in filters
    kernel: int = 3
    stride: int = 1
    dilation: int = 1
    activation: str = "elu"
    doubled: bool = False  # enlarged before it


def encoder(prefix: str, names: list[str], channels: float, widths: list[float], last: str = "elu") -> list[Layer]:
    layers = []
    for k, (name, width) in enumerate(zip(names, widths, strict=True)):
        before = channels if k == 0 else widths[k - 1]
        activation = last if k == len(names) - 1 else "elu"
        layers.append(Layer(prefix + name, before, width, 5 if k == 0 else 3, 2 if k in (1, 3) else 1, 1, activation))
    return layers


def decoder(prefix: str, names: list[str], inputs: float) -> list[Layer]:
    widths, doubled = [2, 2, 1, 1, 0.5, 0.25], (2, 4)
    layers = [
        Layer(prefix + name, inputs if k == 0 else widths[k - 1], widths[k], doubled=k in doubled)
        for k, name in enumerate(names[:6])
    ]
    return [*layers, Layer(prefix + names[6], 0.25, 0, activation="none")]


def dilated(prefix: str, names: list[str]) -> list[Layer]:
    return [Layer(prefix + name, 2, 2, dilation=2 ** (k + 1)) for k, name in enumerate(names)]


class Published:
    """Four parts, each a list of layers: coarse, convolving, attending (six, and two after attention), joined."""

    def __init__(self, layout: str, filters: int = 8) -> None:
        self.tf, self.filters = layout == "tf", filters
        if self.tf:
            down = ["conv1", "conv2_downsample", "conv3", "conv4_downsample", "conv5", "conv6"]
            far = ["conv7_atrous", "conv8_atrous", "conv9_atrous", "conv10_atrous"]
            up = ["conv11", "conv12", "conv13_upsample.conv", "conv14", "conv15_upsample.conv", "conv16", "conv17"]
            after = ["conv9", "conv10"]
            first, second, x, pm, united = up, up, "x", "pm", "all"
            stage = ""
        else:
            down = [
                *("conv1", "down_block1.conv1_downsample", "down_block1.conv2"),
                *("down_block2.conv1_downsample", "down_block2.conv2", "conv_bn1"),
            ]
            far = ["conv_bn2", "conv_bn3", "conv_bn4", "conv_bn5"]
            up = ["conv_bn6", "conv_bn7", "up_block1.conv1_upsample.conv", "up_block1.conv2"]
            up += ["up_block2.conv1_upsample.conv", "up_block2.conv2", "conv_to_rgb"]
            after = ["conv_bn4", "conv_bn5"]
            first, second, stage = up, up, "stage1."
            x, pm = {"new": ("stage2.conv_", "stage2.ca_"), "old": ("stage2.b1_", "stage2.b2_")}[layout]
            united = "stage2."
        self.coarse = [
            *encoder(stage, down, 5, [0.5, 1, 1, 2, 2, 2]),
            *dilated(stage, far),
            *decoder(stage, first, 2),
        ]
        self.convolving = [*encoder(x, down, 3, [0.5, 0.5, 1, 1, 2, 2]), *dilated(x, far)]
        self.attending = encoder(pm, down, 3, [0.5, 0.5, 1, 2, 2, 2], last="relu")
        self.attended = [Layer(pm + name, 2, 2) for name in after]
        self.joined = decoder(united, second, 4)
        torch.manual_seed(1)
        self.state: dict[str, Tensor] = {}
        for layer in [*self.coarse, *self.convolving, *self.attending, *self.attended, *self.joined]:
            self.add(layer)

    def add(self, layer: Layer) -> None:
        inputs = int(layer.inputs if layer.kernel == 5 else layer.inputs * self.filters)
        outputs = int(2 * layer.outputs * self.filters) or 3
        deviation = 2.2 / (inputs * layer.kernel**2) ** 0.5
        weight = torch.randn(outputs, inputs, layer.kernel, layer.kernel) * deviation
        self.state |= {f"{layer.name}.conv.weight": weight, f"{layer.name}.conv.bias": torch.randn(outputs) * 0.1}

    def run(self, layers: list[Layer], x: Tensor) -> Tensor:
        for layer in layers:
            weight, bias = self.state[f"{layer.name}.conv.weight"], self.state[f"{layer.name}.conv.bias"]
            if layer.doubled:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
            if self.tf:
                x = F.pad(x, same(x.shape[3], layer) + same(x.shape[2], layer))
            padding = 0 if self.tf else layer.dilation * (layer.kernel - 1) // 2
            x = F.conv2d(x, weight, bias, layer.stride, padding, layer.dilation)
            if layer.activation != "none":
                values, gates = x.split(x.shape[1] // 2, dim=1)
                x = {"elu": F.elu, "relu": F.relu}[layer.activation](values) * gates.sigmoid()
        return x

    def __call__(
        self, picture: Tensor, mask: Tensor, norm: Literal["authors", "port"] = "authors"
    ) -> tuple[Tensor, Tensor]:
        black = picture * (1 - mask)
        coarse = self.run(self.coarse, torch.cat([black, torch.ones_like(mask), mask], 1)).tanh()
        pasted = coarse * mask + black * (1 - mask)
        features = self.run(self.attending, pasted)
        found = self.run(self.attended, attention(features, mask, self.tf, norm))
        joined = torch.cat([self.run(self.convolving, pasted), found], 1)
        return coarse, self.run(self.joined, joined).tanh()


def same(side: int, layer: Layer) -> tuple[int, int]:
    """TensorFlow's zeros before and behind a side."""
    outputs = -(-side // layer.stride)
    total = max(0, (outputs - 1) * layer.stride + (layer.kernel - 1) * layer.dilation + 1 - side)
    return total // 2, total - total // 2


def shrunk(x: Tensor, times: int, tf: bool) -> Tensor:
    """To the nearest pixels; TensorFlow's are spread from the first pixel of a side to the last."""
    if not tf:
        return F.interpolate(x, scale_factor=1 / times, mode="nearest")
    rows, columns = ((torch.linspace(0, side - 1, side // times) + 0.5).floor().long() for side in x.shape[2:])
    return x.index_select(2, rows).index_select(3, columns)


def attention(x: Tensor, mask: Tensor, tf: bool, norm: Literal["authors", "port"]) -> Tensor:
    """By convolutions of one sample with its own patches. The port adds 1e-4 to each square that their norms sum.

    It has two programs, and that for weights from TensorFlow fuses no scores.
    """
    results = []
    for f, m in zip(x.split(1), mask.split(1), strict=True):
        height, width = f.shape[2] // 2, f.shape[3] // 2
        count, small = height * width, shrunk(f, 2, tf)
        pasted = F.unfold(f, 4, stride=2, padding=1)[0].T.reshape(count, -1, 4, 4)
        keys = F.unfold(small, 3, padding=1)[0].T.reshape(count, -1, 3, 3)
        added = 1e-4 if norm == "port" else 0
        keys = keys / (keys**2 + added).sum((1, 2, 3), keepdim=True).sqrt().clamp(min=1e-4)
        scores = F.conv2d(small, keys, padding=1)
        if not tf:
            eye = torch.eye(3)[None, None]
            scores = F.conv2d(scores.reshape(1, 1, count, count), eye, padding=1)
            turned = scores.reshape(height, width, height, width).permute(1, 0, 3, 2)
            turned = F.conv2d(turned.reshape(1, 1, count, count), eye, padding=1)
            scores = turned.reshape(width, height, width, height).permute(1, 0, 3, 2)
        holes = shrunk(m, 8, tf)
        known = (F.unfold(holes, 3, padding=1).mean(1) == 0).float().reshape(1, count, 1, 1)
        weights = F.softmax(scores.reshape(1, count, height, width) * known * 10, dim=1) * known
        results.append(F.conv_transpose2d(weights, pasted, stride=2, padding=1) / 4)
    return torch.cat(results)


def sample(height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2)) * 2 - 1
    mask = torch.zeros(1, 1, height, width)
    mask[..., 10:37, 30:70] = 1
    return picture, mask


@pytest.mark.parametrize("layout", ["old", "new", "tf"])
@pytest.mark.parametrize("filters", [8, 12])
def test_every_layout_gives_the_same_pictures(layout: str, filters: int, tmp_path: Path):
    theirs = Published(layout, filters)
    save_file(theirs.state, tmp_path / "theirs.safetensors")
    info = import_weights([tmp_path / "theirs.safetensors"], tmp_path / "ours.safetensors")
    check_model(tmp_path / "ours.safetensors")
    tf = layout == "tf"
    assert info.networks["fill"] == GatedConfig(filters=filters, fuse=not tf, padding="tf" if tf else "same")
    network, (picture, mask) = load_model(tmp_path / "ours.safetensors").networks["fill"].eval(), sample()
    with torch.no_grad():
        ours, wanted = network.both(torch.cat([picture, mask], 1)), theirs(picture, mask)
        _, by_port = theirs(picture, mask, "port")
    assert min(picture.std() for picture in wanted) > 0.05
    torch.testing.assert_close(ours, wanted, atol=1e-5, rtol=0)
    assert (ours[1] - by_port).abs().max() < 0.5 * 2 / 255


def test_the_model_file_explains_itself(tmp_path: Path):
    theirs = Published("new")
    torch.save({"G": theirs.state, "D": {"conv1.weight": torch.zeros(1)}, "n_iter": 9}, tmp_path / "states.pth")
    info = import_weights([tmp_path / "states.pth"], tmp_path / "ours.safetensors")
    assert (info.task, info.method, info.directions) == ("inpaint", "inpaint", ("fill",))
    assert (info.value_range, info.multiple, info.minimum) == ((-1.0, 1.0), 8, 8)
    assert info.card.description == "imported weights: DeepFillv2"
    assert info.ancestor is not None
    assert info.ancestor.startswith("states.pth (SHA-256 ")
    stored = load_file(tmp_path / "ours.safetensors")
    assert torch.equal(stored["fill.coarse.0.convolution.weight"], theirs.state["stage1.conv1.conv.weight"])
    assert len(stored) == len(theirs.state)


def test_the_published_size_has_as_many_parameters():
    theirs = Published("tf", 48)
    config, network = deepfill_generator(theirs.state, HERE)
    assert sum(tensor.numel() for tensor in theirs.state.values()) == 4_052_478
    assert sum(parameter.numel() for parameter in network.parameters()) == 4_052_478
    assert config == GatedConfig(padding="tf", fuse=False)


def test_a_stored_constant_of_newer_releases_does_not_matter():
    for layout, prefix in (("new", "stage2."), ("tf", "")):
        state = Published(layout).state | {f"{prefix}contextual_attention.fuse_weight": torch.eye(3)[None, None]}
        assert recognise({f"module.{key}": tensor for key, tensor in state.items()}, HERE).title == "DeepFillv2"


def test_an_inpainter_has_no_directions(tmp_path: Path):
    source, output = tmp_path / "x.safetensors", tmp_path / "ours.safetensors"
    save_file(Published("tf").state, source)
    for files, direction in (([source], "b2a"), ([source, source], None)):
        with pytest.raises(UsageError) as caught:
            import_weights(files, output, direction)
        assert str(caught.value) == (
            f"{source}: is an inpainter, and those have no directions. Import it alone, without --direction."
        )
    assert not output.exists()


FIRST = "stage1.conv1.conv.weight"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"stage1.conv_bn3.conv.bias": None}, "without its tensor 'stage1.conv_bn3.conv.bias'"),
        (
            {"stage2.ca_conv1.conv.weight": None},
            "with a tensor that DeepFillv2's has not: 'stage2.conv_conv1.conv.weight'",
        ),
        ({"stage2.conv_bn6.conv.weight": None}, "without its tensor 'stage2.conv_bn6.conv.weight'"),
        ({"stage2.step": torch.zeros(1)}, "with a tensor that DeepFillv2's has not: 'stage2.step'"),
        (
            {"stage1.conv_bn3.conv.weight": torch.zeros(32, 16, 1, 1)},
            "whose 'stage1.conv_bn3.conv.weight' is (32, 16, 1, 1) and should be (32, 16, 3, 3)",
        ),
        ({FIRST: torch.zeros(8)}, f"whose '{FIRST}' is (8,), no convolution"),
        ({FIRST: torch.zeros(0, 5, 5, 5)}, f"whose '{FIRST}' is (0, 5, 5, 5), no convolution"),
        ({FIRST: torch.zeros(8, 4, 5, 5)}, "that takes 4 channels; i2i's takes a picture, ones and a mask, 5 in all"),
        ({FIRST: torch.zeros(10, 5, 5, 5)}, "of 10 filters; i2i's has a multiple of 4"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Tensor | None], told: str):
    state = Published("new").state | change
    with pytest.raises(ModelError) as caught:
        recognise({key: tensor for key, tensor in state.items() if tensor is not None}, HERE)
    assert str(caught.value) == (
        f"x.pth: is a DeepFillv2 generator {told}. Only the published forms of DeepFillv2 can be imported."
    )


def test_a_converted_file_without_its_first_layer_is_named():
    state = Published("tf").state
    del state["conv1.conv.weight"]
    with pytest.raises(ModelError, match=r"is a DeepFillv2 generator without its tensor 'conv1\.conv\.weight'"):
        recognise(state, HERE)


def test_values_that_are_not_finite_are_refused():
    state = Published("tf").state
    state["pmconv9.conv.bias"][0] = torch.nan
    with pytest.raises(ModelError, match=r"x\.pth: damaged: 'pmconv9\.conv\.bias' holds values that are not finite"):
        recognise(state, HERE)


def test_a_file_of_wide_claims_takes_no_memory():
    state = {"xconv1.conv.weight": torch.zeros(1), "conv1.conv.weight": torch.zeros(1).expand(10**5, 5, 5, 5)}
    with pytest.raises(ModelError, match=r"without its tensor 'conv1\.conv\.bias'"):
        deepfill_generator(state, HERE)


def test_our_own_network_comes_back_from_either_layout():
    """The names alone: what we write down under their names is read as what it was."""
    for layout in ("old", "new", "tf"):
        theirs = Published(layout)
        ours = build(GatedConfig(filters=8))
        state = dict(zip(theirs.state, ours.state_dict().values(), strict=True))
        found = recognise(state, HERE).network.state_dict()
        assert all(torch.equal(found[key], tensor) for key, tensor in ours.state_dict().items())
