"""From a method's settings to the method."""

from __future__ import annotations

from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.config.methods.dcgan import DCGANMethodConfig
from i2i.config.methods.gan import GANConfig
from i2i.config.methods.inpaint import InpaintConfig
from i2i.config.methods.pix2pix import Pix2PixConfig
from i2i.config.methods.srgan import SRGANConfig
from i2i.config.methods.wgan import WGANConfig
from i2i.config.methods.wgan_gp import WGANGPConfig
from i2i.config.run import MethodConfig
from i2i.methods.base import Method
from i2i.methods.cyclegan import CycleGAN
from i2i.methods.dcgan import DCGAN
from i2i.methods.gan import GAN
from i2i.methods.inpaint import Inpaint
from i2i.methods.pix2pix import Pix2Pix
from i2i.methods.srgan import SRGAN
from i2i.methods.wgan import WGAN
from i2i.methods.wgan_gp import WGANGP


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
        case GANConfig():
            return GAN(config)
        case DCGANMethodConfig():
            return DCGAN(config)
        case WGANConfig():
            return WGAN(config)
        case WGANGPConfig():
            return WGANGP(config)
    raise TypeError(f"no method is built from {type(config).__name__}")
