"""Every method with a discriminator of pictures makes a finite step with each remedy, and with some together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.config.methods import run_class
from i2i.config.run import RunConfig
from i2i.data.batches import Masked, Paired, Photos, Unpaired
from i2i.engine.feed import Feed
from i2i.engine.precision import Precision
from i2i.engine.publish import Publisher
from i2i.engine.runfolder import RunFolder
from i2i.engine.start import start_from
from i2i.engine.update import Engine
from i2i.methods.base import Method
from i2i.methods.build import build_method

CPU = Precision(torch.device("cpu"), "fp32")
BATCH = 4
SIDE = 32
RESNET = {"kind": "resnet", "filters": 2, "blocks": 1, "init_gain": 0.2}
COMPACT = {"kind": "compact", "filters": 3, "convolutions": 1, "init_gain": 0.2}
PATCHGAN = {"kind": "patchgan", "filters": 8, "layers": 1, "init_gain": 0.2}
METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": {"generator": RESNET},
    "pix2pix": {"generator": RESNET},
    "srgan": {"generator": COMPACT, "scale": 2, "adversarial": "vanilla", "perceptual_weight": 0},
    "inpaint": {"generator": {"filters": 4}, "adversarial": "lsgan"},
}
REMEDIES: dict[str, dict[str, Any]] = {
    "several discriminators": {"discriminators": 3},
    "more updates": {"updates": 3},
    "two rates": {"discriminator_rate": 4},
    "gradient penalty": {"penalty": "gradient"},
    "r1": {"penalty": "r1"},
    "lazy r1": {"penalty": "r1", "penalty_every": 16},
    "label smoothing": {"label_smoothing": 0.1},
    "instance noise": {"instance_noise": 0.1},
    "colour": {"augment": ["color"]},
    "translation": {"augment": ["translation"]},
    "cutout": {"augment": ["cutout"]},
    "several, penalised": {"discriminators": 2, "penalty": "gradient"},
    "augmented, penalised": {"augment": ["color", "translation", "cutout"], "penalty": "r1"},
    "smoothed, noisy, often": {"label_smoothing": 0.1, "instance_noise": 0.1, "updates": 2},
    "everything": {
        "discriminators": 2,
        "updates": 2,
        "discriminator_rate": 2,
        "penalty": "r1",
        "penalty_every": 4,
        "label_smoothing": 0.1,
        "instance_noise": 0.1,
        "augment": ["color", "translation", "cutout"],
    },
}
IN_THE_NETWORK = {
    "spectral norm": {"spectral": True},
    "self-attention": {"attention": True},
    "minibatch standard deviation": {"stddev": True},
    "all three": {"spectral": True, "attention": True, "stddev": True},
}
TABLE = [(method, remedy) for method in METHODS for remedy in (*REMEDIES, *IN_THE_NETWORK)]


def batch(name: str, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, BATCH, 3, SIDE, SIDE, generator=generator) * 2 - 1
    match name:
        case "cyclegan":
            return Unpaired(a, b)
        case "pix2pix":
            return Paired(a, b)
        case "srgan":
            return Photos((a + 1) / 2)
        case _:
            return Masked(a, b[:, :1] > 0.4)


def config_of(name: str, remedies: Mapping[str, Any], discriminator: Mapping[str, Any] | None = None) -> RunConfig:
    settings = {"discriminator": {**PATCHGAN, **(discriminator or {})}, "remedies": remedies}
    return run_class(name).model_validate(
        {"method": {"kind": name, **METHODS[name], **settings}, "train": {"batch": BATCH}}
    )


def method_of(name: str, remedies: Mapping[str, Any], discriminator: Mapping[str, Any] | None = None) -> Method:
    torch.manual_seed(0)
    return build_method(config_of(name, remedies, discriminator).method)


def engine_of(method: Method) -> Engine:
    # the adversarial stage of srgan at once
    stages = [stage._replace(begin=0) for stage in method.stages(10)[-1:]]
    return Engine(method, lambda params: torch.optim.Adam(params, lr=2e-4), CPU, seed=3, stages=stages)


def steps(name: str, method: Method, count: int = 1) -> dict[str, Tensor]:
    """The losses of the last one."""
    feed = Feed((batch(name, seed) for seed in range(100)), lambda batch: batch, 1)
    engine = engine_of(method)
    for _ in range(count):
        losses = engine.step(feed, BATCH)
    return losses


@pytest.mark.parametrize(("name", "remedy"), TABLE)
def test_a_step_with_a_remedy_is_finite_and_everybody_learns(name: str, remedy: str) -> None:
    method = method_of(name, REMEDIES.get(remedy, {}), IN_THE_NETWORK.get(remedy))
    before = {key: p.detach().clone() for key, p in method.named_parameters() if p.dim() > 1}
    attends = remedy in ("self-attention", "all three")  # weighs nothing in the first step
    losses = steps(name, method, 2 if attends else 1)
    after = dict(method.named_parameters())
    assert all(value.isfinite() for value in losses.values())
    assert [key for key, p in before.items() if torch.equal(p, after[key])] == []
    assert all(p.isfinite().all() for p in after.values())


@pytest.mark.parametrize("name", METHODS)
def test_every_remedy_changes_the_step(name: str) -> None:
    plain = steps(name, method_of(name, {}))
    for remedy, settings in REMEDIES.items():
        if remedy == "two rates":  # seen by the engine, not by the losses of the first step
            continue
        found = steps(name, method_of(name, settings))
        assert found.keys() != plain.keys() or any(not torch.equal(found[key], plain[key]) for key in plain), remedy


@pytest.mark.parametrize("name", METHODS)
def test_the_rate_of_the_discriminators_is_a_share_of_the_learning_rate(name: str) -> None:
    players = method_of(name, {"discriminator_rate": 4}).players()
    assert {player: it.rate for player, it in players.items()} == {
        player: 4 if player.startswith("discriminator") else 1 for player in players
    }


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("cyclegan", ["generators", *3 * ["discriminators"]]),
        ("pix2pix", [*3 * ["discriminator"], "generator"]),
        ("srgan", ["generator", *3 * ["discriminator"]]),
        ("inpaint", [*3 * ["discriminator"], "generator"]),
    ],
)
def test_further_updates_are_on_fresh_batches_in_the_published_order(name: str, order: list[str]) -> None:
    method = method_of(name, {"updates": 3})
    who: list[str] = []
    taken: list[int] = []

    def batches() -> Any:
        for seed in range(100):
            taken.append(seed)
            yield batch(name, seed)

    def updated(players: tuple[str, ...], means: object, at: object) -> None:
        who.extend(players)

    method.updated = updated  # type: ignore[method-assign]
    engine_of(method).step(Feed(batches(), lambda batch: batch, 1), BATCH)
    assert who == order
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("name", METHODS)
def test_several_discriminators_are_saved_by_number(name: str) -> None:
    firsts = ["discriminator_a", "discriminator_b"] if name == "cyclegan" else ["discriminator"]
    assert list(method_of(name, {"discriminators": 2}).judges()) == [
        named for first in firsts for named in (first, f"{first}_2")
    ]


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_training_that_goes_on_takes_over_as_many_discriminators_as_it_has(
    name: str, count: int, tmp_path: Path
) -> None:
    before = method_of(name, {"discriminators": 2})
    config = config_of(name, {"discriminators": 2})
    Publisher(config, before, RunFolder(tmp_path), command="test", ancestor=None)(before.deployed())
    torch.manual_seed(7)
    method = build_method(config_of(name, {"discriminators": count}).method)
    start_from(method, str(tmp_path / "model.safetensors"))
    theirs = before.judges()
    for key, network in method.judges().items():
        weight = next(network.parameters())
        taken = key in theirs and torch.equal(weight, next(theirs[key].parameters()).half().float())
        assert taken == (not key.endswith("_3")), key
