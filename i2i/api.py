"""What the commands do, as functions: the one place that joins the rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import torch

from i2i.config import toml
from i2i.config.data import LabelledConfig, MaskedConfig, PairedConfig, PhotosConfig, UnpairedConfig
from i2i.config.layers import Placed, load
from i2i.config.methods.noise import NoiseRun
from i2i.config.run import RunConfig
from i2i.data.labelled_opening import LabelledScans, open_labelled
from i2i.data.labelled_sets import LabelledSet
from i2i.data.labelled_settings import completed
from i2i.data.masked import open_masked
from i2i.data.opening import OpenedData, PhotoScans, UnpairedScans, open_photos, open_unpaired
from i2i.data.paired_opening import PairedScans, open_paired
from i2i.data.scan import Scans
from i2i.data.training import TrainingPictures
from i2i.engine.checkpoint import newest_checkpoint
from i2i.engine.loop import Trainer
from i2i.engine.precision import Precision, choose_device, choose_precision
from i2i.engine.progress import Progress, ProgressKind
from i2i.engine.publish import Publisher
from i2i.engine.rehearsal import Rehearsal, rehearse
from i2i.engine.runfolder import RunFolder
from i2i.engine.start import start_from
from i2i.errors import NoRoomError, UsageError, printable
from i2i.inference.batch import Options, beside, decoder, plan_files, translate_files
from i2i.inference.generator import load_generator
from i2i.inference.inpainter import SHIPPED, Inpainter, load_inpainter
from i2i.inference.inputs import Selection
from i2i.inference.marking import Marking
from i2i.inference.outcome import Outcome, Summary
from i2i.inference.plan import Plan
from i2i.inference.samples import COUNT, Sampling
from i2i.inference.synthesis import Made, Synthesis
from i2i.inference.translator import Translator
from i2i.inference.translator import load as load_translator
from i2i.inference.upscaler import Enlarging, load_upscaler
from i2i.inference.ways import Running
from i2i.methods.base import Method
from i2i.methods.build import build_method
from i2i.methods.cyclegan import CycleGAN
from i2i.methods.fitting import refuse_unfit_crops
from i2i.methods.inpaint import Inpaint
from i2i.methods.noise import NoiseMethod
from i2i.methods.pix2pix import Pix2Pix
from i2i.methods.srgan import SRGAN
from i2i.models.info import Direction
from i2i.models.shipped import shipped_upscaler
from i2i.version import __version__


def train(
    config: RunConfig,
    run: str | PathLike[str],
    *,
    command: str = "",
    origins: Mapping[str, str] | None = None,
    progress: ProgressKind = "auto",
    overwrite: bool = False,
) -> Path:
    """Trains into the folder `run`, which must not hold a run yet unless `overwrite` is set, and returns it.

    `command` and `origins` (dotted key -> where it was set) are written into the run for a person to read. Raises
    I2IError for everything that a person can cause, StoppedError after a signal or the time limit.
    """
    folder = RunFolder(Path(run))
    folder.refuse_unless_free(overwrite=overwrite)
    with Progress(progress) as shown, _room_or_advice():
        training = _prepare(config, shown)
        trainer = _trainer(training, folder, command, shown)
        _introduce(training, shown)
        with folder:
            folder.clear()
            known = {**(origins or {}), **_said_by_the_data(config, training.config)}
            folder.write_config(toml.annotate(training.config, known, f"i2i {__version__}\n{command}"))
            folder.write_data(training.opened.scans.to_json())
            folder.event("start", version=__version__, command=command, ancestor=training.ancestor)
            trainer.run()
    return folder.path


def resume(
    run: str | PathLike[str], overrides: Mapping[str, Any] | None = None, *, progress: ProgressKind = "auto"
) -> Path:
    """Goes on with a run from its newest sound checkpoint, to the bit as if it had not stopped, and returns its folder.

    `overrides` (dotted key -> value) change settings from here on. Raises as `train` does.
    """
    folder = RunFolder.existing(Path(run))
    with Progress(progress) as shown, _room_or_advice(), folder:
        resolved = load(folder.config, {key: Placed(value, "resume") for key, value in (overrides or {}).items()})
        checkpoint, warnings = newest_checkpoint(folder.checkpoints)
        started = folder.started()
        ancestor = started.get("ancestor") if checkpoint else None
        training = _prepare(resolved.config, shown, previous=folder.read_data(), begun=checkpoint is not None)
        training = replace(training, ancestor=ancestor or training.ancestor)
        step = checkpoint.step if checkpoint else 0
        for warning in warnings:
            shown.note(f"warning: {warning} Going on from step {step}.")
        trainer = _trainer(training, folder, started.get("command", ""), shown)
        if checkpoint:
            trainer.restore(checkpoint)
        if step >= trainer.total:
            hint = f"To go on: {folder.resume_command} --steps {2 * step}"
            raise UsageError(f"this run is finished: {step} of {trainer.total} steps.", where=run, hint=hint)
        _introduce(training, shown)
        folder.forget_after(step)
        if overrides:
            folder.write_config(toml.dump(training.config, toml.header(folder.config)))
        folder.write_data(training.opened.scans.to_json())
        folder.event("resume", version=__version__, step=step, changed=dict(overrides or {}))
        trainer.run()
    return folder.path


def dry_run(config: RunConfig, *, progress: ProgressKind = "auto") -> str:
    """Everything that `train` would do before it writes, and a few steps to measure them; what a person wants to know.

    Raises as `train` does.
    """
    with Progress(progress) as shown, _room_or_advice():
        training = _prepare(config, shown)
        trainer = _trainer(training, RunFolder(Path()), "", shown)
        measured = rehearse(trainer)
    return _forecast(training, measured, trainer.total)


def translate(
    model: str | PathLike[str],
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    direction: Direction | None = None,
    device: str = "auto",
    options: Options = Options(),  # noqa: B008  frozen
    selection: Selection = Selection(),  # noqa: B008  frozen
    running: Running = Running(),  # noqa: B008  frozen
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Summary:
    """Translates pictures and folders of them into the folder `output` with a model file, run folder or shipped model.

    `options`, `selection` and `running` are those of `i2i translate`; `report` hears of every picture. Raises
    UsageError, ModelError and LockedError before anything is written, NoRoomError when the disk is full; a picture that
    fails is passed over and counted. A second call goes on where the first one ended.
    """
    planned = plan_files([str(path) for path in inputs], Path(output), options, selection)
    translator = load_translator(model, device=device, direction=direction, running=running)
    return _all(planned, translator, options, report)


def upscale(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    model: str | PathLike[str] | None = None,
    enlarging: Enlarging = Enlarging(),  # noqa: B008  frozen
    device: str = "auto",
    options: Options = Options(),  # noqa: B008  frozen
    selection: Selection = Selection(),  # noqa: B008  frozen
    running: Running = Running(),  # noqa: B008  frozen
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Summary:
    """Enlarges pictures and folders of them into the folder `output`, without a model by a shipped one.

    `enlarging` says how large, and what is done beside the network. Otherwise, and in what is raised, as `translate`.
    """
    planned = plan_files([str(path) for path in inputs], Path(output), options, selection)
    chosen = model or shipped_upscaler(enlarging.target.scale, enlarging.texture)
    upscaler = load_upscaler(chosen, enlarging=enlarging, device=device, running=running)
    return _all(planned, upscaler, options, report)


def inpaint(
    inputs: Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    marking: Marking,
    model: str | PathLike[str] = SHIPPED,
    feather: int = 0,
    device: str = "auto",
    options: Options = Options(),  # noqa: B008  frozen
    selection: Selection = Selection(),  # noqa: B008  frozen
    running: Running = Running(),  # noqa: B008  frozen
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Summary:
    """Repairs pictures and folders of them into the folder `output`; what is known of them stays bit for bit.

    `marking` says where their holes are, `feather` blends into so many pixels around them. A picture without a mask,
    or whose mask is empty, full or of another size, is passed over and counted. Otherwise, and in what is raised, as
    `translate`.
    """
    masks = None if marking.mask is None else Path(marking.mask)
    planned = plan_files([str(path) for path in inputs], Path(output), options, selection, masks=masks)
    inpainter = load_inpainter(model, marking=marking, feather=feather, device=device, running=running)
    return _all(planned, inpainter, options, report)


def generate(
    model: str | PathLike[str],
    output: str | PathLike[str],
    *,
    count: int | None = None,
    per_class: int | None = None,
    classes: Sequence[str | int] = (),
    seed: int = 0,
    device: str = "auto",
    batch: int | None = None,
    suffix: str = ".png",
    overwrite: bool = False,
    report: Callable[[Made], None] = lambda made: None,
) -> Summary:
    """Makes pictures of noise into the folder `output`, with a manifest that marks them as synthetic.

    `count` in all (64 without a number), or `per_class` of each class, in a folder of its own; `classes` (names, or
    numbers from 0 on where no class is called by one) are all without any. `suffix` is one of a format that can say
    that the picture is synthetic. A picture is a function of model, `seed`, class and number: a second call makes only
    what is missing. Raises UsageError and LockedError before anything is written, also where other files are in the
    way unless `overwrite` is set; ModelError for a file that cannot be used, and at any picture for a network whose
    output is not finite; NoRoomError when disk or memory is full.
    """
    sampling = Sampling(count, per_class, classes, seed).or_else(count=COUNT)
    generator = load_generator(model, device=device, batch=batch)
    return Synthesis(generator, sampling, Path(output), suffix, overwrite).write(report=report)


def _all(
    planned: Plan, translator: Translator | Inpainter, options: Options, report: Callable[[Outcome], None]
) -> Summary:
    """Every picture of a plan through one translator."""
    translator.expect(len(planned.jobs))
    return translate_files(
        planned,
        translator,
        beside(options, translator.device.type),
        work=translator.name,
        decoded=decoder(translator),
        report=report,
    )


ScansT = TypeVar("ScansT", bound=Scans)


@dataclass(frozen=True)
class _Training:
    """All that is known before the run folder is touched."""

    config: RunConfig
    method: Method
    opened: OpenedData
    precision: Precision
    ancestor: str | None


def _prepare(
    config: RunConfig, progress: Progress, previous: dict[str, Any] | None = None, *, begun: bool = False
) -> _Training:
    """Networks and pictures; a training that has `begun` has its weights in a checkpoint and needs no ancestor."""
    device = choose_device(config.engine.device)
    precision = choose_precision(device, config.engine.precision)
    if config.engine.threads:
        torch.set_num_threads(config.engine.threads)
    counted, read = progress.counted("reading pictures"), None
    if isinstance(config, NoiseRun):
        config, read = completed(config, previous=_known(LabelledScans, previous), progress=counted)
    torch.manual_seed(config.train.seed)
    method = build_method(config.method)
    refuse_unfit_crops(method, config.data.size)
    ancestor = start_from(method, config.train.init, progress.note) if config.train.init and not begun else None
    opened = _open(method, config, counted, previous, read)
    return _Training(config, method, opened, precision, ancestor)


def _said_by_the_data(given: RunConfig, completed: RunConfig) -> dict[str, str]:
    """The origin of each setting that was left open; those of the networks follow from them."""
    before, after = (toml.flatten(config.model_dump()) for config in (given, completed))
    return {key: "data" for key, value in after.items() if before.get(key) != value}


def _open(
    method: Method,
    config: RunConfig,
    counted: Callable[[int, int], None],
    previous: dict[str, Any] | None,
    read: LabelledSet | None,
) -> OpenedData:
    """The training's pictures; those of `read` were read already."""
    match method, config.data:
        case CycleGAN(), UnpairedConfig() as data:
            channels = (method.config.channels_a, method.config.channels_b)
            return open_unpaired(data, channels, previous=_known(UnpairedScans, previous), progress=counted)
        case Pix2Pix(), PairedConfig() as data:
            settings, known = method.config, _known(PairedScans, previous)
            return open_paired(
                data,
                channels=settings.channels,
                labels=settings.labels,
                direction=settings.direction,
                previous=known,
                progress=counted,
            )
        case NoiseMethod(), LabelledConfig() as data:
            return open_labelled(
                data,
                channels=method.config.generator.channels,
                classes=method.config.classes,
                previous=_known(LabelledScans, previous),
                read=read,
                progress=counted,
            )
        case Inpaint(), MaskedConfig() as data:
            return open_masked(data, previous=_known(PhotoScans, previous), progress=counted)
        case SRGAN(), PhotosConfig() as data:
            return open_photos(data, method.margin, previous=_known(PhotoScans, previous), progress=counted)
    raise TypeError(f"no data is opened for {type(method).__name__}")


def _introduce(training: _Training, progress: Progress) -> None:
    """What a person should know before the steps begin."""
    for line in (training.opened.summary, *training.opened.notes):
        progress.note(line)
    progress.note(f"{training.precision.device}, {training.precision.name}")


def _known(scans: type[ScansT], document: dict[str, Any] | None) -> ScansT | None:
    """The pictures that the run saw when it was started last."""
    if document is None:
        return None
    try:
        return scans.from_json(document)
    except (KeyError, TypeError, AttributeError):  # missing or of another shape: every picture is read again
        return None


@contextmanager
def _room_or_advice() -> Iterator[None]:
    """What does not fit into memory ends with advice."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error).lower():
            raise
        hint = "Lower --batch or --size, or cut the batch: --set engine.micro_batches=2."
        raise NoRoomError("the training needs more memory than there is.", hint=hint) from error


def _trainer(training: _Training, run: RunFolder, command: str, progress: Progress) -> Trainer:
    config = training.config
    pictures = TrainingPictures(
        training.opened,
        batch=config.train.batch,
        seed=config.train.seed,
        workers=config.data.workers,
        pin_memory=training.precision.device.type == "cuda",
    )
    publisher = Publisher(config, training.method, run, command=command, ancestor=training.ancestor)
    return Trainer(config, training.method, pictures, run, training.precision, publisher, progress)


def _forecast(training: _Training, measured: Rehearsal, steps: int) -> str:
    """Pictures, size, memory and time of a training in lines for a person."""
    config, method, device = training.config, training.method, training.precision.device
    sizes = " + ".join(
        f"{sum(p.numel() for p in player.parameters()) / 1e6:.1f} M {name}" for name, player in method.players().items()
    )
    left = timedelta(seconds=round(measured.seconds))
    memory = f"{measured.peak / 1e9:.1f} GB at batch {config.train.batch}"
    return "\n".join(
        [
            *map(printable, (training.opened.summary, *training.opened.notes)),
            f"parameters: {sizes}  ·  memory {memory}  ·  {steps} steps, about {left} on {device}",
        ]
    )
