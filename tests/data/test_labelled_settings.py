"""What a training leaves open and its pictures say, up to a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2i import api
from i2i.cli.main import main
from i2i.config.layers import assignment_layer, load, resolve
from i2i.config.methods.noise import NoiseRun
from i2i.data.labelled_settings import completed
from i2i.errors import ConfigError, DataError, ModelError
from i2i.images.files import read
from i2i.preview import preview

Draw = Callable[..., Path]
TINY = [
    "data.workers=0", "train.steps=2", "train.batch=4", "train.ema=10", "engine.device=cpu", "engine.precision=fp32",
    "engine.threads=1", "engine.save_every=1", "log.every=1", "log.samples=3",
]  # fmt: skip


def settings(path: Path, *more: str, method: str = "dcgan") -> NoiseRun:
    given = [f"data.path='{path}'", *TINY, *more]
    config = resolve(method, "default", [assignment_layer(given)]).config
    assert isinstance(config, NoiseRun)
    return config


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """Sixteen gray pictures of 8 px, eight each of the classes 3 and 7."""
    pixels = np.random.default_rng(1).integers(0, 256, (16, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "digits.npz", images=pixels, labels=[3, 7] * 8)
    return tmp_path / "digits.npz"


def opened_up(path: Path, *more: str) -> NoiseRun:
    """Settings without what a preset says of the size."""
    tables = settings(path, "method.generator.filters=4", "method.discriminator.filters=4", *more).model_dump()
    tables["data"]["size"] = None
    tables["method"]["channels"] = None
    config = type(settings(path)).model_validate(tables)
    assert isinstance(config, NoiseRun)
    return config


def test_size_and_channels_become_those_of_the_pictures(digits: Path):
    config, found = completed(opened_up(digits))
    assert found is not None
    assert (config.data.size, config.method.channels, config.method.classes) == (8, 1, ())
    for network in (config.method.generator, config.method.discriminator):
        assert (network.size, network.channels, network.classes) == (8, 1, ())


def test_classes_become_those_of_the_pictures_where_they_are_told(digits: Path):
    config, _ = completed(opened_up(digits, "method.conditional=true"))
    assert config.method.classes == ("3", "7")
    assert config.method.generator.classes == config.method.discriminator.classes == ("3", "7")


def test_what_was_said_stays(digits: Path):
    config, _ = completed(settings(digits, "data.size=16", "method.channels=3"))
    assert (config.data.size, config.method.channels) == (16, 3)


def test_a_discriminator_of_other_defaults_follows_too(digits: Path):
    """Dense layers are for gray by default and convolutions for colour: what one was told is not what somebody set."""
    config, _ = completed(settings(digits, "method.discriminator.kind=maxout-critic", "data.size=8"))
    assert [(it.size, it.channels) for it in (config.method.generator, config.method.discriminator)] == [(8, 1)] * 2


def test_a_generator_of_other_pictures_than_those_that_are_there_is_refused(digits: Path):
    with pytest.raises(
        ConfigError, match=r"size=32 cannot be set by itself: it follows from data.size, set that alone"
    ):
        completed(settings(digits, "method.generator.size=32"))


def test_where_all_was_said_nothing_is_read(tmp_path: Path):
    config = settings(tmp_path / "nowhere", "data.size=16", "method.channels=3")
    assert completed(config) == (config, None)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (["1.png", "2.png"], "its pictures lie in no sub-folders, which classes are."),
        (["a/1.png", "2.png"], "pictures lie beside its folders, so that folders are no classes."),
        (["a/1.png", "a/2.png"], "has one class alone, a, which tells nothing."),
    ],
)
def test_classes_that_are_to_be_told_must_be_there(files: list[str], told: str, draw: Draw, tmp_path: Path):
    for name in files:
        draw(name)
    with pytest.raises(DataError) as raised:
        completed(opened_up(tmp_path, "method.conditional=true"))
    hint = "Make a sub-folder for each class, or leave --conditional out."
    assert str(raised.value) == f"{tmp_path}: {told} {hint}"


def test_a_set_without_labels_has_no_classes_to_be_told(tmp_path: Path):
    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8), np.uint8))
    with pytest.raises(DataError, match=r"set.npz has no labels. Make a sub-folder"):
        completed(opened_up(tmp_path / "set.npz", "method.conditional=true"))


def written(run: Path) -> dict[str, str]:
    """Dotted key -> value and origin, as RUN/config.toml has them."""
    lines: dict[str, str] = {}
    table = ""
    for line in (run / "config.toml").read_text("utf-8").splitlines():
        table = line.strip("[]") if line.startswith("[") else table
        key, equals, value = line.partition(" = ")
        if equals:
            lines[f"{table}.{key}"] = " ".join(value.split())
    return lines


def test_the_run_folder_has_what_the_pictures_said_and_that_they_did(digits: Path, tmp_path: Path):
    config = opened_up(digits, "method.conditional=true")
    run = api.train(config, tmp_path / "run", progress="none", origins={"data.flip": "default"})
    lines = written(run)
    assert lines["data.size"] == "8 # data"
    assert lines["method.channels"] == "1 # data"
    assert not [key for key in lines if key.startswith("method.generator.") and key.endswith((".size", ".channels"))]
    assert lines["data.flip"].endswith("# default")
    stored = load(run / "config.toml").config
    assert isinstance(stored, NoiseRun)
    assert stored == completed(config)[0]
    assert stored.method.classes == ("3", "7")


def test_a_resume_on_pictures_of_other_classes_is_refused(digits: Path, tmp_path: Path):
    run = api.train(opened_up(digits, "method.conditional=true"), tmp_path / "run", progress="none")
    np.savez(digits, images=np.zeros((16, 8, 8), np.uint8), labels=[3, 8] * 8)
    with pytest.raises(DataError, match="its classes are 3, 8, and the settings name 3, 7"):
        api.resume(run, {"train.steps": 4}, progress="none")


@pytest.fixture
def run(digits: Path, tmp_path: Path) -> Path:
    """Of a conditional training, in which pictures said size, channels and classes."""
    return api.train(opened_up(digits, "method.conditional=true"), tmp_path / "run", progress="none")


def test_the_settings_of_a_run_train_anew_at_another_size(run: Path, digits: Path, tmp_path: Path):
    anew = ["train", "dcgan", str(digits), "--config", str(run / "config.toml"), "--size", "16", "-q"]
    assert main([*anew, "-o", str(tmp_path / "anew")]) == 0
    config = load(tmp_path / "anew" / "config.toml").config
    assert isinstance(config, NoiseRun)
    for network in (config.method.generator, config.method.discriminator):
        assert (network.size, network.channels, network.classes) == (16, 1, ("3", "7"))


def test_the_settings_of_a_run_train_anew_in_colour_and_without_classes(run: Path, digits: Path, tmp_path: Path):
    given = ["method.conditional=false", "method.classes=[]", "method.channels=3"]
    config = load(run / "config.toml", assignment_layer(given)).config
    assert isinstance(config, NoiseRun)
    for network in (config.method.generator, config.method.discriminator):
        assert (network.size, network.channels, network.classes) == (8, 3, ())


def test_classes_that_nobody_is_told_any_more_are_to_be_left_out(run: Path):
    with pytest.raises(ConfigError, match=r"add --conditional, or set method\.classes=\[\]"):
        load(run / "config.toml", assignment_layer(["method.conditional=false"]))


def test_the_size_of_a_begun_run_cannot_change(run: Path):
    before = (run / "config.toml").read_bytes()
    with pytest.raises(ModelError, match=r"has other networks than config\.toml says"):
        api.resume(run, {"data.size": 16, "train.steps": 4}, progress="none")
    assert (run / "config.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("labels", "has"), [({"labels": [3, 8] * 8}, "its classes are 3, 8"), ({}, "it has no classes")]
)
def test_after_init_data_of_other_classes_is_refused_with_what_to_do(
    labels: dict[str, Any], has: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    np.savez(tmp_path / "other.npz", images=np.zeros((16, 8, 8), np.uint8), **labels)
    given = [argument for pair in TINY for argument in ("--set", pair)]
    assert main(["train", "dcgan", str(tmp_path / "other.npz"), "--init", str(run), "--dry-run", *given]) == 2
    told = f"{has}, and the settings name 3, 7. Give data of these classes, rename its own to them, or train anew on it"
    assert f"{told}, without --init." in capsys.readouterr().err


def test_a_resume_goes_on_where_the_training_stopped(digits: Path, tmp_path: Path):
    config = opened_up(digits, "method.conditional=true")
    stopped = api.train(config, tmp_path / "stopped", progress="none")
    api.resume(stopped, {"train.steps": 4}, progress="none")
    tables: dict[str, Any] = config.model_dump()
    tables["train"]["steps"] = 4
    whole = api.train(type(config).model_validate(tables), tmp_path / "whole", progress="none")
    name = "checkpoints/step-000004/weights.safetensors"
    assert (stopped / name).read_bytes() == (whole / name).read_bytes()


def test_a_file_is_data_for_the_command(digits: Path, capsys: pytest.CaptureFixture[str]):
    given = [argument for pair in TINY for argument in ("--set", pair)]
    assert main(["train", "dcgan", str(digits), "--dry-run", "--size", "8", *given]) == 0
    assert "16 pictures 8x8 gray, 2 classes, 8 each\n" in capsys.readouterr().out


def test_a_file_that_is_no_data_is_refused_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.csv").write_text("x")
    assert main(["train", "dcgan", str(tmp_path / "a.csv"), "--dry-run"]) == 2
    assert "a.csv: is no file of pictures that is known." in capsys.readouterr().err


# Looking at pictures without a training


def test_a_check_tells_what_there_is_of_each_class(digits: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "check", str(digits), "--method", "dcgan", "--size", "8"]) == 0
    assert capsys.readouterr().out.replace(f"{digits.parent}/", "").splitlines() == [
        "digits.npz: 16 pictures 8x8 gray, 2 classes, 8 each",
        "3: 8",
        "7: 8",
        "no problems found",
    ]


def test_a_preview_has_a_column_for_each_class(digits: Path):
    sheet = preview(settings(digits, "data.size=8", "method.channels=1"), rows=3)
    # each of 8 px shown as 64, below a line of names that is 14 high
    assert (sheet.width, sheet.height) == (2 * 64, 14 + 3 * 64)
    stored = np.load(digits)["images"][1::2]  # of the class 7
    shown = sheet.pixels[14:78, 64:][::8, ::8, 0]
    assert any(np.array_equal(shown, picture) for picture in stored)


def test_a_preview_without_classes_has_as_many_columns_as_draws(draw: Draw, tmp_path: Path):
    for number in range(6):
        draw(f"{number}.png", width=64, height=64)
    sheet = preview(settings(tmp_path, "data.size=64"), rows=2, draws=3)
    assert (sheet.width, sheet.height) == (3 * 64, 14 + 2 * 64)


def test_the_command_writes_the_sheet(digits: Path, tmp_path: Path):
    output = tmp_path / "sheet.png"
    assert main(["data", "preview", str(digits), "--method", "dcgan", "--size", "8", "-o", str(output)]) == 0
    assert read(output).height == 14 + 4 * 64
