"""Steps per second and peak memory of CycleGAN's training step: i2i's engine beside a plain textbook loop.

    python benchmarks/training_step.py
    python benchmarks/training_step.py --device cuda --precision bf16
    python benchmarks/training_step.py --sizes 64 --rounds 15 --threads 1 --clock process    # on a busy machine

Ours is `Trainer.step` as `i2i train` runs it: learning rate, engine, sums of the losses and averaged generators
included. The rival is plain_cyclegan.py: the same networks and losses by a textbook loop, in the memory format that a
short trial finds faster for it and with cuDNN's own search for algorithms. Neither waits for the device in a step;
both start from pictures that lie on the device already. Batch size 1.

    64 px    ResNet of 3 blocks and 20 filters, resize upsampling; PatchGAN of 2 layers and 32 filters (as `i2i demo`)
    128 px   ResNet of 6 blocks and 32 filters (half of the published width, for a CPU's sake); PatchGAN as published
    256 px   ResNet of 9 blocks and 64 filters, PatchGAN of 3 layers and 64 filters: as published

Before anything is timed, both take a few steps on small networks in float64 without a history (its draws differ) and
must end with the same parameters to 1e-9. Both sides are timed in one process, in turn; a round is one measurement of
each, and its ratio is ours / plain in steps per second, so above 1 ours is faster.

Memory is measured in a process of its own for each side: on CUDA the peak that torch allocated in the second step, on
a CPU the peak resident memory (ru_maxrss) of two steps above that of the process with its imports done.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import ClassVar, Literal, NoReturn, Protocol, get_args

import click
import numpy as np
import torch
from plain_cyclegan import Layout, PlainCycleGAN
from torch import nn

from i2i.config.engine import EngineConfig, TrainConfig
from i2i.config.methods.cyclegan import CycleGANConfig, CycleGANRun
from i2i.config.networks import PatchGANConfig, ResNetConfig
from i2i.data.batches import Unpaired
from i2i.engine.feed import Feed
from i2i.engine.loop import Trainer
from i2i.engine.precision import Precision, choose_device
from i2i.engine.progress import Progress
from i2i.engine.runfolder import RunFolder
from i2i.errors import UsageError
from i2i.methods.cyclegan import CycleGAN

NETWORKS = {
    64: (ResNetConfig(filters=20, blocks=3, upsampling="resize"), PatchGANConfig(filters=32, layers=2)),
    128: (ResNetConfig(filters=32, blocks=6), PatchGANConfig()),
    256: (ResNetConfig(), PatchGANConfig()),
}
CHECKED_STEPS, CHECKED_SIZE, TOLERANCE = 4, 32, 1e-9
TIMED = 1.0  # seconds of one measurement, at least one step
SideName = Literal["ours", "plain"]
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "process": time.process_time}


@dataclass(frozen=True)
class Setting:
    """How all sizes are measured."""

    device: str
    precision: Literal["fp32", "bf16"]
    threads: int
    clock: str
    channels_last: bool  # ours; the rival takes its faster one


@dataclass(frozen=True)
class Result:
    """One size: medians, and the quartiles of the rounds' ratios."""

    size: int
    ours: float  # steps per second
    plain: float
    ratio: tuple[float, float, float]
    rounds: int
    plain_layout: Layout
    ours_bytes: int
    plain_bytes: int


class Side(Protocol):
    """One of the two that are compared."""

    searches: ClassVar[bool]  # whether cuDNN tries its algorithms, as the loop of this side asks it to

    def step(self) -> None:
        """One training step on the next pictures."""


class RandomPictures:
    """The same pictures on the device, over and over, in the place of a data set."""

    steps_per_epoch = 1000

    def __init__(self, size: int, device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        rng = torch.Generator().manual_seed(0)
        drawn = torch.rand(8, 2, 1, 3, size, size, generator=rng, dtype=dtype).mul(2).sub(1)
        self.pairs = [Unpaired(*pair) for pair in drawn.to(device)]

    def batches(self, taken: int = 0) -> Generator[Unpaired]:
        """Endless, the first one first whatever was taken."""
        yield from cycle(self.pairs)

    def fixed(self, count: int) -> NoReturn:
        """There are no sample sheets here."""
        raise NotImplementedError("no sample sheets are drawn")


class Ours:
    """`Trainer.step` on random pictures; nothing is written."""

    searches: ClassVar[bool] = False

    def __init__(self, run: CycleGANRun, precision: Precision, pictures: RandomPictures) -> None:
        self.method = CycleGAN(run.method).to(pictures.pairs[0].real_a.dtype)
        folder = RunFolder(Path("never-written"))
        self.trainer = Trainer(run, self.method, pictures, folder, precision, _publish_nothing, Progress("none"))
        self.feed = Feed(pictures.batches(), self.trainer.convert, 1)

    def step(self) -> None:
        """Rate, stage, updates, sums of the losses, averages."""
        self.trainer.step(self.feed)


def _publish_nothing(networks: dict[str, nn.Module]) -> None:
    pass


class Plain:
    """The textbook loop on the same pictures."""

    searches: ClassVar[bool] = True

    def __init__(self, run: CycleGANRun, precision: Precision, pictures: RandomPictures, layout: Layout) -> None:
        bf16 = precision.name == "bf16"
        self.loop = PlainCycleGAN(run.method, precision.device, layout, bf16=bf16)
        self.batches = pictures.batches()

    def step(self) -> None:
        """Both updates and nothing else."""
        self.loop.step(*next(self.batches))


def configuration(size: int, setting: Setting) -> CycleGANRun:
    """What `i2i train cyclegan` would resolve for this size."""
    generator, discriminator = NETWORKS[size]
    return CycleGANRun(
        method=CycleGANConfig(generator=generator, discriminator=discriminator),
        engine=EngineConfig(channels_last=setting.channels_last),
    )


def make(side: SideName, size: int, setting: Setting, layout: Layout) -> Side:
    """One side with fresh networks."""
    torch.manual_seed(0)
    precision = Precision(torch.device(setting.device), setting.precision)
    run, pictures = configuration(size, setting), RandomPictures(size, precision.device)
    return Ours(run, precision, pictures) if side == "ours" else Plain(run, precision, pictures, layout)


def largest_difference(device: torch.device) -> float:
    """Of any two parameters of both sides after a few steps from the same ones, in float64."""
    generator = ResNetConfig(filters=8, blocks=1)
    method = CycleGANConfig(generator=generator, discriminator=PatchGANConfig(filters=8, layers=2), history=0)
    run = CycleGANRun(method=method, train=TrainConfig(schedule="constant"))
    precision, pictures = Precision(device, "fp32"), RandomPictures(CHECKED_SIZE, device, torch.float64)
    ours, plain = Ours(run, precision, pictures), Plain(run, precision, pictures, "contiguous")
    mine, theirs = ours.method.deployed() | ours.method.judges(), plain.loop.networks()
    for name, network in theirs.items():
        network.double().load_state_dict(mine[name].state_dict())
    for _ in range(CHECKED_STEPS):
        ours.step()
        plain.step()
    return max(_distance(mine[name], network) for name, network in theirs.items())


@torch.no_grad()
def _distance(one: nn.Module, other: nn.Module) -> float:
    return max(float((p - q).abs().max()) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def seconds(side: Side, steps: int, setting: Setting) -> float:
    """Of one step, over `steps` of them."""
    torch.backends.cudnn.benchmark = side.searches
    clock = CLOCKS[setting.clock]
    synchronise(setting)
    start = clock()
    for _ in range(steps):
        side.step()
    synchronise(setting)
    return (clock() - start) / steps


def synchronise(setting: Setting) -> None:
    """Waits until the device has done what it was given."""
    if setting.device == "cuda":
        torch.cuda.synchronize()


def warmed(side: Side, setting: Setting) -> tuple[Side, int]:
    """The side after its first, slower steps, and how many of its steps fill a measurement."""
    once = seconds(side, 1 if setting.device == "cpu" else 5, setting)
    if once < TIMED:  # the first step of large networks is little slower than the others, and takes long
        once = seconds(side, 1, setting)
    return side, max(1, round(TIMED / once))


def faster_layout(size: int, setting: Setting) -> Layout:
    """The memory format that suits the rival: better of two measurements each, in turn."""
    sides = {layout: warmed(make("plain", size, setting, layout), setting) for layout in get_args(Layout)}
    trials = [{layout: seconds(*side, setting) for layout, side in sides.items()} for _ in range(2)]
    return min(sides, key=lambda layout: min(trial[layout] for trial in trials))


def rounds_of(ours: Side, plain: Side, steps: int, setting: Setting, most: int, limit: float) -> np.ndarray:
    """(rounds, 2) seconds of a step, ours and the plain loop's, until `most` rounds or `limit` seconds are over."""
    ends = time.monotonic() + limit
    rounds: list[list[float]] = []
    while len(rounds) < most and (not rounds or time.monotonic() < ends):
        rounds.append([seconds(ours, steps, setting), seconds(plain, steps, setting)])
    return np.array(rounds)


def measure(size: int, setting: Setting, most: int, limit: float) -> Result:
    """All of one size."""
    layout = faster_layout(size, setting)
    ours_bytes, plain_bytes = (peak_in_a_child(side, size, setting, layout) for side in get_args(SideName))
    ours, steps = warmed(make("ours", size, setting, layout), setting)
    plain, _ = warmed(make("plain", size, setting, layout), setting)
    times = rounds_of(ours, plain, steps, setting, most, limit)
    low, middle, high = np.percentile(times[:, 1] / times[:, 0], [25, 50, 75]).tolist()
    ours_rate, plain_rate = (1 / np.median(times, axis=0)).tolist()
    return Result(size, ours_rate, plain_rate, (low, middle, high), len(times), layout, ours_bytes, plain_bytes)


def peak_in_a_child(side: SideName, size: int, setting: Setting, layout: Layout) -> int:
    """Bytes. A forked server starts the child: one that this process starts would inherit its peak."""
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(peak, side, size, setting, layout).result()


def peak(side: SideName, size: int, setting: Setting, layout: Layout) -> int:
    """Bytes at the peak of two steps (the second has the optimisers' moments) in this process."""
    torch.set_num_threads(setting.threads)
    before = peak_resident()
    measured = make(side, size, setting, layout)
    seconds(measured, 1, setting)
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()  # cuDNN's search, once only, is not what a training needs
    seconds(measured, 1, setting)
    return torch.cuda.max_memory_allocated() if setting.device == "cuda" else peak_resident() - before


def peak_resident() -> int:
    """Bytes of memory that this process has had at most."""
    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes, but bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def machine(setting: Setting) -> dict[str, str | int]:
    """Where and with what the figures were taken."""
    capability = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {os.cpu_count()} cores"
    name = torch.cuda.get_device_name() if setting.device == "cuda" else capability
    return {"machine": name, "torch": torch.__version__, "python": platform.python_version(), **asdict(setting)}


def line(result: Result) -> str:
    """A row of the table for a person."""
    low, middle, high = result.ratio
    ratio = f"{middle:.2f} ({low:.2f}–{high:.2f}, n={result.rounds})"
    memory = f"{result.ours_bytes / 1e6:>10.0f}{result.plain_bytes / 1e6:>10.0f}"
    return f"{result.size:<6}{result.ours:>10.3f}{result.plain:>10.3f}  {ratio:<26}{memory}  {result.plain_layout}"


def parse_sizes(text: str) -> list[int]:
    """Sizes from a list with commas. Raises UsageError for a size that has no networks."""
    known = {str(size): size for size in NETWORKS}
    if unknown := [size for size in text.split(",") if size not in known]:
        raise click.UsageError(f"no networks for {', '.join(unknown)} px; sizes: {', '.join(known)}")
    return [known[size] for size in text.split(",")]


@click.command()
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), default="fp32", show_default=True)
@click.option("--sizes", default="64,128,256", show_default=True, help="Sides of the pictures in px.")
@click.option("--rounds", type=click.IntRange(1), default=9, show_default=True, help="Measurements of each side.")
@click.option("--seconds", "limit", default=300.0, show_default=True, help="Begin no further round of a size then.")
@click.option("--threads", type=click.IntRange(1), default=torch.get_num_threads, help="CPU threads.  [default: all]")
@click.option("--clock", type=click.Choice(list(CLOCKS)), default="wall", show_default=True, help="CPU only: process.")
@click.option("--channels-last", is_flag=True, help="Ours with engine.channels_last, which is off by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    device: str,
    precision: Literal["fp32", "bf16"],
    sizes: str,
    rounds: int,
    limit: float,
    threads: int,
    clock: str,
    channels_last: bool,
    as_json: bool,
) -> None:
    """CycleGAN's training step, i2i beside a plain loop, at every one of SIZES."""
    wanted = parse_sizes(sizes)
    if (device, clock) == ("cuda", "process"):
        raise click.UsageError("the process clock does not see what a GPU does; leave --clock out")
    setting = Setting(device, precision, threads, clock, channels_last)
    torch.set_num_threads(threads)
    try:
        difference = largest_difference(choose_device(device))
    except UsageError as error:
        raise click.ClickException(str(error)) from error
    if difference > TOLERANCE:
        raise click.ClickException(f"both sides must learn the same; their parameters differ by {difference:.1e}")
    report(setting, difference, (measure(size, setting, rounds, limit) for size in wanted), as_json=as_json)


def report(setting: Setting, difference: float, results: Iterator[Result], *, as_json: bool) -> None:
    """Each row as soon as it is there, or one JSON document at the end."""
    if as_json:
        document = {"machine": machine(setting), "difference": difference, "results": [asdict(r) for r in results]}
        click.echo(json.dumps(document))
        return
    click.echo("  ".join(f"{key}={value}" for key, value in machine(setting).items()))
    click.echo(f"equal parameters after {CHECKED_STEPS} steps in float64: they differ by {difference:.1e} at most")
    click.echo(
        f"{'px':<6}{'ours':>10}{'plain':>10}  {'ours / plain':<26}{'ours MB':>10}{'plain MB':>10}  plain's layout"
    )
    for result in results:
        click.echo(line(result))


if __name__ == "__main__":
    main()
