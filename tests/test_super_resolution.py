"""`i2i train srgan` and what comes after it, as a person goes through it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from i2i import api
from i2i.cli.main import main
from i2i.config.layers import assignment_layer, resolve
from i2i.config.perceptual import PerceptualConfig
from i2i.errors import ConfigError, ModelError, StoppedError
from i2i.images.files import read
from i2i.inference.upscaler import Enlarging, Target
from i2i.models.modelfile import read_info

TINY = [
    "method.scale=2", "method.generator.kind=compact", "method.generator.filters=8", "method.generator.convolutions=2",
    "method.generator.init=kaiming", "method.discriminator.filters=4", "data.size=16", "data.val=0", "data.workers=0",
    "data.crops=4", "train.steps=6", "train.batch=4", "train.ema=10", "engine.device=cpu", "engine.precision=fp32",
    "engine.threads=1", "engine.save_every=2", "log.every=2", "log.samples=3",
]  # fmt: skip


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights by the names of VGG19's first layers: they compare pictures as well as any."""
    torch.manual_seed(0)
    tensors = {}
    for index, (filters, channels) in {0: (64, 3), 2: (64, 64)}.items():
        tensors[f"features.{index}.weight"] = torch.randn(filters, channels, 3, 3) / (9 * channels) ** 0.5
        tensors[f"features.{index}.bias"] = torch.zeros(filters)
    path = tmp_path_factory.mktemp("features") / "vgg19.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture
def tiny(pond: Path, features: Path):
    """Settings of a training that takes a second; more of them as `--set` takes them."""
    perceptual = [f"method.perceptual.weights='{features}'", "method.perceptual.layers={conv1_2=1.0}"]

    def configure(*more: str, preset: str = "default") -> Any:
        given = [f"data.path='{pond}'", *TINY, *perceptual, *more]
        return resolve("srgan", preset, [assignment_layer(given)]).config

    return configure


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def saved(run: Path) -> dict[str, bytes]:
    newest = max((run / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in (run / "model.safetensors", *newest.iterdir())}


def test_one_command_trains_pixels_first_and_then_with_all_losses(tiny, tmp_path: Path):
    run = api.train(tiny("method.adversarial_share=0.5", "train.steps=8"), tmp_path / "run", progress="none")
    losses = [set(line) - {"step", "epoch", "lr"} for line in logged(run)]
    both = {"psnr", "pixel", "adversarial", "perceptual", "discriminator"}
    assert losses == [{"psnr", "pixel"}] * 2 + [both] * 2
    info = read_info(run / "model.safetensors")
    assert (info.task, info.method, info.directions, info.value_range) == ("upscale", "srgan", ("up",), (0.0, 1.0))
    assert (info.networks["up"].scale, info.training.size) == (2, 16)
    assert [*read_info(run / "discriminators.safetensors").networks] == ["discriminator"]


def test_thirty_steps_in_two_stages_lower_the_pixel_loss(tiny, tmp_path: Path):
    settings = ["train.steps=40", "log.every=5", "train.lr=0.003", "method.adversarial_share=0.25"]
    run = api.train(tiny(*settings), tmp_path / "run", progress="none")
    lines = logged(run)
    assert lines[-1]["psnr"] > lines[0]["psnr"] + 1


@pytest.mark.parametrize("stops_at", [2, 6])
def test_a_training_that_was_stopped_in_either_stage_goes_on_to_the_same_bytes(
    stops_at: int, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config = tiny("train.steps=8", "method.adversarial_share=0.5")
    whole = api.train(config, tmp_path / "whole", progress="none")
    stop_after(stops_at, monkeypatch)
    with pytest.raises(StoppedError, match=f"stopped, step {stops_at} of 8 is saved"):
        api.train(config, tmp_path / "stopped", progress="none")
    monkeypatch.undo()
    resumed = api.resume(tmp_path / "stopped", progress="none")
    assert saved(resumed) == saved(whole)


def test_a_second_stage_that_has_begun_goes_on_when_the_training_becomes_longer(tiny, tmp_path: Path):
    """A quarter of 12 steps would begin at 9; a first stage that came back would undo what was learned."""
    run = api.train(tiny("train.steps=8", "log.every=1"), tmp_path / "run", progress="none")
    api.resume(run, {"train.steps": 12}, progress="none")
    assert ["adversarial" in line for line in logged(run)] == [False] * 6 + [True] * 6


def test_a_first_stage_is_made_longer_with_the_training(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stop_after(4, monkeypatch)
    with pytest.raises(StoppedError):
        api.train(tiny("train.steps=8", "log.every=1"), tmp_path / "run", progress="none")
    monkeypatch.undo()
    api.resume(tmp_path / "run", {"train.steps": 12}, progress="none")
    assert ["adversarial" in line for line in logged(tmp_path / "run")] == [False] * 9 + [True] * 3


def test_a_run_keeps_its_stages(tiny, tmp_path: Path):
    run = api.train(tiny("method.stage=pixel"), tmp_path / "run", progress="none")
    with pytest.raises(ModelError, match=r"begin another one from it: i2i train METHOD DATA --init RUN"):
        api.resume(run, {"method.stage": "auto", "train.steps": 12}, progress="none")


def test_the_rate_falls_in_each_stage_from_its_own_height(tiny, tmp_path: Path):
    settings = ["train.steps=8", "log.every=1", "train.schedule=constant", "train.lr=0.001"]
    run = api.train(tiny(*settings), tmp_path / "run", progress="none")
    assert [line["lr"] for line in logged(run)] == pytest.approx([1e-3] * 6 + [2e-4] * 2)


def test_a_dry_run_measures_every_stage(tiny):
    """The second stage of two in a hundred steps is slower, and is what decides the memory."""
    alone = api.dry_run(tiny("method.stage=pixel", "train.steps=100"), progress="none")
    both = api.dry_run(tiny("train.steps=100"), progress="none")
    assert "generator  ·  memory" in alone
    assert "M discriminator" in both


def stop_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during that step."""
    from i2i.engine.loop import Trainer

    plain = Trainer.step

    def stepped(self: Trainer, feed: Any) -> None:
        plain(self, feed)
        if self.engine.index == step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", stepped)


def test_a_second_stage_begins_at_a_run_of_the_first(tiny, tmp_path: Path):
    first = api.train(tiny("method.stage=pixel"), tmp_path / "pixel", progress="none")
    assert not (first / "discriminators.safetensors").exists()
    config = tiny("method.stage=adversarial", f"train.init='{first}'", "method.warm_up=2", "train.steps=4")
    second = api.train(config, tmp_path / "gan", progress="none")
    assert [("adversarial" in line) for line in logged(second)] == [False, True]
    assert read_info(second / "model.safetensors").ancestor.startswith("pixel (SHA-256 ")


def test_a_run_enlarges_pictures(tiny, pond: Path, tmp_path: Path):
    run = api.train(tiny("method.stage=pixel"), tmp_path / "run", progress="none")
    enlarging = Enlarging(Target(scale=3))
    summary = api.upscale([pond / "testA"], tmp_path / "out", model=run, enlarging=enlarging, device="cpu")
    assert (summary.ok, summary.exit_code) == (2, 0)
    assert read(tmp_path / "out" / "0000.png").pixels.shape == (96, 96, 3)


@pytest.mark.parametrize("kind", ["first-order", "second-order"])
def test_photos_may_be_degraded_as_the_world_does(kind: str, tiny, tmp_path: Path):
    settings = ["method.stage=pixel", f"method.degradation.kind={kind}", "train.steps=2", "data.size=32"]
    assert len(logged(api.train(tiny(*settings), tmp_path / "run", progress="none"))) == 1


def test_without_features_nothing_begins_and_both_ways_are_named(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    given = tiny()
    method = given.method.model_copy(update={"perceptual": PerceptualConfig()})
    with pytest.raises(ConfigError) as raised:
        api.train(given.model_copy(update={"method": method}), tmp_path / "run", progress="none")
    told = (
        "the weights of vgg19 for the perceptual loss are not here. Give them with --features FILE, or let torchvision"
    )
    assert str(raised.value).startswith(told)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            ["method.generator.kind=rrdb", "data.size=18"],
            "data.size: crops of 18 px do not fit the generator (up), which needs multiples of 4. "
            "Use --size 16 or --size 20.",
        ),
        (
            ["method.discriminator.kind=patchgan", "method.discriminator.layers=3"],
            "data.size: crops of 16 px are too small for the discriminator. Use --size 24 or more, or "
            "--set method.discriminator.layers=2.",
        ),
    ],
)
def test_crops_that_a_network_cannot_take_are_told_before_a_picture_is_read(
    settings: list[str], told: str, tiny, tmp_path: Path
):
    with pytest.raises(ConfigError) as raised:
        api.train(tiny(*settings), tmp_path / "run", progress="none")
    assert str(raised.value) == told


# Commands


def arguments(pond: Path, *more: str) -> list[str]:
    return ["train", "srgan", str(pond), *(word for item in TINY for word in ("--set", item)), *more]


def test_the_command_trains_and_names_the_next_one(
    pond: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(pond, "--stage", "pixel", "--scale", "2", "-o", "run")) == 0
    told = capsys.readouterr()
    assert "12 photos, 0.0 megapixels, smallest 32x32" in told.err
    assert "i2i upscale FOLDER -o OUT --model run" in told.err
    assert main(["upscale", str(pond / "testA"), "-o", "big", "--model", "run"]) == 0
    assert read(Path("big/0000.png")).width == 64


def test_init_brings_the_network_and_its_scale_along(
    pond: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    assert main(arguments(pond, "--stage", "pixel", "-o", "run", "-q")) == 0
    assert main(["train", "srgan", str(pond), "--preset", "finetune", "--init", "run", "--print-config"]) == 0
    printed = capsys.readouterr().out
    for line in ('kind = "compact"', "filters = 8 ", "scale = 2 ", 'stage = "adversarial"', "warm_up = 500"):
        assert line in printed


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--stage", "adversarial"], "i2i: the adversarial stage begins at a trained model: name it with --init."),
        (["--size", "30", "--scale", "4"], "i2i: crops of 30 px cannot be shrunk by 4: set data.size=28."),
        (["--set", "method.degradation.kind=rain"], "method.degradation.kind must be one of bicubic, first-order"),
    ],
    ids=" ".join,
)
def test_wrong_settings_are_told_in_one_line(
    more: list[str], told: str, pond: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["train", "srgan", str(pond), *more]) == 2
    printed = capsys.readouterr().err
    assert told in printed
    assert printed.count("\n") == 1


# Looking at the data


def test_a_preview_shows_each_photo_beside_what_is_left_of_it(
    pond: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    sheet = tmp_path / "sheet.png"
    settings = ["--set", "method.degradation.kind=second-order", "--set", "data.size=32", "--rows", "2", "--draws", "3"]
    assert main(["data", "preview", str(pond), "--method", "srgan", "-o", str(sheet), *settings]) == 0
    assert capsys.readouterr().out == f"{sheet}\n"
    picture = read(sheet)
    assert (picture.width, picture.height) == (4 * 32, 2 * 32 + 14)  # a line of names on top
    columns = [picture.pixels[14:, 32 * n : 32 * (n + 1)] for n in range(4)]
    assert len({column.tobytes() for column in columns}) == 4


def test_a_preview_of_unpaired_data_shows_both_domains(pond: Path, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    assert main(["data", "preview", str(pond), "-o", str(sheet), "--set", "data.size=32", "--rows", "3"]) == 0
    assert read(sheet).width == 2 * 32


def test_a_preview_is_a_picture_file(pond: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "preview", str(pond), "-o", str(tmp_path / "sheet.html")]) == 2
    told = f"i2i: {tmp_path / 'sheet.html'}: the sheet is a picture: its name ends in .png or .jpg.\n"
    assert capsys.readouterr().err == told


def test_photos_are_checked_for_the_method_that_is_named(pond: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["data", "check", str(pond), "--method", "srgan", "--size", "32"]) == 0
    assert "12 pictures" in capsys.readouterr().out
    assert main(["data", "check", str(pond), "--method", "srgan"]) == 10
    assert "smaller than the crop of 128: 12 in" in capsys.readouterr().out
    assert main(["data", "check", str(pond), "--method", "srgan", "--a", "x"]) == 2
    assert capsys.readouterr().err == "i2i: --a and --b name two domains, and srgan has one. Give DATA.\n"
