"""The methods by name. Each configuration is imported only when it is asked for: help stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.config.run import RunConfig

# name -> (module: class, one line of help)
METHODS = {
    "cyclegan": ("i2i.config.methods.cyclegan:CycleGANRun", "two folders of unrelated pictures, both directions"),
    "srgan": ("i2i.config.methods.srgan:SRGANRun", "one folder of photos, to enlarge others like them"),
}


def run_class(method: str) -> type[RunConfig]:
    """The run configuration of a method. Raises UsageError for a name that is none."""
    if method not in METHODS:
        raise UsageError(f"no method '{method}'.", hint=f"Methods: {', '.join(METHODS)}.")
    module, name = METHODS[method][0].split(":")
    return getattr(import_module(module), name)
