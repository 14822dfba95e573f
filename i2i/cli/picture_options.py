"""Options that all commands which take pictures share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option

FORMATS = {"same": None, "png": ".png", "jpg": ".jpg", "webp": ".webp", "avif": ".avif", "tiff": ".tiff"}
UNITS = {"": 1, "k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


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


threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads of the network on a CPU.  [default: auto]"
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Count, measure and estimate; write nothing.")
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    envvar="I2I_DEVICE",
    callback=_check_device,
    help="auto, cpu, cuda, cuda:N or mps.",
)
FILES = [
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
]
# of networks that take a picture as a whole or in blocks
BLOCKS = [
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
]
PRECISION = [
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        default="auto",
        show_default=True,
        help="What the network computes in; auto is fp32. The others are quicker where the device has them, and "
        "differ by some levels.",
    ),
]
RUNTIME = [
    click.option(
        "--runtime",
        type=click.Choice(["auto", "torch", "onnxruntime"]),
        default="auto",
        show_default=True,
        help="What computes on a CPU; auto tries onnxruntime for 32 pictures or more, where it is installed.",
    ),
]
WORK = [
    click.option("--shard", type=Shard(), metavar="I/N", default="1/1", help="Part I of N, for several machines."),
    click.option(
        "--jobs", type=click.IntRange(1, 64), help="Threads that read, and that write.  [default: auto; 1 on a CPU]"
    ),
    threads_option,
    click.option("--watch", is_flag=True, help="Stay, and take what is put into the folder until Ctrl-C."),
    dry_run_option,
    device_option,
    json_option,
    progress_option,
    quiet_option,
    verbose_option,
]


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All of them, for a network that takes pictures as a whole or in blocks."""
    return _with(command, [*FILES, *BLOCKS, *PRECISION, *RUNTIME, *WORK])


def hole_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Those for a network that sees holes with their neighbourhood."""
    return _with(command, [*FILES, *PRECISION, *WORK])


def _with(command: Callable[..., Any], options: list[Callable[..., Any]]) -> Callable[..., Any]:
    """The command with options in the order of the list."""
    for option in reversed(options):
        command = option(command)
    return command
