"""`i2i train pix2pix` and what comes after it, as a person goes through it."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i import api
from i2i.cli.main import main
from i2i.config.layers import assignment_layer, resolve
from i2i.errors import ConfigError, StoppedError
from i2i.images.files import read
from i2i.models.modelfile import read_info

TINY = [
    "method.generator.filters=2", "method.generator.downs=5", "method.discriminator.filters=2",
    "method.discriminator.layers=1", "data.size=32", "data.load=34", "data.val=0", "data.workers=0", "train.steps=4",
    "train.batch=1", "train.ema=10", "engine.device=cpu", "engine.precision=fp32", "engine.threads=1",
    "engine.save_every=2", "log.every=2", "log.samples=2",
]  # fmt: skip


@pytest.fixture(scope="session")
def pairs(pond: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six fish in gray and in colour, by equal names."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("A", "B"):
        (folder / name).mkdir()
    for path in sorted((pond / "trainA").iterdir()):
        shutil.copy(path, folder / "B" / path.name)
        Image.open(path).convert("L").save(folder / "A" / f"{path.stem}.png")
    return folder


@pytest.fixture
def tiny(pairs: Path):
    """Settings of a training that takes a second; more of them as `--set` takes them."""

    def configure(*more: str, data: Path = pairs, preset: str = "default") -> Any:
        return resolve("pix2pix", preset, [assignment_layer([f"data.path='{data}'", *TINY, *more])]).config

    return configure


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def saved(run: Path) -> dict[str, bytes]:
    newest = max((run / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in (run / "model.safetensors", *newest.iterdir())}


def test_gray_pictures_learn_their_colours_and_the_run_translates(tiny, pairs: Path, tmp_path: Path):
    run = api.train(tiny("method.channels_a=1"), tmp_path / "run", progress="none")
    assert logged(run)[-1].keys() - {"step", "epoch", "lr"} == {"d", "gan", "l1"}
    info = read_info(run / "model.safetensors")
    assert (info.task, info.method, info.directions, info.multiple) == ("translate", "pix2pix", ("a2b",), 32)
    assert (info.networks["a2b"].input_channels, info.training.load) == (1, 34)
    assert [*read_info(run / "discriminators.safetensors").networks] == ["discriminator"]
    summary = api.translate(run, [pairs / "A"], tmp_path / "out", device="cpu")
    assert (summary.ok, summary.exit_code) == (6, 0)
    made = read(next((tmp_path / "out").glob("*.png")))
    assert made.pixels.shape == (32, 32, 3)


def test_the_loss_of_pixels_falls(tiny, tmp_path: Path):
    settings = ["train.steps=40", "log.every=5", "train.lr=0.002", "method.adversarial_weight=0"]
    run = api.train(tiny(*settings), tmp_path / "run", progress="none")
    losses = [line["l1"] for line in logged(run)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("stops_at", [1, 2])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(
    stops_at: int, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from i2i.engine.loop import Trainer

    config, plain = tiny("data.jitter=0.2"), Trainer.step
    whole = api.train(config, tmp_path / "whole", progress="none")

    def stepped(self: Trainer, feed: Any) -> None:
        plain(self, feed)
        if self.engine.index == stops_at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", stepped)
    with pytest.raises(StoppedError, match=f"stopped, step {stops_at} of 4 is saved"):
        api.train(config, tmp_path / "stopped", progress="none")
    monkeypatch.undo()
    assert saved(api.resume(tmp_path / "stopped", progress="none")) == saved(whole)


def test_another_training_goes_on_from_a_run_with_its_direction(tiny, pairs: Path, tmp_path: Path):
    first = api.train(tiny("method.direction=b2a", "method.channels_a=1"), tmp_path / "first", progress="none")
    assert read_info(first / "model.safetensors").directions == ("b2a",)
    told = ["train", "pix2pix", str(pairs), "--init", str(first), "-o", str(tmp_path / "second"), "-q"]
    assert (
        main([*told, *(word for item in TINY if item.startswith(("data", "train", "eng")) for word in ("--set", item))])
        == 0
    )
    info = read_info(tmp_path / "second" / "model.safetensors")
    assert (info.directions, info.networks["b2a"].output_channels) == (("b2a",), 1)
    assert info.ancestor.startswith("first (SHA-256 ")


@pytest.mark.parametrize(("kind", "channels"), [("colorize", 1), ("edges", 1), ("degrade", 3)])
def test_photos_alone_are_enough(kind: str, channels: int, tiny, pond: Path, tmp_path: Path):
    run = api.train(tiny(f"data.pairs={kind}", data=pond / "trainA"), tmp_path / "run", progress="none")
    assert read_info(run / "model.safetensors").networks["a2b"].input_channels == channels


def test_sixteen_bits_are_trained_on_and_translated(tiny, pairs: Path, tmp_path: Path):
    data = tmp_path / "deep"
    for name in ("A", "B"):
        (data / name).mkdir(parents=True)
        for path in (pairs / "A").iterdir():
            deep = np.asarray(Image.open(path)).astype(np.uint16) * 257
            Image.fromarray(deep).save(data / name / path.name)
    settings = ["method.channels_a=1", "method.channels_b=1", "data.depth=16"]
    run = api.train(tiny(*settings, data=data), tmp_path / "run", progress="none")
    assert api.translate(run, [data / "A"], tmp_path / "out", device="cpu").exit_code == 0
    assert read(next((tmp_path / "out").glob("*.png"))).pixels.dtype == np.uint16


@pytest.fixture
def maps(pairs: Path, tmp_path: Path) -> Path:
    """Label maps with a palette, three classes, and the pictures that belong to them."""
    data = tmp_path / "maps"
    shutil.copytree(pairs / "B", data / "B")
    (data / "A").mkdir()
    for path in (pairs / "A").iterdir():
        classes = np.asarray(Image.open(path)) // 86
        image = Image.fromarray(classes).convert("P")
        image.putdata(classes.ravel().tolist())
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        image.save(data / "A" / path.name)
    return data


def test_label_maps_become_pictures(tiny, maps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = api.train(tiny("method.labels=3", data=maps), tmp_path / "run", progress="none")
    shown = np.asarray(Image.open(max((run / "samples").iterdir())))[14:, :32]
    assert (shown.min() < 40, shown.max() > 215) == (True, True)  # classes 0 to 2 from black to white
    assert main(["translate", str(run), str(maps / "A"), "-o", str(tmp_path / "out"), "--device", "cpu"]) == 0
    made = sorted((tmp_path / "out").glob("*.png"))
    assert len(made) == 6
    assert read(made[0]).pixels.shape == (32, 32, 3)
    capsys.readouterr()
    assert main(["translate", str(run), str(maps / "B"), "-o", str(tmp_path / "wrong"), "--device", "cpu"]) == 3
    assert "is a colour picture, no label map." in capsys.readouterr().out
    assert main(["translate", str(run), str(maps / "A"), "-o", str(tmp_path / "none"), "--dry-run"]) == 0


def test_classes_that_are_too_many_are_told_before_the_first_step(tiny, maps: Path, tmp_path: Path):
    with pytest.raises(Exception, match=r"class 2") as caught:
        api.train(tiny("method.labels=2", data=maps), tmp_path / "run", progress="none")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run").exists()


NOT_FIT = "crops of {} px do not fit the generator (a2b), which needs multiples of {}."


@pytest.mark.parametrize(
    ("size", "downs", "told"),
    [
        (48, 5, f"{NOT_FIT.format(48, 32)} Use --size 32 or --size 64."),
        (96, 6, f"{NOT_FIT.format(96, 64)} Use --size 64 or --size 128, or --set method.generator.downs=5."),
        (
            64,
            8,
            "crops of 64 px are too small for the generator (a2b). "
            "Use --size 256 or more, or --set method.generator.downs=6.",
        ),
    ],
)
def test_crops_that_the_network_cannot_halve_are_told_before_a_picture_is_read(
    tiny, tmp_path: Path, size: int, downs: int, told: str
):
    given = (f"data.size={size}", f"data.load={size}")
    with pytest.raises(ConfigError) as caught:
        api.train(tiny(*given, f"method.generator.downs={downs}"), tmp_path / "run", progress="none")
    assert str(caught.value) == f"data.size: {told}"
    if "downs=" in told:
        fitting = told.rstrip(".").rpartition(" ")[2]
        assert api.train(tiny(*given, fitting, "train.steps=1"), tmp_path / "run", progress="none")


# Commands


def settings(*more: str) -> list[str]:
    return [word for item in (*TINY, *more) for word in ("--set", item)]


def test_the_command_trains_names_the_next_one_and_that_works(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "pix2pix", str(pairs), *settings("method.channels_a=1")]) == 0
    told = capsys.readouterr()
    assert "6 pairs" in told.err
    run = told.out.strip()
    assert run == f"runs/pix2pix-{pairs.name}-1"
    assert f"i2i translate {run} FOLDER -o OUT" in told.err
    assert main(["translate", run, str(pairs / "A"), "-o", "out", "--stochastic", "--seed", "1"]) == 0
    assert main(["translate", run, str(pairs / "A"), "-o", "out", "--stochastic", "--seed", "1"]) == 0
    assert "6 already done" in capsys.readouterr().out


def test_a_csv_is_data_and_names_the_run(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    lines = [f"{pairs}/A/{path.stem}.png,{path}" for path in sorted((pairs / "B").iterdir())]
    Path("fish.csv").write_text("\n".join(["a,b", *lines]))
    assert main(["train", "pix2pix", "fish.csv", *settings("train.steps=1")]) == 0
    assert capsys.readouterr().out == "runs/pix2pix-fish-1\n"
    assert main(["data", "preview", "fish.csv", "--method", "pix2pix", "-o", "sheet.png"]) == 0
    assert main(["data", "check", "fish.csv", "--method", "pix2pix", "--size", "32"]) == 0


def test_a_dry_run_tells_pairs_sizes_and_time_and_writes_nothing(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "pix2pix", str(pairs), "--dry-run", *settings()]) == 0
    told = capsys.readouterr().out
    assert "6 pairs" in told
    assert "M discriminator + 0.0 M generator" in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--direction", "up"], "'up' is not one of 'a2b', 'b2a'"),
        (["--pairs", "rain"], "'rain' is not one of"),
        (["--set", "method.pixel_weight=0", "--set", "method.adversarial_weight=0"], "every loss weighs 0"),
        (["--set", "method.style_weight=1"], "vgg19 for the perceptual loss are not here"),
        (["--set", "method.generator.kind=span"], "method.generator.kind must be one of"),
    ],
)
def test_wrong_settings_are_told_in_one_line(
    more: list[str],
    told: str,
    pairs: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert main(["train", "pix2pix", str(pairs), *more, "-o", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1


def test_a_seed_without_noise_has_no_use(tiny_model: Path, pairs: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["translate", str(tiny_model), str(pairs / "A"), "-o", "none", "--seed", "1"]) == 2
    assert capsys.readouterr().err == "i2i: --seed is for --stochastic: without it nothing is drawn.\n"


def test_noise_is_not_asked_of_a_network_without_dropout(
    tiny_model: Path, pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["translate", str(tiny_model), str(pairs / "A"), "-o", str(tmp_path / "o"), "--stochastic"]) == 2
    assert capsys.readouterr().err == "i2i: this network has no dropout to keep on. Leave --stochastic out.\n"


def test_a_preview_shows_inputs_beside_what_is_to_come_of_them(pairs: Path, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    given = ["data", "preview", str(pairs), "--method", "pix2pix", "-o", str(sheet), "--set", "data.size=32"]
    assert main([*given, "--set", "data.load=32", "--rows", "3"]) == 0
    picture = read(sheet)
    assert (picture.width, picture.height) == (2 * 32, 3 * 32 + 14)
    left, right = (picture.pixels[14:, 32 * n : 32 * (n + 1)].astype(int) for n in range(2))
    assert (left[:, :, 0] == left[:, :, 2]).all()  # gray
    assert (right[:, :, 0] != right[:, :, 2]).any()
