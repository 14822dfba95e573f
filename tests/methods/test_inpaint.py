"""Inpainting against a loop written with torch alone, and what its losses and pictures are made of."""

from __future__ import annotations

import copy
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.inpaint import InpaintConfig
from i2i.data.batches import Masked
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision, place
from i2i.engine.update import Engine
from i2i.errors import ConfigError
from i2i.losses.reconstruction import hole_and_valid_loss, l1_loss, total_variation
from i2i.methods.base import Draws, StepInfo, Update
from i2i.methods.inpaint import Inpaint

CPU = Precision(torch.device("cpu"), "fp32")
SEED = 11
GATED = {"filters": 4}
SPECTRAL = {"kind": "patchgan-sn", "filters": 3, "layers": 2}
PATCHGAN = {"kind": "patchgan", "filters": 3, "layers": 1, "init_gain": 0.2}
MULTISCALE = {"kind": "multiscale", "filters": 2, "scales": 2, "init_gain": 0.2}


def small(**settings: Any) -> Inpaint:
    """Four and three filters, float64, the same weights every time."""
    torch.manual_seed(0)
    given = {"generator": GATED, "discriminator": SPECTRAL, **settings}
    return Inpaint(InpaintConfig.model_validate(given)).double()


def pictures(batch: int, count: int = 1) -> list[Masked]:
    """Noise with boxes of 12 x 9 pixels as holes, each at a place of its own."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(count):
        real = torch.rand(batch, 3, 32, 32, generator=generator, dtype=torch.float64) * 2 - 1
        mask = torch.zeros(batch, 1, 32, 32, dtype=torch.bool)
        for sample in mask:
            top, left = torch.randint(0, 20, (2,), generator=generator).tolist()
            sample[:, top : top + 12, left : left + 9] = True
        made.append(Masked(real, mask))
    return made


def updates(method: Inpaint, batch: Masked) -> list[Update]:
    """The yields of a step; nothing learns in between."""
    draws = Draws(SEED, 0, 0, 1, next(method.parameters()))
    return list(method.step(lambda: batch, StepInfo(0, "", 0, len(batch.real), 0, 1, draws)))


def adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for network in networks for p in network.parameters()], lr=1e-4, betas=(0.5, 0.999))


def reference_loop(method: Inpaint, batches: list[Masked]) -> dict[str, Tensor]:
    """Yu et al. 2019 with backward() and torch's plain Adam: hinge losses, and L1 over the whole of both pictures."""
    method = copy.deepcopy(method).train()
    generator, judge = method.generator, method.discriminator
    assert judge is not None
    drawing, judging = adam(generator), adam(judge)
    for real, hole in batches:
        mask = hole.double()
        coarse, fine = generator.both(torch.cat([real * (1 - mask), mask], 1))
        fake = torch.where(hole, fine, real)
        judging.zero_grad()
        on_real = judge(torch.cat([real, mask], 1))
        on_fake = judge(torch.cat([fake.detach(), mask], 1))
        (F.relu(1 - on_real).mean() / 2 + F.relu(1 + on_fake).mean() / 2).backward()
        judging.step()
        judge.requires_grad_(False)
        drawing.zero_grad()
        fooled = -judge(torch.cat([fake, mask], 1)).mean()
        (fooled + F.l1_loss(coarse, real) + F.l1_loss(fine, real)).backward()
        drawing.step()
        judge.requires_grad_(True)
    return dict(method.named_parameters())


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_ten_updates_are_those_of_a_plain_loop_to_1e_10(batch: int, channels_last: bool):
    method, batches = small(), pictures(batch, 10)
    start = {name: p.detach().clone() for name, p in method.named_parameters()}
    expected = reference_loop(method, batches)
    place(method, CPU.device, channels_last)
    engine = Engine(method, lambda params: torch.optim.Adam(params, lr=1e-4, betas=(0.5, 0.999)), CPU, seed=SEED)
    feed = Feed(cycle(batches), lambda batch: batch, 1)
    for _ in batches:
        engine.step(feed, batch)
    for name, p in method.named_parameters():
        torch.testing.assert_close(p, expected[name], rtol=0, atol=1e-10, msg=name)
        assert not torch.equal(p, start[name]), name


# What it is made of


def test_the_published_networks_have_4_and_5_9_million_parameters():
    with torch.device("meta"):
        method = Inpaint(InpaintConfig())
    counted = {name: sum(p.numel() for p in player.parameters()) for name, player in method.players().items()}
    assert counted == {"discriminator": 5_946_816, "generator": 4_052_478}


def test_the_published_preset_differs_from_the_built_in_method_in_nothing():
    assert resolve("inpaint", "paper", []).config.method == InpaintConfig()


def test_the_network_sees_nothing_of_what_is_in_the_hole():
    method, (batch,) = small(), pictures(2)
    other = torch.where(batch.mask, torch.rand_like(batch.real), batch.real)
    columns = [method.pictures(Masked(real, batch.mask), method.deployed()) for real in (batch.real, other)]
    assert torch.equal(columns[0]["fake"], columns[1]["fake"])
    assert torch.equal(columns[0]["masked"], columns[1]["masked"])


def test_outside_of_the_hole_the_repaired_picture_is_the_real_one():
    method, (batch,) = small(), pictures(2)
    shown = method.pictures(batch, method.deployed())
    known = (~batch.mask).expand_as(batch.real)
    assert torch.equal(shown["fake"][known], batch.real[known])
    assert torch.equal(shown["real"], batch.real)
    assert not torch.isclose(shown["fake"], batch.real)[~known].all()


def test_pixel_losses_have_a_weight_for_holes_one_for_what_is_known_and_one_for_the_coarse_picture():
    method, (batch,) = small(hole_weight=6, valid_weight=2, coarse_weight=0.5, adversarial_weight=0), pictures(2)
    (drawn,) = updates(method, batch)
    mask = batch.mask.double()
    coarse, fine = method.generator.both(torch.cat([batch.real * (1 - mask), mask], 1))
    assert drawn.losses.keys() == {"hole", "valid", "coarse_hole", "coarse_valid"}
    torch.testing.assert_close(drawn.losses["hole"], 6 * ((fine - batch.real).abs() * mask).mean())
    torch.testing.assert_close(drawn.losses["valid"], 2 * ((fine - batch.real).abs() * (1 - mask)).mean())
    torch.testing.assert_close(drawn.losses["coarse_hole"], 3 * ((coarse - batch.real).abs() * mask).mean())


def test_hole_and_valid_loss_together_are_the_mean_difference():
    fake, real = torch.zeros(1, 3, 2, 2), torch.tensor([1.0, 2.0, 3.0, 6.0]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    mask = torch.tensor([1.0, 0.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
    inside, outside = hole_and_valid_loss(fake, real, mask)
    assert (inside.item(), outside.item()) == (7 / 4, 5 / 4)
    assert inside + outside == l1_loss(fake, real)


def test_holes_can_count_alike_whatever_their_size():
    """A hole of one pixel that is off by 1, and one of three pixels that are off by 3; an empty one counts nothing."""
    off = torch.tensor([[1.0, 0, 0, 0], [3.0, 3, 3, 0], [0, 0, 0, 0]]).reshape(3, 1, 2, 2).expand(3, 3, 2, 2)
    mask = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]]).reshape(3, 1, 2, 2)
    inside, outside = hole_and_valid_loss(off, torch.zeros(3, 3, 2, 2), mask, alike=True)
    assert (inside.item(), outside.item()) == (pytest.approx((1 + 3 + 0) / 3), 0)


def test_total_variation_counts_neighbours_that_both_lie_in_the_region():
    picture = torch.tensor([[0.0, 1.0, 5.0], [2.0, 4.0, 9.0]]).reshape(1, 1, 2, 3)
    region = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]).reshape(1, 1, 2, 3)
    assert total_variation(picture, region).item() == pytest.approx((1 + 2 + 2 + 3) / 6)


def test_total_variation_is_that_of_the_holes_and_one_pixel_around():
    method, (batch,) = small(variation_weight=0.1), pictures(2)
    _, drawn = updates(method, batch)
    fake = method.pictures(batch, method.deployed())["fake"]
    around = F.max_pool2d(batch.mask.double(), 3, 1, 1)
    torch.testing.assert_close(drawn.losses["variation"], 0.1 * total_variation(fake, around))


def test_without_adversarial_weight_there_is_no_discriminator():
    method, (batch,) = small(adversarial_weight=0), pictures(1)
    assert method.players().keys() == {"generator"}
    assert method.judges() == {}
    assert len(updates(method, batch)) == 1


def test_several_discriminators_are_summed_and_their_features_compared():
    method, (batch,) = small(discriminator=MULTISCALE, feature_matching=10), pictures(2)
    told, drawn = updates(method, batch)
    fake = method.pictures(batch, method.deployed())["fake"]
    mask = batch.mask.double()
    fakes = method.discriminator.judge(torch.cat([fake, mask], 1))
    reals = method.discriminator.judge(torch.cat([batch.real, mask], 1))
    assert len(fakes) == 2
    expected = sum(F.relu(1 - real.logits).mean() for real in reals) + sum(F.relu(1 + f.logits).mean() for f in fakes)
    torch.testing.assert_close(told.losses["d"], expected / 2)
    torch.testing.assert_close(drawn.losses["gan"], -sum(f.logits.mean() for f in fakes))
    gaps = [
        torch.stack([F.l1_loss(a, b) for a, b in zip(fake.features, real.features, strict=True)]).mean()
        for fake, real in zip(fakes, reals, strict=True)
    ]
    torch.testing.assert_close(drawn.losses["features"], 10 * 4 * torch.stack(gaps).mean())


def test_perceptual_and_style_losses_see_the_repaired_picture_from_0_to_1(tmp_path: Path):
    torch.manual_seed(0)
    tensors = {"features.0.weight": torch.randn(64, 3, 3, 3), "features.0.bias": torch.zeros(64)}
    save_file(tensors, tmp_path / "vgg.safetensors")
    perceptual = {
        "weights": str(tmp_path / "vgg.safetensors"),
        "layers": {"relu1_1": 1},
        "style_layers": {"relu1_1": 1},
    }
    method = small(perceptual_weight=0.05, style_weight=2, perceptual=perceptual)
    (batch,) = pictures(2)
    _, drawn = updates(method, batch)
    fake = method.pictures(batch, method.deployed())["fake"]
    expected = method.looks.perceptual.losses(fake / 2 + 0.5, batch.real / 2 + 0.5)
    torch.testing.assert_close(drawn.losses["perceptual"], 0.05 * expected["perceptual"])
    torch.testing.assert_close(drawn.losses["style"], 2 * expected["style"])


# What a person can set wrongly


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"hole_weight": 0, "adversarial_weight": 0},
            "nothing says what belongs into the holes: set method.hole_weight=1",
        ),
        (
            {"adversarial_weight": 0, "feature_matching": 10},
            "feature matching needs a discriminator: set method.adversarial_weight=1",
        ),
        (
            {"discriminator": {**SPECTRAL, "layers": 1}, "feature_matching": 10},
            "a single layer hides none that could be compared: set method.discriminator.layers=2",
        ),
        ({"adversarial": "wgan-gp"}, "is not built for this method: set method.adversarial=hinge"),
        ({"generator": {"filters": 30}}, "filters is a multiple of 4: set filters=28"),
    ],
)
def test_settings_without_sense_are_refused(settings: dict[str, Any], text: str):
    with pytest.raises(ValidationError, match=text):
        InpaintConfig.model_validate(settings)


@pytest.mark.parametrize("discriminator", [SPECTRAL, PATCHGAN, MULTISCALE])
def test_the_fewest_layers_that_are_taken_have_something_to_compare(discriminator: dict[str, Any]):
    method = small(discriminator=discriminator, feature_matching=10)
    drawn = updates(method, pictures(1)[0])[-1]
    assert drawn.losses["features"] > 0


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_the_generator_sees_zeros_in_the_hole_whatever_the_picture_has_there(value: float):
    real, hole = pictures(1)[0]
    wanted = small().pictures(Masked(real, hole), small().deployed())["masked"]
    found = small().pictures(Masked(torch.where(hole, value, real), hole), small().deployed())["masked"]
    assert torch.equal(found, wanted)
    assert not found[hole.expand_as(found)].any()


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        ("data.masks.smallest=0.7", "smallest=0.7 is not below largest=0.6: set smallest=0"),
        ("data.masks.kinds.boxes=0", "every kind of mask weighs 0: give one a weight, such as kinds.strokes=1"),
        ("data.masks.kinds.circles=1", "circles"),
        ("data.zoom=0.5", "zoom"),
    ],
)
def test_masks_without_sense_are_refused(assignment: str, text: str):
    with pytest.raises(ConfigError, match=text):
        resolve("inpaint", "default", [assignment_layer([assignment])])
