"""The contest between one generator and what judges it: the adversarial losses, with the remedies against instability.

A judge is a function from pictures (N, C, H, W) to verdicts, one for each scale of each discriminator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

import torch
from torch import Tensor, cat, nn, stack

from i2i.config.losses import Adversarial
from i2i.config.networks import DiscriminatorConfig
from i2i.config.noise_networks import Critic as CriticConfig
from i2i.config.remedies import NO_REMEDIES, RemediesConfig
from i2i.losses.adversarial import RELATIVISTIC, discriminator_loss, generator_loss
from i2i.losses.feature_matching import feature_matching
from i2i.losses.penalties import gradient_penalty, r1_penalty
from i2i.methods.base import Player, StepInfo
from i2i.methods.views import draw_view
from i2i.networks.base import Network
from i2i.networks.build import AnyCritic, AnyDiscriminator, build
from i2i.networks.minibatch_stddev import MinibatchStddev
from i2i.networks.patchgan import Verdict

Verdicts = Sequence[Verdict]
Judge = Callable[..., Verdicts]  # of a picture; or of a picture and of what belongs to it
Order = Literal["real first", "fake first", "together"]


class Contest:
    """Adversarial losses of one kind. Without remedies nothing is drawn but the mix for wgan-gp's own penalty."""

    def __init__(
        self,
        kind: Adversarial,
        remedies: RemediesConfig = NO_REMEDIES,
        *,
        penalty: float = 0.0,
        half: bool = True,
        order: Order = "real first",
    ) -> None:
        """`penalty` weighs the gradient penalty that wgan-gp brings by itself; `half` is the 1/2 of the translation
        methods on what a discriminator learns from. `order`: the calls in which a learning judge sees real and fake
        pictures; `together` is one call, for judges in which samples do not meet (`methods.base.samples_meet`).
        """
        self.kind, self.remedies, self.order = kind, remedies, order
        self.penalty = penalty if kind == "wgan-gp" else 0.0
        self.share = 0.5 if half else 1.0

    def compares(self, discriminator: nn.Module) -> bool:
        """Whether its losses compare the samples of a batch, so that they are not means over them."""
        deviates = any(isinstance(module, MinibatchStddev) for module in discriminator.modules())
        return self.kind in RELATIVISTIC or deviates

    def telling(
        self, judge: Judge, real: Tensor, fake: Tensor, at: StepInfo, *, beside: Tensor | None = None, name: str = "d"
    ) -> dict[str, Tensor]:
        """What discriminators learn from: `name`, summed over scales and members, and `name_penalty` where it is due.

        real and fake are (N, C, H, W), `beside` (N, C', H, W) is what belongs to both: the judge is then called with
        it, too. No gradient reaches `fake`.
        """
        view = draw_view(self.remedies, at, real)
        judge = judge if beside is None else _with(view.of_what_belongs_to_it(beside), judge)
        real, fake = view.of(real), view.of(fake.detach().to(real.dtype))
        match self.order:
            case "real first":
                reals, fakes = judge(real), judge(fake)
            case "fake first":
                fakes, reals = judge(fake), judge(real)
            case "together":
                reals, fakes = _at_once(judge, real, fake)
        smoothing = self.remedies.label_smoothing
        pairs = zip(reals, fakes, strict=True)
        told = [discriminator_loss(self.kind, real.logits, fake.logits, smoothing=smoothing) for real, fake in pairs]
        return {name: self.share * stack(told).sum(), **self._penalties(judge, real, fake, at, f"{name}_penalty")}

    def fooling(
        self,
        judge: Judge,
        real: Tensor,
        fake: Tensor,
        at: StepInfo,
        *,
        beside: Tensor | None = None,
        weight: float = 1.0,
        matching: float = 0.0,
        name: str = "gan",
        features: str = "features",
    ) -> dict[str, Tensor]:
        """What a generator learns from: `name`, summed over scales and averaged over members, and `features`.

        `weight` and `matching` are the weights of the two; hidden layers are matched where `matching` is not 0. Only
        `fake` gets a gradient. See `telling` for the pictures.
        """
        view = draw_view(self.remedies, at, real)  # the same for both: hidden layers are compared place by place
        judge = judge if beside is None else _with(view.of_what_belongs_to_it(beside), judge)
        fake = view.of(fake)
        if self.kind not in RELATIVISTIC and not matching:
            fakes = reals = judge(fake)
        elif self.order == "together":
            fakes, reals = _at_once(judge, fake, view.of(real))
        else:
            fakes = judge(fake)
            with torch.no_grad():  # the generator has no part in them
                reals = judge(view.of(real))
        pairs = zip(reals, fakes, strict=True)
        gan = stack([fake.share * generator_loss(self.kind, fake.logits, real.logits) for real, fake in pairs]).sum()
        losses = {name: weight * gan}
        if matching:
            matched = feature_matching([fake.features for fake in fakes], [real.features for real in reals])
            losses[features] = matching * matched
        return losses

    def _penalties(self, judge: Judge, real: Tensor, fake: Tensor, at: StepInfo, name: str) -> dict[str, Tensor]:
        """The penalty of the loss itself or of the remedies; settings allow one of them."""
        remedies = self.remedies

        def logits(pictures: Tensor) -> list[Tensor]:
            return _by_member(judge(pictures), remedies.discriminators)

        if self.penalty:
            mix = at.draws.uniform(len(real))
            return {name: self.penalty * gradient_penalty(logits, real, fake, mix)}
        if remedies.penalty == "none" or at.index % remedies.penalty_every:
            return {}
        weight = remedies.penalty_weight * remedies.penalty_every
        if remedies.penalty == "r1":
            return {name: weight * r1_penalty(logits, real)}
        mix = at.draws.uniform(len(real))
        return {name: weight * gradient_penalty(logits, real, fake, mix)}


class Ensemble(nn.Module):
    """Several discriminators that are alike but for their weights (Durugkar, Gemp, Mahadevan 2017)."""

    members: Sequence[AnyDiscriminator | AnyCritic]

    def __init__(self, members: Sequence[AnyDiscriminator | AnyCritic]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)  # type: ignore[assignment]  # a sequence of these, for what we do

    def judge(self, *seen: Any) -> list[Verdict]:
        """Whatever a member judges -> the verdicts of all, member by member; each has its part of the share."""
        judged = [verdict for member in self.members for verdict in member.judge(*seen)]
        return [verdict._replace(share=verdict.share / len(self.members)) for verdict in judged]


@overload
def discriminators(config: DiscriminatorConfig, remedies: RemediesConfig) -> AnyDiscriminator | Ensemble: ...
@overload
def discriminators(config: CriticConfig, remedies: RemediesConfig) -> AnyCritic | Ensemble: ...
def discriminators(
    config: DiscriminatorConfig | CriticConfig, remedies: RemediesConfig
) -> AnyDiscriminator | AnyCritic | Ensemble:
    """The discriminator of these settings, or as many as the remedies ask for, each drawn by itself."""
    if remedies.discriminators == 1:
        return build(config)
    return Ensemble([build(config) for _ in range(remedies.discriminators)])


def learning(discriminator: nn.Module | None, remedies: RemediesConfig) -> dict[str, Player]:
    """The player "discriminator", at its share of the rate; none where nothing judges."""
    return {} if discriminator is None else {"discriminator": Player(discriminator, rate=remedies.discriminator_rate)}


def members(name: str, discriminator: Network | Ensemble | None) -> dict[str, Network]:
    """By the names that files have for them: `name`, and `name_2`, `name_3` ... of an ensemble."""
    if discriminator is None:
        return {}
    if isinstance(discriminator, Network):
        return {name: discriminator}
    numbered = enumerate(discriminator.members, start=1)
    return {name if number == 1 else f"{name}_{number}": member for number, member in numbered}


def _with(beside: Tensor, judge: Judge) -> Judge:
    """A judge of pictures beside something. Pictures of two batches at once have it beside them twice."""
    return lambda picture: judge(picture, beside if len(picture) == len(beside) else cat([beside, beside]))


def _at_once(judge: Judge, first: Tensor, second: Tensor) -> tuple[list[Verdict], list[Verdict]]:
    """The verdicts on two batches by one call."""
    halves = [_halves(verdict, len(first)) for verdict in judge(cat([first, second]))]
    return [half for half, _ in halves], [half for _, half in halves]


def _halves(verdict: Verdict, first: int) -> tuple[Verdict, Verdict]:
    logits = verdict.logits.tensor_split([first])
    features = [feature.tensor_split([first]) for feature in verdict.features]
    one, other = (Verdict(logits[half], tuple(feature[half] for feature in features), verdict.share) for half in (0, 1))
    return one, other


def _by_member(verdicts: Verdicts, members: int) -> list[Tensor]:
    """The sum of all logits of each member."""
    scales = len(verdicts) // members
    sums = [verdict.logits.sum() for verdict in verdicts]
    return [stack(sums[first : first + scales]).sum() for first in range(0, len(sums), scales)]
