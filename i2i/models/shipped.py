"""From what a person calls a model to its file: a file, a run folder or the name of a shipped model."""

from __future__ import annotations

import difflib
import shlex
from os import PathLike
from pathlib import Path

from i2i.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]


def shipped_folder(package: Path = PACKAGE) -> Path:
    """The folder of the shipped models: beside the package in a checkout, inside it when installed."""
    if (package.parent / "pyproject.toml").is_file():
        return package.parent / "pretrained"
    return package / "pretrained"


def shipped_models(package: Path = PACKAGE) -> dict[str, Path]:
    """Name -> model file of every shipped model, by name."""
    return {path.stem: path for path in sorted(shipped_folder(package).glob("*.safetensors"))}


def resolve(model: str | PathLike[str]) -> Path:
    """The model file of a path, a run folder or a shipped name. Raises UsageError with the nearest names."""
    path = Path(model)
    if path.is_file():
        return path
    if path.is_dir():
        if (path / "model.safetensors").is_file():
            return path / "model.safetensors"
        raise UsageError("this folder has no model.safetensors.", where=path, hint=_hint_for_folder(path))
    shipped = shipped_models()
    if str(model) in shipped:
        return shipped[str(model)]
    near = difflib.get_close_matches(str(model), shipped, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else "Give a file, a run folder or a name of: i2i models list"
    raise UsageError(f"no model '{model}'.", hint=hint)


def shipped_upscaler(scale: float | None, texture: float | None) -> str:
    """The shipped model for a scale, by name; None: 4. The smaller network where it is enough and has that texture."""
    needed = "photo-x2" if texture is None else "photo-x2-gan"
    return "photo-x2" if scale and scale <= 2 and needed in shipped_models() else "photo-x4"


def _hint_for_folder(folder: Path) -> str:
    if (folder / "config.toml").is_file():
        return f"It is a run that has not saved one yet. Go on: i2i resume {shlex.quote(str(folder))}"
    return "Give a run folder, a model file or a name of: i2i models list"
