"""What a discriminator sees of the pictures: all of them changed at random, by augmentation and noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from i2i.config.remedies import Augmentation, RemediesConfig
from i2i.losses.augmentation import cut_out, recolour, translate
from i2i.methods.base import StepInfo

CHANGES: Mapping[Augmentation, Callable[[Tensor, Tensor], Tensor]] = {
    "color": recolour,
    "translation": translate,
    "cutout": cut_out,
}
NUMBERS: Mapping[Augmentation, int] = {"color": 3, "translation": 2, "cutout": 2}  # for each sample


@dataclass(frozen=True)
class View:
    """One change of a batch of pictures, as it was drawn: the same for whatever it is applied to."""

    numbers: Mapping[Augmentation, Tensor] = field(default_factory=dict)  # by change, in order: (N, k) in [0, 1)
    noise: Tensor | None = None  # (N, C, H, W)

    def of(self, picture: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, differentiable."""
        for name, numbers in self.numbers.items():
            picture = CHANGES[name](picture, numbers)
        return picture if self.noise is None else picture + self.noise.to(picture.dtype)

    def of_what_belongs_to_it(self, beside: Tensor) -> Tensor:
        """(N, C', H, W) -> the same, moved and cut out alike; its colours stay, and it gets no noise."""
        for name, numbers in self.numbers.items():
            beside = beside if name == "color" else CHANGES[name](beside, numbers)
        return beside


def draw_view(remedies: RemediesConfig, at: StepInfo, pictures: Tensor) -> View:
    """A change for each of the pictures (N, C, H, W). Without these remedies nothing is drawn and nothing changes."""
    numbers = {name: at.draws.uniform(len(pictures), NUMBERS[name]) for name in remedies.augment}
    deviation = remedies.instance_noise * max(0.0, 1 - at.since / remedies.instance_noise_steps)
    return View(numbers, deviation * at.draws.normal(*pictures.shape) if deviation else None)
