from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import i2i
from i2i.cli.main import main
from i2i.config.networks import CompactConfig
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models: photo-x2, photo-x4 and its texture model, all tiny."""
    folder = tmp_path / "pretrained"
    folder.mkdir()
    for seed, (name, scale) in enumerate({"photo-x2": 2, "photo-x4": 4, "photo-x4-gan": 4}.items()):
        torch.manual_seed(seed)
        config = CompactConfig(filters=4, convolutions=1, scale=scale, init_gain=0.2)
        info = ModelInfo(task="upscale", directions=("up",), networks={"up": config}, value_range=(0.0, 1.0))
        save_model(folder / f"{name}.safetensors", {"up": build(config)}, info, half=False)
    monkeypatch.setattr("i2i.models.shipped.shipped_folder", lambda *_: folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "trip/b.jpg")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Picture(np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)), path)
    return tmp_path / "photos"


def upscale(*arguments: str | Path) -> int:
    return main(["upscale", *map(str, arguments), "--device", "cpu"])


def size(path: Path) -> tuple[int, int]:
    picture = read(path)
    return picture.width, picture.height


def test_a_folder_is_enlarged_four_times_without_a_word_more(
    shipped: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "big"
    assert upscale(photos, "-o", out) == 0
    assert (size(out / "a.png"), size(out / "trip" / "b.jpg")) == ((48, 36), (48, 36))
    told = capsys.readouterr()
    assert told.out == f"2 written to {out}\n"
    assert told.err == "model photo-x4  ·  x4  ·  cpu  ·  2 pictures\n"


@pytest.mark.parametrize(
    ("options", "model", "told", "result"),
    [
        (["-s", "2"], "photo-x2", "x2", (24, 18)),
        (["--scale", "1.5"], "photo-x2", "x1.5", (18, 14)),
        (["--scale", "3"], "photo-x4", "x3", (36, 27)),
        (["--width", "40"], "photo-x4", "40xauto pixels", (40, 30)),
        (["--height", "40"], "photo-x4", "autox40 pixels", (53, 40)),
        (["--width", "30", "--height", "30"], "photo-x4", "30x30 pixels", (30, 30)),
        (["--scale", "2", "--texture", "0.5"], "photo-x4", "x2", (24, 18)),
        (["--model", "photo-x2"], "photo-x2", "x2", (24, 18)),
        (["-m", "photo-x2", "-s", "4"], "photo-x2", "x4", (48, 36)),
    ],
    ids=str,
)
def test_the_shipped_model_that_suits_the_size_is_taken(
    options: list[str],
    model: str,
    told: str,
    result: tuple[int, int],
    shipped: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    assert upscale(photos / "a.png", "-o", tmp_path / "big.png", *options) == 0
    assert size(tmp_path / "big.png") == result
    assert capsys.readouterr().err == f"model {model}  ·  {told}  ·  cpu  ·  1 picture\n"


def test_each_option_changes_the_picture(shipped: Path, photos: Path, tmp_path: Path):
    options = {"plain": [], "ensemble": ["--ensemble"], "texture": ["--texture", "1"], "colours": ["--color-fix"]}
    made = set()
    for name, given in options.items():
        assert upscale(photos / "a.png", "-o", tmp_path / f"{name}.png", *given) == 0
        made.add(read(tmp_path / f"{name}.png").pixels.tobytes())
    assert len(made) == len(options)


def test_a_second_call_does_only_what_was_made_otherwise(
    shipped: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "big"
    for options, told in [([], "2 written"), ([], "2 already done"), (["-s", "3"], "2 written")]:
        assert upscale(photos, "-o", out, *options) == 0
        assert capsys.readouterr().out.startswith(told)
    assert size(out / "a.png") == (36, 27)


def test_python_users_call_the_same(shipped: Path, photos: Path, tmp_path: Path):
    summary = i2i.upscale([photos], tmp_path / "big", enlarging=i2i.Enlarging(i2i.Target(scale=2)), device="cpu")
    assert (summary.ok, size(tmp_path / "big" / "a.png")) == (2, (24, 18))
    assert i2i.load_upscaler("photo-x4", device="cpu")(photos / "a.png").width == 48


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--scale", "2", "--width", "9"],
            "i2i: --scale and --width or --height both say how large. Leave one of them out.",
        ),
        (
            ["--model", "photo-x3"],
            "i2i: no model 'photo-x3'. Did you mean 'photo-x4'?",
        ),
        (
            ["--model", "photo-x2", "--scale", "5"],
            "i2i: the scale 5 is beyond this model, which reaches 4 in two passes. Use --scale 4 or less.",
        ),
        (
            ["--model", "photo-x2", "--texture", "0.5"],
            "i2i: --texture needs a second model photo-x2-gan.safetensors beside photo-x2.safetensors, and there is "
            "none. Leave it out.",
        ),
        (
            ["--scale", "0"],
            "i2i: invalid value for '-s' / '--scale': 0.0 is not in the range 0<x<=16. See: i2i upscale --help",
        ),
        (
            ["--scale", "nan"],
            "i2i: nan is no size: a scale, width or height is a number above 0.",
        ),
        (
            ["--texture", "2"],
            "i2i: invalid value for '--texture': 2.0 is not in the range 0<=x<=1. See: i2i upscale --help",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_in_one_line(
    options: list[str],
    told: str,
    shipped: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    assert upscale(photos, "-o", tmp_path / "big", *options) == 2
    assert capsys.readouterr().err == f"{told}\n"
    assert not (tmp_path / "big").exists()


def test_a_model_that_translates_is_refused(
    shipped: Path, tiny_model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert upscale(photos, "-o", tmp_path / "big", "-m", tiny_model) == 2
    told = f"i2i: {tiny_model} is a model that does not enlarge pictures. Use: i2i translate {tiny_model} INPUT..."
    assert capsys.readouterr().err == f"{told} -o OUT\n"


def test_translate_refuses_a_model_that_enlarges(
    shipped: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["translate", "photo-x4", str(photos), "-o", str(tmp_path / "out")]) == 2
    hint = "Use: i2i upscale INPUT... -o OUT --model photo-x4"
    assert capsys.readouterr().err == f"i2i: photo-x4 is a model to upscale pictures. {hint}\n"


def test_what_is_told_as_json_names_the_sizes(
    shipped: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert upscale(photos, "-o", tmp_path / "big", "--json") == 0
    first, *_ = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["out"], first["size"]) == ("a.png", [48, 36])
