"""A picture is a function of the model, the seed, its class and its number, whatever else is made beside it."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.config.noise_networks import DCGANConfig, NoiseConfig, PerceptronConfig
from i2i.errors import I2IError, LockedError, ModelError, NoRoomError, UsageError
from i2i.images.files import read, write
from i2i.images.formats import FORMAT_OF_SUFFIX
from i2i.images.picture import Picture
from i2i.images.synthetic import MARKED
from i2i.inference.generator import Generator, between, load_generator, noise_of
from i2i.inference.manifest import Manifest
from i2i.inference.samples import Sample, Sampling, file_name, folder_names
from i2i.inference.synthesis import Synthesis
from i2i.models.modelfile import ModelInfo, save_model, sha256
from i2i.networks.build import build

PETS = ("cat", "dog", "bird")
PLAIN = PerceptronConfig(size=8, noise=6, hidden=(5,))
CONDITIONAL = PerceptronConfig(size=8, noise=6, hidden=(5,), channels=3, classes=PETS)
CONVOLUTIONAL = DCGANConfig(size=28, noise=20, channels=1, filters=8, classes=PETS)


def saved(folder: Path, name: str, config: PerceptronConfig | DCGANConfig, seed: int = 0) -> Path:
    """A model file with weights that nobody trained."""
    torch.manual_seed(seed)
    path = folder / f"{name}.safetensors"
    info = ModelInfo(task="generate", method="gan", directions=("sample",), networks={"sample": config})
    save_model(path, {"sample": build(config)}, info, half=False)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return saved(tmp_path, "plain", PLAIN)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return saved(tmp_path, "pets", CONDITIONAL)


def generator(model: Path, batch: int | None = None) -> Generator:
    return load_generator(model, device="cpu", batch=batch)


def pixels(pictures: list[Picture]) -> list[bytes]:
    return [picture.pixels.tobytes() for picture in pictures]


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*.png") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


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


# Files


def test_a_folder_has_its_pictures_and_a_line_for_each(pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    summary = i2i.generate(pets, out, count=4, seed=3, device="cpu")
    assert (summary.ok, summary.skipped, summary.exit_code) == (4, 0, 0)
    assert sorted(contents(out)) == ["000001.png", "000002.png", "000003.png", "000004.png"]
    made = generator(pets)(4, seed=3)
    assert pixels([read(out / f"00000{n}.png") for n in (1, 2, 3, 4)]) == pixels(made)
    assert lines(out)[1] == {
        "file": "000002.png",
        "synthetic": True,
        "class": "dog",
        "number": 2,
        "seed": 3,
        "model": "pets",
        "model_sha256": sha256(pets),
        "sha256": sha256(out / "000002.png"),
    }


def test_with_so_many_of_each_class_they_lie_in_folders_of_their_names(pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(pets, out, per_class=2, classes=["bird", "cat"], device="cpu")
    assert sorted(contents(out)) == ["bird/000001.png", "bird/000002.png", "cat/000001.png", "cat/000002.png"]
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"bird", "cat"}  # what reads classes finds these
    assert [line["class"] for line in lines(out)] == ["bird", "bird", "cat", "cat"]
    assert [line["number"] for line in lines(out)] == [1, 2, 1, 2]


def test_folders_have_names_that_every_system_takes():
    expected = {
        "cat": "cat",
        "Cat": "Cat-2",
        "a/b": "a_b",
        "a:b": "a_b-2",
        "a\nb": "a_b-3",
        "CON": "_CON",
        "nul.txt": "_nul.txt",
        "..": "_",
        "": "_-2",
        " x. ": "x",
        "é": "é",
        "e\u0301": "e\u0301-2",
        "manifest.jsonl": "_manifest.jsonl",
        "MANIFEST.JSONL": "_MANIFEST.JSONL-2",
        "COM¹": "_COM¹",
        "lpt³.old": "_lpt³.old",
        "CONIN$": "_CONIN$",
        "conout$": "_conout$",
        "aux .txt": "_aux .txt",
        "COM10": "COM10",
    }
    assert dict(zip(expected, folder_names([*expected]), strict=True)) == expected
    assert len(folder_names(("n" * 300,))[0]) == 100


def test_more_pictures_change_no_name():
    assert file_name(Sample(3), (), ".png") == "000003.png"
    assert file_name(Sample(999_999, 1), ("cat", "dog"), ".png") == "dog/999999.png"


def test_there_are_as_many_as_names_of_six_digits():
    hint = "Make more with another --seed, in another folder."
    told = f"1,000,000 pictures are too many: 999,999 at most. {hint}"
    assert refusal(lambda: Sampling(count=1_000_000)) == told
    assert refusal(lambda: Sampling(per_class=1_000_000)) == told
    told = f"1,200,000 pictures are too many: 999,999 at most. {hint}"
    assert refusal(lambda: Sampling(per_class=400_000).samples(PETS, "m")) == told
    assert Sampling(count=999_999).count == 999_999


def test_what_is_there_is_left_and_what_is_missing_is_made_to_the_byte(pets: Path, tmp_path: Path):
    i2i.generate(pets, tmp_path / "once", per_class=20, device="cpu")
    out = tmp_path / "out"
    i2i.generate(pets, out, per_class=7, classes=["dog"], device="cpu")
    (out / "dog" / "000003.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    summary = i2i.generate(pets, out, per_class=20, device="cpu", batch=None)
    assert (summary.ok, summary.skipped) == (54, 6)
    assert contents(out) == contents(tmp_path / "once")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    listed = [line["file"] for line in lines(out)]
    assert sorted(listed) == sorted(contents(out))


def test_a_copied_folder_is_known_by_its_content(plain: Path, tmp_path: Path):
    i2i.generate(plain, tmp_path / "a", count=2, device="cpu")
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").iterdir():
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    assert i2i.generate(plain, tmp_path / "b", count=2, device="cpu").skipped == 2


def refusal(work: Callable[[], object], kind: type[I2IError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


HINT = "Choose another folder, or --overwrite."


def test_files_in_the_way_are_refused_before_anything_is_made(plain: Path, pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(plain, out, count=2, device="cpu")
    before = contents(out)
    other = "this picture was made by another model, or with another seed or class."
    for again in (
        lambda: i2i.generate(pets, out, count=3, device="cpu"),
        lambda: i2i.generate(plain, out, count=3, seed=1, device="cpu"),
    ):
        assert refusal(again) == f"{out / '000001.png'}: {other} {HINT}"
    Image.new("L", (8, 8)).save(out / "000003.png")
    told = f"{out / '000003.png'}: i2i did not make this file. {HINT}"
    assert refusal(lambda: i2i.generate(plain, out, count=3, device="cpu")) == told
    (out / "000003.png").unlink()
    Image.new("L", (8, 8)).save(out / "000002.png")
    told = f"{out / '000002.png'}: this picture was changed since i2i made it. {HINT}"
    assert refusal(lambda: i2i.generate(plain, out, count=3, device="cpu")) == told
    assert contents(out)["000001.png"] == before["000001.png"]
    assert not (out / "000003.png").exists()


def test_they_are_replaced_where_that_is_asked_for(plain: Path, pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(plain, out, count=3, device="cpu")
    summary = i2i.generate(pets, out, count=2, device="cpu", overwrite=True)
    assert (summary.ok, summary.skipped) == (2, 0)
    assert [(line["file"], line["model"]) for line in lines(out)] == [
        ("000001.png", "pets"), ("000002.png", "pets"), ("000003.png", "plain"),
    ]  # fmt: skip


def test_a_manifest_of_somebody_else_is_left_alone(plain: Path, tmp_path: Path):
    for content in ('{"audio": "a.wav"}\n', "words\n", '["file"]\n'):
        (tmp_path / "manifest.jsonl").write_text(content)
        told = f"{tmp_path / 'manifest.jsonl'}: this is no manifest by i2i. Choose another folder with -o."
        assert refusal(lambda: i2i.generate(plain, tmp_path, count=1, device="cpu")) == told
        assert (tmp_path / "manifest.jsonl").read_text() == content


def test_a_line_that_a_crash_cut_off_is_as_if_it_were_not(plain: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(plain, out, count=2, device="cpu")
    whole = (out / "manifest.jsonl").read_bytes()
    (out / "manifest.jsonl").write_bytes(whole[:-20])
    (out / "000002.png").unlink()  # its line is written first
    (out / ".manifest.abc.part").write_bytes(b"half")
    assert i2i.generate(plain, out, count=2, device="cpu").ok == 1
    assert (out / "manifest.jsonl").read_bytes() == whole
    assert not list(out.glob("*.part"))


def test_killed_at_any_call_of_the_system_the_next_run_finishes(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    i2i.generate(plain, tmp_path / "clean", count=3, device="cpu")
    clean = contents(tmp_path / "clean")

    class Killed(BaseException):
        pass

    for call in range(1, 40):
        out, counted = tmp_path / f"out-{call}", []
        with monkeypatch.context() as patch:
            for name in ("fsync", "replace", "write"):
                _die_at(patch, name, call, counted, Killed)
            try:
                i2i.generate(plain, out, count=3, device="cpu", batch=1)
            except Killed:
                pass
            else:
                break
        assert all(clean[place] == content for place, content in contents(out).items())
        listed = [line["file"] for line in lines(out)] if (out / "manifest.jsonl").exists() else []
        assert set(contents(out)) <= set(listed)
        i2i.generate(plain, out, count=3, device="cpu")
        assert contents(out) == clean
        assert [line["file"] for line in lines(out)] == sorted(clean)
    assert call > 10


def _die_at(patch: pytest.MonkeyPatch, name: str, call: int, counted: list[str], kind: type[BaseException]) -> None:
    import os

    real = getattr(os, name)

    def dying(*arguments: object, **named: object) -> object:
        counted.append(name)
        if len(counted) == call:
            raise kind
        return real(*arguments, **named)

    patch.setattr(os, name, dying)


def test_a_full_disk_ends_with_a_line_and_what_is_done_stays(plain: Path, tmp_path: Path):
    import errno
    import os

    out, replace, calls = tmp_path / "out", os.replace, []

    def full(*paths: Path) -> None:
        calls.append(paths)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*paths)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", full)
        told = refusal(lambda: i2i.generate(plain, out, count=5, device="cpu", batch=2), NoRoomError)
    assert told == f"{out / '000003.png'}: disk full. Free space and run the same command again."
    assert sorted(contents(out)) == ["000001.png", "000002.png"]
    assert i2i.generate(plain, out, count=5, device="cpu").skipped == 2
    assert len(lines(out)) == 5


def test_two_cannot_work_on_one_folder(plain: Path, tmp_path: Path):
    with Manifest(tmp_path / "out"):
        told = refusal(lambda: i2i.generate(plain, tmp_path / "out", count=1, device="cpu"), LockedError)
    assert told == f"{tmp_path / 'out'}: another process works on this folder. Wait, or end it."


def test_a_file_cannot_be_the_folder(plain: Path, tmp_path: Path):
    (tmp_path / "out").touch()
    told = refusal(lambda: i2i.generate(plain, tmp_path / "out", count=1, device="cpu"))
    assert told == f"{tmp_path / 'out'}: is a file, not a folder. Choose another folder with -o."
    told = refusal(lambda: i2i.generate(plain, tmp_path / "out" / "inside", count=1, device="cpu"))
    assert told.startswith(f"{tmp_path / 'out' / 'inside'}: nothing can be written here: Not a directory.")


def test_a_folder_in_a_pictures_place_is_refused_before_anything_is_made(plain: Path, tmp_path: Path):
    out = tmp_path / "out"
    (out / "000002.png").mkdir(parents=True)
    told = f"{out / '000002.png'}: this folder is where a picture is to be. Choose another folder with -o."
    for overwrite in (False, True):
        again = refusal(lambda: i2i.generate(plain, out, count=3, device="cpu", batch=1, overwrite=overwrite))  # noqa: B023
        assert again == told
    assert [path.name for path in out.iterdir()] == ["000002.png"]


def test_a_file_in_the_place_of_a_classs_folder_is_refused_before_anything_is_made(pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "dog").touch()
    told = refusal(lambda: i2i.generate(pets, out, per_class=1, device="cpu", overwrite=True))
    assert told == f"{out / 'dog'}: is a file, not a folder. Choose another folder with -o."
    assert [path.name for path in out.iterdir()] == ["dog"]
    i2i.generate(pets, out, per_class=1, classes=["cat"], device="cpu")  # which has a place
    assert sorted(contents(out)) == ["cat/000001.png"]


def test_work_that_made_nothing_leaves_nothing_in_the_folder(plain: Path, tmp_path: Path):
    make = generator(plain)
    for parameter in make.network.parameters():
        parameter.data.fill_(math.nan)
    with pytest.raises(ModelError):
        Synthesis(make, Sampling(count=2), tmp_path / "out").write()
    assert not list((tmp_path / "out").iterdir())
    Synthesis(generator(plain), Sampling(count=1), tmp_path / "out").write()
    with pytest.raises(ModelError):
        Synthesis(make, Sampling(count=2), tmp_path / "out").write()
    assert [line["file"] for line in lines(tmp_path / "out")] == ["000001.png"]


def test_a_forecast_measures_and_writes_nothing(pets: Path, tmp_path: Path):
    i2i.generate(pets, tmp_path / "out", count=2, device="cpu")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    found = Synthesis(generator(pets), Sampling(count=10), tmp_path / "out").forecast()
    assert (found.todo, found.done, found.pixels) == (8, 2, 8 * 64)
    assert found.bytes == pytest.approx(8 * (tmp_path / "out" / "000001.png").stat().st_size, rel=0.1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert Synthesis(generator(pets), Sampling(count=2), tmp_path / "new" / "out").forecast().todo == 2
    assert not (tmp_path / "new").exists()


def test_a_forecast_is_not_measured_by_the_first_time_that_the_network_runs(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make, calls = generator(plain), []
    forward = make.network.forward

    def slow_at_first(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.5)
        return forward(*arguments)

    monkeypatch.setattr(make.network, "forward", slow_at_first)
    found = Synthesis(make, Sampling(count=16), tmp_path / "out").forecast()
    assert found.seconds is not None
    assert found.seconds < 0.4


def test_every_suffix_that_can_be_asked_for_carries_the_mark(plain: Path, tmp_path: Path):
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif"} <= set(MARKED)
    for suffix in MARKED:
        i2i.generate(plain, tmp_path / suffix[1:], count=1, device="cpu", suffix=suffix)
        carried = read(tmp_path / suffix[1:] / f"000001{suffix}").carried
        assert b"trainedAlgorithmicMedia" in (carried.xmp or b"")


@pytest.mark.parametrize("suffix", [".gif", ".bmp", ".jp2", ".ppm", ".tga", ".txt", ""])
def test_a_file_that_could_not_say_what_it_is_is_not_made(suffix: str, plain: Path, tmp_path: Path):
    told = refusal(lambda: i2i.generate(plain, tmp_path / "no", count=1, device="cpu", suffix=suffix))
    assert told == (
        f"no picture that says that it is synthetic can be written with the suffix '{suffix}'. "
        "Known: .apng .avif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp"
    )
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("suffix", sorted(set(FORMAT_OF_SUFFIX) - set(MARKED)))
def test_no_suffix_is_refused_that_could_carry_the_mark(suffix: str, pets: Path, tmp_path: Path):
    write(generator(pets)(1)[0], tmp_path / f"a{suffix}")
    assert b"trainedAlgorithmicMedia" not in (tmp_path / f"a{suffix}").read_bytes()


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
