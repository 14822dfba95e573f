"""What a training takes over from an earlier one's networks, and what it says of those that begin anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i2i.cli.main import main
from i2i.config.methods import run_class
from i2i.config.run import RunConfig
from i2i.engine.publish import Publisher
from i2i.engine.runfolder import RunFolder
from i2i.engine.start import start_from
from i2i.errors import ConfigError
from i2i.methods.base import Method
from i2i.methods.build import build_method
from i2i.models.modelfile import load_model

GENERATOR = {"kind": "dcgan", "filters": 2, "noise": 5}
CRITIC = {"kind": "dcgan-critic", "filters": 2}


def config_of(name: str = "dcgan", **settings: Any) -> RunConfig:
    method = {"kind": name, "channels": 1, "generator": GENERATOR, "discriminator": CRITIC, **settings}
    return run_class(name).model_validate({"method": method, "data": {"size": 8}, "train": {"batch": 4}})


def method_of(seed: int, name: str = "dcgan", **settings: Any) -> Method:
    torch.manual_seed(seed)
    return build_method(config_of(name, **settings).method)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The files of a DCGAN with two discriminators."""
    earlier = method_of(0, remedies={"discriminators": 2})
    folder = RunFolder(tmp_path / "first")
    folder.path.mkdir()
    (folder.path / "config.toml").touch()
    Publisher(config_of(), earlier, folder, command="test", ancestor=None)(earlier.deployed())
    return folder.path


def taken(method: Method, run: Path) -> list[str]:
    """Names of the discriminators that have the earlier ones' weights."""
    theirs = load_model(run / "discriminators.safetensors").networks
    pairs = {
        name: (next(network.parameters()), next(theirs[name].parameters()))
        for name, network in method.judges().items()
        if name in theirs
    }
    return [name for name, (mine, other) in pairs.items() if mine.shape == other.shape and torch.equal(mine, other)]


def started(method: Method, run: Path) -> list[str]:
    notes: list[str] = []
    start_from(method, str(run), notes.append)
    return [line.replace(str(run), "RUN") for line in notes]


def test_discriminators_of_equal_settings_go_on_without_a_word(run: Path):
    method = method_of(1, remedies={"discriminators": 2})
    assert started(method, run) == []
    assert taken(method, run) == ["discriminator", "discriminator_2"]


def test_how_weights_were_drawn_is_no_other_setting(run: Path):
    method = method_of(1, remedies={"discriminators": 2}, discriminator={**CRITIC, "init": "xavier", "init_gain": 1})
    assert started(method, run) == []


def test_more_discriminators_than_there_were_begin_anew_and_are_named(run: Path):
    method = method_of(1, remedies={"discriminators": 3})
    assert started(method, run) == ["discriminator_3 begins anew: RUN has none of that name."]
    assert taken(method, run) == ["discriminator", "discriminator_2"]


def test_discriminators_that_are_left_out_are_named(run: Path):
    method = method_of(1)
    assert started(method, run) == [
        "discriminator_2 of RUN: this training has no discriminator of that name, and goes on without."
    ]
    assert taken(method, run) == ["discriminator"]


OTHERS: dict[str, tuple[dict[str, Any], str, str]] = {
    "another norm": ({"norm": "layer"}, "norm=batch", "norm=layer"),
    "spectral norm": ({"spectral": True}, "spectral=False", "spectral=True"),
    "deviations": ({"stddev": True}, "stddev=False", "stddev=True"),
    "another kind": ({"kind": "resnet-critic"}, "kind=dcgan-critic", "kind=resnet-critic"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_discriminators_of_other_settings_begin_anew_beside_the_generator_that_goes_on(other: str, run: Path):
    changed, theirs, ours = OTHERS[other]
    method = method_of(1, remedies={"discriminators": 2}, discriminator={**CRITIC, **changed})
    assert started(method, run) == [
        f"{name} begins anew: RUN has it with {theirs}, this training asks for {ours}."
        for name in ("discriminator", "discriminator_2")
    ]
    assert taken(method, run) == []
    generator = load_model(run / "model.safetensors").networks["sample"]
    assert torch.equal(next(method.deployed()["sample"].parameters()), next(generator.parameters()))


def test_without_discriminators_beside_the_model_they_begin_anew(run: Path):
    (run / "discriminators.safetensors").unlink()
    assert started(method_of(1), run) == ["discriminator begins anew: RUN has none of that name."]


def test_a_generator_of_other_settings_is_refused(run: Path):
    line = r"^train.init: .* has sample with noise=5, this training asks for noise=6\. Take the settings of the model"
    with pytest.raises(ConfigError, match=line):
        start_from(method_of(1, generator={**GENERATOR, "noise": 6}), str(run))


@pytest.mark.parametrize(
    ("method", "given", "says"),
    [
        (
            "wgan-gp",
            ["method.discriminator.norm=layer"],
            "discriminator_2 begins anew: RUN has it with norm=batch, this training asks for norm=layer.",
        ),
        (
            "dcgan",
            ["method.remedies.discriminators=1"],
            "discriminator_2 of RUN: this training has no discriminator of that name, and goes on without.",
        ),
    ],
)
def test_the_command_says_it(
    method: str, given: list[str], says: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    np.savez(tmp_path / "digits.npz", images=np.zeros((8, 8, 8), np.uint8))
    small = ["train.batch=4", "train.steps=1", "engine.device=cpu", "engine.precision=fp32", "data.workers=0"]
    options = [word for setting in [*small, *given] for word in ("--set", setting)]
    command = ["train", method, str(tmp_path / "digits.npz"), "--init", str(run), "--dry-run", "--progress", "plain"]
    assert main([*command, *options]) == 0
    assert says in " ".join(capsys.readouterr().err.replace(str(run), "RUN").split())
