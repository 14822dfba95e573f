"""Whether a model can be exported, and its files be written: known before torch is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.models.info import ModelInfo

ExportFormat = Literal["onnx", "openvino"]

SUFFIXES: dict[ExportFormat, tuple[str, ...]] = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}


def check_task(info: ModelInfo, model: str | os.PathLike[str]) -> None:
    """Raise UsageError for a model that other programs could not use with a picture alone."""
    if info.task == "inpaint":
        what = f"{model} is a model to inpaint pictures: it takes a mask too, and such models are not exported."
        raise UsageError(what, hint=f"Use: i2i inpaint INPUT... -o OUT --model {model}")
    if info.task == "generate":
        what = f"{model} is a model to generate pictures: its input is noise, and such models are not exported."
        raise UsageError(what, hint=f"Use: i2i generate {model} -o OUT")


def check_output(output: Path, to: ExportFormat, overwrite: bool) -> None:
    """Raise UsageError for a name that does not fit the format, or a file that is there."""
    suffixes = SUFFIXES[to]
    if output.suffix != suffixes[0]:
        hint = f"Use: -o {output.with_suffix(suffixes[0]) if output.name else f'model{suffixes[0]}'}"
        raise UsageError(f"a model for {to} ends in {suffixes[0]}.", where=output, hint=hint)
    for suffix in () if overwrite else suffixes:
        if os.path.lexists(path := output.with_suffix(suffix)):
            raise UsageError("the output is there already.", where=path, hint="Choose another name, or --overwrite.")
