"""Image-to-image translation: `load` gives a `Translator` that turns pictures into pictures; `train` makes models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from i2i.version import __version__

if TYPE_CHECKING:
    from i2i.api import generate, inpaint, resume, train, translate, upscale
    from i2i.inference.batch import Options
    from i2i.inference.generator import Generator, load_generator
    from i2i.inference.inpainter import Inpainter, load_inpainter
    from i2i.inference.inputs import Selection
    from i2i.inference.marking import Marking
    from i2i.inference.translator import Translator, load
    from i2i.inference.upscaler import Enlarging, Target, Upscaler, load_upscaler
    from i2i.inference.ways import Running

__all__ = [
    "Enlarging",
    "Generator",
    "Inpainter",
    "Marking",
    "Options",
    "Running",
    "Selection",
    "Target",
    "Translator",
    "Upscaler",
    "__version__",
    "generate",
    "inpaint",
    "load",
    "load_generator",
    "load_inpainter",
    "load_upscaler",
    "resume",
    "train",
    "translate",
    "upscale",
]

# name -> module; torch is loaded only when something that needs it is asked for
_HOMES = {
    "Enlarging": "i2i.inference.upscaler",
    "Generator": "i2i.inference.generator",
    "Inpainter": "i2i.inference.inpainter",
    "Marking": "i2i.inference.marking",
    "Options": "i2i.inference.batch",
    "Running": "i2i.inference.ways",
    "Selection": "i2i.inference.inputs",
    "Target": "i2i.inference.upscaler",
    "Translator": "i2i.inference.translator",
    "Upscaler": "i2i.inference.upscaler",
    "generate": "i2i.api",
    "inpaint": "i2i.api",
    "load": "i2i.inference.translator",
    "load_generator": "i2i.inference.generator",
    "load_inpainter": "i2i.inference.inpainter",
    "load_upscaler": "i2i.inference.upscaler",
    "resume": "i2i.api",
    "train": "i2i.api",
    "translate": "i2i.api",
    "upscale": "i2i.api",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'i2i' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
