"""What a file looks like that cannot be imported: networks that people have, by telling names of their tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

State = Mapping[str, Tensor]

WITH_TANH = "whose output goes through tanh; i2i's SRResNet has none, and its pictures would be others"
NOT_BUILT_IN = ", an inpainting network that is not built in"
# What it is: patterns that each match one name at least. The first line that fits is told.
LIKENESSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ESRGAN+, RRDB with 1x1 convolutions inside the blocks", (r".*(?:RDB|rdb)\d\.conv1x1\.weight",)),
    (f"SRResNet of leftthomas/SRGAN, {WITH_TANH}", (r"block1\.0\.weight", r"block2\.conv1\.weight")),
    (
        f"SRResNet of sgrvinod's tutorial, {WITH_TANH}",
        (r"(?:net\.)?residual_blocks\.0\.conv_block1\.conv_block\.0\.weight",),
    ),
    (f"SRResNet, an early release of Lornatang/SRGAN-PyTorch, {WITH_TANH}", (r"trunk\.0\..*", r"subpixel_conv\..*")),
    (f"SRResNet of Lornatang/SRGAN-PyTorch, {WITH_TANH}", (r"trunk\.0\.rcb\..*", r"conv(_block)?3\.0\.weight")),
    (
        "a U-Net discriminator of Real-ESRGAN",
        (r"conv0\.weight", r"conv1\.(weight_orig|parametrizations\.weight\.original)"),
    ),
    ("a VGG-style discriminator of ESRGAN", (r"conv0_0\.weight", r"linear1\.weight")),
    ("a discriminator of SRGAN", (r"conv_blocks\.0\.conv_block\.0\.weight", r"fc1\.weight")),
    ("EDSR or RCAN", (r"conv_after_body\.weight",)),
    ("EDSR or RCAN", (r"head\.0\.weight", r"body\.0\.body\.0\..*")),
    ("SPAN in its published form", (r"conv_1\.(eval_conv|sk)\.weight",)),
    (f"LaMa{NOT_BUILT_IN}", (r".*\.ffc\.convl2l\.weight",)),
    (f"MAT{NOT_BUILT_IN}", (r"synthesis\.first_stage\.conv_first\..*",)),
    (f"AOT-GAN{NOT_BUILT_IN}", (r"middle\.0\.block00\.\d\.weight",)),
    (f"a U-Net with partial convolutions{NOT_BUILT_IN}", (r"enc_1\.conv\..*weight", r"dec_1\.conv\..*weight")),
    (f"DeepFillv1{NOT_BUILT_IN}", (r"coarse_generator\.conv1\.conv\.weight",)),
    (f"DeepFillv2 with layers of its own (InpaintSANet){NOT_BUILT_IN}", (r"coarse_net\.0\.conv2d\.weight",)),
    ("a transformer (SwinIR, HAT, DAT or like them)", (r".*\.(attn\..*|relative_position_bias_table)",)),
    ("a discriminator of pix2pixHD", (r"scale\d+_layer\d+\..*",)),
)


def likeness(state: State) -> str | None:
    """The name of a known network that cannot be imported; None for all others."""
    if not state:
        return "an empty state dict"
    for what, patterns in LIKENESSES:
        if all(any(re.fullmatch(pattern, key) for key in state) for pattern in patterns):
            return what
    return _by_shape(state)


def _by_shape(state: State) -> str | None:
    if _kernel(state, "model.0.weight") == (4, 4):
        return "a PatchGAN discriminator"
    if _kernel(state, "net.0.weight") == (1, 1):
        return "a pixel discriminator"
    if _kernel(state, "net.0.weight") == (3, 3):
        return "a discriminator of SRGAN"
    if _kernel(state, "features.0.weight"):
        verdicts = [tensor for key, tensor in state.items() if re.fullmatch(r"classifier\.\d+\.weight", key)]
        return "a discriminator of SRGAN" if verdicts and verdicts[-1].shape[0] == 1 else "a classifier's features"
    if _kernel(state, "body.0.weight") and _kernel(state, "body.2.weight") and "body.1.weight" not in state:
        return "Compact with ReLU or LeakyReLU; i2i's has PReLU"
    return None


def _kernel(state: State, key: str) -> tuple[int, ...]:
    """Height and width of a convolution's kernel; () if there is no such convolution."""
    tensor = state.get(key)
    return tuple(tensor.shape[2:]) if tensor is not None and tensor.ndim == 4 else ()
