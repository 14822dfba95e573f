"""What each remedy does to a GAN that loses modes: 25 Gaussians in the plane, which a small GAN is to draw.

    python benchmarks/mixture.py --results mixture.jsonl
    python benchmarks/mixture.py --rows plain,r1 --seeds 5

The Gaussians stand on a 5x5 grid as in Srivastava et al. 2017 (VEEGAN): spacing 2, deviation 0.05. Generator (of two
numbers of noise) and discriminator are perceptrons with three hidden layers of 128 units. All rows have the same number
of generator updates, batch size and learning rate, which falls to 0 in the second half.

Each row is `plain`, a GAN with the non-saturating loss, with one thing changed; losses and remedies are those that
`i2i train` takes, run by its engine. `wgan` and `wgan-gp` change several things, as published but for the learning rate
that all share and the penalty's weight of 0.1, which is the authors' for such points.

Of 10,000 points that a trained generator draws, a point is good where it lies within three deviations of the nearest
mode (98.9 % of real points do), and a mode is covered where at least 40 good points are nearest to it: a tenth of its
share. Given are median (and range) over the seeds. A training that `--results` has already is not done again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import click
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from i2i.config.losses import Adversarial
from i2i.config.remedies import NO_REMEDIES, RemediesConfig
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision
from i2i.engine.update import Engine
from i2i.errors import I2IError, UsageError
from i2i.losses.diversity import mode_seeking_loss
from i2i.methods.base import Method, Player, StepInfo, Update
from i2i.methods.contest import Contest, Ensemble, Order
from i2i.networks.minibatch_stddev import MinibatchStddev
from i2i.networks.patchgan import Verdict

SIDE = 5  # modes in a row
SPACING = 2.0
DEVIATION = 0.05
PENALTY = 0.1  # weight of gradient penalties: of Gulrajani et al. 2017 for points, in their code; 10 is for pictures
NOISE = 2  # numbers that become a point
UNITS = 128
DRAWN = 10_000
ENOUGH = 40  # good points that a mode needs


class Settings(NamedTuple):
    """What all rows share."""

    steps: int
    batch: int
    lr: float


@dataclass(frozen=True)
class Training:
    """One training and what became of it."""

    row: str
    seed: int
    settings: list[float]
    modes: int
    good: float
    seconds: float  # of the processor


class Points(NamedTuple):
    """A batch: pictures of one pixel with two channels."""

    real: Tensor  # (N, 2, 1, 1)


@dataclass(frozen=True)
class Row:
    """What one row of the table trains with."""

    kind: Adversarial = "vanilla"
    remedies: RemediesConfig = NO_REMEDIES
    penalty: float = 0.0  # of wgan-gp itself
    spectral: bool = False
    stddev: bool = False
    mode_seeking: float = 0.0
    clip: float | None = None  # of each weight of the discriminator
    optimiser: Literal["adam", "rmsprop"] = "adam"
    betas: tuple[float, float] = (0.5, 0.999)


def with_remedies(**settings: Any) -> Row:
    """The plain GAN with remedies."""
    return Row(remedies=RemediesConfig(**settings))


ROWS = {
    "plain": Row(),
    "wgan": Row(kind="wgan-gp", remedies=RemediesConfig(updates=5), clip=0.01, optimiser="rmsprop"),
    "wgan-gp": Row(kind="wgan-gp", remedies=RemediesConfig(updates=5), penalty=PENALTY, betas=(0.0, 0.9)),
    "spectral": Row(spectral=True),
    "gradient": with_remedies(penalty="gradient", penalty_weight=PENALTY),
    "r1": with_remedies(penalty="r1", penalty_weight=PENALTY),
    "discriminators": with_remedies(discriminators=5),
    "mode-seeking": Row(mode_seeking=1.0),
    "updates": with_remedies(updates=5),
    "rate": with_remedies(discriminator_rate=4.0),
    "stddev": Row(stddev=True),
    "instance-noise": with_remedies(instance_noise=0.1, instance_noise_steps=2000),
    "label-smoothing": with_remedies(label_smoothing=0.1),
    "hinge": Row(kind="hinge"),
}


class Discriminator(nn.Module):
    """(N, 2, 1, 1) -> one logit each."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        dense = [nn.Linear(2, UNITS), nn.Linear(UNITS, UNITS), nn.Linear(UNITS, UNITS)]
        last = nn.Linear(UNITS + row.stddev, 1)
        hidden = [module for layer in dense for module in (layer, nn.LeakyReLU(0.2))]
        compared = [nn.Unflatten(1, (UNITS, 1, 1)), MinibatchStddev(), nn.Flatten()] if row.stddev else []
        self.layers = nn.Sequential(nn.Flatten(), *hidden, *compared, last)
        if row.spectral:
            for layer in (*dense, last):
                spectral_norm(layer)

    def judge(self, points: Tensor) -> list[Verdict]:
        """One verdict."""
        return [Verdict(self.layers(points), ())]


class PointsGAN(Method):
    """The game of all rows: the discriminator learns `updates` times, then the generator."""

    task = "generate"

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        layers = [nn.Linear(NOISE, UNITS), nn.ReLU(), nn.Linear(UNITS, UNITS), nn.ReLU(), nn.Linear(UNITS, UNITS)]
        self.generator = nn.Sequential(*layers, nn.ReLU(), nn.Linear(UNITS, 2), nn.Unflatten(1, (2, 1, 1)))
        count = row.remedies.discriminators
        alike = [Discriminator(row) for _ in range(count)]
        self.discriminator = Ensemble(alike) if count > 1 else alike[0]
        order: Order = "real first" if row.stddev else "together"
        self.contest = Contest(row.kind, row.remedies, penalty=row.penalty, half=False, order=order)

    def players(self) -> dict[str, Player]:
        rate = self.row.remedies.discriminator_rate
        return {"discriminator": Player(self.discriminator, rate=rate), "generator": Player(self.generator)}

    def step(self, feed: Any, at: StepInfo) -> Iterator[Update]:
        for _ in range(self.row.remedies.updates):
            real = feed().real
            draws = self.drawn(at)
            losses: dict[str, Tensor] = {}
            for name, (_, fake) in draws.items():
                losses |= self.contest.telling(self.discriminator.judge, real, fake, at, name=f"d{name}")
            yield Update("discriminator", losses)
        losses = {}
        for name, (_, fake) in draws.items():
            losses |= self.contest.fooling(self.discriminator.judge, real, fake, at, name=f"gan{name}")
        if self.row.mode_seeking:
            (first, first_fake), (second, second_fake) = draws.values()
            losses["diversity"] = self.row.mode_seeking * mode_seeking_loss(first_fake, second_fake, first, second)
        yield Update("generator", losses)

    def drawn(self, at: StepInfo) -> dict[str, tuple[Tensor, Tensor]]:
        """Noise and points of it; twice where two noises are compared."""
        noises = {
            name: at.draws.normal(at.samples, NOISE) for name in ("", "_second")[: 1 + bool(self.row.mode_seeking)]
        }
        return {name: (noise, self.generator(noise)) for name, noise in noises.items()}

    def updated(self, players: tuple[str, ...], means: Mapping[str, Tensor], at: StepInfo) -> None:
        if "discriminator" in players and self.row.clip:
            for weight in self.discriminator.parameters():
                weight.data.clamp_(-self.row.clip, self.row.clip)


def modes() -> Tensor:
    """(25, 2), the middles."""
    line = (torch.arange(SIDE) - SIDE // 2) * SPACING
    return torch.cartesian_prod(line, line)


def real_points(samples: int, draws: torch.Generator) -> Tensor:
    """(samples, 2)."""
    chosen = torch.randint(SIDE**2, (samples,), generator=draws)
    return modes()[chosen] + DEVIATION * torch.randn(samples, 2, generator=draws)


def batches(samples: int, seed: int) -> Iterator[Points]:
    """Endless, fresh points."""
    draws = torch.Generator().manual_seed(seed)
    while True:
        yield Points(real_points(samples, draws)[..., None, None])


def measured(points: Tensor) -> tuple[int, float]:
    """Modes covered and share of good ones of (N, 2) points."""
    distance, nearest = torch.cdist(points, modes()).min(1)
    good = distance <= 3 * DEVIATION
    counts = torch.bincount(nearest[good], minlength=SIDE**2)
    return int((counts >= ENOUGH).sum()), float(good.double().mean())


def adam_or_rmsprop(row: Row, lr: float, params: list[nn.Parameter]) -> torch.optim.Optimizer:
    """As `i2i train` makes them."""
    if row.optimiser == "rmsprop":
        return torch.optim.RMSprop(params, lr=lr)
    return torch.optim.Adam(params, lr=lr, betas=row.betas, fused=True)


def trained(name: str, seed: int, settings: Settings) -> Training:
    """A row once."""
    begun = time.process_time()
    covered, good = measured(generated(ROWS[name], seed, settings))
    return Training(name, seed, list(settings), covered, good, time.process_time() - begun)


def generated(row: Row, seed: int, settings: Settings) -> Tensor:
    """(10,000, 2) points of a generator that has learned for so many steps."""
    steps, batch, lr = settings
    torch.manual_seed(seed)
    method = PointsGAN(row)
    engine = Engine(method, partial(adam_or_rmsprop, row, lr), Precision(torch.device("cpu"), "fp32"), seed=seed)
    feed = Feed(batches(batch, seed), lambda points: points, parts=1)
    for step in range(steps):
        engine.set_rate(lr * min(1.0, 2 * (1 - step / steps)))
        engine.step(feed, batch)
    with torch.no_grad():
        noise = torch.randn(DRAWN, NOISE, generator=torch.Generator().manual_seed(seed))
        return method.generator(noise).flatten(1)


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    low, middle, high = (format(value, form) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low}-{high})"


def known(file: Path | None) -> list[Training]:
    """The trainings that a file of results has."""
    if file is None or not file.exists():
        return []
    return [Training(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]


def table(trainings: list[Training]) -> list[str]:
    """Lines: a row of the benchmark each."""
    covered, good = measured(real_points(DRAWN, torch.Generator().manual_seed(0)))
    lines = [f"{'':18} {'modes of 25':>12} {'% good':>20} {'seconds':>8} {'seeds':>6}"]
    lines.append(f"{'real points':18} {covered:>12} {100 * good:>20.1f}")
    for name in dict.fromkeys(one.row for one in trainings):
        runs = [one for one in trainings if one.row == name]
        modes_, good_ = spread([one.modes for one in runs], ".0f"), spread([100 * one.good for one in runs], ".1f")
        seconds = median(one.seconds for one in runs)
        lines.append(f"{name:18} {modes_:>12} {good_:>20} {seconds:>8.0f} {len(runs):>6}")
    return lines


@click.command(help=__doc__)
@click.option("--rows", default=",".join(ROWS), help="Which rows, with commas (default: all).")
@click.option("--seeds", default=3, show_default=True, help="Trainings of each row.")
@click.option("--steps", default=3000, show_default=True, help="Updates of the generator.")
@click.option("--batch", default=128, show_default=True, help="Points of each batch.")
@click.option("--lr", default=1e-3, show_default=True, help="Learning rate.")
@click.option("--results", type=click.Path(path_type=Path), help="A file that keeps each finished training.")
@click.option("--json", "as_json", is_flag=True)
def main(rows: str, seeds: int, steps: int, batch: int, lr: float, results: Path | None, as_json: bool) -> None:
    names = rows.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        raise UsageError(f"no row {unknown[0]}.", hint=f"Rows: {', '.join(ROWS)}")
    settings = Settings(steps, batch, lr)
    before = {(one.row, one.seed): one for one in known(results) if one.settings == list(settings)}
    done: list[Training] = []
    for seed in range(seeds):
        for name in names:
            training = before.get((name, seed)) or trained(name, seed, settings)
            if results and (name, seed) not in before:
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(training)) + "\n")
            done.append(training)
    print(json.dumps([asdict(one) for one in done], indent=2) if as_json else "\n".join(table(done)))


if __name__ == "__main__":
    try:
        main()
    except I2IError as error:
        raise SystemExit(f"{error}") from error
