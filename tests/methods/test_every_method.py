"""What holds for every method: settings, players, files, resume, and batches in parts.

A method is tested by its entry in SMALL; a method without one fails. This file is also the program of the two
processes that `two_processes` starts: `python test_every_method.py RANK FOLDER`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from i2i.config.layers import load
from i2i.config.methods import METHODS, run_class
from i2i.config.run import RunConfig
from i2i.config.toml import dump
from i2i.data.batches import Labelled, Masked, Paired, Photos, Unpaired
from i2i.engine.averaging import Average
from i2i.engine.checkpoint import read_checkpoint, write_checkpoint
from i2i.engine.distributed import Processes
from i2i.engine.feed import Feed
from i2i.engine.parts import differences
from i2i.engine.precision import Precision, batch_converter, place
from i2i.engine.publish import Publisher
from i2i.engine.runfolder import RunFolder
from i2i.engine.state import collect_state, restore_state
from i2i.engine.update import Engine
from i2i.methods.base import Method
from i2i.methods.build import build_method
from i2i.models.modelfile import load_model

CPU = Precision(torch.device("cpu"), "fp32")
BATCH = 4
SIDE = 16  # of the pictures that are made of noise, in pixels
MANY = 20  # batches: enough for a few steps of any method
EXACT = 1e-9  # largest difference of a weight in float64 after three steps


@dataclass(frozen=True)
class Variant:
    """Settings, and words of the reason why a batch in parts is not the whole one; none where it is."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    micro_batches: str = ""
    processes: str = ""


@dataclass(frozen=True)
class Small:
    """A method in small: its settings, its kind of batch, its variants."""

    settings: Mapping[str, Any]
    batch: Callable[[torch.Generator], Any]
    variants: Mapping[str, Variant]


def unpaired(generator: torch.Generator) -> Unpaired:
    a, b = torch.rand(2, BATCH, 3, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1
    return Unpaired(a, b)


def paired(generator: torch.Generator) -> Paired:
    a, b = torch.rand(2, BATCH, 3, 32, 32, generator=generator, dtype=torch.float64) * 2 - 1
    return Paired(a, b)


def photos(generator: torch.Generator) -> Photos:
    return Photos(torch.rand(BATCH, 3, 48, 48, generator=generator, dtype=torch.float64))


def masked(generator: torch.Generator) -> Masked:
    real = torch.rand(BATCH, 3, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1
    return Masked(real, torch.rand(BATCH, 1, 16, 16, generator=generator) < 0.3)


def labelled(generator: torch.Generator) -> Labelled:
    real = torch.rand(BATCH, 1, SIDE, SIDE, generator=generator, dtype=torch.float64) * 2 - 1
    return Labelled(real, torch.randint(2, (BATCH,), generator=generator))


RESNET = {"kind": "resnet", "filters": 2, "blocks": 1, "init_gain": 0.2}
PATCHGAN = {"kind": "patchgan", "filters": 3, "layers": 1, "init_gain": 0.2}
UNET = {"kind": "unet", "filters": 2, "downs": 5, "norm": "instance", "dropout": 0.0, "init_gain": 0.2}
COMPACT = {"kind": "compact", "filters": 3, "convolutions": 1, "init_gain": 0.2}
MULTISCALE = {"kind": "multiscale", "filters": 2, "scales": 2, "init_gain": 0.2}
SPECTRAL = {"kind": "unet-sn", "filters": 2}
SPECTRAL_PATCHES = {"kind": "patchgan-sn", "filters": 2, "layers": 2}
NOISE = {"kind": "dcgan", "filters": 3, "noise": 5, "channels": 1, "norm": "none", "init_gain": 0.2}
CRITIC = {"kind": "dcgan-critic", "filters": 3, "norm": "layer", "init_gain": 0.2}
NORMED_CRITIC = {**CRITIC, "norm": "batch"}
NOISE_RESNET = {"kind": "noise-resnet", "filters": 2, "noise": 5, "channels": 1, "norm": "none"}
RESNET_CRITIC = {"kind": "resnet-critic", "filters": 2}
PERCEPTRON = {"kind": "perceptron", "hidden": [5], "noise": 5}
PERCEPTRON_CRITIC = {"kind": "perceptron-critic", "hidden": [5]}
MAXOUT_CRITIC = {"kind": "maxout-critic", "hidden": [4, 4]}
CLASSES = {"conditional": True, "classes": ["cat", "dog"]}
AUGMENTED = {"augment": ["color", "translation", "cutout"], "instance_noise": 0.1}
SEVERAL = {"discriminators": 2, "updates": 2, "penalty": "r1", "penalty_every": 2}
EVERY_REMEDY = {**AUGMENTED, **SEVERAL, "discriminator_rate": 2, "label_smoothing": 0.1}
DROPOUT = "dropout draws masks of its own in each part"
COMPARED, BATCH_NORM = "compare the samples of a part, not of the batch", "batch norm sees the samples of a part"

SMALL = {
    "cyclegan": Small(
        {"generator": RESNET, "discriminator": PATCHGAN, "history": 0},
        unpaired,
        {
            "published": Variant(),
            "with a history": Variant({"history": 3}, processes="each process keeps an image history of its own"),
            "with a penalty": Variant({"adversarial": "wgan-gp"}),
            "judging pixels": Variant({"discriminator": {"kind": "pixel", "filters": 3}, "identity": 0}),
            "relativistic": Variant({"adversarial": "ralsgan"}, COMPARED, COMPARED),
            "with batch norm": Variant({"generator": {**RESNET, "norm": "batch"}}, BATCH_NORM, BATCH_NORM),
            "augmented, with a penalty": Variant({"remedies": {**AUGMENTED, "penalty": "gradient"}}),
            "several discriminators": Variant({"remedies": SEVERAL}),
            "with deviations": Variant({"discriminator": {**PATCHGAN, "stddev": True}}, COMPARED, COMPARED),
        },
    ),
    "pix2pix": Small(
        {"generator": UNET, "discriminator": PATCHGAN},
        paired,
        {
            "published but for norm and dropout": Variant(),
            "with dropout": Variant({"generator": {**UNET, "dropout": 0.5}}, DROPOUT, DROPOUT),
            "with batch norm": Variant({"discriminator": {**PATCHGAN, "norm": "batch"}}, BATCH_NORM, BATCH_NORM),
            "several scales": Variant({"discriminator": MULTISCALE, "feature_matching": 10, "adversarial": "lsgan"}),
            "with a penalty": Variant({"adversarial": "wgan-gp"}),
            "relativistic": Variant({"adversarial": "rahinge"}, COMPARED, COMPARED),
            "without a discriminator": Variant({"adversarial_weight": 0}),
            "with every remedy": Variant({"remedies": EVERY_REMEDY, "feature_matching": 10}),
            "several discriminators of several scales": Variant(
                {"discriminator": MULTISCALE, "remedies": {"discriminators": 2, "penalty": "gradient"}}
            ),
            "from b to a": Variant({"direction": "b2a"}),
        },
    ),
    "inpaint": Small(
        {"generator": {"filters": 4}, "discriminator": PATCHGAN},
        masked,
        {
            "published but for spectral norm": Variant(),
            "with spectral norm": Variant({"discriminator": SPECTRAL_PATCHES}, "spectral norm takes a step of its own"),
            "without attention": Variant({"generator": {"filters": 4, "attention": False}, "variation_weight": 0.1}),
            "from a smooth fill": Variant({"generator": {"filters": 4, "fill": "smooth"}}),
            "without a coarse stage": Variant({"generator": {"filters": 4, "fill": "smooth", "coarse": False}}),
            "several scales": Variant({"discriminator": MULTISCALE, "feature_matching": 10}),
            "relativistic": Variant({"adversarial": "rahinge"}, COMPARED, COMPARED),
            "without a discriminator": Variant({"adversarial_weight": 0}),
            "with every remedy": Variant({"adversarial": "lsgan", "remedies": EVERY_REMEDY}),
        },
    ),
    "srgan": Small(
        {
            "scale": 2,
            "generator": COMPACT,
            "discriminator": PATCHGAN,
            "adversarial": "vanilla",
            "perceptual_weight": 0,
        },
        photos,
        {
            "published": Variant(),
            "relativistic": Variant({"adversarial": "ragan"}, COMPARED, COMPARED),
            "with blur and noise": Variant({"degradation": {"kind": "first-order"}}),
            "with spectral norm": Variant({"discriminator": SPECTRAL}, "spectral norm takes a step of its own"),
            # without a norm: a penalty makes the rounding of the gradient described in `adam` larger
            "with every remedy": Variant({"remedies": EVERY_REMEDY, "discriminator": {**PATCHGAN, "norm": "none"}}),
            "with batch norm": Variant(
                {"generator": {"kind": "srresnet", "filters": 3, "blocks": 1}}, BATCH_NORM, BATCH_NORM
            ),
        },
    ),
    "gan": Small(
        {"generator": PERCEPTRON, "discriminator": PERCEPTRON_CRITIC},
        labelled,
        {
            "non-saturating": Variant(),
            "the minimax game": Variant({"adversarial": "saturating"}),
            "of classes, against several": Variant({**CLASSES, "remedies": {"discriminators": 2, "updates": 2}}),
            "mode seeking": Variant({"mode_seeking": 1}, COMPARED, COMPARED),
            "against maxout": Variant({"discriminator": MAXOUT_CRITIC}, DROPOUT, DROPOUT),
        },
    ),
    "dcgan": Small(
        {"generator": NOISE, "discriminator": CRITIC},
        labelled,
        {
            "published but for norms": Variant(),
            "of classes": Variant(CLASSES),
            "of classes, seen as a channel": Variant(
                {**CLASSES, "discriminator": {**CRITIC, "conditioning": "embedding"}}
            ),
            "against several, augmented": Variant(
                {"remedies": {"discriminators": 2, "augment": ["color", "translation", "cutout"], "updates": 2}}
            ),
            "with noise, smoothing and a penalty": Variant(
                {"remedies": {"instance_noise": 0.1, "label_smoothing": 0.1, "penalty": "r1", "penalty_every": 2}}
            ),
            "relativistic": Variant({"adversarial": "ragan"}, COMPARED, COMPARED),
            "with batch norm": Variant({"discriminator": NORMED_CRITIC}, BATCH_NORM, BATCH_NORM),
            "with spectral norm": Variant(
                {"discriminator": {**CRITIC, "filters": 8, "spectral": True}}, "spectral norm takes a step of its own"
            ),
            "with deviations": Variant({"discriminator": {**CRITIC, "stddev": True}}, COMPARED, COMPARED),
        },
    ),
    "wgan": Small(
        {"generator": NOISE, "discriminator": CRITIC, "warm_up": 1, "warm_up_updates": 2, "remedies": {"updates": 1}},
        labelled,
        {
            "published but for norms": Variant(),
            "without a warm-up": Variant({"warm_up": 0, "warm_up_every": 0, "warm_up_updates": 100}),
            "of classes": Variant(CLASSES),
            "with batch norm": Variant({"discriminator": NORMED_CRITIC}, BATCH_NORM, BATCH_NORM),
        },
    ),
    "wgan-gp": Small(
        {"generator": NOISE, "discriminator": CRITIC, "remedies": {"updates": 2}},
        labelled,
        {
            "by convolutions": Variant(),
            "by residual blocks": Variant({"generator": NOISE_RESNET, "discriminator": RESNET_CRITIC}),
            "of classes": Variant(CLASSES),
            "mode seeking": Variant({"mode_seeking": 1}, COMPARED, COMPARED),
        },
    ),
}
CASES = [(name, variant) for name, small in SMALL.items() for variant in small.variants]
TOGETHER = [(*case, 1) for case in CASES] + [(name, next(iter(small.variants)), 2) for name, small in SMALL.items()]


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    assert request.param in SMALL, f"{request.param} has no entry in SMALL: it would not be tested"
    return request.param


def config_of(name: str, settings: Mapping[str, Any] | None = None) -> RunConfig:
    method = {"kind": name, **SMALL[name].settings, **(settings or {})}
    data = {"size": SIDE} if METHODS[name].task == "generate" else {}
    return run_class(name).model_validate({"method": method, "data": data, "train": {"batch": BATCH}})


def method_of(config: RunConfig, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    return build_method(config.method)


def batches_of(name: str, count: int) -> list[Any]:
    generator = torch.Generator().manual_seed(2)
    return [SMALL[name].batch(generator) for _ in range(count)]


def single(tensor: Tensor) -> Tensor:
    """Pictures in float32; masks and labels as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor


def adam(params: list[nn.Parameter]) -> torch.optim.Optimizer:
    # A bias before an instance norm has a gradient of rounding alone; the usual eps of 1e-8 makes it 3e-9 of weight.
    return torch.optim.Adam(params, lr=2e-4, betas=(0.5, 0.999), eps=1e-6, fused=True)


# Settings


@pytest.mark.parametrize("small", [False, True])
def test_settings_written_as_toml_and_loaded_are_the_same(name: str, small: bool, tmp_path: Path):
    config = config_of(name) if small else run_class(name).model_validate({})
    (tmp_path / "config.toml").write_text(dump(config, "header"))
    assert load(tmp_path / "config.toml").config == config


# Players


def test_a_step_changes_the_weights_of_the_yielded_players_and_no_others(name: str):
    method = method_of(config_of(name)).double()
    engine = Engine(method, adam, CPU, seed=3)
    weights = {key: p for key, p in method.named_parameters() if p.dim() > 1}
    before = {key: p.detach().clone() for key, p in weights.items()}
    rounds = []

    def updated(players: tuple[str, ...], means: Mapping[str, Tensor], at: object) -> None:
        """Called by the engine after each yield."""
        changed = {key for key, p in weights.items() if not torch.equal(p, before[key])}
        before.update({key: p.detach().clone() for key, p in weights.items()})
        rounds.append((players, changed))

    method.updated = updated
    feed = Feed(iter(batches_of(name, MANY)), lambda batch: batch, 1)
    for _ in range(2):  # somebody may not learn in the very first step
        engine.step(feed, BATCH)
    owned = {player: {id(p) for p in it.parameters()} for player, it in method.players().items()}
    for players, changed in rounds:
        assert changed == {key for key, p in weights.items() if any(id(p) in owned[player] for player in players)}
    assert {player for players, _ in rounds for player in players} == set(owned)  # everybody learns
    assert all(torch.equal(p, before[key]) for key, p in weights.items())  # and nothing after the last yield


# Files


def test_deployed_networks_saved_and_loaded_draw_the_same_pictures(name: str, tmp_path: Path):
    config = config_of(name)
    method = method_of(config).eval()
    for network in (*method.deployed().values(), *method.judges().values()):
        network.load_state_dict({key: p.half().float() for key, p in network.state_dict().items()})  # as files hold it
    Publisher(config, method, RunFolder(tmp_path), command="test", ancestor=None)(method.deployed())
    file = load_model(tmp_path / "model.safetensors")
    assert (file.info.method, file.info.task) == (name, method.task)
    batch = type(batch := batches_of(name, 1)[0])(*map(single, batch))
    with torch.no_grad():
        expected = method.pictures(batch, method.deployed())
        found = method.pictures(batch, {key: network.eval() for key, network in file.networks.items()})
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[column], expected[column]) for column in expected)


# Resume


class Training:
    """A method on its way, in float32, as the training loop holds it."""

    def __init__(self, name: str, settings: Mapping[str, Any], *, seed: int, channels_last: bool) -> None:
        self.method = method_of(config_of(name, settings), seed)
        place(self.method, CPU.device, channels_last)
        self.engine = Engine(self.method, adam, CPU, seed=3, micro_batches=2)
        self.average = Average(self.method.deployed(), half_life=20, images=BATCH)
        convert = batch_converter(CPU.device, self.method.value_range, channels_last)
        self.convert = lambda batch: convert(type(batch)(*map(single, batch)))
        self.taken = 0

    def go_on(self, batches: list[Any], *, steps: int) -> Training:
        feed = Feed(iter(batches[self.taken :]), self.convert, 2, self.taken)
        for _ in range(steps):
            self.engine.step(feed, BATCH)
            self.average.update(self.method.deployed())
        self.taken = feed.taken
        return self

    def state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        return collect_state(self.engine, self.average)


RESUMED = {
    "cyclegan": {
        "with a history": {"history": 6},
        "with a penalty": {"adversarial": "wgan-gp"},
        "with dropout": {"generator": {**RESNET, "dropout": 0.5}},
        "with batch norm": {"generator": {**RESNET, "norm": "batch"}},
        "with every remedy": {"remedies": EVERY_REMEDY},
    },
    "pix2pix": {
        "with dropout": {"generator": {**UNET, "dropout": 0.5}},
        "with batch norm": {"generator": {**UNET, "norm": "batch"}},
        "several scales": {"discriminator": MULTISCALE, "feature_matching": 10},
        "with every remedy": {"remedies": EVERY_REMEDY, "feature_matching": 10},
    },
    "inpaint": {
        "with spectral norm": {"discriminator": SPECTRAL_PATCHES},
        "from a smooth fill": {"generator": {"filters": 4, "fill": "smooth"}},
        "with every remedy": {"adversarial": "lsgan", "remedies": EVERY_REMEDY},
    },
    "srgan": {
        "relativistic": {"adversarial": "ragan"},
        "with spectral norm": {"discriminator": SPECTRAL},
        "with batch norm": {"generator": {"kind": "srresnet", "filters": 3, "blocks": 1}},
        "with blur and noise": {"degradation": {"kind": "first-order"}},
        "with every remedy": {"remedies": EVERY_REMEDY},
    },
    "gan": {
        "against maxout": {"discriminator": MAXOUT_CRITIC},
        "against several": {"remedies": {"discriminators": 2}},
    },
    "dcgan": {
        "with batch norm": {"generator": {**NOISE, "norm": "batch"}, "discriminator": NORMED_CRITIC, **CLASSES},
        "with spectral norm and attention": {"discriminator": {**CRITIC, "spectral": True, "attention": True}},
        "with every remedy": {
            "remedies": {
                "discriminators": 2,
                "discriminator_rate": 2,
                "penalty": "gradient",
                "instance_noise": 0.1,
                "label_smoothing": 0.1,
                "augment": ["color", "translation", "cutout"],
            }
        },
    },
    "wgan": {"with a warm-up": {}},
    "wgan-gp": {
        "by residual blocks": {"generator": NOISE_RESNET, "discriminator": RESNET_CRITIC},
        "of classes, mode seeking": {**CLASSES, "mode_seeking": 1},
    },
}


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(("method", "kind"), [(name, kind) for name, kinds in RESUMED.items() for kind in kinds])
def test_interrupted_and_resumed_is_uninterrupted_bit_for_bit(
    method: str, kind: str, channels_last: bool, tmp_path: Path
):
    def training(seed: int) -> Training:
        return Training(method, RESUMED[method][kind], seed=seed, channels_last=channels_last)

    batches = batches_of(method, MANY)
    tensors, state = training(seed=0).go_on(batches, steps=4).state()
    interrupted = training(seed=0).go_on(batches, steps=2)
    write_checkpoint(tmp_path, 2, *interrupted.state(), keep=1)
    resumed = training(seed=9)  # other weights: everything must come from the files
    restore_state(read_checkpoint(tmp_path / "step-000002"), resumed.engine, resumed.average)
    resumed.taken = interrupted.taken
    found, found_state = resumed.go_on(batches, steps=2).state()
    assert found_state == state
    assert keys_of(found) == keys_of(tensors)
    for group, named in tensors.items():
        assert [key for key, tensor in named.items() if not torch.equal(tensor, found[group][key])] == []
    first = next(iter(resumed.engine.learners))
    assert f"{first}.0.exp_avg_sq" in tensors["optimisers"]
    assert {key.split(".")[0] for key in tensors["weights"]} == {"method", "average"}


def keys_of(tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, set[str]]:
    return {group: set(named) for group, named in tensors.items()}


def test_every_method_is_resumed():
    assert RESUMED.keys() == METHODS.keys()


# Batches in parts


def trained(name: str, variant: str, micro_batches: int = 1) -> dict[str, Tensor]:
    """Weights after three steps in float64, by this process alone or together with others."""
    processes = Processes()
    method = method_of(config_of(name, SMALL[name].variants[variant].settings)).double()
    engine = Engine(method, adam, CPU, seed=3, micro_batches=micro_batches, processes=processes)
    share = BATCH // processes.world
    mine = slice(processes.rank * share, (processes.rank + 1) * share)
    batches = [type(batch)(*(tensor[mine] for tensor in batch)) for batch in batches_of(name, MANY)]
    feed = Feed(iter(batches), lambda batch: batch, micro_batches)
    for _ in range(3):
        engine.step(feed, share)
    return {key: p.detach() for key, p in method.named_parameters()}


whole_batches = cache(trained)


def distance(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> float:
    return max(float((found[key] - expected[key]).abs().max()) for key in expected)


def assert_equal_unless(reason: str, said: list[str], apart: float) -> None:
    """`said` is what the run says to the user, `apart` what is so."""
    if reason:
        assert len(said) == 1
        assert reason in said[0]
        assert apart > 1e-6
    else:
        assert said == []
        assert apart < EXACT


@pytest.mark.parametrize("micro_batches", [2, 4])
@pytest.mark.parametrize(("method", "variant"), CASES)
def test_micro_batches_are_the_whole_batch_unless_the_run_says_why_not(method: str, variant: str, micro_batches: int):
    settings = SMALL[method].variants[variant]
    said = differences(method_of(config_of(method, settings.settings)), micro_batches=micro_batches, world=1)
    apart = distance(trained(method, variant, micro_batches), whole_batches(method, variant))
    assert_equal_unless(settings.micro_batches, said, apart)


@pytest.mark.parametrize(("method", "variant", "micro_batches"), TOGETHER)
def test_two_processes_are_one_unless_the_run_says_why_not(
    method: str, variant: str, micro_batches: int, two_processes: Path
):
    settings = SMALL[method].variants[variant]
    said = differences(method_of(config_of(method, settings.settings)), micro_batches=micro_batches, world=2)
    first, second = (load_file(result(two_processes, rank, method, variant, micro_batches)) for rank in (0, 1))
    assert distance(first, second) == 0  # both have the same weights
    assert_equal_unless(settings.processes, said, distance(first, whole_batches(method, variant)))


def test_a_whole_batch_in_one_process_needs_no_words():
    for method, variant in CASES:
        built = method_of(config_of(method, SMALL[method].variants[variant].settings))
        assert differences(built, micro_batches=1, world=1) == []


def result(folder: Path, rank: int, method: str, variant: str, micro_batches: int) -> Path:
    return folder / f"{method} {variant} {micro_batches} {rank}.safetensors"


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the weights of every case, trained by two processes: each is started once for all of them."""
    folder = tmp_path_factory.mktemp("processes")
    here = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    environment = {**os.environ, **here, "OMP_NUM_THREADS": "1"}
    commands = [[sys.executable, __file__, str(rank), str(folder)] for rank in (0, 1)]
    started = [subprocess.Popen(command, env=environment) for command in commands]
    try:
        assert [process.wait(timeout=120) for process in started] == [0, 0]
        yield folder
    finally:
        for process in started:
            process.kill()


def train_as_one_of_two(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    for name, variant, micro_batches in TOGETHER:
        save_file(trained(name, variant, micro_batches), result(folder, rank, name, variant, micro_batches))
    dist.destroy_process_group()


if __name__ == "__main__":
    train_as_one_of_two(int(sys.argv[1]), Path(sys.argv[2]))
