"""From a method's settings to the method."""

from __future__ import annotations

from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.config.methods.inpaint import InpaintConfig
from i2i.config.methods.pix2pix import Pix2PixConfig
from i2i.config.methods.srgan import SRGANConfig
from i2i.config.run import MethodConfig
from i2i.methods.base import Method
from i2i.methods.cyclegan import CycleGAN
from i2i.methods.inpaint import Inpaint
from i2i.methods.pix2pix import Pix2Pix
from i2i.methods.srgan import SRGAN


def build_method(config: MethodConfig) -> Method:
    """The method of a configuration, its networks freshly initialised from torch's global generator.

    Raises ConfigError where something that it learns from, such as the features of a perceptual loss, is not at hand.
    """
    match config:
        case CycleGANConfig():
            return CycleGAN(config)
        case Pix2PixConfig():
            return Pix2Pix(config)
        case SRGANConfig():
            return SRGAN(config)
        case InpaintConfig():
            return Inpaint(config)
    raise TypeError(f"no method is built from {type(config).__name__}")
