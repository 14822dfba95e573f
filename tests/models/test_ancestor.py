"""What a training takes over from a model, and which models it does not begin at."""

from __future__ import annotations

from pathlib import Path

import pytest

from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods import METHODS
from i2i.config.networks import CompactConfig, GatedConfig, PatchGANConfig, ResNetConfig, UNetConfig
from i2i.config.noise_networks import DCGANConfig, PerceptronConfig
from i2i.errors import ConfigError
from i2i.methods.build import build_method
from i2i.methods.cyclegan import CycleGAN
from i2i.methods.dcgan import DCGAN
from i2i.methods.gan import GAN
from i2i.methods.inpaint import Inpaint
from i2i.methods.pix2pix import Pix2Pix
from i2i.methods.srgan import SRGAN
from i2i.methods.wgan import WGAN
from i2i.methods.wgan_gp import WGANGP
from i2i.models.ancestor import ancestor_layer
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


@pytest.fixture
def enlarger(tmp_path: Path) -> Path:
    config = CompactConfig(filters=4, convolutions=0, scale=3)
    path = tmp_path / "big.safetensors"
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config})
    save_model(path, {"up": build(config)}, info, half=False)
    return path


def test_methods_are_listed_with_the_task_that_their_models_get():
    built = {"cyclegan": CycleGAN, "pix2pix": Pix2Pix, "srgan": SRGAN, "inpaint": Inpaint}
    built |= {"gan": GAN, "dcgan": DCGAN, "wgan": WGAN, "wgan-gp": WGANGP}
    assert {name: entry.task for name, entry in METHODS.items()} == {name: it.task for name, it in built.items()}


def test_the_network_and_its_scale_come_along(enlarger: Path):
    layer = ancestor_layer(str(enlarger), "--init", "srgan")
    assert {placed.origin for placed in layer.values()} == {f"{enlarger} (--init)"}
    values = {key: placed.value for key, placed in layer.items()}
    assert (values["method.scale"], values["method.generator.kind"], values["method.generator.filters"]) == (
        3,
        "compact",
        4,
    )


def test_a_model_that_enlarges_is_no_beginning_for_a_translation(enlarger: Path):
    with pytest.raises(ConfigError) as caught:
        ancestor_layer(str(enlarger), "run.toml:3", "cyclegan")
    assert str(caught.value) == (
        f"run.toml:3: {enlarger} is a model to upscale pictures, and cyclegan learns to translate them. "
        "Name a model of the same task."
    )


def test_a_model_that_translates_is_no_beginning_for_an_enlargement(tiny_model: Path):
    with pytest.raises(ConfigError, match="is a model to translate pictures, and srgan learns to upscale them"):
        ancestor_layer(str(tiny_model), "--init", "srgan")


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_direction_channels_and_classes_of_a_model_of_pairs_come_along(direction: str, tmp_path: Path):
    config = UNetConfig(input_channels=1, labels=7, filters=2, downs=5)
    path = tmp_path / "painter.safetensors"
    info = ModelInfo(directions=(direction,), networks={direction: config})
    save_model(path, {direction: build(config)}, info, half=False)
    values = {key: placed.value for key, placed in ancestor_layer(str(path), "--init", "pix2pix").items()}
    channels = (values["method.channels_a"], values["method.channels_b"])
    assert channels == ((1, 3) if direction == "a2b" else (3, 1))
    assert (values["method.direction"], values["method.labels"]) == (direction, 7)
    assert (values["method.generator.kind"], values["method.generator.downs"]) == ("unet", 5)
    resolved = resolve("pix2pix", "default", [ancestor_layer(str(path), "--init", "pix2pix")]).config.method
    assert build_method(resolved).generator.config == config


def test_the_network_of_a_model_that_repairs_comes_along(tmp_path: Path):
    config = GatedConfig(filters=8, attention=False, fill="smooth")
    path = tmp_path / "painter.safetensors"
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config})
    save_model(path, {"fill": build(config)}, info, half=False)
    resolved = resolve("inpaint", "default", [ancestor_layer(str(path), "--init", "inpaint")]).config.method
    assert build_method(resolved).generator.config == config


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["discriminator"], 1),
        (["discriminator", "discriminator_2", "discriminator_3"], 3),
        (["discriminator_a", "discriminator_b"], 1),
        (["discriminator_a", "discriminator_a_2", "discriminator_b", "discriminator_b_2"], 2),
    ],
)
def test_as_many_discriminators_come_along_as_judge_each_domain(names: list[str], count: int, tmp_path: Path):
    generator, judge = ResNetConfig(filters=2, blocks=0), PatchGANConfig(filters=2, layers=1)
    info = ModelInfo(directions=("a2b",), networks={"a2b": generator})
    save_model(tmp_path / "model.safetensors", {"a2b": build(generator)}, info, half=False)
    judges = {name: build(judge) for name in names}
    info = ModelInfo(networks=dict.fromkeys(names, judge))
    save_model(tmp_path / "discriminators.safetensors", judges, info, half=False)
    layer = ancestor_layer(str(tmp_path / "model.safetensors"), "--init", "cyclegan")
    config = resolve("cyclegan", "default", [layer]).config.method
    assert (config.remedies.discriminators, config.discriminator.filters) == (count, 2)
    asked = [layer, assignment_layer(["method.remedies.discriminators=4"])]
    assert resolve("cyclegan", "default", asked).config.method.remedies.discriminators == 4


@pytest.mark.parametrize(
    ("method", "without"),
    [("pix2pix", "adversarial_weight=0"), ("inpaint", "adversarial_weight=0"), ("srgan", "stage=pixel")],
)
def test_to_a_training_without_a_discriminator_none_come_along(method: str, without: str, tmp_path: Path):
    asked = assignment_layer([f"method.{without}"])
    judged = resolve(method, "default", [asked]).config.method.judged
    direction = {"pix2pix": "a2b", "inpaint": "fill", "srgan": "up"}[method]
    networks = {"pix2pix": ResNetConfig(filters=2, blocks=0), "inpaint": GatedConfig(filters=8, attention=False)}
    generator = networks.get(method, CompactConfig(filters=4, convolutions=0, scale=4))
    model = tmp_path / "model.safetensors"
    info = ModelInfo(task=METHODS[method].task, directions=(direction,), networks={direction: generator})
    save_model(model, {direction: build(generator)}, info, half=False)
    judge = PatchGANConfig(filters=2, layers=1)
    judges = {name: build(judge) for name in ("discriminator", "discriminator_2")}
    info = ModelInfo(networks=dict.fromkeys(judges, judge))
    save_model(tmp_path / "discriminators.safetensors", judges, info, half=False)
    layer = ancestor_layer(str(model), "--init", method, judged=judged)
    config = resolve(method, "default", [layer, asked]).config.method
    assert not config.judged
    assert config.remedies.discriminators == 1
    assert ancestor_layer(str(model), "--init", method)["method.remedies.discriminators"].value == 2


@pytest.mark.parametrize("classes", [(), ("cat", "dog")])
@pytest.mark.parametrize("config", [DCGANConfig, PerceptronConfig])
def test_size_channels_and_classes_of_a_model_that_samples_come_along(
    config: type[DCGANConfig] | type[PerceptronConfig], classes: tuple[str, ...], tmp_path: Path
):
    network = config(size=20, channels=1, noise=7, classes=classes)
    path = tmp_path / "sampler.safetensors"
    info = ModelInfo(task="generate", directions=("sample",), networks={"sample": network})
    save_model(path, {"sample": build(network)}, info, half=False)
    resolved = resolve("dcgan", "default", [ancestor_layer(str(path), "--init", "dcgan")]).config
    assert build_method(resolved.method).generator.config == network
    assert (resolved.data.size, resolved.method.channels) == (20, 1)
    assert (resolved.method.conditional, resolved.method.classes) == (bool(classes), classes)
