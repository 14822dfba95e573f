"""A new method is one class of settings and one of torch: the training loop takes it as it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from i2i.config.base import setting
from i2i.config.data import DataConfig
from i2i.config.engine import EngineConfig, LogConfig, TrainConfig
from i2i.config.run import MethodConfig, RunConfig
from i2i.engine.checkpoint import newest_checkpoint
from i2i.engine.loop import Trainer
from i2i.engine.precision import Precision
from i2i.engine.progress import Progress
from i2i.engine.runfolder import RunFolder
from i2i.methods.base import Method, Player, Stage, StepInfo, Update


class NegativeConfig(MethodConfig):
    """Settings of the toy."""

    kind: Literal["negative"] = setting("negative", "which method")
    noise: float = setting(0.1, "deviation of noise on the input")
    refine_from: int = setting(100, "first step of the second stage")


class Shades(NamedTuple):
    shade: Tensor  # (N, 3, H, W)


class Negative(Method):
    """Learns to turn pictures into their negatives; a judge learns on what it has left over."""

    task = "translate"

    def __init__(self, config: NegativeConfig) -> None:
        super().__init__()
        self.config = config
        torch.manual_seed(0)
        self.invert, self.judge = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 3)
        self.register_buffer("usual_error", torch.zeros(()))

    def players(self) -> dict[str, Player]:
        return {"inverter": Player(self.invert), "judge": Player(self.judge, clip=1.0)}

    def stages(self, total: int) -> tuple[Stage, ...]:
        return (Stage("rough"), Stage("refined", self.config.refine_from, rate=2.0))

    def step(self, feed: Any, at: StepInfo) -> Iterator[Update]:
        shade = feed().shade
        noise = at.draws.normal(at.samples, 3, 1, 1) * self.config.noise
        left = self.invert(shade + noise) + shade  # (N, 3, H, W): 0 where the negative is right
        yield Update("inverter", {"error": left.square().mean()})
        yield Update("judge", {"judged": (self.judge(left.detach()) - 1).square().mean()})

    def updated(self, players: tuple[str, ...], means: Mapping[str, Tensor], at: StepInfo) -> None:
        if "error" in means:
            self.usual_error.lerp_(means["error"].float(), 0.5)

    def deployed(self) -> dict[str, nn.Module]:
        return {"invert": self.invert}

    def pictures(self, batch: Shades, deployed: Mapping[str, nn.Module]) -> dict[str, Tensor]:
        return {"shade": batch.shade, "negative": deployed["invert"](batch.shade)}


class Drawn:
    """Batches of random pictures, each a function of its number; the cable may break before one of them."""

    steps_per_epoch = 3

    def __init__(self, breaks_at: int | None = None) -> None:
        self.breaks_at, self.number, self.closed = breaks_at, 0, 0

    def batches(self, taken: int) -> Drawn:
        self.number = taken
        return self

    def __iter__(self) -> Drawn:
        return self

    def __next__(self) -> Shades:
        if self.number == self.breaks_at:
            raise ConnectionError("the cable broke")
        self.number += 1
        return self.fixed(2, self.number)

    def fixed(self, count: int, number: int = 0) -> Shades:
        generator = torch.Generator().manual_seed(number)
        return Shades(torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8))

    def close(self) -> None:
        self.closed += 1


def trainer_of(
    folder: Path,
    data: Drawn,
    published: list[int] | None = None,
    optimiser: Literal["adam", "rmsprop"] = "adam",
    **settings: Any,
) -> Trainer:
    config = RunConfig(
        method=NegativeConfig(**settings),
        data=DataConfig(),
        train=TrainConfig(steps=7, batch=2, lr=0.01, ema=4, schedule="linear", optimiser=optimiser),
        engine=EngineConfig(save_every="2", micro_batches=2),
        log=LogConfig(every=2, samples="3", columns=2),
    )
    publish = [] if published is None else published
    precision = Precision(torch.device("cpu"), "fp32")
    return Trainer(
        config, Negative(config.method), data, RunFolder(folder), precision, publish.append, Progress("none")
    )


def test_the_optimiser_is_the_one_of_the_settings(tmp_path: Path):
    for name, kind in {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}.items():
        trainer = trainer_of(tmp_path, Drawn(), optimiser=name)
        learners = trainer.engine.learners.values()
        assert {type(learner.optimiser) for learner in learners} == {kind}
        assert {group["lr"] for learner in learners for group in learner.optimiser.param_groups} == {0.01}
    groups = [group for learner in learners for group in learner.optimiser.param_groups]
    assert {(group["alpha"], group["eps"], group["momentum"]) for group in groups} == {(0.99, 1e-8, 0)}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_loop_trains_saves_logs_and_shows_a_method_that_it_has_never_seen(tmp_path: Path):
    published: list[Any] = []
    data = Drawn()
    trainer = trainer_of(tmp_path, data, published)
    assert trainer.run() == 7
    assert (data.number, data.closed) == (7, 1)
    assert names(tmp_path / "checkpoints") == ["step-000004", "step-000006", "step-000007"]  # the newest three
    assert names(tmp_path / "samples") == ["step-000003.jpg", "step-000006.jpg", "step-000007.jpg"]
    with Image.open(tmp_path / "samples" / "step-000007.jpg") as sheet:
        assert sheet.width == 2 * 8  # two columns of pictures 8 px wide
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6, 7]
    assert [*lines[0]] == ["step", "epoch", "lr", "error", "judged"]
    assert lines[-1]["error"] < lines[0]["error"]
    assert len(published) == 4  # after steps 2, 4, 6 and 7
    assert published[-1]["invert"] is trainer.average.networks["invert"]


@pytest.mark.parametrize("breaks_at", [3, 4, 6])
def test_a_run_that_broke_and_was_resumed_has_the_bytes_of_one_that_did_not(breaks_at: int, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    settings = {"refine_from": 3}
    trainer_of(whole, Drawn(), **settings).run()
    with pytest.raises(ConnectionError, match="the cable broke"):
        trainer_of(broken, Drawn(breaks_at), **settings).run()
    checkpoint, warnings = newest_checkpoint(broken / "checkpoints")
    assert (checkpoint.step, warnings) == (breaks_at // 2 * 2, [])
    resumed = trainer_of(broken, Drawn(), **settings)
    with torch.no_grad():
        resumed.method.invert.weight.fill_(9)  # everything must come from the checkpoint
    resumed.restore(checkpoint)
    RunFolder(broken).forget_after(checkpoint.step)
    assert resumed.run() == 7
    last = Path("checkpoints/step-000007/manifest.txt")  # SHA-256 of weights, averages, moments and counters
    assert (broken / last).read_text() == (whole / last).read_text()
    assert (broken / "log.jsonl").read_text() == (whole / "log.jsonl").read_text()


def test_a_stage_begins_at_the_averaged_weights_with_fresh_optimisers(tmp_path: Path):
    """Against a loop with torch's plain Adam and the average of `Average`'s docstring; the change comes at step 4."""
    trainer = trainer_of(tmp_path, Drawn(), noise=0, refine_from=4)
    network, average, updates, optimiser = copy.deepcopy(trainer.method.invert), None, 0, None
    beta = 0.5 ** (2 / 4)  # 2 images a step, half-life 4
    for step in range(7):
        if step == 4:
            network.load_state_dict(average)
        if step in (0, 4):
            optimiser = torch.optim.Adam(network.parameters(), betas=(0.5, 0.999))
            average, updates = copy.deepcopy(network.state_dict()), 0
        rough = 0.01 * min(1, (4 - step) / 2)  # each stage falls linearly from its half on
        optimiser.param_groups[0]["lr"] = rough if step < 4 else 0.02 * min(1, (7 - step) / 1.5)
        shade = Drawn().fixed(2, step + 1).shade / 127.5 - 1
        optimiser.zero_grad()
        F.mse_loss(network(shade), -shade).backward()
        optimiser.step()
        updates += 1
        decay = min(beta, (1 + updates) / (10 + updates))
        average = {name: decay * average[name] + (1 - decay) * p.detach() for name, p in network.named_parameters()}
    trainer.run()
    torch.testing.assert_close(dict(trainer.method.invert.state_dict()), dict(network.state_dict()))
    torch.testing.assert_close(dict(trainer.average.networks["invert"].state_dict()), average)
