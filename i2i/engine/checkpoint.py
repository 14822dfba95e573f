"""Checkpoints: folders of safetensors and JSON with a manifest of SHA-256 sums, whole or not there.

A checkpoint is `step-001000/{weights,optimisers}.safetensors, state.json, manifest.txt`. The manifest has a line
"sum  name" per file and, last, the sum of the lines above; it is written last, and the folder is renamed whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.errors import ModelError

MANIFEST, STATE = "manifest.txt", "state.json"
SUM_LINE = 65  # bytes: a SHA-256 sum in hexadecimal and a line end


@dataclass(frozen=True)
class Checkpoint:
    """What was saved after `step` steps: groups of named tensors on the CPU, and JSON values."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


def write_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], keep: int
) -> Path:
    """Writes `folder/step-NNNNNN` whole or, raising OSError, not at all; of those up to it, the newest `keep` stay.

    Later ones than it are damaged, or training would have gone on from them: they must not push it out.
    """
    target, part = folder / f"step-{step:06d}", folder / f".step-{step:06d}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for group, named in tensors.items():
            _save_tensors(named, part / f"{group}.safetensors")
        (part / STATE).write_text(json.dumps(state, indent=1))
        lines = "".join(f"{_digest(path)}  {path.name}\n" for path in sorted(part.iterdir()))
        (part / MANIFEST).write_text(lines + hashlib.sha256(lines.encode()).hexdigest() + "\n")
        for path in part.iterdir():
            _sync(path)
        _sync(part)
        if target.exists():  # a damaged one of the same step
            old = folder / f".step-{step:06d}.old.part"
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            part.rename(target)
            shutil.rmtree(old)
        else:
            part.rename(target)
        _sync(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    for old in [path for path in _newest_first(folder) if _step(path) <= step][keep:]:
        shutil.rmtree(old)
    return target


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads and verifies one checkpoint folder. Raises ModelError when a byte differs from what was written."""
    try:
        manifest = (path / MANIFEST).read_bytes()
        lines, last = manifest[:-SUM_LINE], manifest[-SUM_LINE:]
        if f"{hashlib.sha256(lines).hexdigest()}\n".encode() != last:
            raise ModelError("the manifest is damaged (SHA-256 differs).", where=path)
        names = []
        for line in lines.decode().splitlines():
            digest, name = line.split("  ", 1)
            if _digest(path / name) != digest:
                raise ModelError(f"{name} is damaged (SHA-256 differs).", where=path)
            names.append(name)
        tensors = {Path(n).stem: load_file(path / n) for n in names if n.endswith(".safetensors")}
        state = json.loads((path / STATE).read_text())
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"the checkpoint is damaged ({error}).", where=path) from error
    return Checkpoint(_step(path), tensors, state)


def newest_checkpoint(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest sound checkpoint in a folder, found by reading, and a warning for each damaged one before it."""
    warnings: list[str] = []
    for path in _newest_first(folder):
        try:
            return read_checkpoint(path), warnings
        except ModelError as error:
            warnings.append(str(error))
    return None, warnings


def _newest_first(folder: Path) -> Iterator[Path]:
    found = [path for path in folder.glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    yield from sorted(found, key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _save_tensors(named: Mapping[str, Tensor], path: Path) -> None:
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file({name: _plain(tensor) for name, tensor in named.items()}, path)
    except SafetensorError as error:  # its own error for a full disk, with the system's number in the text
        found = re.search(r"\(os error (\d+)\)", str(error))
        if not found:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(path)) from error
    path.chmod(mode)  # safetensors leaves a file that nobody else may read


def _plain(tensor: Tensor) -> Tensor:
    """safetensors takes contiguous tensors on the CPU only."""
    return tensor.detach().cpu().contiguous()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
