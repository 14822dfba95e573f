"""A picture is a function of the model, the seed, its class and its number, whatever else is made beside it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.config.noise_networks import DCGANConfig, NoiseConfig, PerceptronConfig
from i2i.errors import ModelError, NoRoomError, UsageError
from i2i.inference.generator import between, load_generator, noise_of
from i2i.inference.samples import Sample, Sampling
from i2i.models.modelfile import sha256
from tests.inference.generating import (
    CONDITIONAL,
    CONVOLUTIONAL,
    PETS,
    PLAIN,
    contents,
    generator,
    pixels,
    refusal,
    saved,
)

# One picture


def test_a_picture_is_what_the_network_makes_of_its_noise(plain: Path):
    make = generator(plain)
    noise = noise_of(PLAIN, 7, Sample(3))
    with torch.inference_mode():
        made = make.network(noise[None])[0].numpy()  # (1, 8, 8) in [-1, 1]
    expected = np.floor((made + 1) / 2 * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
    assert np.array_equal(make(3, seed=7)[2].pixels, expected)


def test_the_first_pictures_are_the_same_however_many_are_asked_for(pets: Path):
    assert pixels(generator(pets)(5)) == pixels(generator(pets)(40))[:5]


@pytest.mark.parametrize("config", [PLAIN, CONDITIONAL, CONVOLUTIONAL], ids=["plain", "pets", "convolutional"])
def test_another_batch_rounds_otherwise_by_a_level_at_most(config: PerceptronConfig | DCGANConfig, tmp_path: Path):
    model = saved(tmp_path, "m", config)
    whole = np.stack([picture.pixels for picture in generator(model)(9)]).astype(int)
    for batch in (1, 2, 7):
        other = np.stack([picture.pixels for picture in generator(model, batch)(9)]).astype(int)
        assert np.abs(other - whole).max() <= 1
        assert (other != whole).mean() < 1e-3


def test_seeds_classes_and_numbers_all_differ(pets: Path):
    make = generator(pets)
    made = [make.made([Sample(number, label)], seed)[0] for seed in (0, 1) for label in (0, 1) for number in (1, 2)]
    assert len(set(pixels(made))) == 8
    noises = [noise_of(CONDITIONAL, 0, Sample(1, label)) for label in (None, 0, 1)]
    assert not torch.equal(noises[0], noises[1])
    assert not torch.equal(noises[1], noises[2])  # or a strip of classes would show one noise


@pytest.mark.parametrize(("distribution", "mean", "deviation"), [("normal", 0, 1), ("uniform", 0, 1 / math.sqrt(3))])
def test_the_noise_is_distributed_as_the_model_says(distribution: str, mean: float, deviation: float):
    config = NoiseConfig.model_validate({"noise": 100, "distribution": distribution})
    drawn = torch.stack([noise_of(config, 0, Sample(number)) for number in range(1, 401)])
    assert drawn.mean().item() == pytest.approx(mean, abs=0.02)
    assert drawn.std().item() == pytest.approx(deviation, abs=0.02)
    if distribution == "uniform":
        assert -1 <= drawn.min().item() < -0.99 < 0.99 < drawn.max().item() <= 1


def test_drawing_leaves_the_generators_of_torch_alone(plain: Path):
    make, before = generator(plain), torch.get_rng_state()
    make(3)
    assert torch.equal(torch.get_rng_state(), before)


def test_classes_are_taken_in_turns_by_name_or_number():
    def asked(*classes: str, count: int = 5) -> list[int | None]:
        return [s.label for s in Sampling(count=count, classes=classes).samples(PETS, "m")]

    assert asked() == [0, 1, 2, 0, 1]
    assert asked("bird", "0", count=3) == [2, 0, 2]
    assert [s.number for s in Sampling(count=3).samples(PETS, "m")] == [1, 2, 3]


def test_where_a_class_is_called_by_a_number_all_numbers_are_names(tmp_path: Path):
    digits = ("1", "0", "ten")
    assert [s.label for s in Sampling(count=3, classes=("1", "0", "ten")).samples(digits, "m")] == [0, 1, 2]
    letters = tuple(str(number) for number in range(1, 27))  # as EMNIST calls them
    make = generator(saved(tmp_path, "letters", PerceptronConfig(size=8, noise=6, hidden=(5,), classes=letters)))
    listed = "It has: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 14 more."
    told = f"letters has no class '0'. {listed}"
    assert refusal(lambda: make(1, classes=["0"])) == refusal(lambda: make(1, classes=[0])) == told
    assert pixels(make(1, classes=[3])) == pixels(make(1, classes=["3"]))


def test_numbers_of_classes_may_be_numbers(pets: Path, tmp_path: Path):
    make = generator(pets)
    assert pixels(make(3, classes=[2, 0])) == pixels(make(3, classes=["bird", "cat"]))
    assert pixels(make(2, classes=[*np.array([2, 0])])) == pixels(make(2, classes=["bird", "cat"]))
    i2i.generate(pets, tmp_path / "out", per_class=1, classes=[1], device="cpu")
    assert sorted(contents(tmp_path / "out")) == ["dog/000001.png"]
    assert refusal(lambda: make(1, classes=[3])) == "pets has no class '3'. It has: cat, dog, bird."
    assert refusal(lambda: make(1, classes=[-1])) == "pets has no class '-1'. It has: cat, dog, bird."


def test_a_text_is_no_list_of_its_letters(pets: Path, tmp_path: Path):
    told = "the classes 'cat' are one text, and no list of names. Such as: classes=['cat']"
    assert refusal(lambda: generator(pets)(2, classes="cat")) == told
    assert refusal(lambda: i2i.generate(pets, tmp_path / "out", classes="cat", device="cpu")) == told


def test_a_picture_says_that_it_is_synthetic(pets: Path):
    xmp = generator(pets)(1, seed=4)[0].carried.xmp
    assert xmp is not None
    text = xmp.decode()
    assert "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia" in text
    assert f"Picture 1 of class cat made of noise by the model pets (SHA-256 {sha256(pets)}) with seed 4." in text


def test_the_mark_is_well_formed_whatever_a_class_is_called(tmp_path: Path):
    model = saved(tmp_path, "m", PerceptronConfig(size=8, noise=6, hidden=(5,), classes=("<cat> & \x00 dog",)))
    i2i.generate(model, tmp_path / "out", count=1, device="cpu")
    with Image.open(tmp_path / "out" / "000001.png") as image:
        texts = [element.text or "" for element in ElementTree.fromstring(image.info["xmp"]).iter()]
    assert any(text.endswith("/trainedAlgorithmicMedia") for text in texts)
    assert any("of class <cat> & \\x00 dog made" in text for text in texts)


# Between two pictures


def test_normal_noise_goes_along_the_arc_and_keeps_its_length():
    way = between(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0]), 4, "normal")
    expected = [[3 * math.cos(a), 3 * math.sin(a)] for a in (0, math.pi / 6, math.pi / 3, math.pi / 2)]
    assert torch.allclose(way, torch.tensor(expected), atol=1e-6)


def test_uniform_noise_goes_along_the_line():
    way = between(torch.tensor([-1.0, 1.0]), torch.tensor([1.0, 1.0]), 3, "uniform")
    assert way.tolist() == [[-1, 1], [0, 1], [1, 1]]


def test_noises_of_one_direction_go_along_the_line():
    assert between(torch.tensor([1.0]), torch.tensor([3.0]), 3, "normal").tolist() == [[1], [2], [3]]


def test_a_strip_begins_and_ends_at_pictures_of_the_same_class(pets: Path):
    make = generator(pets)
    strip = make.interpolation(Sampling(classes=("dog",), seed=2), 19).pixels.astype(int)
    assert strip.shape == (8, 19 * 10 - 2, 3)
    first, last = (make.made([Sample(number, 1)], 2)[0].pixels.astype(int) for number in (1, 2))
    assert np.abs(strip[:, :8] - first).max() <= 1
    assert np.abs(strip[:, -8:] - last).max() <= 1


def test_strips_of_a_seed_go_on_where_the_one_above_ended(plain: Path):
    sheet = generator(plain).interpolation(Sampling(count=2), 3).pixels.astype(int)
    assert sheet.shape == (18, 28, 1)
    assert np.abs(sheet[10:, :8] - sheet[:8, -8:]).max() <= 1


def test_there_is_a_strip_for_each_class(pets: Path):
    assert generator(pets).interpolation(Sampling(), 2).pixels.shape == (28, 18, 3)


def test_a_way_needs_two_ends(plain: Path):
    with pytest.raises(UsageError, match=re.escape("a way of 1 pictures is none: take 2 or more.")):
        generator(plain).interpolation(Sampling(), 1)


# A sheet


def test_a_sheet_has_a_row_for_each_class(pets: Path):
    make = generator(pets)
    sheet = make.grid(Sampling(per_class=4, classes=("bird", "cat"), seed=1)).pixels
    assert sheet.shape == (18, 38, 3)
    assert np.array_equal(sheet[10:, 20:28], make.made([Sample(3, 0)], 1)[0].pixels)
    assert (sheet[8:10] == 255).all()
    assert (sheet[:, 8:10] == 255).all()


def test_without_classes_it_is_about_square_and_its_end_may_be_white(plain: Path):
    make = generator(plain)
    sheet = make.grid(Sampling(count=7)).pixels
    assert sheet.shape == (28, 28, 1)
    assert np.array_equal(sheet[20:, :8], make(7)[6].pixels)
    assert (sheet[20:, 10:] == 255).all()


def test_a_sheet_has_64_pictures_or_8_of_each_class(plain: Path, pets: Path):
    assert generator(plain).grid(Sampling()).pixels.shape == (78, 78, 1)
    assert generator(pets).grid(Sampling()).pixels.shape == (28, 78, 3)


def test_a_sheet_that_is_too_large_is_refused_before_anything_is_made(tmp_path: Path):
    model = saved(tmp_path, "large", PerceptronConfig(size=256, noise=2, hidden=(1,)))
    told = "a sheet of 15478x15478 pixels is too large. Ask for fewer pictures, or for a folder of files."
    assert refusal(lambda: generator(model).grid(Sampling(count=3600))) == told
    with pytest.raises(UsageError, match="too large"):
        generator(model).interpolation(Sampling(count=3), 1000)


# What cannot be


def test_a_model_without_classes_says_so(plain: Path, tmp_path: Path):
    hint = "Use -n; a model learns classes where its training has --conditional."
    make = generator(plain)
    assert refusal(lambda: make(2, classes=["cat"])) == f"plain knows no classes: --classes cannot be. {hint}"
    told = refusal(lambda: i2i.generate(plain, tmp_path / "out", per_class=2, device="cpu"))
    assert told == f"plain knows no classes: --per-class cannot be. {hint}"
    assert not (tmp_path / "out").exists()


def test_an_unknown_class_is_answered_with_the_nearest_or_with_all(pets: Path):
    make = generator(pets)
    assert refusal(lambda: make(2, classes=["dgo"])) == "pets has no class 'dgo'. Did you mean 'dog'?"
    assert refusal(lambda: make(2, classes=["3"])) == "pets has no class '3'. It has: cat, dog, bird."
    many = tuple(f"kind {n}" for n in range(20))
    told = refusal(lambda: Sampling(classes=("x",)).samples(many, "zoo"))
    assert told.endswith("kind 10, kind 11 and 8 more.")


def test_a_class_is_named_once(pets: Path):
    told = refusal(lambda: generator(pets)(2, classes=["cat", "0"]))
    assert told == "the class 'cat' is named twice. Leave one of them out."


def test_numbers_that_are_none_are_refused():
    assert refusal(lambda: Sampling(count=0)) == "0 pictures are none: ask for 1 or more."
    assert refusal(lambda: Sampling(per_class=-1)) == "-1 pictures are none: ask for 1 or more."
    assert refusal(lambda: Sampling(seed=-1)) == "-1 is no seed: it is a whole number from 0 on, below 2^63."
    told = "-n and --per-class both say how many. Leave one of them out."
    assert refusal(lambda: Sampling(count=1, per_class=1)) == told


def test_a_batch_of_none_is_refused(plain: Path):
    assert refusal(lambda: generator(plain, 0)) == "a batch of 0 is none: take 1 or more."


def test_a_network_that_went_wrong_is_told(plain: Path):
    make = generator(plain)
    for parameter in make.network.parameters():
        parameter.data.fill_(math.nan)
    what = "plain: the network's output is not finite: the model is damaged or was trained badly."
    assert refusal(make, ModelError) == f"{what} Train again with a lower --lr: docs/stability.md"


def test_memory_that_is_short_ends_with_advice(plain: Path, monkeypatch: pytest.MonkeyPatch):
    def short(*_: object) -> None:
        raise MemoryError

    for batch, hint in ((16, "Use --batch 8."), (1, "Use another --device.")):
        make = generator(plain, batch)
        monkeypatch.setattr(make.network, "forward", short)
        assert refusal(make, NoRoomError) == f"pictures of 8 px need more memory than cpu has. {hint}"


def test_a_model_for_something_else_is_refused(tiny_model: Path):
    hint = f"Use: i2i translate {tiny_model} INPUT... -o OUT"
    told = f"{tiny_model} is a model to translate pictures: it makes none of noise. {hint}"
    assert refusal(lambda: load_generator(tiny_model)) == told


def test_a_generator_is_refused_where_pictures_are_taken(plain: Path):
    told = f"{plain} is a model to generate pictures: it takes none. Use: i2i.load_generator"
    assert refusal(lambda: i2i.load(plain)) == told
    told = f"{plain} is a model that does not enlarge pictures. Use: i2i generate {plain} -o OUT"
    assert refusal(lambda: i2i.load_upscaler(plain)) == told
    told = f"{plain} is a model to generate pictures. Use: i2i generate {plain} -o OUT"
    assert refusal(lambda: i2i.load_inpainter(plain)) == told
