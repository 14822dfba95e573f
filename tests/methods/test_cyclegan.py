"""CycleGAN against a loop written with torch alone, and what its losses and pictures are made of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from i2i.config.methods.cyclegan import CycleGANConfig
from i2i.config.network_base import Norm
from i2i.config.networks import PatchGANConfig, ResNetConfig
from i2i.data.batches import Unpaired
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision, batch_converter, place
from i2i.engine.update import Engine
from i2i.methods.base import Draws, StepInfo, Update, at_once
from i2i.methods.cyclegan import CycleGAN
from i2i.networks.norm import InstanceNorm

CPU = Precision(torch.device("cpu"), "fp32")
SEED = 11
RELATIVISTIC = ("ragan", "ralsgan", "rahinge")


def small(**settings: object) -> CycleGAN:
    """Two and three filters, float64, the same weights every time."""
    torch.manual_seed(0)
    networks = {"generator": generator(), "discriminator": discriminator()}
    return CycleGAN(CycleGANConfig.model_validate({**networks, "history": 4, **settings})).double()


def generator(norm: Norm = "instance") -> ResNetConfig:
    return ResNetConfig(filters=2, blocks=1, norm=norm, init_gain=0.2)


def discriminator(norm: Norm = "instance") -> PatchGANConfig:
    return PatchGANConfig(filters=3, layers=1, norm=norm, init_gain=0.2)


def pictures(batch: int, count: int = 1, channels: tuple[int, int] = (3, 3)) -> list[Unpaired]:
    generator = torch.Generator().manual_seed(1)
    shapes = [(batch, c, 16, 16) for c in channels]
    return [
        Unpaired(*(torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1 for shape in shapes))
        for _ in range(count)
    ]


def at(method: CycleGAN, index: int = 0, samples: int = 2) -> StepInfo:
    return StepInfo(index, "", index, samples, 0, 1, Draws(SEED, index, 0, 1, next(method.parameters())))


def updates(method: CycleGAN, batch: Unpaired) -> tuple[Update, Update]:
    """Both yields of a step; nothing learns in between."""
    generators, discriminators = method.step(lambda: batch, at(method, samples=len(batch.real_a)))
    return generators, discriminators


class ListPool:
    """The image pool of Shrivastava et al. as a list. Its uniform numbers are those that a step hands out."""

    def __init__(self, size: int) -> None:
        self.size, self.images = size, []

    def query(self, pictures: Tensor, draws: Draws) -> Tensor:
        swap, slot = draws.uniform(len(pictures)).tolist(), draws.uniform(len(pictures)).tolist()
        returned = []
        for picture, u, v in zip(pictures.detach(), swap, slot, strict=True):
            if len(self.images) < self.size:
                self.images.append(picture)
            elif u > 0.5:
                place = int(v * self.size)
                self.images[place], picture = picture, self.images[place]
            returned.append(picture)
        return torch.stack(returned)


def adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for network in networks for p in network.parameters()], lr=2e-4, betas=(0.5, 0.999))


def squares(logits: Tensor, target: float) -> Tensor:
    return F.mse_loss(logits, torch.full_like(logits, target))


def reference_loop(method: CycleGAN, batches: list[Unpaired]) -> tuple[dict[str, Tensor], list[ListPool]]:
    """The published joint order (SPECS-translation 6) with backward() and torch's plain Adam: weights and pools."""
    method = copy.deepcopy(method)
    a2b, b2a, judge_a, judge_b = method.a2b, method.b2a, method.discriminator_a, method.discriminator_b
    generators, judges, pools = adam(a2b, b2a), adam(judge_a, judge_b), [ListPool(4), ListPool(4)]
    for index, (real_a, real_b) in enumerate(batches):
        draws = Draws(SEED, index, 0, 1, real_a)
        fake_b, fake_a = a2b(real_a), b2a(real_b)
        judge_a.requires_grad_(False), judge_b.requires_grad_(False)
        generators.zero_grad()
        loss = squares(judge_a(fake_a), 1) + squares(judge_b(fake_b), 1)
        loss = loss + 10 * F.l1_loss(b2a(fake_b), real_a) + 10 * F.l1_loss(a2b(fake_a), real_b)
        loss = loss + 5 * F.l1_loss(a2b(real_b), real_b) + 5 * F.l1_loss(b2a(real_a), real_a)
        loss.backward()
        generators.step()
        judge_a.requires_grad_(True), judge_b.requires_grad_(True)
        judges.zero_grad()
        past_a, past_b = pools[0].query(fake_a, draws), pools[1].query(fake_b, draws)
        for judge, real, fake in [(judge_a, real_a, past_a), (judge_b, real_b, past_b)]:
            (0.5 * (squares(judge(real), 1) + squares(judge(fake), 0))).backward()
        judges.step()
    return dict(method.named_parameters()), pools


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_ten_updates_are_those_of_a_plain_loop_to_1e_10(batch: int, channels_last: bool):
    method, batches = small(), pictures(batch, 10)
    start = {name: p.detach().clone() for name, p in method.named_parameters()}
    expected, pools = reference_loop(method, batches)
    place(method, CPU.device, channels_last)
    engine = Engine(method, fused_adam, CPU, seed=SEED)
    feed = Feed(iter(batches), batch_converter(CPU.device, (-1, 1), channels_last), 1)
    for _ in range(10):
        engine.step(feed, batch)
    found = dict(method.named_parameters())
    assert found["a2b.down.0.0.weight"].is_contiguous() is not channels_last
    for name in found.keys() - biases_without_effect(method):
        assert (found[name] - expected[name]).abs().max() < 1e-10, name
        assert (found[name] - start[name]).abs().max() > 5e-4, name  # it learned at all
    for history, pool in zip((method.past_a, method.past_b), pools, strict=True):
        torch.testing.assert_close(history.images, torch.stack(pool.images), rtol=0, atol=1e-10)


def biases_without_effect(method: nn.Module) -> set[str]:
    """Those before an instance norm, which subtracts them again: their gradient is rounding, which Adam enlarges."""
    return {
        f"{name}.{number}.bias"
        for name, module in method.named_modules()
        if isinstance(module, nn.Sequential)
        for number, following in enumerate([*module][1:])
        if isinstance(following, InstanceNorm)
    }


def fused_adam(params: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(params, lr=2e-4, betas=(0.5, 0.999), fused=True)


def test_losses_have_the_weights_of_the_settings():
    method, (batch,) = small(cycle_a=3, cycle_b=7, identity=0.25), pictures(2)
    real_a, real_b = batch
    fake_b, fake_a = method.a2b(real_a), method.b2a(real_b)
    expected = {
        "gan_a": squares(method.discriminator_a(fake_a), 1),
        "gan_b": squares(method.discriminator_b(fake_b), 1),
        "cycle_a": 3 * F.l1_loss(method.b2a(fake_b), real_a),
        "cycle_b": 7 * F.l1_loss(method.a2b(fake_a), real_b),
        "idt_a": 0.25 * 3 * F.l1_loss(method.b2a(real_a), real_a),
        "idt_b": 0.25 * 7 * F.l1_loss(method.a2b(real_b), real_b),
        "d_a": (squares(method.discriminator_a(real_a), 1) + squares(method.discriminator_a(fake_a), 0)) / 2,
        "d_b": (squares(method.discriminator_b(real_b), 1) + squares(method.discriminator_b(fake_b), 0)) / 2,
    }
    first, second = updates(method, batch)
    assert (first.players, second.players) == ("generators", "discriminators")
    assert not first.partial
    assert not second.partial
    torch.testing.assert_close({**first.losses, **second.losses}, expected, rtol=1e-12, atol=1e-12)
    assert [*first.losses, *second.losses] == list(expected)


def test_only_the_generators_learn_from_their_fakes_and_both_learn_from_each_cycle():
    method, (batch,) = small(), pictures(1)
    first, second = updates(method, batch)
    generators = [method.a2b.head[1].weight, method.b2a.head[1].weight]
    judges = torch.autograd.grad(sum(second.losses.values()), generators, allow_unused=True, retain_graph=True)
    assert judges == (None, None)
    for name in ("cycle_a", "cycle_b"):
        gradients = torch.autograd.grad(first.losses[name], generators, retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients)


@pytest.fixture
def counted() -> Iterator[Callable[[nn.Module], list[int]]]:
    """counted(network): the sizes of the batches that go through it, a growing list."""
    handles = []

    def count(network: nn.Module) -> list[int]:
        sizes: list[int] = []
        handles.append(network.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0]))))
        return sizes

    yield count
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize(("norm", "calls"), [("instance", [4, 2]), ("batch", [2, 2, 2])])
def test_identity_0_skips_two_of_six_translations(
    norm: Norm, calls: list[int], counted: Callable[[nn.Module], list[int]]
):
    for identity, expected in [(0.5, calls), (0, [2, 2])]:
        method, (batch,) = small(identity=identity, generator=generator(norm)), pictures(2)
        sizes = [counted(method.a2b), counted(method.b2a)]
        first, _ = updates(method, batch)
        assert sizes == [expected, expected]
        assert ("idt_a" in first.losses, "idt_b" in first.losses) == (bool(identity), bool(identity))


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_two_batches_by_one_call_give_what_two_calls_give(norm: Norm):
    judge = small(discriminator=discriminator(norm)).discriminator_a
    first, second = pictures(2)[0]
    expected = judge(first), judge(second)
    torch.testing.assert_close(at_once(judge, first, second), expected, rtol=1e-12, atol=1e-12)


def test_wgan_gp_adds_the_penalty_of_mixed_pictures_with_its_weight():
    method, (batch,) = small(adversarial="wgan-gp", gradient_penalty=7, history=0), pictures(2)
    _, second = updates(method, batch)
    assert list(second.losses) == ["d_a", "d_a_penalty", "d_b", "d_b_penalty"]
    draws = Draws(SEED, 0, 0, 1, batch.real_a)
    fakes = method.b2a(batch.real_b), method.a2b(batch.real_a)
    judges = method.discriminator_a, method.discriminator_b
    for name, judge, real, fake in zip(("d_a", "d_b"), judges, batch, fakes, strict=True):
        mix = draws.uniform(2).view(2, 1, 1, 1)  # one number per picture (Gulrajani et al., algorithm 1)
        mixed = (real + mix * (fake - real)).detach().requires_grad_()
        judge(mixed).sum().backward()
        norms = mixed.grad.square().sum((1, 2, 3)).sqrt()
        torch.testing.assert_close(second.losses[f"{name}_penalty"], 7 * ((norms - 1) ** 2).mean())
        torch.testing.assert_close(second.losses[name], 0.5 * (judge(fake).mean() - judge(real).mean()))


@pytest.mark.parametrize(
    "settings", [{"adversarial": "wgan-gp", "gradient_penalty": 0}, {"adversarial": "lsgan"}, {"adversarial": "ragan"}]
)
def test_without_wgan_gp_or_its_weight_there_is_no_penalty(settings: dict[str, object]):
    _, second = updates(small(**settings), pictures(2)[0])
    assert list(second.losses) == ["d_a", "d_b"]


@pytest.mark.parametrize("kind", RELATIVISTIC)
def test_relativistic_losses_compare_samples_and_say_so(kind: str):
    assert small(adversarial=kind).coupled == ("gan_a", "gan_b", "d_a", "d_b")


@pytest.mark.parametrize("kind", ["vanilla", "saturating", "lsgan", "hinge", "wgan-gp"])
def test_other_losses_are_means_over_samples(kind: str):
    assert small(adversarial=kind).coupled == ()
    assert CycleGAN.coupled == ()


def test_the_relativistic_generator_is_judged_beside_the_real_pictures():
    method, (batch,) = small(adversarial="ralsgan"), pictures(2)
    first, _ = updates(method, batch)
    f, r = method.discriminator_b(method.a2b(batch.real_a)), method.discriminator_b(batch.real_b)
    expected = 0.5 * (squares(f - r.mean(), 1) + squares(r - f.mean(), -1))  # SPECS-translation 5
    torch.testing.assert_close(first.losses["gan_b"], expected)


def test_the_sheet_has_input_translation_and_reconstruction_of_gray_and_colour():
    method, (batch,) = small(channels_a=1, identity=0), pictures(2, channels=(1, 3))
    columns = method.pictures(batch, method.deployed())
    assert {name: column.shape[1] for name, column in columns.items()} == {
        "real_a": 1, "fake_b": 3, "rec_a": 1, "real_b": 3, "fake_a": 1, "rec_b": 3,
    }  # fmt: skip
    assert torch.equal(columns["fake_b"], method.a2b(batch.real_a))
    assert torch.equal(columns["rec_b"], method.a2b(method.b2a(batch.real_b)))


def test_the_sheet_is_drawn_by_the_networks_it_is_given():
    method, (batch,) = small(), pictures(1)
    columns = method.pictures(batch, {"a2b": nn.Identity(), "b2a": nn.Identity()})
    assert all(torch.equal(columns[name], batch.real_a) for name in ("real_a", "fake_b", "rec_a"))
    assert all(torch.equal(columns[name], batch.real_b) for name in ("real_b", "fake_a", "rec_b"))


def test_every_weight_belongs_to_one_player_and_to_one_saved_network():
    method = small()
    owned = [p for player in method.players().values() for p in player.parameters()]
    saved = [p for network in (*method.deployed().values(), *method.judges().values()) for p in network.parameters()]
    assert {*map(id, owned)} == {*map(id, saved)} == {*map(id, method.parameters())}
    assert len(owned) == len(saved) == len(list(method.parameters()))


def test_a_step_returns_the_losses_that_it_yielded_by_name():
    method, batches = small(), pictures(2, 2)
    engine = Engine(method, fused_adam, CPU, seed=SEED)
    feed = Feed(cycle(batches), lambda batch: batch, 1)
    engine.step(feed, 2)
    before = copy.deepcopy(method)
    first = next(before.step(lambda: batches[1], at(before, index=1)))
    told = engine.step(feed, 2)
    assert list(told) == ["gan_a", "gan_b", "cycle_a", "cycle_b", "idt_a", "idt_b", "d_a", "d_b"]
    for name, value in first.losses.items():
        assert told[name].item() == pytest.approx(value.item(), rel=1e-12)


def test_label_maps_are_for_pairs_alone():
    generator = {"kind": "resnet", "labels": 3, "input_channels": 1}
    with pytest.raises(ValidationError, match=r"label maps are for pix2pix: set method\.generator\.labels=0"):
        CycleGANConfig.model_validate({"generator": generator})
