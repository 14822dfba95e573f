"""The adversarial losses with remedies, against sums by hand; the judges are small enough to see through."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.config.networks import PatchGANConfig
from i2i.config.remedies import RemediesConfig
from i2i.losses.adversarial import discriminator_loss, generator_loss
from i2i.losses.feature_matching import feature_matching
from i2i.methods.base import Draws, StepInfo
from i2i.methods.contest import Contest, Ensemble, discriminators, members
from i2i.networks.patchgan import PatchGAN, Verdict

SMALL = PatchGANConfig(filters=2, layers=1, init_gain=0.2)
SIDE = 12


def pictures(samples: int = 4, seed: int = 0, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(samples, channels, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1


def step(index: int = 0, *, samples: int = 4, part: int = 0, parts: int = 1) -> StepInfo:
    draws = Draws(11, index, part, parts, torch.zeros(1, dtype=torch.float64))
    return StepInfo(index, "", index, samples, part, parts, draws)


def remedies(**settings: Any) -> RemediesConfig:
    return RemediesConfig.model_validate(settings)


def linear(weight: Tensor) -> Callable[..., list[Verdict]]:
    return lambda x: [Verdict((x * weight).sum((1, 2, 3)), ())]


class Watching:
    """A judge that remembers what it was shown, and finds its mean."""

    def __init__(self) -> None:
        self.seen: list[Tensor] = []
        self.beside: list[Tensor] = []

    def __call__(self, picture: Tensor, *beside: Tensor) -> list[Verdict]:
        self.seen.append(picture.detach())
        self.beside += beside
        return [Verdict(picture.mean((1, 2, 3)), ())]


def three() -> Ensemble:
    torch.manual_seed(0)
    ensemble = discriminators(SMALL, remedies(discriminators=3))
    assert isinstance(ensemble, Ensemble)
    return ensemble.double()


# Without remedies


def test_without_remedies_pictures_are_seen_as_they_are_and_nothing_is_drawn() -> None:
    judge, at = Watching(), step()
    real, fake = pictures(seed=1), pictures(seed=2)
    Contest("lsgan").telling(judge, real, fake, at)
    Contest("lsgan").fooling(judge, real, fake, at)
    assert [torch.equal(seen, shown) for seen, shown in zip(judge.seen, (real, fake, fake), strict=True)] == [True] * 3
    assert torch.equal(at.draws.uniform(4), step().draws.uniform(4))


@pytest.mark.parametrize(("half", "share"), [(True, 0.5), (False, 1.0)])
def test_what_a_discriminator_learns_from_is_halved_in_translation(half: bool, share: float) -> None:
    judge, real, fake = Watching(), pictures(seed=1), pictures(seed=2)
    found = Contest("hinge", half=half).telling(judge, real, fake, step(), name="d_a")
    expected = share * discriminator_loss("hinge", real.mean((1, 2, 3)), fake.mean((1, 2, 3)))
    assert found.keys() == {"d_a"}
    torch.testing.assert_close(found["d_a"], expected)


def test_discriminators_teach_no_generator_while_they_learn() -> None:
    fake = pictures(seed=2).requires_grad_()
    told = Contest("lsgan").telling(Watching(), pictures(seed=1), fake, step())
    assert not told["d"].requires_grad


@pytest.mark.parametrize("kind", ["lsgan", "ragan"])
@pytest.mark.parametrize("order", ["fake first", "together"])
def test_the_calls_in_which_pictures_are_seen_do_not_matter_to_a_judge_of_samples(kind: Any, order: Any) -> None:
    torch.manual_seed(0)
    judge, real, fake = PatchGAN(SMALL).double().judge, pictures(seed=1), pictures(seed=2)
    plain, other = Contest(kind), Contest(kind, order=order)
    torch.testing.assert_close(other.telling(judge, real, fake, step()), plain.telling(judge, real, fake, step()))
    torch.testing.assert_close(other.fooling(judge, real, fake, step()), plain.fooling(judge, real, fake, step()))


def test_together_a_judge_sees_each_picture_beside_its_own() -> None:
    judge, beside = Watching(), pictures(seed=3)
    Contest("lsgan", order="together").telling(judge, pictures(seed=1), pictures(seed=2), step(), beside=beside)
    assert torch.equal(judge.beside[0], torch.cat([beside, beside]))


# Several discriminators


def test_discriminators_are_drawn_each_by_itself_and_named_by_number() -> None:
    ensemble = three()
    named = members("discriminator_a", ensemble)
    assert list(named) == ["discriminator_a", "discriminator_a_2", "discriminator_a_3"]
    weights = [next(network.parameters()) for network in named.values()]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_one_discriminator_is_the_network_itself() -> None:
    network = discriminators(SMALL, remedies())
    assert isinstance(network, PatchGAN)
    assert members("discriminator", network) == {"discriminator": network}


def test_each_member_learns_from_its_own_loss_and_the_generator_from_their_mean() -> None:
    ensemble, real, fake = three(), pictures(seed=1), pictures(seed=2)
    contest = Contest("lsgan", remedies(discriminators=3), half=False)
    told = contest.telling(ensemble.judge, real, fake, step())["d"]
    fooled = contest.fooling(ensemble.judge, real, fake, step(), weight=5)["gan"]
    alone = [(member(real), member(fake)) for member in ensemble.members]
    assert told.item() == pytest.approx(sum(discriminator_loss("lsgan", *logits).item() for logits in alone))
    assert fooled.item() == pytest.approx(5 * fmean(generator_loss("lsgan", f).item() for _, f in alone))


def test_hidden_layers_of_all_members_are_matched_in_the_mean() -> None:
    ensemble, real, fake = three(), pictures(seed=1), pictures(seed=2)
    contest = Contest("lsgan", remedies(discriminators=3))
    found = contest.fooling(ensemble.judge, real, fake, step(), matching=10)["features"]
    judged = [(member.judge(fake)[0].features, member.judge(real)[0].features) for member in ensemble.members]
    assert found.item() == pytest.approx(10 * fmean(feature_matching([f], [r]).item() for f, r in judged))


# Penalties


def test_penalties_have_their_weights() -> None:
    weight = torch.full((3, SIDE, SIDE), 0.5, dtype=torch.float64)
    length = 0.5 * (3 * SIDE**2) ** 0.5
    expected = {"gradient": 7 * (length - 1) ** 2, "r1": 7 / 2 * length**2}
    for penalty, value in expected.items():
        contest = Contest("vanilla", remedies(penalty=penalty, penalty_weight=7))
        told = contest.telling(linear(weight), pictures(seed=1), pictures(seed=2), step(), name="d_b")
        assert told["d_b_penalty"].item() == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("kind", "paid"), [("wgan-gp", True), ("lsgan", False)])
def test_wgan_gp_alone_brings_a_penalty_by_itself(kind: Any, paid: bool) -> None:
    told = Contest(kind, penalty=10).telling(Watching(), pictures(seed=1), pictures(seed=2), step())
    assert ("d_penalty" in told) is paid


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_sixteen_lazy_steps_weigh_as_much_as_sixteen_diligent_ones(penalty: str) -> None:
    weight = pictures(1, seed=5)[0]

    def paid(**settings: Any) -> list[float]:
        contest = Contest("vanilla", remedies(penalty=penalty, **settings))
        told = [contest.telling(linear(weight), pictures(seed=1), pictures(seed=2), step(i)) for i in range(16)]
        return [losses["d_penalty"].item() if "d_penalty" in losses else 0 for losses in told]

    lazy, diligent = paid(penalty_every=16), paid()
    assert [value > 0 for value in lazy] == [True] + 15 * [False]
    assert sum(lazy) == pytest.approx(sum(diligent), rel=1e-9)  # a linear critic's slope is the same everywhere


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_members_pay_each_for_its_own_slope(penalty: str) -> None:
    ensemble, real, fake = three(), pictures(seed=1), pictures(seed=2)
    settings = {"penalty": penalty, "penalty_weight": 1}
    together = Contest("vanilla", remedies(discriminators=3, **settings)).telling(ensemble.judge, real, fake, step())
    alone = [Contest("vanilla", remedies(**settings)).telling(m.judge, real, fake, step()) for m in ensemble.members]
    assert together["d_penalty"].item() == pytest.approx(sum(told["d_penalty"].item() for told in alone), rel=1e-12)


@pytest.mark.parametrize("penalty", ["gradient", "r1"])
def test_what_stands_beside_a_picture_is_held_fixed_and_has_no_slope(penalty: str) -> None:
    judge: Callable[..., list[Verdict]] = lambda x, beside: [Verdict((x * beside).sum((1, 2, 3)), ())]  # noqa: E731
    beside = torch.full((4, 3, SIDE, SIDE), 0.5, dtype=torch.float64)
    contest = Contest("vanilla", remedies(penalty=penalty, penalty_weight=1))
    found = contest.telling(judge, pictures(seed=1), pictures(seed=2), step(), beside=beside)["d_penalty"].item()
    length = 0.5 * (3 * SIDE**2) ** 0.5
    assert found == pytest.approx((length - 1) ** 2 if penalty == "gradient" else length**2 / 2, rel=1e-12)


def test_penalties_are_taken_at_the_pictures_that_are_seen() -> None:
    square: Callable[..., list[Verdict]] = lambda x: [Verdict((x**2 / 2).sum((1, 2, 3)), ())]  # noqa: E731
    judge, changed = Watching(), {"augment": ["color"], "instance_noise": 0.3}
    Contest("vanilla", remedies(**changed)).telling(judge, pictures(seed=1), pictures(seed=2), step())
    contest = Contest("vanilla", remedies(penalty="r1", penalty_weight=2, **changed))
    found = contest.telling(square, pictures(seed=1), pictures(seed=2), step())["d_penalty"]
    assert found.item() == pytest.approx(judge.seen[0].square().sum((1, 2, 3)).mean().item(), rel=1e-12)


# Labels


def test_only_the_discriminator_s_labels_are_smoothed() -> None:
    real, fake, contest = pictures(seed=1), pictures(seed=2), Contest("lsgan", remedies(label_smoothing=0.1))
    r, f = real.mean((1, 2, 3)), fake.mean((1, 2, 3))
    told, fooled = (learn(Watching(), real, fake, step()) for learn in (contest.telling, contest.fooling))
    torch.testing.assert_close(told["d"], 0.5 * ((r - 0.9).square().mean() + f.square().mean()))
    torch.testing.assert_close(fooled["gan"], (f - 1).square().mean())


# What the discriminator sees


@pytest.mark.parametrize(("index", "deviation"), [(0, 0.2), (25, 0.15), (50, 0.1), (100, 0.0), (200, 0.0)])
def test_noise_on_all_pictures_fades_evenly(index: int, deviation: float) -> None:
    judge, contest = Watching(), Contest("lsgan", remedies(instance_noise=0.2, instance_noise_steps=100))
    real, fake = pictures(64, seed=1), pictures(64, seed=2)
    contest.telling(judge, real, fake, step(index, samples=64))
    contest.fooling(judge, real, fake, step(index, samples=64))
    for seen, shown in zip(judge.seen, (real, fake, fake), strict=True):
        assert (seen - shown).std().item() == pytest.approx(deviation, rel=0.03, abs=1e-12)


def test_noise_does_not_touch_what_stands_beside() -> None:
    judge, beside = Watching(), pictures(seed=3, channels=1)
    contest = Contest("lsgan", remedies(instance_noise=0.2))
    contest.telling(judge, pictures(seed=1), pictures(seed=2), step(), beside=beside)
    assert all(torch.equal(seen, beside) for seen in judge.beside)


def test_a_picture_and_what_stands_beside_it_move_alike_and_colours_change_in_the_picture_alone() -> None:
    judge, picture = Watching(), pictures(seed=1)
    contest = Contest("lsgan", remedies(augment=["translation", "cutout"]))
    contest.fooling(judge, picture, picture, step(), beside=picture)
    assert torch.equal(judge.seen[0], judge.beside[0])
    assert not torch.equal(judge.seen[0], picture)
    colours = Contest("lsgan", remedies(augment=["color"]))
    colours.fooling(judge, picture, picture, step(), beside=picture)
    assert torch.equal(judge.beside[1], picture)
    assert not torch.equal(judge.seen[1], picture)


def test_hidden_layers_are_matched_place_by_place_whatever_was_changed() -> None:
    torch.manual_seed(0)
    judge, picture = PatchGAN(SMALL).double().judge, pictures(seed=1)
    contest = Contest("lsgan", remedies(augment=["color", "translation", "cutout"], instance_noise=0.5))
    assert contest.fooling(judge, picture, picture, step(), matching=10)["features"] == 0


def test_a_generator_learns_through_the_changes() -> None:
    fake = pictures(seed=2).requires_grad_()
    contest = Contest("hinge", remedies(augment=["color", "translation"], instance_noise=0.1))
    (slope,) = torch.autograd.grad(contest.fooling(Watching(), pictures(seed=1), fake, step())["gan"], fake)
    assert slope.isfinite().all()
    assert slope.ne(0).any((1, 2, 3)).all()


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_see_together_what_the_whole_batch_sees(parts: int) -> None:
    contest = Contest("lsgan", remedies(augment=["color", "translation", "cutout"], instance_noise=0.1))

    def seen(part: int, parts: int) -> Tensor:
        judge, share = Watching(), slice(part * 4 // parts, (part + 1) * 4 // parts)
        at = step(3, samples=4 // parts, part=part, parts=parts)
        contest.telling(judge, pictures(seed=1)[share], pictures(seed=2)[share], at)
        return judge.seen[0]

    assert torch.equal(torch.cat([seen(part, parts) for part in range(parts)]), seen(0, 1))
