"""Later layers win, each value knows its origin, and what is wrong is said in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from i2i.config.layers import (
    Placed,
    Resolved,
    assignment_layer,
    environment_layer,
    file_layer,
    load,
    preset_layer,
    presets,
    resolve,
)
from i2i.config.methods import METHODS, run_class
from i2i.config.methods.cyclegan import CycleGANRun
from i2i.config.networks import PixelConfig
from i2i.config.toml import dump, flatten
from i2i.errors import ConfigError, UsageError


def with_set(*assignments: str) -> Resolved:
    return resolve("cyclegan", "paper", [assignment_layer(assignments)])


def refusal(*assignments: str) -> str:
    with pytest.raises(ConfigError) as caught:
        with_set(*assignments)
    return str(caught.value)


def test_later_layers_win_and_every_value_knows_its_origin(tmp_path: Path):
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text('[train]\nlr = 1.0\nbatch = 2\nseed = 1\n[engine]\ndevice = "mps"\n')
    second.write_text("\n[train]\nbatch = 3\nseed = 2\n")
    layers = [
        file_layer(first),
        file_layer(second),
        environment_layer({"I2I_DEVICE": "cpu"}),
        assignment_layer(["train.seed=3", "train.beta1=0.9"]),
        {"train.beta1": Placed(0.8, "--beta1")},
    ]
    resolved = resolve("cyclegan", "default", layers)
    expected = {
        "train.lr": (1.0, f"{first}:2"),
        "train.batch": (3, f"{second}:3"),
        "train.seed": (3, "--set"),
        "train.beta1": (0.8, "--beta1"),
        "engine.device": ("cpu", "I2I_DEVICE"),
        "data.transform": ("keep", "preset default"),
        "method.cycle_a": (10.0, "default"),
        "train.steps": (None, "default"),
    }
    values = flatten(resolved.config.model_dump())
    assert {key: (values[key], resolved.origins[key]) for key in expected} == expected
    assert resolved.origins.keys() == values.keys()


def test_another_kind_of_table_forgets_what_the_first_kind_had():
    earlier = assignment_layer(["method.discriminator.layers=4", "method.discriminator.filters=32"])
    later = assignment_layer(["method.discriminator.kind=pixel"])
    resolved = resolve("cyclegan", "paper", [earlier, later])
    assert resolved.config.method.discriminator == PixelConfig()
    assert resolved.origins["method.discriminator.kind"] == "--set"
    assert resolved.origins["method.discriminator.filters"] == "default"


def test_kind_and_its_settings_may_come_in_any_order():
    for order in (1, -1):
        config = with_set(*["method.discriminator.kind=pixel", "method.discriminator.filters=32"][::order]).config
        assert config.method.discriminator == PixelConfig(filters=32)


def test_the_same_kind_keeps_what_was_there():
    config = with_set("method.discriminator.kind=patchgan", "method.discriminator.layers=4").config
    assert config.method.discriminator.layers == 4
    assert config.method.discriminator.filters == 64


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("method.adversarial=hinge", "method.adversarial", "hinge"),
        ("train.lr=.5", "train.lr", 0.5),
        ("train.lr=1e-4", "train.lr", 1e-4),
        ("data.flip=false", "data.flip", False),
        ("data.path=my photos/a=b", "data.path", "my photos/a=b"),
        ('data.path="2024"', "data.path", "2024"),
        ("data.val=0.05", "data.val", "0.05"),
        ("engine.save_every=500", "engine.save_every", "500"),
        ("method.generator={blocks = 6}", "method.generator.blocks", 6),
        (" train.batch = 2 ", "train.batch", 2),
    ],
)
def test_set_takes_toml_values_and_bare_words(assignment: str, key: str, value: object):
    assert flatten(with_set(assignment).config.model_dump())[key] == value


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        ("train.lr", "--set: 'train.lr' is no setting. Write --set table.key=value."),
        ("=3", "--set: '=3' is no setting. Write --set table.key=value."),
        ("train.init=", "--set: train.init gets no value. Write --set train.init=value."),
        ("train.lr=[1", "--set: train.lr: [1 is no finished TOML value."),
        ("train=3", "--set: train is a table. Set one of its keys, such as train.steps."),
        ("train.lr.x=3", "--set: train.lr is a value, not a table. Set train.lr itself."),
    ],
)
def test_a_wrong_set_is_told(assignment: str, text: str):
    assert refusal(assignment) == text


def test_two_sets_that_cannot_both_hold_are_told():
    assert refusal("foo=3", "foo.bar=4") == "--set: foo is a value, not a table. Set foo itself."


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        ("train.lr=-1", "train.lr must be greater than 0, not -1."),
        ("train.batch=0", "train.batch must be at least 1, not 0."),
        ("method.discriminator.layers=9", "method.discriminator.layers must be at most 6, not 9."),
        ("train.beta1=1", "train.beta1 must be less than 1, not 1."),
        ("train.steps=1.5", "train.steps must be a whole number, not 1.5."),
        ("train.batch=many", "train.batch must be a whole number, not 'many'."),
        ("train.lr=fast", "train.lr must be a number, not 'fast'."),
        ("train.lr=nan", "train.lr must be a finite number, not nan."),
        ("data.flip=maybe", "data.flip must be true or false, not 'maybe'."),
        ("data.path=2024", 'data.path must be text, not 2024: write it in quotes, data.path="2024".'),
        ("data.transform=crop", "data.transform must be squash or keep, not 'crop'."),
        ("method.kind=other", "method.kind must be cyclegan, not 'other'."),
        ("method.discriminator.kind=x", "method.discriminator.kind must be one of patchgan, pixel, not 'x'."),
        ("engine.device=gpu", "engine.device: 'gpu' is no device: write auto, cpu, cuda, cuda:1 or mps."),
        ("engine.max_time=8", 'engine.max_time must be text, not 8: write it in quotes, engine.max_time="8".'),
        ("engine.max_time=8x", "engine.max_time: '8x' is no time: write 90s, 30min or 8h."),
        ("log.samples=0", "log.samples: 0 steps is no interval: write 500, or 10min."),
    ],
)
def test_a_wrong_value_is_told_in_our_words(assignment: str, text: str):
    assert refusal(assignment) == f"--set: {text}"


@pytest.mark.parametrize(
    ("assignment", "text"),
    [
        ("method.perceptual.layers=3", "--set: method.perceptual.layers must be a table, not 3."),
        ("method.degradation.final_kernel=7", "--set: method.degradation.final_kernel must be a list, not 7."),
        ("method.degradation.final_kernel=[7]", "method.degradation.final_kernel.1 is missing."),
        (
            "method.degradation.final_kernel=[7, 9, 11]",
            "--set: method.degradation.final_kernel must have at most 2 values, not [7, 9, 11].",
        ),
    ],
)
def test_what_is_no_table_or_no_list_of_that_length_is_told(assignment: str, text: str):
    layer = assignment_layer(["method.degradation.kind=second-order", assignment])
    with pytest.raises(ConfigError) as caught:
        resolve("srgan", "default", [layer])
    assert str(caught.value) == text


def test_settings_that_contradict_each_other_are_told():
    assert refusal("method.channels_a=1") == (
        "method: the identity loss needs equal channels in A and B: set method.identity=0."
    )
    assert refusal("data.size=512", "data.load=286") == "data: load=286 is smaller than size=512: set data.load=572."


@pytest.mark.parametrize(
    ("assignment", "advice"),
    [
        ("train.lrate=1", "train.lrate is unknown. Did you mean train.lr?"),
        ("train.identity=1", "train.identity is unknown. Did you mean method.identity?"),
        ("optimiser.lr=1", "optimiser.lr is unknown. Did you mean train.lr?"),
        ("method.discriminator.filtres=1", "of kind patchgan. Did you mean method.discriminator.filters?"),
        ("lr=1", "lr is unknown. Did you mean train.lr?"),
        ("trian={}", "trian is unknown. Did you mean train?"),
        ("xyzzy=1", "xyzzy is unknown."),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(assignment: str, advice: str):
    assert refusal(assignment).endswith(f"{advice} See: i2i train cyclegan --print-config")


def test_a_key_of_another_kind_is_unknown_to_this_one():
    text = refusal("method.discriminator.kind=pixel", "method.discriminator.layers=3")
    assert "method.discriminator.layers is unknown to discriminator of kind pixel." in text


def test_an_unknown_key_in_a_file_has_its_line(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_text("[train]\n\nlrate = 3\n")
    with pytest.raises(ConfigError, match=r"run\.toml:3: train\.lrate is unknown\. Did you mean train\.lr\?"):
        resolve("cyclegan", "default", [file_layer(file)])


def test_further_wrong_settings_are_counted():
    assert refusal("train.lr=-1", "train.batch=0", "log.every=0").endswith(" (2 more wrong.)")


def test_epochs_beside_steps_are_refused_when_somebody_asks_for_them(tmp_path: Path):
    assert refusal("train.steps=5", "train.epochs=2") == (
        "--set: train.epochs has no effect beside train.steps=5 (--set). Set train.steps."
    )


def test_a_name_that_no_file_can_hold_is_refused():
    assert "data.path is no UTF-8 text" in refusal("data.path=a\udcff")


def test_an_unknown_preset_is_told_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"cyclegan has no preset 'best'\. Presets: default, paper\."):
        resolve("cyclegan", "best", [])


def test_an_unknown_method_is_told_with_the_known_ones():
    with pytest.raises(UsageError, match=r"no method 'cyclogan'\. Methods: cyclegan"):
        resolve("cyclogan", "default", [])


@pytest.mark.parametrize("method", METHODS)
def test_every_method_has_valid_presets(method: str):
    assert {"paper", "default"} <= set(presets(method))
    nullable = {
        key for key, value in flatten(run_class(method).model_validate({}).model_dump()).items() if value is None
    }
    for preset in presets(method):
        resolve(method, preset, [])
        # no later file could say none again: a length and an ancestor that belong to the preset can only be others
        assert nullable & preset_layer(method, preset).keys() <= {"train.steps", "train.init"}


def test_a_run_folder_says_its_method_itself(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_text(dump(CycleGANRun(), ""))
    resolved = load(file, assignment_layer(["train.lr=1e-5"]))
    assert isinstance(resolved.config, CycleGANRun)
    assert resolved.config.train.lr == 1e-5
    assert resolved.config.data.transform == "squash", "no preset lies below the file of a run"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nlr = 1\n", r"config\.toml: does not say which method: \[method\] kind is missing\."),
        ("[method]\nkind = 'x'\n", r"config\.toml:2: no method 'x'\. Methods: cyclegan"),
    ],
)
def test_a_file_without_a_known_method_is_refused(tmp_path: Path, text: str, message: str):
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(file)


def test_a_table_that_is_empty_by_default_is_filled():
    layer = assignment_layer(["method.perceptual.layers={conv3_4=1.0}", "method.perceptual.layers.conv2_2=0.5"])
    resolved = resolve("srgan", "default", [layer])
    assert resolved.config.method.perceptual.layers == {"conv3_4": 1.0, "conv2_2": 0.5}
    assert resolved.origins["method.perceptual.layers.conv3_4"] == "--set"
