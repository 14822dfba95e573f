"""`i2i train METHOD` and `i2i resume`: what is refused, and what the library is called with."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import i2i
from i2i.cli.main import main
from i2i.cli.train import PRESET_TEXTS
from i2i.config.layers import presets, resolve
from i2i.config.methods import METHODS
from i2i.config.methods.cyclegan import CycleGANRun
from i2i.config.toml import dump


class Library(ModuleType):
    """Stands in for i2i.api and keeps what it was called with."""

    def __init__(self) -> None:
        super().__init__("i2i.api")
        self.calls: list[tuple[Any, ...]] = []

    def train(self, config: CycleGANRun, run: Path, **more: Any) -> Path:
        self.calls.append((config, run, more))
        return run

    def resume(self, run: Path, overrides: dict[str, Any], **more: Any) -> Path:
        self.calls.append((run, overrides, more))
        return run

    def dry_run(self, config: CycleGANRun, *, progress: str) -> str:
        return f"would train with lr {config.train.lr}"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Library:
    library = Library()
    monkeypatch.setitem(sys.modules, "i2i.api", library)
    monkeypatch.setattr(i2i, "api", library, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("I2I_DEVICE", raising=False)
    Path("horses").mkdir()
    return library


@pytest.fixture
def said(library: Library, capsys: pytest.CaptureFixture[str]):
    """Calls i2i, expects an exit code, and gives what was printed on stderr and stdout."""

    def call(*arguments: str, code: int = 2) -> str:
        assert main(arguments) == code
        printed = capsys.readouterr()
        return printed.err + printed.out

    return call


def test_options_reach_the_configuration_with_their_origin(library: Library, said):
    Path("my.toml").write_text("[train]\nlr = 1e-3\nbatch = 2\n")
    given = ["--config", "my.toml", "--lr", "0.01", "--set", "data.flip=false"]
    said("train", "cyclegan", "horses", "-o", "run", *given, code=0)
    (config, run, more), *_ = library.calls
    assert (config.data.path, config.train.lr, config.train.batch, config.data.flip) == ("horses", 0.01, 2, False)
    assert run == Path("run")
    origins = {key: more["origins"][key] for key in ("data.path", "train.lr", "train.batch", "data.flip")}
    assert list(origins.values()) == ["DATA", "--lr", "my.toml:3", "--set"]
    assert more["command"].startswith("i2i train cyclegan horses -o run --config my.toml")
    assert (more["progress"], more["overwrite"]) == ("auto", False)


def test_the_end_names_the_run_and_the_next_commands(said):
    text = said("train", "cyclegan", "horses", "-o", "my run", code=0)
    assert "i2i translate 'my run' FOLDER -o OUT" in text
    assert text.endswith("\nmy run\n")


def test_quiet_prints_the_run_alone(library: Library, said):
    assert said("train", "cyclegan", "horses", "-o", "run", "-q", code=0) == "run\n"
    assert library.calls[0][2]["progress"] == "none"


def test_every_setting_with_an_option_can_be_given(library: Library, said):
    options = {
        "--a": "horses", "--b": "horses", "--size": "64", "--val": "0.1", "--workers": "0", "--epochs": "2",
        "--batch": "2", "--lr": "0.1", "--ema": "0", "--seed": "3", "--device": "cpu",
        "--precision": "bf16", "--threads": "1", "--save-every": "5", "--keep": "1", "--max-time": "1h",
    }  # fmt: skip
    said("train", "cyclegan", *(word for pair in options.items() for word in pair), code=0)
    origins = library.calls[0][2]["origins"]
    assert set(options) == {origin for origin in origins.values() if origin.startswith("--")}


def test_without_a_name_a_run_gets_the_next_free_number(library: Library, said):
    Path("runs/cyclegan-horses-1").mkdir(parents=True)
    said("train", "cyclegan", "horses/", code=0)
    said("train", "cyclegan", "--a", "horses", "--b", "horses", code=0)
    assert [run for _, run, _ in library.calls] == [Path("runs/cyclegan-horses-2")] * 2


def test_the_default_preset_is_taken_unless_another_is_asked_for(library: Library, said):
    said("train", "cyclegan", "horses", code=0)
    said("train", "cyclegan", "horses", "--preset", "paper", code=0)
    presets = [resolve("cyclegan", name, []).config.train for name in ("default", "paper")]
    assert [config.train for config, *_ in library.calls] == presets


def test_the_device_variable_lies_below_the_option(library: Library, said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("I2I_DEVICE", "cpu")
    said("train", "cyclegan", "horses", code=0)
    said("train", "cyclegan", "horses", "--device", "mps", code=0)
    assert [config.engine.device for config, *_ in library.calls] == ["cpu", "mps"]


def test_the_configuration_is_printed_without_pictures(library: Library, said):
    text = said("train", "cyclegan", "--print-config", "--lr", "0.5", code=0)
    assert text.startswith("# i2i ")
    assert "\n# i2i train cyclegan --print-config --lr 0.5\n" in text
    assert tomllib.loads(text)["train"]["lr"] == 0.5
    assert next(line for line in text.splitlines() if line.startswith("lr = ")).endswith("# --lr")
    assert not library.calls


def test_a_dry_run_trains_nothing(library: Library, said):
    assert said("train", "cyclegan", "horses", "--dry-run", "--lr", "0.5", code=0) == (
        "would train with lr 0.5\nconfig: preset default + 1 change. Nothing was written.\n"
    )
    assert not library.calls


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "it is not said where the pictures are. Give DATA, or --a and --b."),
        (["--a", "horses"], "it is not said where the pictures are. Give DATA, or --a and --b."),
        (["zebras"], "DATA: there is no folder zebras."),
        (["--a", "horses", "--b", "zebras"], "--b: there is no folder zebras."),
        (["--a", "horses", "--b", "@zebras.txt"], "--b: there is no list zebras.txt."),
        (
            ["horses", "--a", "horses", "--b", "horses"],
            "DATA has no effect beside --a and --b. "
            "Leave it out; in a training, --val FOLDER names pictures for validation.",
        ),
        (
            ["--a", "a.txt", "--b", "horses"],
            "--a: a.txt is a file, not a folder of training pictures. A list of files begins with @: --a @a.txt",
        ),
        (["horses", "--lr", "-1"], "--lr: train.lr must be greater than 0, not -1."),
        (["horses", "--max-time", "8"], "--max-time: engine.max_time: '8' is no time: write 90s, 30min or 8h."),
        (["horses", "--config", "none.toml"], "none.toml: there is no such file."),
        (
            ["horses", "--steps", "5", "--epochs", "2"],
            "--epochs: train.epochs has no effect beside train.steps=5 (--steps). Set train.steps.",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(library: Library, said, arguments: list[str], line: str):
    Path("a.txt").touch()
    assert said("train", "cyclegan", *arguments) == f"i2i: {line}\n"
    assert not library.calls


def test_a_model_of_another_task_is_refused_in_one_line(library: Library, said, tiny_model: Path):
    assert said("train", "srgan", "horses", "--init", str(tiny_model)) == (
        f"i2i: --init: {tiny_model} is a model to translate pictures, and srgan learns to upscale them. "
        "Name a model of the same task.\n"
    )
    assert not library.calls


@pytest.mark.parametrize(
    ("method", "place", "presets"),
    [
        ("cyclegan", "folder", "paper: as published. [default: default]"),
        ("srgan", "folder", "paper: as published; finetune: from a trained model to your photos. [default: default]"),
        (
            "dcgan",
            "folder or file",
            "paper: as published; mnist: small gray pictures, on a CPU too. [default: default]",
        ),
    ],
)
def test_the_help_tells_what_is_true_of_the_method(said, method: str, place: str, presets: str):
    text = " ".join(said("train", method, "--help", code=0).split())
    told = f"DATA is the {place} of the training pictures; `i2i data check DATA --method {method}` tells what is found"
    assert told in text
    assert presets in text
    assert "such as --set train.lr=1e-4." in text
    assert "Samples in a step: pictures (of each domain), or crops." in text


@pytest.mark.parametrize("method", METHODS)
def test_the_help_explains_each_preset(method: str):
    assert set(presets(method)) - {"default"} <= set(PRESET_TEXTS)


def test_where_pictures_may_be_a_file_neither_is_there(library: Library, said):
    assert said("train", "dcgan", "zebras.npz") == "i2i: DATA: there is no folder or file zebras.npz.\n"
    assert not library.calls


def test_a_training_that_exists_is_not_touched(library: Library, said):
    Path("run").mkdir()
    Path("run/config.toml").touch()
    assert said("train", "cyclegan", "horses", "-o", "run") == (
        "i2i: run: holds a training. To go on use `i2i resume run`; --overwrite begins anew.\n"
    )
    said("train", "cyclegan", "horses", "-o", "run", "--overwrite", code=0)
    assert library.calls[0][2]["overwrite"] is True


def test_a_folder_that_is_no_run_is_never_overwritten(library: Library, said):
    assert said("train", "cyclegan", "horses", "-o", ".", "--overwrite") == (
        "i2i: .: exists and is no run of i2i. Choose another folder with -o.\n"
    )


def test_an_empty_folder_may_become_a_run(library: Library, said):
    said("train", "cyclegan", "horses", "-o", "horses", code=0)
    assert library.calls[0][1] == Path("horses")


def test_a_run_goes_on_with_what_was_changed(library: Library, said, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("I2I_DEVICE", "cpu")
    Path("run").mkdir()
    Path("run/config.toml").write_text(dump(CycleGANRun(), ""))
    told = said("resume", "run", "--steps", "9", "--set", "train.lr=1e-4", "--workers", "2", code=0)
    assert told == (
        "Done. Next:\n  i2i translate run FOLDER -o OUT\n  i2i models info run\n  i2i resume run --steps MORE\nrun\n"
    )
    expected = {"engine.device": "cpu", "train.lr": 1e-4, "data.workers": 2, "train.steps": 9}
    assert library.calls == [(Path("run"), expected, {"progress": "auto"})]


def test_a_folder_that_is_no_run_cannot_go_on(said):
    assert said("resume", "horses") == "i2i: horses: is no run of i2i: it has no config.toml.\n"


def test_a_run_does_not_go_on_with_a_wrong_setting(library: Library, said):
    Path("run").mkdir()
    Path("run/config.toml").write_text(dump(CycleGANRun(), ""))
    assert said("resume", "run", "--steps", "0") == "i2i: --steps: train.steps must be at least 1, not 0.\n"
    assert not library.calls
