"""The foreign network is built here as its authors describe it, level inside level, by torch alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import i2i
from i2i.config.networks import CompactConfig, UNetConfig
from i2i.errors import ModelError, UsageError
from i2i.models.foreign import import_weights, recognise
from i2i.models.foreign_unet import unet_generator
from i2i.models.modelfile import ModelFile, check_model, load_model
from i2i.networks.build import build

HERE = Path("x.pth")
INNERMOST = "model.model.1.model.3.model.3.model.3.model."  # of five halvings


class Level(nn.Module):
    """A level with `inside`, the next one, in it. Its input has `outer` channels, its smaller map `inner`."""

    def __init__(self, outer, inner, norm, bias, dropout, inside: Level | None):
        super().__init__()
        up = nn.ConvTranspose2d(inner if inside is None else 2 * inner, outer, 4, 2, 1, bias=bias)
        down = [nn.LeakyReLU(0.2, True), nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)]
        between = [] if inside is None else [norm(inner), inside]
        last = [nn.Dropout(0.5)] if dropout else []
        self.model = nn.Sequential(*down, *between, nn.ReLU(True), up, norm(outer), *last)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)


class Outermost(nn.Module):
    def __init__(self, cin, cout, g, bias, inside: Level):
        super().__init__()
        up = nn.ConvTranspose2d(2 * g, cout, 4, 2, 1)
        self.model = nn.Sequential(nn.Conv2d(cin, g, 4, 2, 1, bias=bias), inside, nn.ReLU(True), up, nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Published(nn.Module):
    """`statistics`: those that an old release kept for instance norm and never used."""

    def __init__(self, n=5, g=4, cin=3, cout=3, norm="batch", dropout=False, statistics=False):
        super().__init__()
        norms = {
            "batch": nn.BatchNorm2d,
            "instance": lambda channels: nn.InstanceNorm2d(channels, track_running_stats=statistics),
            "none": lambda channels: nn.Identity(),
        }
        layer, bias = norms[norm], norm == "instance"
        level = Level(8 * g, 8 * g, layer, bias, False, None)
        for _ in range(n - 5):
            level = Level(8 * g, 8 * g, layer, bias, dropout, level)
        for outer in (4 * g, 2 * g, g):
            level = Level(outer, 2 * outer, layer, bias, False, level)
        self.model = Outermost(cin, cout, g, bias, level)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def trained(**variant: object) -> Published:
    """With norms that a training has moved from their start; statistics of the picture, dropout off."""
    torch.manual_seed(1)
    theirs = Published(**variant)
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.3)
            nn.init.normal_(module.bias, 0, 0.3)
        module.train(not isinstance(module, nn.Dropout))
    return theirs


def stored(theirs: Published) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in theirs.state_dict().items()}


def imported(state: dict[str, Tensor], folder: Path) -> ModelFile:
    save_file(state, folder / "theirs.safetensors")
    import_weights([folder / "theirs.safetensors"], folder / "ours.safetensors")
    check_model(folder / "ours.safetensors")
    return load_model(folder / "ours.safetensors")


def assert_same_pictures(theirs: Published, ours: nn.Module, sides: tuple[int, int], channels: int = 3) -> None:
    picture = torch.rand(1, channels, *sides, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.no_grad():
        wanted = theirs(picture)
        assert wanted.std() > 0.01
        assert torch.allclose(ours.eval()(picture), wanted, atol=1e-5, rtol=0)


VARIANTS = {
    "for 256 px, with dropout": {"n": 8, "g": 8, "dropout": True},
    "for 256 px, without dropout": {"n": 8, "g": 8},
    "for 128 px": {"n": 7, "g": 8, "dropout": True},
    "for 128 px, instance norm": {"n": 7, "g": 8, "norm": "instance", "dropout": True},
    "for 64 px, instance norm": {"n": 6, "norm": "instance"},
    "for 512 px": {"n": 9, "g": 2},
    "gray to colour": {"cin": 1},
    "colour to gray": {"cout": 1, "norm": "instance"},
    "statistics of an old release": {"norm": "instance", "statistics": True},
    "no norm": {"norm": "none"},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_gives_the_same_pictures(variant: dict[str, object], tmp_path: Path):
    theirs = trained(**variant)
    file = imported(stored(theirs), tmp_path)
    assert file.info.networks["a2b"] == UNetConfig(
        input_channels=variant.get("cin", 3),
        output_channels=variant.get("cout", 3),
        filters=variant.get("g", 4),
        downs=variant.get("n", 5),
        norm=variant.get("norm", "batch"),
        dropout=0.0,  # weights do not tell whether there was some
        dropout_at="pytorch",
    )
    side = 2 ** variant.get("n", 5)
    assert (file.info.multiple, file.info.minimum) == (side, side)
    assert_same_pictures(theirs, file.networks["a2b"], (side, 2 * side), variant.get("cin", 3))


def test_the_published_size_for_256_px_has_the_published_number_of_parameters():
    with torch.device("meta"):
        theirs, ours = Published(n=8, g=64), build(UNetConfig())
    assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in ours.parameters()) == 54_413_955


def test_a_data_parallel_prefix_and_missing_counters_do_not_matter(tmp_path: Path):
    theirs = trained()
    old = {f"module.{key}": tensor for key, tensor in stored(theirs).items() if "num_batches" not in key}
    assert_same_pictures(theirs, imported(old, tmp_path).networks["a2b"], (32, 32))


def test_weights_are_stored_as_they_are(tmp_path: Path):
    theirs = stored(trained())
    imported(theirs, tmp_path)
    ours = load_file(tmp_path / "ours.safetensors")
    assert torch.equal(ours["a2b.down.0.weight"], theirs["model.model.0.weight"])
    assert torch.equal(ours["a2b.up.4.1.bias"], theirs["model.model.3.bias"])
    assert torch.equal(ours["a2b.up.0.2.running_var"], theirs[f"{INNERMOST}4.running_var"])
    assert len(ours) == len(theirs)


def test_a_pytorch_file_translates_a_picture_of_odd_size(tmp_path: Path):
    theirs, output = trained(), tmp_path / "m.safetensors"
    torch.save(theirs.state_dict(), tmp_path / "latest_net_G.pth")
    info = import_weights([tmp_path / "latest_net_G.pth"], output, "b2a")
    assert (info.task, info.method, info.directions) == ("translate", "pix2pix", ("b2a",))
    assert (info.value_range, info.card.description) == ((-1.0, 1.0), "imported weights: U-Net generator of pix2pix")
    assert info.ancestor.startswith("latest_net_G.pth (SHA-256 ")
    picture = np.random.default_rng(3).random((37, 51, 3), dtype=np.float32)
    padded = np.pad(picture, ((0, 27), (0, 13), (0, 0)), mode="reflect")  # to 64 x 64
    with torch.no_grad():
        whole = theirs(torch.from_numpy(padded).permute(2, 0, 1)[None] * 2 - 1)
    wanted = (whole[0].permute(1, 2, 0).numpy()[:37, :51] + 1) / 2
    assert np.allclose(i2i.load(output, device="cpu")(picture), wanted, atol=1e-5, rtol=0)


def test_two_files_become_one_model_file_of_both_directions(tmp_path: Path):
    a2b, b2a = trained(cout=1), trained(n=6, cin=1, norm="instance")
    save_file(stored(a2b), tmp_path / "a.safetensors")
    save_file(stored(b2a), tmp_path / "b.safetensors")
    info = import_weights([tmp_path / "a.safetensors", tmp_path / "b.safetensors"], tmp_path / "both.safetensors")
    assert (info.method, info.directions, info.multiple, info.minimum) == ("pix2pix", ("a2b", "b2a"), 64, 64)
    networks = load_model(tmp_path / "both.safetensors").networks
    assert_same_pictures(a2b, networks["a2b"], (64, 64))
    assert_same_pictures(b2a, networks["b2a"], (64, 64), 1)


def test_the_other_direction_may_be_a_resnet_but_no_upscaler(tmp_path: Path):
    unet, resnet, upscaler = (tmp_path / f"{name}.safetensors" for name in ("unet", "resnet", "upscaler"))
    save_file(stored(trained()), unet)
    weights = {"1": (1, 3, 7, 7), "4": (2, 1, 3, 3), "7": (4, 2, 3, 3), "10.conv_block.1": (4, 4, 3, 3)}
    weights |= {"10.conv_block.5": (4, 4, 3, 3), "11": (4, 2, 3, 3), "14": (2, 1, 3, 3), "18": (3, 1, 7, 7)}
    biases = {"1": 1, "4": 2, "7": 4, "10.conv_block.1": 4, "10.conv_block.5": 4, "11": 2, "14": 1, "18": 3}
    state = {f"model.{place}.weight": torch.zeros(shape) for place, shape in weights.items()}
    save_file(state | {f"model.{place}.bias": torch.zeros(count) for place, count in biases.items()}, resnet)
    info = import_weights([unet, resnet], tmp_path / "both.safetensors")
    assert (info.method, info.multiple, info.minimum) == ("pix2pix, cyclegan", 32, 32)
    assert info.card.description == "imported weights: U-Net generator of pix2pix, ResNet generator of CycleGAN"
    save_file(build(CompactConfig(filters=4, convolutions=1)).state_dict(), upscaler)
    with pytest.raises(UsageError, match=r"upscaler\.safetensors: is an upscaler, and those have no directions"):
        import_weights([unet, upscaler], tmp_path / "x.safetensors")


# What does not fit


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model.model.0.weight": None}, "without its tensor 'model.model.0.weight'"),
        ({"model.model.3.bias": None}, "without its tensor 'model.model.3.bias'"),
        ({"model.model.1.model.2.weight": None}, "without its tensor 'model.model.1.model.2.weight'"),
        ({f"{INNERMOST}3.weight": None}, f"without its tensor '{INNERMOST}3.weight'"),
        ({"model.model.99.weight": torch.zeros(1)}, "with a tensor that pix2pix's has not: 'model.model.99.weight'"),
        ({"step": torch.zeros(1)}, "with a tensor that pix2pix's has not: 'step'"),
        ({f"{INNERMOST}1.bias": torch.zeros(32)}, f"with a tensor that pix2pix's has not: '{INNERMOST}1.bias'"),
        (
            {"model.model.1.model.5.weight": torch.zeros(16, 4, 3, 3)},
            "whose 'model.model.1.model.5.weight' is (16, 4, 3, 3) and should be (16, 4, 4, 4)",
        ),
        ({"model.model.0.weight": torch.zeros(4)}, "whose 'model.model.0.weight' is (4,), no convolution"),
        (
            {"model.model.0.weight": torch.zeros(0, 3, 4, 4)},
            "whose 'model.model.0.weight' is (0, 3, 4, 4), no convolution",
        ),
        (
            {"model.model.0.bias": torch.zeros(4)},
            "with weights in its norms and a bias before them; i2i has one of the two",
        ),
        (
            {"model.model.0.weight": torch.zeros(4, 4, 4, 4)},
            "that takes 4 channels and makes 3; i2i's takes and makes 1 or 3",
        ),
        (
            {"model.model.1." + "model.3." * 9 + "model.1.weight": torch.zeros(1)},
            "that halves the size 11 times; i2i's halves it 5 to 10 times",
        ),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Tensor | None], told: str):
    state = stored(trained()) | change
    with pytest.raises(ModelError) as caught:
        recognise({key: tensor for key, tensor in state.items() if tensor is not None}, HERE)
    assert str(caught.value) == (
        f"x.pth: is a U-Net generator {told}. Only the published form of pix2pix's U-Net can be imported."
    )


def test_without_a_norm_the_last_convolution_still_has_its_bias():
    state = stored(trained(norm="none"))
    del state["model.model.3.bias"]
    with pytest.raises(ModelError, match=r"without its tensor 'model\.model\.3\.bias'"):
        recognise(state, HERE)


def test_values_that_are_not_finite_are_refused():
    state = stored(trained())
    state["model.model.1.model.1.weight"][0, 0, 0, 0] = torch.inf
    with pytest.raises(ModelError, match=r"x\.pth: damaged: 'model\.model\.1\.model\.1\.weight' holds values that"):
        recognise(state, HERE)


def test_a_file_of_wide_claims_takes_no_memory():
    state = {
        "model.model.0.weight": torch.zeros(1).expand(10**7, 3, 4, 4),
        "model.model.3.weight": torch.zeros(2, 3, 4, 4),
    }
    with pytest.raises(ModelError, match=r"without its tensor 'model\.model\.1\.model\.1\.weight'"):
        unet_generator(state | {f"{INNERMOST}1.weight": torch.zeros(1)}, HERE)
