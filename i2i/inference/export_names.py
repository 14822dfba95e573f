"""The files of an exported model, and whether they may be written: known before torch is loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from i2i.errors import UsageError

ExportFormat = Literal["onnx", "openvino"]

SUFFIXES: dict[ExportFormat, tuple[str, ...]] = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}


def check_output(output: Path, to: ExportFormat, overwrite: bool) -> None:
    """Raise UsageError for a name that does not fit the format, or a file that is there."""
    suffixes = SUFFIXES[to]
    if output.suffix != suffixes[0]:
        hint = f"Use: -o {output.with_suffix(suffixes[0]) if output.name else f'model{suffixes[0]}'}"
        raise UsageError(f"a model for {to} ends in {suffixes[0]}.", where=output, hint=hint)
    for suffix in () if overwrite else suffixes:
        if os.path.lexists(path := output.with_suffix(suffix)):
            raise UsageError("the output is there already.", where=path, hint="Choose another name, or --overwrite.")
