"""Image-to-image translation: `load` gives a `Translator` that turns pictures into pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from i2i.version import __version__

if TYPE_CHECKING:
    from i2i.inference.translator import Translator, load

__all__ = ["Translator", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Load torch only when something that needs it is asked for."""
    if name in ("Translator", "load"):
        from i2i.inference import translator

        return getattr(translator, name)
    raise AttributeError(f"module 'i2i' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
