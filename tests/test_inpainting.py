"""`i2i train inpaint` and what comes after it, as a person goes through it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i import api
from i2i.cli.main import main
from i2i.config.layers import assignment_layer, resolve
from i2i.data.loader import Batches
from i2i.data.masked import open_masked
from i2i.errors import ConfigError, StoppedError
from i2i.images.files import read
from i2i.inference.inpainter import load_inpainter
from i2i.losses.reconstruction import hole_and_valid_loss
from i2i.models.modelfile import load_model, read_info
from i2i.networks.smooth_fill import smooth_fill
from i2i.preview import preview

TINY = [
    "method.generator.filters=4", "method.discriminator.filters=2", "method.discriminator.layers=2", "data.size=32",
    "data.val=0", "data.workers=0", "data.crops=4", "train.steps=4", "train.batch=2", "train.ema=10",
    "engine.device=cpu", "engine.precision=fp32", "engine.threads=1", "engine.save_every=2", "log.every=2",
    "log.samples=2",
]  # fmt: skip


@pytest.fixture
def tiny(pond: Path):
    """Settings of a training that takes a second; more of them as `--set` takes them."""

    def configure(*more: str, preset: str = "default") -> Any:
        return resolve("inpaint", preset, [assignment_layer([f"data.path='{pond}'", *TINY, *more])]).config

    return configure


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def saved(run: Path) -> dict[str, bytes]:
    newest = max((run / "checkpoints").iterdir())
    return {path.name: path.read_bytes() for path in (run / "model.safetensors", *newest.iterdir())}


def photo_with_hole(folder: Path) -> tuple[Path, Path]:
    """A picture of noise and a mask with a box."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    mask = np.zeros((40, 56), dtype=np.uint8)
    mask[10:22, 20:44] = 255
    paths = folder / "photo.png", folder / "mask.png"
    for array, path in zip((pixels, mask), paths, strict=True):
        Image.fromarray(array).save(path)
    return paths


def test_what_was_trained_repairs_a_picture_and_leaves_the_rest(tiny, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    info = read_info(run / "model.safetensors")
    assert (info.task, info.method, info.directions, info.value_range) == ("inpaint", "inpaint", ("fill",), (-1.0, 1.0))
    assert (info.multiple, info.minimum, info.training.size) == (8, 8, 32)
    assert [*read_info(run / "discriminators.safetensors").networks] == ["discriminator"]
    photo, mask = photo_with_hole(tmp_path)
    assert main(["inpaint", str(photo), "--mask", str(mask), "--model", str(run), "-o", str(tmp_path / "out.png")]) == 0
    before, after = read(photo).pixels, read(tmp_path / "out.png").pixels
    hole = np.asarray(Image.open(mask)) > 0
    assert np.array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any()


def test_the_log_has_the_losses_by_name(tiny, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    names = {"d", "gan", "hole", "valid", "coarse_hole", "coarse_valid"}
    assert [set(line) - {"step", "epoch", "lr"} for line in logged(run)] == [names] * 2


def test_thirty_steps_lower_the_loss_of_holes(tiny, tmp_path: Path):
    """Beside a fresh network on the same masks: from nothing, what belongs into holes of fish is soon known roughly."""
    settings = ["train.steps=30", "train.lr=0.003", "train.batch=4", "method.adversarial_weight=0"]
    run = api.train(tiny(*settings, "method.generator.fill=none", "train.ema=0"), tmp_path / "run", progress="none")
    lines = logged(run)
    first, last = (np.mean([line["hole"] for line in part]) for part in (lines[:3], lines[-3:]))
    assert last < 0.8 * first


@pytest.mark.thorough
def test_a_small_network_that_starts_from_the_smooth_fill_soon_does_better_on_photos_it_never_saw(
    test_data: Path, tiny, tmp_path: Path
):
    """Thin holes, across which edges go on. Without shortcuts such a network adds less and less to the fill."""
    photos = test_data / "photos"
    settings = [
        "data.size=64", "data.zoom=3", "data.masks.kinds.lines=1", "data.masks.kinds.thin=1", "train.steps=400",
        "train.batch=8", "train.lr=2e-3", "train.schedule=constant", "train.ema=0", "method.adversarial_weight=0",
        "method.holes_alike=true", "method.generator.filters=8", "method.generator.coarse=false",
        "method.generator.attention=false", "method.generator.fill=smooth", "method.generator.shortcuts=true",
        "log.samples=400", "engine.save_every=400",
    ]  # fmt: skip
    run = api.train(tiny(f"data.path='{photos / 'train-open'}'", *settings), tmp_path / "run", progress="none")
    network = load_model(run / "model.safetensors").networks["fill"].eval()
    held_out = open_masked(tiny(f"data.path='{photos / 'val'}'", *settings).data).train
    crops, masks = zip(*(held_out.sample(0, 0, position) for position in range(48)), strict=True)
    real, mask = (torch.from_numpy(np.stack(part)).permute(0, 3, 1, 2).float() for part in (crops, masks))
    real = real / 127.5 - 1
    with torch.no_grad():
        filled = smooth_fill(real, mask)
        repaired = network(torch.cat([real, mask], dim=1))
    assert error_in_holes(repaired, filled, mask) > 0.003
    assert error_in_holes(repaired, real, mask) < 0.998 * error_in_holes(filled, real, mask)


def error_in_holes(one: torch.Tensor, other: torch.Tensor, mask: torch.Tensor) -> float:
    inside, _ = hole_and_valid_loss(one, other, mask, alike=True)
    return inside.item()


@pytest.mark.parametrize("kind", ["drawn", "from a folder"])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(
    kind: str, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "masks").mkdir()
    photo_with_hole(tmp_path / "masks")[0].unlink()
    config = tiny(*([] if kind == "drawn" else [f"data.masks.folder='{tmp_path / 'masks'}'"]))
    whole = api.train(config, tmp_path / "whole", progress="none")
    stop_after(2, monkeypatch)
    with pytest.raises(StoppedError, match="stopped, step 2 of 4 is saved"):
        api.train(config, tmp_path / "stopped", progress="none")
    monkeypatch.undo()
    resumed = api.resume(tmp_path / "stopped", progress="none")
    assert saved(resumed) == saved(whole)


def stop_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when so many steps are done."""
    from i2i.engine.update import Engine

    step, done = Engine.step, []

    def counted(self: Engine, *arguments: Any) -> Any:
        result = step(self, *arguments)
        done.append(1)
        if len(done) == steps:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(Engine, "step", counted)


def test_a_second_training_goes_on_from_the_first_without_its_discriminator(tiny, tmp_path: Path):
    first = api.train(tiny("method.adversarial_weight=0"), tmp_path / "first", progress="none")
    assert not (first / "discriminators.safetensors").exists()
    second = api.train(tiny(f"train.init='{first}'", "train.lr=1e-12"), tmp_path / "second", progress="none")
    assert read_info(second / "model.safetensors").ancestor
    photo, mask = photo_with_hole(tmp_path)
    repaired = [load_inpainter(run)(photo, mask).pixels.astype(int) for run in (first, second)]
    assert np.abs(repaired[0] - repaired[1]).max() <= 1


def test_a_network_without_a_coarse_stage_is_no_beginning_for_one_with_it(tiny, tmp_path: Path):
    first = api.train(tiny("method.generator.coarse=false"), tmp_path / "first", progress="none")
    with pytest.raises(ConfigError, match="has fill with coarse=False, this training asks for coarse=True"):
        api.train(tiny(f"train.init='{first}'"), tmp_path / "second", progress="none")


def test_loader_processes_draw_the_masks_that_the_main_one_draws(tiny):
    samples = open_masked(tiny().data).train
    taken = []
    for workers in (0, 2):
        batches = Batches(samples, batch=4, seed=5, workers=workers)
        taken.append([next(batches) for _ in range(4)])
        batches.close()
    for alone, shared in zip(*taken, strict=True):
        assert torch.equal(alone.real, shared.real)
        assert torch.equal(alone.mask, shared.mask)


def test_the_preview_shows_crops_with_their_holes_and_whole(tiny):
    sheet = preview(tiny(), rows=2).pixels
    assert sheet.shape[1] == 2 * 32
    left, right = sheet[-64:, :32].astype(int), sheet[-64:, 32:].astype(int)
    changed = (left != right).any(axis=2)
    assert 0 < changed.mean() < 1
    assert np.abs(left[changed] - 128).max() <= 1


def test_crops_that_the_network_cannot_halve_three_times_are_refused(tiny, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"crops of 36 px do not fit .*multiples of 8"):
        api.train(tiny("data.size=36"), tmp_path / "run", progress="none")
