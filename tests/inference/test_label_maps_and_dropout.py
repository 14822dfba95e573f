"""What models of pix2pix do that others do not: read label maps, and keep dropout on where that is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config.networks import CompactConfig, ResNetConfig, UNetConfig
from i2i.errors import ImageError, UsageError
from i2i.images.picture import Picture
from i2i.inference.translator import Translator, load
from i2i.inference.ways import Running
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

CPU = torch.device("cpu")
CLASSES = 4
LABELLED = UNetConfig(input_channels=1, labels=CLASSES, filters=2, downs=5, init_gain=0.2)
PLAIN = UNetConfig(filters=2, downs=5, init_gain=0.2, dropout=0.5)


def saved(path: Path, config: UNetConfig | ResNetConfig | CompactConfig) -> Path:
    torch.manual_seed(0)
    network = build(config)
    info = ModelInfo(directions=("a2b",), networks={"a2b": config}, multiple=network.multiple, minimum=network.minimum)
    save_model(path, {"a2b": network}, info, half=False)
    return path


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return saved(tmp_path / "labelled.safetensors", LABELLED)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return saved(tmp_path / "plain.safetensors", PLAIN)


def numbers(height: int = 40, width: int = 33) -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, (height, width), dtype=np.uint8)


def palette_file(path: Path, indices: np.ndarray) -> Path:
    """A label map as drawing programs save them: its colours tell nothing about the numbers."""
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200, 90, 90, 90])
    image.save(path)
    return path


def photo(height: int = 40, width: int = 33) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)


# Label maps


def test_a_map_is_the_same_from_a_gray_file_a_palette_an_array_and_an_image(labelled: Path, tmp_path: Path):
    translator, indices = load(labelled, device="cpu"), numbers()
    expected = translator(indices)
    assert expected.shape == (40, 33, 3)
    Image.fromarray(indices).save(tmp_path / "gray.png")
    palette_file(tmp_path / "palette.png", indices)
    assert np.array_equal(translator(tmp_path / "gray.png").pixels, expected)
    assert np.array_equal(translator(tmp_path / "palette.png").pixels, expected)
    assert np.array_equal(np.asarray(translator(Image.open(tmp_path / "palette.png"))), expected)


@pytest.mark.parametrize("config", [LABELLED, ResNetConfig(input_channels=1, labels=CLASSES, filters=2, blocks=1)])
def test_the_network_sees_a_plane_for_each_class(config: UNetConfig | ResNetConfig, tmp_path: Path):
    network = load(saved(tmp_path / "m.safetensors", config), device="cpu").network
    plain = build(type(config)(**config.model_dump() | {"labels": 0, "input_channels": CLASSES})).eval()
    plain.load_state_dict(network.state_dict())
    indices = torch.from_numpy(numbers(32, 32).astype(np.int64))
    planes = torch.nn.functional.one_hot(indices, CLASSES).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        torch.testing.assert_close(network(indices[None, None].float() * (2 / 255) - 1), plain(planes))


def test_a_class_that_the_model_does_not_know_is_named(labelled: Path):
    indices = numbers()
    indices[3, 4] = 9
    with pytest.raises(ImageError, match=r"holds class 9, and the model knows the classes 0 to 3\.") as caught:
        load(labelled, device="cpu")(indices)
    assert caught.value.hint == "Give such pixels a class that it knows, or train with more: --set method.labels=N"


@pytest.mark.parametrize("picture", [photo(), numbers().astype(np.uint16)], ids=["colour", "16 bit"])
def test_what_is_no_label_map_is_refused(labelled: Path, picture: np.ndarray):
    with pytest.raises(ImageError, match=r"this model reads label maps: 8 bit, one channel, class numbers\."):
        load(labelled, device="cpu")(picture)


def test_label_maps_are_not_shrunk(labelled: Path):
    with pytest.raises(
        UsageError, match=r"label maps cannot be shrunk: classes have no means\. Leave --max-side out\."
    ):
        load(labelled, device="cpu", running=Running(max_side=100))


def test_what_hides_behind_transparency_is_a_class_all_the_same(labelled: Path):
    alpha = np.zeros((40, 33), np.uint8)
    translator, picture = load(labelled, device="cpu"), Picture(numbers()[:, :, None])
    assert np.array_equal(translator(replace(picture, alpha=alpha)).pixels, translator(picture).pixels)


def test_a_map_of_two_classes_may_be_a_bitmap(labelled: Path):
    two = numbers() % 2
    made = load(labelled, device="cpu")(Image.fromarray(two.astype(bool)))
    assert np.array_equal(np.asarray(made), load(labelled, device="cpu")(two))


@pytest.mark.parametrize(("keeps_gray", "channels"), [(True, 1), (False, 3)])
def test_gray_becomes_colour_where_the_pairs_said_so(keeps_gray: bool, channels: int, tmp_path: Path):
    network = build(PLAIN)
    info = ModelInfo(directions=("a2b",), networks={"a2b": PLAIN}, multiple=32, minimum=32, keeps_gray=keeps_gray)
    translator = Translator(network, info, "a2b", CPU)
    assert translator(Picture(photo()[:, :, :1])).pixels.shape == (40, 33, channels)


# Any size


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("size", [(1, 1), (17, 31), (255, 257), (320, 640), (3000, 200)])
def test_any_size_is_that_of_padding_by_hand_and_cropping(size: tuple[int, int], norm: str, tmp_path: Path):
    """A network that was trained at 256 px, down to a single pixel."""
    config = UNetConfig(filters=2, downs=8, norm=norm, init_gain=0.2)
    translator = load(saved(tmp_path / "m.safetensors", config), device="cpu")
    picture = photo(*size)
    result = translator(picture)
    assert result.shape == picture.shape
    height, width = (-(-side // 256) * 256 for side in size)
    padded = np.pad(picture, ((0, height - size[0]), (0, width - size[1]), (0, 0)), mode="reflect")
    with torch.inference_mode():
        x = torch.from_numpy(padded.transpose(2, 0, 1).copy())[None].float() * (2 / 255) - 1
        y = ((translator.network(x) + 1) * 127.5)[0].permute(1, 2, 0)[: size[0], : size[1]].numpy()
    assert np.isfinite(y).all()
    assert np.abs(result - y).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_batch_is_its_single_pictures(norm: str):
    torch.manual_seed(0)
    network = build(UNetConfig(filters=2, downs=6, norm=norm, init_gain=0.2)).double().eval()
    x = torch.rand(3, 3, 64, 64, dtype=torch.float64) * 2 - 1
    with torch.inference_mode():
        together, alone = network(x), torch.cat([network(one[None]) for one in x])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


# Dropout


def test_without_being_asked_results_have_no_noise(plain: Path):
    translator = load(plain, device="cpu")
    assert np.array_equal(translator(photo()), translator(photo()))


def test_dropout_that_is_kept_on_varies_with_the_seed_and_repeats_with_it(plain: Path):
    results = [load(plain, device="cpu", running=Running(stochastic=seed))(photo()) for seed in (0, 0, 1)]
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
    assert not np.array_equal(results[0], load(plain, device="cpu")(photo()))


def test_a_picture_gets_the_same_noise_whatever_came_before(plain: Path):
    translator = load(plain, device="cpu", running=Running(stochastic=3))
    first = translator(photo())
    translator(photo(64, 64))
    state = torch.get_rng_state()
    assert np.array_equal(translator(photo()), first)
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's numbers are used up


def test_a_journal_knows_noise_by_its_seed(plain: Path):
    names = {load(plain, device="cpu", running=Running(stochastic=seed)).name for seed in (None, 0, 1)}
    assert len(names) == 3


def test_a_network_without_dropout_says_so(tmp_path: Path):
    path = saved(tmp_path / "m.safetensors", ResNetConfig(filters=2, blocks=1))
    with pytest.raises(UsageError, match=r"this network has no dropout to keep on\. Leave --stochastic out\."):
        load(path, device="cpu", running=Running(stochastic=0))


@pytest.mark.parametrize(
    ("other", "where"), [({"tile": 64}, "in tiles"), ({"runtime": "onnxruntime"}, "in onnxruntime")]
)
def test_dropout_is_kept_in_whole_pictures_by_torch_alone(other: dict[str, object], where: str):
    with pytest.raises(UsageError, match=rf"dropout cannot be kept on {where}\."):
        Running(stochastic=0, **other)


def test_a_resnet_with_dropout_stays_whole(tmp_path: Path):
    config = ResNetConfig(filters=2, blocks=1, dropout=0.5)
    network = build(config)
    translator = Translator(
        network,
        ModelInfo(directions=("a2b",), networks={"a2b": config}, multiple=4, minimum=8),
        "a2b",
        CPU,
        running=Running(stochastic=1),
        memory=1 << 20,
    )
    assert translator.ways.first(16, 16).tile == 0
    with pytest.raises(ImageError, match=r"4000x4000 pixels are too many for this network, which must see the whole"):
        translator.ways.first(4000, 4000)
