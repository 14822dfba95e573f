"""Settings of the perceptual loss and of the style loss, which look at the same network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from i2i.config.base import Settings, setting

VGG = Literal["vgg19", "vgg16"]
CONVOLUTIONS: dict[VGG, tuple[int, ...]] = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}  # in each block


def layer_names(network: VGG) -> list[str]:
    """The layers that can be compared, from the first on: each convolution, then the same after its ReLU."""
    counts = enumerate(CONVOLUTIONS[network], start=1)
    places = [f"{block}_{number}" for block, count in counts for number in range(1, count + 1)]
    return [f"{kind}{place}" for place in places for kind in ("conv", "relu")]


class PerceptualConfig(Settings):
    """Pictures compared by the features of a network that has learned to name what photos show."""

    network: VGG = setting("vgg19", "network whose features are compared (Simonyan and Zisserman 2015)")
    weights: str | None = setting(
        None,
        "weights of the perceptual loss's network by torchvision's names, as .safetensors or .pth (default: the file "
        "that torchvision has downloaded)",
        option="--features",
    )
    layers: dict[str, Annotated[float, Field(ge=0)]] = setting(
        {}, "weight of each layer: conv1_1 before its ReLU, relu1_1 after it, and so on; none: conv5_4=1, vgg16 conv5_3"
    )
    distance: Literal["l1", "l2"] = setting("l1", "mean absolute or squared difference of the features")
    normalise: bool = setting(False, "divide the features of each layer by their mean magnitude in the real picture")
    style_layers: dict[str, Annotated[float, Field(ge=0)]] = setting(
        {},
        "weight of each layer in a style loss; none: relu1_2=1, relu2_2=1, relu3_4=1, relu4_4=1, vgg16 relu3_3 and "
        "relu4_3 for the last two",
    )

    @model_validator(mode="after")
    def _the_network_has_these_layers(self) -> PerceptualConfig:
        known = layer_names(self.network)
        strange = [name for name in (*self.layers, *self.style_layers) if name not in known]
        if strange:
            raise ValueError(
                f"{self.network} has no layer {strange[0]}: they are named conv1_1, relu1_1 to {known[-1]}"
            )
        if self.layers and not self.layer_weights:
            raise ValueError("every layer weighs 0: give one a weight, such as layers.conv5_4=1")
        if self.style_layers and not self.style_weights:
            raise ValueError("every layer of the style weighs 0: give one a weight, such as style_layers.relu2_2=1")
        return self

    @property
    def layer_weights(self) -> dict[str, float]:
        """The layers that count, by name: those given, without those that weigh 0; else the last convolution."""
        last = layer_names(self.network)[-2]
        return {name: weight for name, weight in (self.layers or {last: 1.0}).items() if weight}

    @property
    def style_weights(self) -> dict[str, float]:
        """The layers that count for the style, by name, chosen alike; else the last ReLU of each block but block 5."""
        counts = enumerate(CONVOLUTIONS[self.network][:4], start=1)
        last = {f"relu{block}_{count}": 1.0 for block, count in counts}
        return {name: weight for name, weight in (self.style_layers or last).items() if weight}
