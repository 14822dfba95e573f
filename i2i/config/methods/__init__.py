"""The methods by name. Each configuration is imported only when it is asked for: help stays quick."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, NamedTuple

from i2i.errors import UsageError

if TYPE_CHECKING:
    from i2i.config.run import RunConfig


class MethodEntry(NamedTuple):
    """What is told of a method before its configuration is imported: `run` is module:class, `text` a line of help."""

    run: str
    task: Literal["translate", "upscale", "inpaint", "generate"]
    text: str


METHODS = {
    "cyclegan": MethodEntry(
        "i2i.config.methods.cyclegan:CycleGANRun", "translate", "two folders of unrelated pictures, both directions"
    ),
    "pix2pix": MethodEntry(
        "i2i.config.methods.pix2pix:Pix2PixRun", "translate", "pairs of pictures: each input with what is to come of it"
    ),
    "srgan": MethodEntry(
        "i2i.config.methods.srgan:SRGANRun", "upscale", "one folder of photos, to enlarge others like them"
    ),
    "inpaint": MethodEntry(
        "i2i.config.methods.inpaint:InpaintRun", "inpaint", "one folder of photos, to repair others like them"
    ),
    "gan": MethodEntry(
        "i2i.config.methods.gan:GANRun", "generate", "small pictures, to make more like them by dense layers"
    ),
    "dcgan": MethodEntry(
        "i2i.config.methods.dcgan:DCGANRun", "generate", "pictures of one size, to make more like them by convolutions"
    ),
    "wgan": MethodEntry(
        "i2i.config.methods.wgan:WGANRun", "generate", "as dcgan, by the Wasserstein distance with clipped weights"
    ),
    "wgan-gp": MethodEntry(
        "i2i.config.methods.wgan_gp:WGANGPRun", "generate", "as dcgan, by the Wasserstein distance with a penalty"
    ),
}


def run_class(method: str) -> type[RunConfig]:
    """The run configuration of a method. Raises UsageError for a name that is none."""
    if method not in METHODS:
        raise UsageError(f"no method '{method}'.", hint=f"Methods: {', '.join(METHODS)}.")
    module, name = METHODS[method].run.split(":")
    return getattr(import_module(module), name)
