"""Tensors out of a PyTorch file that nobody vouches for: nothing in it is run, and a child process reads it."""

from __future__ import annotations

import json
import multiprocessing
import re
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.errors import ModelError

ASK = "Ask its author for .safetensors."
SAVE_ALONE = "Save the network's state_dict() alone."
# First the running averages, which are better than the weights that they average; G is DeepFill's.
WRAPPERS = (
    "params_ema",
    "params-ema",
    "ema_state_dict",
    "params",
    "model_state_dict",
    "state_dict",
    "model",
    "net",
    "G",
)
DEEPEST = 4  # dicts in dicts; a file can hold a dict that holds itself


def read_in_child(path: Path) -> dict[str, Tensor]:
    """`dense_tensors` in a child process, so that a file made to crash its reader cannot take this one along.

    Raises ModelError as `dense_tensors` does, and when the child dies.
    """
    with TemporaryDirectory(prefix="i2i-") as folder:
        tensors, refusal = Path(folder, "tensors.safetensors"), Path(folder, "refusal.json")
        child = multiprocessing.get_context("spawn").Process(target=_child, args=(path, tensors, refusal))
        child.start()
        child.join()
        if refusal.is_file():
            what, hint = json.loads(refusal.read_text("utf-8"))
            raise ModelError(what, where=path, hint=hint)
        if child.exitcode != 0:
            raise ModelError(f"its reader died (exit status {child.exitcode}).", where=path, hint=ASK)
        return load_file(tensors)


def _child(path: Path, tensors: Path, refusal: Path) -> None:
    try:
        save_file(dense_tensors(path), tensors)
    except ModelError as error:
        refusal.write_text(json.dumps([error.what, error.hint]), "utf-8")


def dense_tensors(path: Path) -> dict[str, Tensor]:
    """The floating-point and integer tensors of a PyTorch file, each with memory of its own, on the CPU.

    Of a training's checkpoint these are the network's alone, its running average if there is one. Numbers and texts
    beside them are left out. Raises ModelError for everything else: other objects, TorchScript, sparse or overlapping
    tensors, damage.
    """
    content = _unwrapped(_unpickled(path))
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ModelError(f"holds a {type(content).__name__}, no state dict.", where=path, hint=ASK)
    tensors = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if content and not tensors:
        names = ", ".join(f"'{key}'" for key in [*content][:3])
        raise ModelError(f"is no state dict: no tensors, but {names}.", where=path, hint=SAVE_ALONE)
    for key, value in tensors.items():
        if not _is_dense(value):
            raise ModelError(f"'{key}' is no dense tensor.", where=path, hint=ASK)
    return {key: value.detach().contiguous().clone() for key, value in tensors.items()}


def _unwrapped(content: Any) -> Any:
    """The innermost dict under the names that trainings save a network by, or under the only dict that there is."""
    for _ in range(DEEPEST):
        if not isinstance(content, dict):
            break
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), dict)), None)
        dicts = [value for value in content.values() if isinstance(value, dict)]
        if inner is None and len(dicts) == 1 and not any(isinstance(value, Tensor) for value in content.values()):
            inner = dicts[0]
        if inner is None:
            break
        content = inner
    return content


def _is_dense(tensor: Tensor) -> bool:
    """Whether every element lies in memory of its own; an expanded tensor of a few bytes could claim terabytes."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _unpickled(path: Path) -> Any:
    if _is_torchscript(path):
        raise ModelError("is a TorchScript program. Refused; nothing was run.", where=path, hint=ASK)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"cannot be read: {error.strerror or error}.", where=path) from error
    except Exception as error:  # the unpickler raises whatever the file leads it to
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if wanted:
            what = f"is a pickle that wants to import '{wanted[1]}'. Refused; nothing was run."
        else:
            what = "is no PyTorch file, or damaged."
        raise ModelError(what, where=path, hint=ASK) from error


def _is_torchscript(path: Path) -> bool:
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
