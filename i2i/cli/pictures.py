"""What all commands that take pictures share: their options, the way through a folder, and what is told at the end."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.allocator import keep_memory
from i2i.cli.batch_progress import BatchProgress, grouped
from i2i.cli.console import Console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import StoppedError, UsageError, printable
from i2i.interrupt import Interrupt

if TYPE_CHECKING:
    from i2i.inference.batch import Options, Outcome, Summary
    from i2i.inference.forecast import Forecast
    from i2i.inference.inputs import Selection
    from i2i.inference.plan import Plan
    from i2i.inference.translator import Translator
    from i2i.inference.ways import Running

FORMATS = {"same": None, "png": ".png", "jpg": ".jpg", "webp": ".webp", "avif": ".avif", "tiff": ".tiff"}
UNITS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
SHOWN_FAILURES = 20


class PixelCount(click.ParamType[int]):
    """A number such as 178M, 40000000 or 1.5G."""

    name = "pixels"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMG]?)", value)
        if not found or not float(found[1]):
            self.fail(f"'{value}' is no number of pixels such as 178M.", parameter, context)
        return round(float(found[1]) * UNITS[found[2]])


class Shard(click.ParamType[tuple[int, int]]):
    """A part such as 2/8."""

    name = "shard"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, int]:
        """Its number, and how many there are."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d+)/(\d+)", value)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            self.fail(f"'{value}' is no part such as 2/8, from 1/8 to 8/8.", parameter, context)
        return int(found[1]), int(found[2])


class Tile(click.ParamType[int | None]):
    """A side in pixels, 0 or auto."""

    name = "tile"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int | None:
        """The side; None for auto."""
        if value == "auto":
            return None
        if not re.fullmatch(r"\d+", str(value)) or not (int(value) == 0 or int(value) >= 16):
            self.fail(f"'{value}' is none of auto, 0 and the sides from 16 on.", parameter, context)
        return int(value)


def _check_device(_: click.Context, __: click.Parameter, device: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise click.BadParameter(f"'{device}' is none of auto, cpu, cuda, cuda:N, mps.")
    return device


OPTIONS = [
    click.argument("inputs", metavar="INPUT...", nargs=-1, required=True),
    click.option(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        type=click.Path(path_type=Path),
        help="Folder for the results; a picture file where one file goes in; - for standard output.",
    ),
    click.option(
        "--recursive/--no-recursive", default=True, show_default=True, help="Search folders to the bottom; mirrored."
    ),
    click.option("--include", metavar="GLOB", multiple=True, help="In folders, patterns, lists: only these."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="In folders, patterns, lists: none of these."),
    click.option(
        "--symlinks", type=click.Choice(["skip", "follow"]), default="skip", show_default=True, help="Links in folders."
    ),
    click.option(
        "--format", type=click.Choice(list(FORMATS)), default="same", show_default=True, help="Format of the results."
    ),
    click.option(
        "--quality",
        type=click.IntRange(1, 100),
        help="Of lossy formats: JPEG, WebP, AVIF.  [default: that of a JPEG source, else 95]",
    ),
    click.option("--suffix", default="", help="Put at the end of each name, before the format."),
    click.option(
        "--exists",
        type=click.Choice(["skip", "overwrite", "error", "number"]),
        default="skip",
        show_default=True,
        help="Where a file is in a result's place: skip passes over what was finished the same way before, makes anew "
        "what was made otherwise, and never touches files of others; number does the same and gives another name then.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["continue", "stop"]),
        default="continue",
        show_default=True,
        help="After a file that fails.",
    ),
    click.option(
        "--metadata",
        type=click.Choice(["keep", "no-gps", "none"]),
        default="keep",
        show_default=True,
        help="EXIF, XMP and resolution: all, all but the place, none.",
    ),
    click.option(
        "--profile",
        type=click.Choice(["keep", "srgb"]),
        default="keep",
        show_default=True,
        help="Colours of the results: in the source's profile, or in sRGB.",
    ),
    click.option(
        "--frames",
        type=click.Choice(["first", "all"]),
        default="first",
        show_default=True,
        help="Of animated GIF, PNG and WebP.",
    ),
    click.option(
        "--max-pixels",
        type=PixelCount(),
        default="178M",
        show_default=True,
        help="Refuse larger pictures before they are decoded.",
    ),
    click.option("--allow-truncated", is_flag=True, help="Take what cut files still have."),
    click.option(
        "--tile",
        type=Tile(),
        metavar="auto|0|PX",
        default="auto",
        show_default=True,
        help="Side in pixels of the blocks that large pictures go through the network in; 0: always whole.",
    ),
    click.option(
        "--overlap",
        type=click.IntRange(0, 4096),
        metavar="PX",
        help="Pixels that a block sees of its neighbours.  [default: all that the network looks at]",
    ),
    click.option(
        "--max-side",
        type=click.IntRange(1),
        metavar="PX",
        help="Show the network larger pictures shrunk to this side; results keep their size.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        default="auto",
        show_default=True,
        help="What the network computes in; auto is fp32. The others are quicker where the device has them, and "
        "differ by some levels.",
    ),
    click.option(
        "--runtime",
        type=click.Choice(["auto", "torch", "onnxruntime"]),
        default="auto",
        show_default=True,
        help="What computes on a CPU; auto tries onnxruntime for 32 pictures or more, where it is installed.",
    ),
    click.option("--shard", type=Shard(), metavar="I/N", default="1/1", help="Part I of N, for several machines."),
    click.option(
        "--jobs", type=click.IntRange(1, 64), help="Threads that read, and that write.  [default: auto; 1 on a CPU]"
    ),
    click.option("--threads", type=click.IntRange(1, 1024), help="Threads of the network on a CPU.  [default: auto]"),
    click.option("--watch", is_flag=True, help="Stay, and take what is put into the folder until Ctrl-C."),
    click.option("--dry-run", is_flag=True, help="Count, measure and estimate; write nothing."),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        envvar="I2I_DEVICE",
        callback=_check_device,
        help="auto, cpu, cuda, cuda:N or mps.",
    ),
    json_option,
    progress_option,
    quiet_option,
    verbose_option,
]


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them, in the order of the list."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


class PictureRun:
    """One call of a picture command: its plan, made before torch is loaded, and everything that follows."""

    def __init__(self, console: Console, verb: str, asked: dict[str, Any]) -> None:
        from i2i.images.limits import Limits
        from i2i.inference.batch import Options, plan_files
        from i2i.inference.inputs import Selection

        keep_memory()  # before torch is loaded
        self.console, self.verb, self.asked = console, verb, asked
        self.output: Path = asked["output"]
        self.options: Options = Options(
            format=FORMATS[asked["format"]],
            suffix=asked["suffix"],
            quality=asked["quality"],
            metadata=asked["metadata"],
            profile=asked["profile"],
            frames=asked["frames"],
            limits=Limits(asked["max_pixels"], asked["allow_truncated"]),
            exists=asked["exists"],
            on_error=asked["on_error"],
            jobs=asked["jobs"],
        )
        self.selection: Selection = Selection(
            recursive=asked["recursive"],
            include=asked["include"],
            exclude=asked["exclude"],
            symlinks=asked["symlinks"],
            shard=asked["shard"],
        )
        self._refuse_nonsense()
        self._plan_files = plan_files
        self.plan = self._planned()

    def running(self) -> Running:
        """How the network is to be run."""
        from i2i.inference.ways import Running

        names = ("tile", "overlap", "precision", "max_side", "runtime")
        return Running(**{name: self.asked[name] for name in names})

    def go(self, translator: Translator, introduction: str) -> int:
        """Translate everything and tell it; the exit code."""
        if self.asked["threads"]:
            import torch

            torch.set_num_threads(self.asked["threads"])
        count = len(self.plan.jobs)
        translator.expect(count)
        parts = [introduction, str(translator.device), f"{grouped(count)} picture{'s' if count != 1 else ''}"]
        self.console.note(printable("  ·  ".join(parts)))
        if self.plan.links:
            self.console.note(f"{grouped(self.plan.links)} links passed over (--symlinks follow takes them)")
        if self.asked["dry_run"]:
            return self._forecast(translator)
        with Interrupt() as interrupt:
            summary = self._translate(translator, interrupt)
        stopped = interrupt.exit_code if summary.not_tried or self.asked["watch"] else None
        self._conclude(summary, stopped or summary.exit_code)
        if stopped:
            hint = f"Go on: {self.console.command}"
            raise StoppedError("stopped; what was begun is finished.", hint=hint, exit_code=stopped)
        return summary.exit_code

    def _planned(self) -> Plan:
        inputs = list(self.asked["inputs"])
        return self._plan_files(inputs, self.output, self.options, self.selection, may_be_empty=self.asked["watch"])

    def _refuse_nonsense(self) -> None:
        to_stdout = str(self.output) == "-"
        if to_stdout and sys.stdout.isatty():
            raise UsageError(
                "-o - writes a picture to standard output, and that is a terminal.", hint="Such as: > out.png"
            )
        if to_stdout and self.console.json:
            raise UsageError("--json and -o - both need standard output.", hint="Leave one of them out.")
        if self.asked["watch"] and (to_stdout or "-" in self.asked["inputs"]):
            raise UsageError("--watch is for folders.", hint="Leave it out.")
        if self.asked["dry_run"] and "-" in self.asked["inputs"]:
            raise UsageError("--dry-run cannot look at standard input.", hint="Leave it out.")

    def _translate(self, translator: Translator, interrupt: Interrupt) -> Summary:
        from i2i.inference.batch import beside, translate_files
        from i2i.inference.watch import Watch

        progress = BatchProgress(self.verb, len(self.plan.jobs), self.console.progress, translator.place)

        def report(outcome: Outcome) -> None:
            progress.count(failed=outcome.status == "failed", size=outcome.size)
            if self.console.json:
                self.console.document(outcome.as_json())
            elif outcome.notes or outcome.status == "failed":
                with progress.aside():
                    for note in (*outcome.notes, *([outcome.reason] if outcome.reason else [])):
                        self.console.detail(printable(f"{outcome.job.name_in}: {note}"))

        def stop() -> bool:
            return interrupt.exit_code is not None

        def following() -> Plan:
            more = watch()
            progress.total += len(more.jobs)
            return more

        def note(problem: str) -> None:
            with progress.aside():
                self.console.note(printable(problem))

        translator.tell = note
        watch = Watch(self.plan, self._planned, stop, note)
        try:
            return translate_files(
                self.plan,
                translator,
                beside(self.options, translator.device.type),
                work=translator.name,
                report=report,
                stop=stop,
                following=following if self.asked["watch"] else None,
            )
        finally:
            progress.close()

    def _forecast(self, translator: Translator) -> int:
        from i2i.inference.forecast import forecast

        found = forecast(self.plan, translator, self.options, translator.name)
        if self.console.json:
            self.console.document(found.as_json())
        elif not self.console.quiet:
            self.console.result(printable(_forecast_line(found)))
            for name, reason in found.failures[:SHOWN_FAILURES]:
                self.console.result(printable(f"  {name}   {reason}"))
            self.console.result("Nothing was written.")
        return 3 if found.failures else 0

    def _conclude(self, summary: Summary, exit_code: int) -> None:
        console = self.console
        if summary.problem:
            console.error(summary.problem)
        if console.json:
            console.document(summary.as_json(exit_code))
            return
        tell = console.note if str(self.output) == "-" else console.result
        if not console.quiet:
            tell(printable(self._counts(summary)))
        for failure in summary.failures[:SHOWN_FAILURES]:
            if console.quiet:
                console.error(f"{failure.job.name_in}: {failure.reason}")
            else:
                tell(printable(f"  {failure.job.name_in}   {failure.reason}"))
        if len(summary.failures) > SHOWN_FAILURES:
            more = f"and {grouped(len(summary.failures) - SHOWN_FAILURES)} more"
            console.error(more) if console.quiet else tell(f"  {more}")

    def _counts(self, summary: Summary) -> str:
        from i2i.inference.batch import failures_file

        parts = []
        if summary.ok or not (summary.skipped or summary.failures):
            parts.append(f"{grouped(summary.ok)} written to {self.output}")
        if summary.as_png:
            parts.append(f"{grouped(summary.as_png)} of them as PNG, which their own format cannot hold")
        if summary.skipped:
            parts.append(f"{grouped(summary.skipped)} already done")
        if summary.failures:
            path = failures_file(self.plan)
            parts.append(f"{grouped(len(summary.failures))} failed{f' (list: {path})' if path else ''}")
        if summary.not_tried:
            parts.append(f"{grouped(summary.not_tried)} not tried")
        return "  ·  ".join(parts)


def _forecast_line(found: Forecast) -> str:
    parts = [f"{grouped(found.todo)} to do, {found.pixels / 1e6:.0f} Mpx"]
    if found.seconds is not None and found.bytes is not None:
        parts.append(f"about {timedelta(seconds=round(found.seconds))}")
        parts.append(f"about {found.bytes / 1e6:.1f} MB, {found.free / 1e9:.1f} GB free")
    if found.done:
        parts.append(f"{grouped(found.done)} already done")
    if found.failures:
        parts.append(f"{grouped(len(found.failures))} cannot be done")
    return "  ·  ".join(parts)
