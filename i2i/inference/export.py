"""A model for other programs: ONNX or OpenVINO IR, kept only where it gives what its source gives.

N batch, C channels, H x W pixels, s scale.
"""

from __future__ import annotations

import copy
import errno
import io
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from i2i.errors import FREE_SPACE, ModelError, NoRoomError, UsageError, is_full
from i2i.images.atomic import sync_folder, write_new
from i2i.inference.export_names import SUFFIXES, ExportFormat, check_output, check_task
from i2i.interrupt import Interrupt
from i2i.models.info import Direction, ModelInfo, choose_direction, sha256
from i2i.models.modelfile import load_model
from i2i.models.shipped import resolve
from i2i.version import __version__

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # (N, C, H, W) -> (N, C', sH, sW), both from 0 to 1

PACKAGES: dict[ExportFormat, tuple[str, ...]] = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}
EXTRAS: dict[ExportFormat, str] = {"onnx": "fast", "openvino": "openvino"}
ALLOWED = 0.1 / 255  # difference to the source, of values from 0 to 1
OPSET = 18
PADDING = (
    "H and W must be multiples of `multiple` and at least `minimum`: continue the picture on the right and below by"
    " reflection, and crop the output to `scale` times the picture's size"
)


@dataclass(frozen=True)
class Exported:
    """What was written: `size` in bytes, and the largest `difference` of any value (0 to 1) in so many pictures."""

    files: tuple[Path, ...]
    direction: Direction
    size: int
    difference: float
    pictures: int


class UnitRange(nn.Module):
    """A network for pictures from 0 to 1 instead of its own value range."""

    def __init__(self, network: nn.Module, value_range: tuple[float, float]) -> None:
        super().__init__()
        self.network = network
        self.low, self.high = value_range

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', sH, sW), both from 0 to 1; what goes beyond is clipped."""
        return self.unclipped(x).clamp(0, 1)

    def unclipped(self, x: Tensor) -> Tensor:
        """(N, C, H, W) from 0 to 1 -> (N, C', sH, sW), as the network gives it."""
        width = self.high - self.low
        return (self.network(x * width + self.low) - self.low) / width


def export(
    model: str | PathLike[str],
    output: str | PathLike[str],
    *,
    to: ExportFormat,
    direction: Direction | None = None,
    overwrite: bool = False,
) -> Exported:
    """Write one direction of a model for pictures from 0 to 1, any N, H and W: float32 (N, C, H, W), output clipped.

    `output` ends in .onnx, or in .xml: then a .bin of the same name holds the weights. The file that is about to get
    this name is run by onnxruntime or openvino on six pictures of several sizes and must give what the network gives,
    to 0.1/255. What a user must know stands in the file, see `facts`. After a failure nothing new is there, and what
    was there before is.

    Raises UsageError for an unknown model or direction, a model to inpaint, a missing package or an output that is
    there already, ModelError for a model that cannot be used, differs or cannot be written, NoRoomError when the disk
    is full.
    """
    output, suffixes = Path(output), SUFFIXES[to]
    check_output(output, to, overwrite)
    for package in PACKAGES[to]:
        _imported(package, to)
    source = resolve(model)
    file = load_model(source)
    check_task(file.info, model)
    chosen = choose_direction(file.info, direction)
    network = UnitRange(file.networks[chosen], file.info.value_range).eval()
    with _written_beside(output) as folder:
        made = folder / output.name
        channels, multiple, minimum = file.info.generator(chosen).input_channels, file.info.multiple, file.info.minimum
        data = onnx_bytes(network, channels, multiple, minimum)
        _write(made, data, facts(file.info, chosen, sha256(source)))
        difference, pictures = _compare(made, network, _batches(channels, multiple, minimum), source)
        size = sum(made.with_suffix(suffix).stat().st_size for suffix in suffixes)
        _publish(made, output, to, overwrite)
    return Exported(tuple(output.with_suffix(suffix) for suffix in suffixes), chosen, size, difference, pictures)


def onnx_bytes(network: nn.Module, channels: int, multiple: int, minimum: int) -> bytes:
    """The ONNX file of a network as it is evaluated, in float32: input x (N, C, H, W), output y, any N, H and W.

    It takes and gives the network's own value range; sides are multiples of `multiple` and at least `minimum`. The
    network stays as it is. Raises UsageError when the package onnx is missing.
    """
    _imported("onnx", "onnx")
    side = _fitting(minimum, multiple)
    data: Any = io.BytesIO()  # which torch takes, though its types do not say so
    # Not the newer exporter (dynamo=True): for all our networks it gives the same values at all sizes, but takes up to
    # thirty times as long (69 s instead of 2.3 s for 23 RRDB blocks), and needs onnxscript.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            copy.deepcopy(network).cpu().float().eval(),
            (torch.zeros(1, channels, side, side + multiple),),
            data,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "N", 2: "H", 3: "W"}, "y": {0: "N", 2: "H_out", 3: "W_out"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return data.getvalue()


def facts(info: ModelInfo, direction: Direction, digest: str) -> dict[str, str]:
    """What the file says about itself: as `i2i.NAME` in the metadata of ONNX, as i2i/NAME in the rt_info of an IR."""
    generator = info.generator(direction)
    known = {
        "version": __version__,
        "source_sha256": digest,
        "direction": direction,
        "channels_in": generator.input_channels,
        "channels_out": generator.output_channels,
        "scale": generator.scale,
        "multiple": info.multiple,
        "minimum": info.minimum,
        "values": "float32 from 0 to 1, RGB or gray in sRGB, as (N, C, H, W)",
        "padding": PADDING,
        "description": info.card.description,
        "licence": info.card.licence,
    }
    return {name: str(value) for name, value in known.items() if value != ""}


def load_onnxruntime() -> Any:
    """The package onnxruntime, kept from reporting to its maker. Raises UsageError when it is missing."""
    # Official builds send what they load, and write an identifier of the machine, unless told so before the import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    return _package("onnxruntime", "onnx")


def load_openvino() -> Any:
    """The package openvino, kept from reporting to its maker. Raises UsageError when it is missing."""
    reporter = "openvino_telemetry"  # the import alone sends an event, unless this package seems to be missing
    modules: dict[str, Any] = sys.modules
    before = {reporter: modules[reporter]} if reporter in modules else {}
    modules.setdefault(reporter, None)
    try:
        return _package("openvino", "openvino")
    finally:
        del modules[reporter]
        modules.update(before)


def _imported(name: str, to: ExportFormat) -> Any:
    match name:
        case "onnxruntime":
            return load_onnxruntime()
        case "openvino":
            return load_openvino()
    return _package(name, to)


def _package(name: str, to: ExportFormat) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(name)
    except ImportError as error:
        hint = f"Install it: pip install 'i2i-toolkit[{EXTRAS[to]}]'"
        raise UsageError(f"the package {name} is not installed.", hint=hint) from error


@contextmanager
def _written_beside(output: Path) -> Iterator[Path]:
    """A folder beside the output, which ends with all that is in it."""
    try:
        with TemporaryDirectory(prefix=".i2i-", dir=output.parent) as folder:
            yield Path(folder)
    except OSError as error:
        if is_full(error):
            raise NoRoomError("disk full.", where=output, hint=FREE_SPACE) from error
        raise ModelError(f"cannot be written: {error.strerror or error}.", where=output) from error


def _write(path: Path, data: bytes, known: dict[str, str]) -> None:
    """A model and what is known about it, onto the disk: as it is, or by its suffix as an IR."""
    if path.suffix == ".onnx":
        model = _package("onnx", "onnx").load_from_string(data)
        for name, value in known.items():
            model.metadata_props.add(key=f"i2i.{name}", value=value)
        write_new(path, model.SerializeToString())
    else:
        _write_ir(path, data, known)


def _write_ir(path: Path, data: bytes, known: dict[str, str]) -> None:
    openvino = load_openvino()
    model = openvino.Core().read_model(data)  # `convert_model` does the same, and may report it to its maker
    for name, value in known.items():
        model.set_rt_info(value, ["i2i", name])
    try:
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:  # which does not say why
        full = shutil.disk_usage(path.parent).free < len(data)
        raise OSError(errno.ENOSPC if full else errno.EIO, "openvino cannot write it") from error
    for suffix in SUFFIXES["openvino"]:
        with open(path.with_suffix(suffix), "rb") as stream:
            os.fsync(stream.fileno())


def _reader(path: Path) -> Run:
    """Runs a written model on the CPU, in float32."""
    if path.suffix == ".onnx":
        runtime = load_onnxruntime()
        options = runtime.SessionOptions()
        options.log_severity_level = 3  # errors
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return lambda x: session.run(["y"], {"x": x})[0]
    compiled = load_openvino().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: compiled({"x": x})["y"]


def _compare(path: Path, network: UnitRange, batches: list[Tensor], source: Path) -> tuple[float, int]:
    """The largest difference between a written model and its network, and in how many pictures.

    Raises ModelError when it is above `ALLOWED`, when the model cannot be run or an output is not finite.
    """
    largest = 0.0
    with _told("exported, it cannot be opened.", source):
        run = _reader(path)
    for batch in batches:
        size = f"{batch.shape[3]}x{batch.shape[2]} pixels"
        with torch.inference_mode():
            unclipped = network.unclipped(batch)
        if not bool(torch.isfinite(unclipped).all()):
            what = "the network's output is not finite: the model is damaged or was trained badly."
            raise ModelError(what, where=source)
        expected = unclipped.clamp(0, 1).numpy()
        with _told(f"exported, it cannot be run on {size}.", source):
            got = run(batch.numpy())
        difference = float(np.abs(got - expected).max()) if got.shape == expected.shape else np.inf
        if not difference <= ALLOWED:  # NaN is not
            apart = f"{255 * difference:.3g}/255"
            what = f"exported, it gives another picture: {apart} apart at {size}, {255 * ALLOWED:g}/255 is allowed."
            raise ModelError(what, where=source, hint="Nothing was written.")
        largest = max(largest, difference)
    return largest, sum(len(batch) for batch in batches)


@contextmanager
def _told(what: str, source: Path) -> Iterator[None]:
    """What a runtime raises, which has no common class, as a ModelError."""
    try:
        yield
    except Exception as error:
        raise ModelError(what, where=source, hint="Nothing was written.") from error


def _batches(channels: int, multiple: int, minimum: int) -> list[Tensor]:
    """Noise and a smooth picture, from 0 to 1: of the least size, of a larger one, both in a batch of a third."""
    small, wide = _fitting(minimum, multiple), _fitting(max(72, minimum), multiple)
    tall = max(_fitting(100, multiple), wide + multiple)
    side = _fitting(max(24, minimum), multiple)
    sizes = [(small, small), (tall, wide), (side, side + multiple)]
    apart = [[_noise(channels, *size), _gradient(channels, *size)] for size in sizes]
    return [*apart[0], *apart[1], torch.cat(apart[2])]


def _fitting(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple


def _noise(channels: int, height: int, width: int) -> Tensor:
    """(1, C, H, W)."""
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(0))


def _gradient(channels: int, height: int, width: int) -> Tensor:
    """(1, C, H, W); each channel from one border to another, in a direction of its own."""
    down, across = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    return torch.stack([down * k / channels + across * (1 - k / channels) for k in range(channels)])[None]


def _publish(made: Path, output: Path, to: ExportFormat, overwrite: bool) -> None:
    """Give the files of a model their names: all of them or none, and what had the names before stays if none."""
    suffixes, moved = SUFFIXES[to], list[tuple[Path, Path]]()

    def move(source: Path, target: Path) -> None:
        os.replace(source, target)
        moved.append((source, target))

    with Interrupt():  # a signal waits until this is done
        check_output(output, to, overwrite)
        try:
            for suffix in suffixes if len(suffixes) > 1 else ():  # the .xml first: a .bin alone is read by nobody
                if os.path.lexists(old := output.with_suffix(suffix)):
                    move(old, made.with_name(f"before{suffix}"))
            for suffix in reversed(suffixes):
                move(made.with_suffix(suffix), output.with_suffix(suffix))
        except OSError:
            for source, target in reversed(moved):
                os.replace(target, source)
            raise
        sync_folder(output.parent)
