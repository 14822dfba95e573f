"""`i2i generate MODEL -o OUT`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.allocator import keep_memory
from i2i.cli.batch_progress import BatchProgress, grouped
from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.cli.picture_options import FORMATS, device_option, dry_run_option, threads_option
from i2i.cli.pictures import forecast_line
from i2i.errors import StoppedError, UsageError, printable
from i2i.interrupt import Interrupt

if TYPE_CHECKING:
    from i2i.inference.generator import Generator
    from i2i.inference.outcome import Summary
    from i2i.inference.samples import Sampling
    from i2i.inference.synthesis import Made, Synthesis
    from i2i.models.info import ModelInfo

PICTURES = {name: suffix for name, suffix in FORMATS.items() if suffix}


@click.command()
@click.argument("model")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the pictures; a picture file with --grid, --interpolate or -n 1.",
)
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="How many pictures.  [default: 64]")
@click.option("--per-class", type=click.IntRange(1), metavar="N", help="N of each class, each class in its own folder.")
@click.option("--classes", metavar="A,B", help="Only these, by name, or number from 0 on.  [default: all]")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Each seed gives other pictures, and always the same.",
)
@click.option("--grid", is_flag=True, help="One sheet of all pictures, a row for each class.")
@click.option(
    "--interpolate",
    type=click.IntRange(2, 1000),
    metavar="K",
    help="One strip of K pictures from each picture to the next one of its class.",
)
@click.option("--format", type=click.Choice(list(PICTURES)), help="Format of the files in a folder.  [default: png]")
@click.option("--overwrite", is_flag=True, help="Replace files that are in the way.")
@click.option(
    "--batch",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Pictures that go through the network at once.  [default: 16, fewer above 256 px]",
)
@threads_option
@dry_run_option
@device_option
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
@click.pass_context
def generate(context: click.Context, console: Console, /, **asked: Any) -> None:
    """Make pictures of noise with MODEL: a run folder, a model file, or a name of `i2i models list`.

    A picture is a function of the model, the seed, its class and its number. The same command again makes only what is
    missing. OUT/manifest.jsonl says of each file that it is synthetic, and what it was made of; the files say it too.
    """
    from i2i.inference.samples import refuse_other_tasks
    from i2i.models.info import read_info
    from i2i.models.shipped import resolve

    keep_memory()  # before torch is loaded
    sampling = _sampling(asked)
    path = resolve(asked["model"])
    info = read_info(path)
    refuse_other_tasks(info, asked["model"])
    run = _Run(console, asked, sampling, info)

    from i2i.inference.generator import load_generator

    context.exit(run.go(load_generator(asked["model"], device=asked["device"], batch=asked["batch"])))


def _sampling(asked: dict[str, Any]) -> Sampling:
    from i2i.inference.samples import Sampling

    names = [name.strip() for name in (asked["classes"] or "").split(",")]
    classes = tuple(name for name in names if name)
    if asked["classes"] is not None and not classes:
        raise UsageError("--classes names none.", hint="Such as: --classes cat,dog")
    return Sampling(asked["count"], asked["per_class"], classes, asked["seed"])


class _Run:
    """One call: what can be refused is refused before torch is loaded, then the pictures are made and told of."""

    def __init__(self, console: Console, asked: dict[str, Any], sampling: Sampling, info: ModelInfo) -> None:
        from i2i.images.formats import FORMAT_OF_SUFFIX
        from i2i.inference.samples import COUNT

        self.console, self.asked = console, asked
        self.output: Path = asked["output"]
        self.is_sheet = asked["grid"] or asked["interpolate"] is not None
        classes = info.sampler().classes
        self.sampling = sampling if self.is_sheet else sampling.or_else(count=COUNT)
        self.count = len(self.sampling.samples(classes, asked["model"]))
        suffix, is_one = self.output.suffix.lower(), self.is_sheet or self.count == 1
        self.is_file = bool(suffix if is_one else suffix in FORMAT_OF_SUFFIX) and not self.output.is_dir()
        self._refuse_nonsense()

    def go(self, generator: Generator) -> int:
        """Make everything and tell it; the exit code."""
        if self.asked["threads"]:
            import torch

            torch.set_num_threads(self.asked["threads"])
        size, count = generator.config.size, len(generator.classes)
        kinds = f", {grouped(count)} class{'es' if count != 1 else ''}" if count else ""
        parts = [f"model {self.asked['model']}", f"{size} px{kinds}", str(generator.device)]
        if not self.is_sheet:
            parts.append(f"{grouped(self.count)} picture{'s' if self.count != 1 else ''}")
        self.console.note(printable("  ·  ".join(parts)))
        if self.is_file:
            return self._one_file(generator)
        return self._forecast(generator) if self.asked["dry_run"] else self._folder(generator)

    def _refuse_nonsense(self) -> None:
        if self.asked["grid"] and self.asked["interpolate"]:
            raise UsageError("--grid and --interpolate are two pictures.", hint="Make one after the other.")
        if str(self.output) == "-":
            raise UsageError("-o - is for commands of one picture.", hint="Name a folder or a file.")
        if self.is_sheet and not self.is_file:
            option = "--grid" if self.asked["grid"] else "--interpolate"
            raise UsageError(f"{option} makes one picture: -o names its file.", hint=f"Use: -o {self.output}.png")
        if self.is_file:
            self._refuse_file()

    def _refuse_file(self) -> None:
        from i2i.images.synthetic import marked_format

        if not self.is_sheet and self.count > 1:
            hint = "Name a folder with -o, or add --grid or -n 1."
            raise UsageError(f"{grouped(self.count)} pictures do not go into one file.", where=self.output, hint=hint)
        marked_format(self.output.suffix)
        for option in ("format", "dry_run"):
            if self.asked[option]:
                raise UsageError(f"--{option.replace('_', '-')} is for folders.", hint="Leave it out.")
        if self.output.exists() and not self.asked["overwrite"]:
            hint = "Choose another name, or --overwrite."
            raise UsageError("the output is there already.", where=self.output, hint=hint)
        if not self.output.parent.is_dir():
            raise UsageError("the folder of the output does not exist.", where=self.output)

    def _one_file(self, generator: Generator) -> int:
        from i2i.images.files import write

        steps = self.asked["interpolate"]
        picture = generator.interpolation(self.sampling, steps) if steps else generator.grid(self.sampling)
        write(picture, self.output)
        if self.console.json:
            size = [picture.width, picture.height]
            self.console.document({"event": "file", "out": str(self.output), "status": "ok", "size": size})
        elif not self.console.quiet:
            self.console.result(printable(f"{picture.width}x{picture.height} px written to {self.output}"))
        return 0

    def _folder(self, generator: Generator) -> int:
        progress = BatchProgress("generate", self.count, self.console.progress, generator.place)

        def report(made: Made) -> None:
            progress.count(failed=False, size=(made.size, made.size) if made.status == "ok" else None)
            if self.console.json:
                self.console.document(made.as_json())

        with Interrupt() as interrupt:
            try:
                summary = self._synthesis(generator).write(report=report, stop=interrupt.end_asked)
            finally:
                progress.close()
        stopped = interrupt.exit_code if summary.not_tried else None
        self._summarise(summary, stopped or 0)
        if stopped:
            hint = f"Go on: {self.console.command}"
            raise StoppedError("stopped; what was begun is finished.", hint=hint, exit_code=stopped)
        return 0

    def _forecast(self, generator: Generator) -> int:
        found = self._synthesis(generator).forecast()
        if self.console.json:
            self.console.document(found.as_json())
        elif not self.console.quiet:
            self.console.result(forecast_line(found))
            self.console.result("Nothing was written; the time is without writing.")
        return 0

    def _synthesis(self, generator: Generator) -> Synthesis:
        from i2i.inference.synthesis import Synthesis

        suffix = PICTURES[self.asked["format"] or "png"]
        return Synthesis(generator, self.sampling, self.output, suffix, self.asked["overwrite"])

    def _summarise(self, summary: Summary, exit_code: int) -> None:
        if self.console.json:
            self.console.document(summary.as_json(exit_code))
        elif not self.console.quiet:
            parts = []
            if summary.ok or not summary.skipped:
                parts.append(f"{grouped(summary.ok)} written to {self.output}")
            if summary.skipped:
                parts.append(f"{grouped(summary.skipped)} already done")
            if summary.not_tried:
                parts.append(f"{grouped(summary.not_tried)} not tried")
            self.console.result(printable("  ·  ".join(parts)))
