"""In blocks, every network gives what it gives for the whole picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from i2i.config.networks import (
    CompactConfig,
    GeneratorConfig,
    ResNetConfig,
    RRDBConfig,
    SPANConfig,
    SRResNetConfig,
    UNetConfig,
)
from i2i.errors import UsageError
from i2i.images.files import read
from i2i.inference.blending import Blended
from i2i.inference.tiling import Blocks, Map, Statistics, Window, blocks
from i2i.inference.translator import Translator, load
from i2i.inference.ways import Running
from i2i.models.info import ModelInfo
from i2i.models.modelfile import load_model
from i2i.networks.base import Network
from i2i.networks.build import build
from i2i.networks.extent import Extent, extent
from i2i.networks.norm import InstanceNorm

CPU = torch.device("cpu")
DECIDED = Running()
WITH_STATISTICS = [
    ResNetConfig(filters=8, blocks=3),
    ResNetConfig(filters=8, blocks=2, norm="batch", padding="replicate"),
    ResNetConfig(filters=8, blocks=2, upsampling="resize", padding="zero"),
    ResNetConfig(filters=8, blocks=0),
]
LOCAL = [
    CompactConfig(filters=8, convolutions=6),
    CompactConfig(filters=8, convolutions=3, scale=4),
    SPANConfig(filters=8, blocks=2, scale=3),
    SRResNetConfig(filters=8, blocks=2, scale=4),
    SRResNetConfig(filters=8, blocks=2, scale=3, norm="none"),
    RRDBConfig(filters=8, growth=4, blocks=1),
    RRDBConfig(filters=8, growth=4, blocks=1, scale=2),
    RRDBConfig(filters=8, growth=4, blocks=0, scale=1),
    SRResNetConfig(filters=8, blocks=1, scale=1),
    ResNetConfig(filters=8, blocks=9, norm="none"),
]


def lively(config: GeneratorConfig) -> Network:
    """A network whose output depends on everything that it sees: no small weights."""
    torch.manual_seed(3)
    network = build(config)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(module.weight, a=1)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.2, 0.2)
    return network.eval()


def translator(network: nn.Module, config: GeneratorConfig, running: Running = DECIDED, **other: int) -> Translator:
    info = ModelInfo(
        directions=("a2b",),
        networks={"a2b": config},
        multiple=getattr(network, "multiple", 1),
        minimum=getattr(network, "minimum", 1),
    )
    return Translator(network, info, "a2b", CPU, running=running, **other)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """200 x 260 with edges, a gradient and grain; its corners differ in colour."""
    rows, columns = np.mgrid[0:200, 0:260].astype(np.float32)
    grain = np.random.default_rng(1).normal(0, 12, (200, 260, 3))
    planes = [rows, columns * 0.7, 255 - rows / 2 - columns / 3]
    pixels = np.stack(planes, axis=2) + grain + 60 * ((rows // 24 + columns // 40) % 2)[:, :, None]
    return pixels.clip(0, 255).astype(np.uint8)


def difference(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


@pytest.mark.parametrize("tile", [32, 64, 100, 1000])
@pytest.mark.parametrize("config", [*WITH_STATISTICS, *LOCAL], ids=str)
def test_blocks_give_the_whole_picture(photo: np.ndarray, config: GeneratorConfig, tile: int):
    network = lively(config)
    whole = translator(network, config, Running(tile=0))(photo)
    assert np.ptp(whole) > 100, "a network that does something"
    assert difference(translator(network, config, Running(tile=tile))(photo), whole) <= 1


@pytest.mark.parametrize("keep", [0, 1_000_000, 1 << 40])
@pytest.mark.parametrize("config", WITH_STATISTICS, ids=str)
def test_statistics_are_those_of_the_whole_picture_however_much_is_kept(config: GeneratorConfig, keep: int):
    network = lively(config)
    picture = torch.randn(1, 3, 96, 132) * torch.linspace(0.2, 1, 132)
    result = torch.zeros(1, 3, 96, 132)
    with torch.inference_mode():
        whole = network(picture)
        blocked = Blocks(32, 0, keep)
        blocked.run(network.stages() or (), Map(picture), Map(result).write)
    assert float((result - whole).abs().max()) * 127.5 < 0.01


@pytest.mark.parametrize("config", WITH_STATISTICS[:2], ids=str)
def test_plain_tiles_would_fail(photo: np.ndarray, config: GeneratorConfig):
    """What the others prove is not so for tiles that are pictures of their own, however much they overlap."""
    network = lively(config)
    whole = translator(network, config, Running(tile=0))(photo)
    size = extent(network.stages() or ())
    plain = np.empty_like(whole)
    run = translator(network, config, Running(tile=0))
    for core, around in blocks(200, 260, 100, size):
        tile = run(np.ascontiguousarray(photo[around.slices()]))
        rows = slice(core.top - around.top, core.bottom - around.top)
        columns = slice(core.left - around.left, core.right - around.left)
        plain[core.slices()] = tile[rows, columns]
    assert difference(plain, whole) > 8


def test_blocks_of_a_local_network_need_all_that_it_reaches(photo: np.ndarray):
    config = CompactConfig(filters=8, convolutions=6)
    network = lively(config)
    whole = translator(network, config, Running(tile=0))(photo)
    assert difference(translator(network, config, Running(tile=64, overlap=8))(photo), whole) <= 1
    assert difference(translator(network, config, Running(tile=64, overlap=0))(photo), whole) > 8


def test_a_trained_model_gives_the_whole_photograph(test_data: Path):
    """The shipped model on a photograph that it has not seen: with blocks, with plain tiles, and whole."""
    photo = read(test_data / "photos/val/kodim05.jpg").pixels[100:356, 200:520]
    whole = load("monet2photo", device="cpu", direction="b2a", running=Running(tile=0))(photo)
    tiled = load("monet2photo", device="cpu", direction="b2a", running=Running(tile=96))(photo)
    assert difference(tiled, whole) <= 1


def test_published_weights_give_the_whole_photograph(test_data: Path):
    config = CompactConfig(convolutions=16, scale=4)
    network = build(config)
    weights = torch.load(test_data / "weights/realesr-animevideov3.pth", map_location="cpu", weights_only=True)
    network.load_state_dict(weights["params"])
    photo = read(test_data / "photos/val/kodim05.jpg").pixels[100:228, 200:360]
    whole = translator(network, config, Running(tile=0))(photo)
    assert difference(translator(network, config, Running(tile=48))(photo), whole) <= 1


@pytest.mark.parametrize(
    "size", [(1, 1), (17, 31), (255, 257), (300, 20), pytest.param((3000, 200), marks=pytest.mark.thorough)]
)
@pytest.mark.parametrize("config", [*WITH_STATISTICS[:2], *LOCAL, UNetConfig(filters=4, downs=5)], ids=str)
def test_any_size_is_as_padded_by_hand(config: GeneratorConfig, size: tuple[int, int]):
    network = lively(config)
    pixels = np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)
    height, width = (max(-(-side // network.multiple) * network.multiple, network.minimum) for side in size)
    rows, columns = ([mirrored(i, n) for i in range(length)] for length, n in ((height, size[0]), (width, size[1])))
    padded = pixels[rows][:, columns]
    s = config.scale
    expected = translator(network, config, Running(tile=0))(padded)[: s * size[0], : s * size[1]]
    result = translator(network, config)(pixels)
    assert result.shape == (s * size[0], s * size[1], 3)
    assert difference(result, expected) <= 1


def mirrored(index: int, length: int) -> int:
    """Which of `length` pixels stands at a place when they are reflected over and over, the last one not repeated."""
    period = max(1, 2 * length - 2)
    index %= period
    return index if index < length else period - index


@pytest.mark.parametrize("length", [1, 4, 30, 63, 64, 65, 1000])
@pytest.mark.parametrize("side", [1, 16, 64])
@pytest.mark.parametrize("step", [1, 2, 4])
def test_blocks_cover_everything_once(length: int, side: int, step: int):
    length *= step
    size = Extent(reach=5, scale=1, step=step, values=1, last=1)
    count = np.zeros((length, 8 * step), dtype=int)
    for core, around in blocks(length, 8 * step, side, size):
        count[core.slices()] += 1
        assert core.top % step == core.left % step == around.top % step == around.left % step == 0
        assert core.bottom - core.top <= max(side, step)
        assert around.top in (0, core.top - around.top % step - -(-5 // step) * step)
    assert (count == 1).all()


def test_deep_networks_see_enough_and_nothing_shows(photo: np.ndarray):
    """35 dense blocks reach 534 pixels; what lies beyond the overlap hardly counts."""
    config = RRDBConfig(filters=8, growth=4, blocks=10)
    torch.manual_seed(0)
    network = build(config).eval()
    assert extent([network]).reach > 128
    run = translator(network, config, Running(tile=64))
    whole = translator(network, config, Running(tile=0))(photo)
    made = run(photo)
    assert 32 <= run.passage.overlap <= 64
    assert difference(made, whole) <= 4
    assert np.abs(made.astype(int) - whole).mean() < 0.02


def test_statistics_of_one_large_block_are_exact():
    x = torch.randn(1, 2, 1500, 1500) + 3
    statistics = Statistics()
    statistics.add(x)
    fixed = statistics.fix(InstanceNorm(2))
    expected = x.double().var(dim=(0, 2, 3), correction=0)
    torch.testing.assert_close(fixed.variance.double(), expected, atol=0, rtol=1e-6)


def test_a_channel_that_differs_by_rounding_alone_is_flat():
    statistics = Statistics()
    statistics.add(torch.full((1, 1, 50, 50), 3.3) + 1e-7 * torch.randn(1, 1, 50, 50))
    assert (statistics.fix(InstanceNorm(1))(torch.full((1, 1, 4, 4), 3.3)) == 0).all()


def test_statistics_of_blocks_are_those_of_all():
    x = torch.randn(1, 5, 40, 30, dtype=torch.float64) * torch.rand(5, 1, 1) + 100 * torch.rand(5, 1, 1)
    statistics = Statistics()
    for core, _ in blocks(40, 30, 7, Extent(0, 1, 1, 1, 1)):
        statistics.add(x[:, :, *core.slices()].float())
    expected = InstanceNorm(5)(x)
    torch.testing.assert_close(statistics.fix(InstanceNorm(5))(x.float()).double(), expected, atol=3e-4, rtol=0)


@pytest.mark.parametrize("overlap", [1, 3, 8])
def test_what_agrees_is_blended_without_a_trace(overlap: int):
    picture = torch.rand(1, 3, 50, 43)
    result = torch.full_like(picture, torch.nan)
    blended = Blended(50, 43, Map(result).write)
    for core, around in blocks(50, 43, 16, Extent(overlap, 1, 1, 1, 1)):
        blended.add(core, around, picture[:, :, *around.slices()])
    blended.finish()
    torch.testing.assert_close(result, picture)


def test_what_differs_is_blended_without_a_step():
    """Blocks that are black and white in turn: hard borders without blending, small steps with it."""
    result = torch.zeros(1, 1, 64, 64)
    blended = Blended(64, 64, Map(result).write)
    for number, (core, around) in enumerate(blocks(64, 64, 32, Extent(8, 1, 1, 1, 1))):
        height, width = around.bottom - around.top, around.right - around.left
        blended.add(core, around, torch.full((1, 1, height, width), float(number % 2)))
    blended.finish()
    steps = result.diff(dim=3).abs()
    assert result[0, 0, 5, 5] == 0
    assert result[0, 0, 5, 60] == 1
    assert 0 < float(steps.max()) < 0.12


def test_networks_that_see_everything_refuse_tiles():
    config = UNetConfig(filters=4, downs=5)
    with pytest.raises(UsageError) as raised:
        translator(build(config), config, Running(tile=64))
    assert str(raised.value) == (
        "this network must see the whole picture: --tile cannot be. "
        "Leave it out; --max-side N shows the network a smaller picture."
    )


@pytest.mark.parametrize("config", [UNetConfig(filters=4, downs=5), ResNetConfig(filters=4, blocks=1)], ids=str)
def test_an_overlap_is_refused_where_it_does_nothing(config: GeneratorConfig):
    with pytest.raises(UsageError, match="this network needs no --overlap"):
        translator(build(config), config, Running(overlap=8))


def test_a_model_file_goes_whole_where_it_fits(tiny_model: Path):
    file = load_model(tiny_model)
    assert file.networks["a2b"].stages() is not None
    ways = load(tiny_model, device="cpu").ways
    assert str(ways.first(100, 100)) == "whole fp32"
    assert str(ways.first(4000, 3000)) == "tiles auto fp32"


def test_windows_name_rows_and_columns():
    assert Window(1, 2, 3, 5).slices() == (slice(1, 3), slice(2, 5))
