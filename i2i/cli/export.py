"""`i2i export MODEL --to onnx|openvino`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, quiet_option, verbose_option
from i2i.errors import UsageError, printable
from i2i.inference.export_names import SUFFIXES, check_output, check_task


@click.command()
@click.argument("model")
@click.option("--to", required=True, type=click.Choice(list(SUFFIXES)), help="For onnxruntime and others, or openvino.")
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="OUT.onnx, or OUT.xml with OUT.bin.  [default: MODEL-DIRECTION in this folder]",
)
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), help="[default: a2b, or the only one of the model]")
@click.option("--overwrite", is_flag=True, help="Replace an output that is there already.")
@json_option
@quiet_option
@verbose_option
@pass_console
def export(
    console: Console,
    model: str,
    to: Literal["onnx", "openvino"],
    output: Path | None,
    direction: Any,
    overwrite: bool,
) -> None:
    """Write MODEL for other programs, and compare it with its source before it gets its name.

    MODEL is a run folder, a model file, or a name of `i2i models list`. The written model takes float32 pictures from
    0 to 1, (N, C, H, W) with any N and any H and W that fit the network, and gives the same; how to pad them stands in
    the file's metadata.
    """
    from i2i.models.info import choose_direction, read_info
    from i2i.models.shipped import resolve

    source = resolve(model)
    info = read_info(source)
    check_task(info, model)
    chosen = choose_direction(info, direction)
    output = output or Path(f"{_name(model, source)}-{chosen}{SUFFIXES[to][0]}")
    check_output(output, to, overwrite)
    if not output.parent.is_dir():
        raise UsageError("the folder of the output does not exist.", where=output)

    from i2i.inference import export as exporting

    with _ended_by_sigterm():
        done = exporting.export(source, output, to=to, direction=chosen, overwrite=overwrite)
    if console.json:
        entry: dict[str, Any] = {"out": str(output), "files": [str(path) for path in done.files], "format": to}
        entry |= {"direction": chosen, "bytes": done.size, "difference": done.difference, "pictures": done.pictures}
        console.document(entry)
        return
    difference = f"{ceil(255_000 * done.difference) / 1000:g}/255"  # rounded up: "at most" holds
    compared = f"differs from the source by at most {difference} in {done.pictures} pictures"
    console.result(printable(f"wrote {output}  ·  {done.size / 1e6:.1f} MB  ·  {compared}"))


def _name(model: str, source: Path) -> str:
    """What a person calls a model: a run by its folder."""
    return Path(model).resolve().name if Path(model).is_dir() else source.stem


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """While inside, SIGTERM ends as Ctrl-C does: whoever has begun a file takes it away."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
