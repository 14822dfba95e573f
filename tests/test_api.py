"""Trainings as a person starts, breaks and goes on with them: the functions behind the commands."""

from __future__ import annotations

import errno
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from i2i import api
from i2i.cli.main import main
from i2i.config.layers import assignment_layer, resolve
from i2i.config.methods.cyclegan import CycleGANRun
from i2i.errors import ConfigError, DataError, ModelError, NoRoomError, StoppedError, TrainingError, UsageError
from i2i.images.files import read
from i2i.inference.translator import load
from i2i.models.modelfile import read_info

TINY = [
    "method.generator.filters=4", "method.generator.blocks=1", "method.discriminator.filters=4",
    "method.discriminator.layers=2", "method.history=3", "data.size=24", "data.val=0", "data.workers=0",
    "train.steps=6", "train.ema=10", "engine.device=cpu", "engine.precision=fp32", "engine.threads=1",
    "engine.save_every=2", "log.every=2", "log.samples=3",
]  # fmt: skip


@pytest.fixture
def tiny(pond: Path):
    """Settings of a training that takes a second; more of them as `--set` takes them."""

    def configure(*more: str) -> Any:
        return resolve("cyclegan", "default", [assignment_layer([f"data.path='{pond}'", *TINY, *more])]).config

    return configure


@pytest.fixture
def i2i_process(pond: Path, tmp_path: Path):
    """Starts `i2i` in a process of its own, as a shell would."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        program = [sys.executable, "-c", "from i2i.cli.main import run; run()", *arguments]
        return subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


def train_arguments(pond: Path, run: str, *more: str) -> list[str]:
    return ["train", "cyclegan", str(pond), "-o", run, *(word for item in (*TINY, *more) for word in ("--set", item))]


def newest(run: Path) -> Path:
    return max((run / "checkpoints").iterdir())


def newest_step(run: Path) -> int:
    steps = [int(path.name.removeprefix("step-")) for path in (run / "checkpoints").glob("step-*")]
    return max(steps, default=0)


def saved(run: Path) -> dict[str, bytes]:
    """Every byte that a later step depends on, and the model that people take."""
    files = [run / "model.safetensors", run / "discriminators.safetensors", *newest(run).iterdir()]
    return {path.name: path.read_bytes() for path in files}


def steps_logged(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "log.jsonl").read_text().splitlines()]


def events(run: Path) -> list[str]:
    return [json.loads(line)["event"] for line in (run / "events.jsonl").read_text().splitlines()]


def test_a_training_leaves_a_run_that_tells_everything(tiny, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", command="i2i train cyclegan pond", progress="none")
    assert sorted(path.name for path in run.iterdir() if path.name != ".lock") == [
        "checkpoints", "config.toml", "data.json", "discriminators.safetensors", "events.jsonl", "log.jsonl",
        "model.safetensors", "samples",
    ]  # fmt: skip
    assert sorted(path.name for path in (run / "samples").iterdir()) == ["step-000003.jpg", "step-000006.jpg"]
    assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [f"step-00000{n}" for n in (2, 4, 6)]
    assert steps_logged(run) == [2, 4, 6]
    assert events(run) == ["start", "save", "save", "save"]
    assert "# i2i train cyclegan pond" in (run / "config.toml").read_text()


def test_its_model_knows_all_that_translating_needs(tiny, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", command="the command", progress="none")
    info = read_info(run / "model.safetensors")
    assert (info.method, info.directions, info.value_range) == ("cyclegan", ("a2b", "b2a"), (-1.0, 1.0))
    assert (info.multiple, info.minimum, info.training.size) == (4, 8, 24)
    assert info.card.command == "the command"
    others = read_info(run / "discriminators.safetensors")
    assert (sorted(others.networks), others.directions) == (["discriminator_a", "discriminator_b"], ())


def test_a_folder_is_translated_with_the_run(tiny, pond: Path, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    summary = api.translate(run, [pond / "testB"], tmp_path / "out", direction="b2a", device="cpu")
    assert (summary.ok, summary.exit_code) == (2, 0)
    assert read(tmp_path / "out" / "0000.png").pixels.shape == (32, 32, 3)


def test_the_same_seed_trains_the_same_bytes_and_another_one_others(tiny, tmp_path: Path):
    runs = [
        api.train(tiny(f"train.seed={seed}"), tmp_path / name, progress="none")
        for name, seed in (("one", 0), ("two", 0), ("three", 1))
    ]
    one, two, three = (saved(run) for run in runs)
    assert one == two
    assert one["weights.safetensors"] != three["weights.safetensors"]


def test_a_stopped_training_ends_as_if_it_had_not_stopped(tiny, tmp_path: Path):
    whole = api.train(tiny(), tmp_path / "whole", progress="none")
    with pytest.raises(StoppedError, match="stopped, step 1 of 6 is saved") as stop:
        api.train(tiny("engine.max_time='0.001s'"), tmp_path / "cut", progress="none")
    assert stop.value.exit_code == 9
    assert f"Continue: i2i resume {tmp_path / 'cut'}" in str(stop.value)
    api.resume(tmp_path / "cut", {"engine.max_time": "1h"}, progress="none")
    assert saved(tmp_path / "cut") == saved(whole)
    assert steps_logged(tmp_path / "cut") == [2, 4, 6]


@pytest.mark.parametrize("workers", [2, *(pytest.param(n, marks=pytest.mark.thorough) for n in (0, 1, 4))])
def test_a_killed_training_ends_as_if_it_had_not_been_killed(
    tiny, i2i_process, pond: Path, tmp_path: Path, workers: int
):
    arguments = train_arguments(pond, "killed", "train.steps=40")
    whole = api.train(
        tiny("train.steps=40"), tmp_path / "whole", command=shlex.join(["i2i", *arguments]), progress="none"
    )
    process = i2i_process(*arguments)
    deadline = time.monotonic() + 60
    while not (tmp_path / "killed" / "checkpoints" / "step-000004").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert newest(tmp_path / "killed").name < "step-000040"
    api.resume(tmp_path / "killed", {"data.workers": workers}, progress="none")
    assert saved(tmp_path / "killed") == saved(whole)
    assert steps_logged(tmp_path / "killed") == steps_logged(whole)


@pytest.mark.thorough
def test_a_training_that_is_killed_ten_times_at_random_ends_the_same(tiny, i2i_process, pond: Path, tmp_path: Path):
    settings = ("train.steps=400", "engine.save_every=7")
    arguments = train_arguments(pond, "killed", *settings)
    whole = api.train(tiny(*settings), tmp_path / "whole", command=shlex.join(["i2i", *arguments]), progress="none")
    moments = random.Random(0)
    for number in range(10):
        before = newest_step(tmp_path / "killed")
        process = i2i_process(*(["resume", "killed"] if number else arguments))
        while newest_step(tmp_path / "killed") == before:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL  # else it was through before it was killed
    api.resume(tmp_path / "killed", progress="none")
    assert saved(tmp_path / "killed") == saved(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(i2i_process, pond: Path, tmp_path: Path, number: int, code: int):
    process = i2i_process(*train_arguments(pond, "run", "train.steps=100000", "engine.save_every='1h'"))
    log = tmp_path / "run" / "log.jsonl"
    while not log.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    step = int(newest(tmp_path / "run").name.removeprefix("step-"))
    assert process.returncode == code
    assert told.splitlines()[-1] == f"i2i: stopped, step {step} of 100000 is saved. Continue: i2i resume run"
    assert "Traceback" not in told


def test_a_killed_run_without_a_checkpoint_begins_anew(tiny, tmp_path: Path):
    whole = api.train(tiny(), tmp_path / "whole", progress="none")
    run = api.train(tiny(), tmp_path / "run", progress="none")
    for path in (run / "checkpoints").iterdir():
        (path / "manifest.txt").unlink()
    api.resume(run, progress="none")
    assert saved(run) == saved(whole)


def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    before = saved(run)
    weights = newest(run) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    api.resume(run, progress="plain")
    assert saved(run) == before
    assert (
        "step-000006: weights.safetensors is damaged (SHA-256 differs). Going on from step 4."
        in capsys.readouterr().err.replace("\n", "")
    )


def test_a_finished_run_goes_on_only_for_more_steps(tiny, tmp_path: Path):
    run = api.train(tiny("train.schedule='constant'"), tmp_path / "run", progress="none")
    with pytest.raises(UsageError, match=r"this run is finished: 6 of 6 steps\. To go on: i2i resume .*run --steps 12"):
        api.resume(run, progress="none")
    api.resume(run, {"train.steps": 8}, progress="none")
    longer = api.train(tiny("train.schedule='constant'", "train.steps=8"), tmp_path / "longer", progress="none")
    assert saved(run) == saved(longer)
    assert "steps = 8" in (run / "config.toml").read_text()


def test_a_run_is_never_overwritten_unasked(tiny, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    (run / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"run: holds a training\. To go on use `i2i resume"):
        api.train(tiny(), run, progress="none")
    api.train(tiny("train.steps=2"), run, progress="none", overwrite=True)
    assert steps_logged(run) == [2]
    assert (run / "mine.txt").read_text() == "mine"


def test_a_training_starts_from_the_networks_of_another(tiny, tmp_path: Path):
    first = api.train(tiny(), tmp_path / "first", progress="none")
    config = tiny(f"train.init='{first}'", "train.steps=1", "train.lr=1e-12", "train.ema=0")
    second = api.train(config, tmp_path / "second", progress="none")
    photo = read(tmp_path / "first" / "samples" / "step-000006.jpg").rgb()[20:52, :32]
    ours, theirs = (load(run, device="cpu")(photo).astype(int) for run in (second, first))
    assert abs(ours - theirs).max() <= 1
    assert read_info(second / "model.safetensors").ancestor.startswith("first (SHA-256 ")
    before, after = (load_file(run / "discriminators.safetensors") for run in (first, second))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_training_of_other_networks_cannot_start_from_a_model(tiny, tmp_path: Path):
    first = api.train(tiny("train.steps=1"), tmp_path / "first", progress="none")
    with pytest.raises(ConfigError, match=r"has a2b with filters=4, this training asks for filters=5\. Take the"):
        api.train(tiny(f"train.init='{first}'", "method.generator.filters=5"), tmp_path / "second", progress="none")
    assert not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        (
            "data.size=30",
            r"crops of 30 px do not fit the generator \(a2b\), which needs multiples of 4. Use --size 28 or --size 32.",
        ),
        ("data.size=8", r"for the discriminator a. Use --size 12 or more, or --set method.discriminator.layers=1."),
    ],
)
def test_crops_that_no_network_can_take_are_refused(tiny, tmp_path: Path, setting: str, line: str):
    with pytest.raises(ConfigError, match=line):
        api.train(tiny(setting), tmp_path / "run", progress="none")
    assert not (tmp_path / "run").exists()


def test_a_refused_resume_changes_nothing(tiny, tmp_path: Path):
    with pytest.raises(StoppedError):
        api.train(tiny("engine.max_time='0.001s'"), tmp_path / "run", progress="none")
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("config.toml", "events.jsonl", "data.json")}
    with pytest.raises(ModelError, match=r"the checkpoint of step 1 has other networks than config\.toml says"):
        api.resume(tmp_path / "run", {"method.generator.filters": 5}, progress="none")
    with pytest.raises(DataError, match=r"a batch of 99 is larger than the epoch: 6 pictures\. Lower --batch"):
        api.resume(tmp_path / "run", {"train.batch": 99}, progress="none")
    assert before == {name: (tmp_path / "run" / name).read_bytes() for name in before}


@pytest.mark.parametrize("changed", [{"data.size": 16}, {"method.history": 5}, {"method.history": 2}])
def test_a_run_goes_on_with_pictures_or_a_history_of_another_size(tiny, tmp_path: Path, changed: dict[str, int]):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    api.resume(run, {"train.steps": 12, **changed}, progress="none")
    assert newest_step(run) == 12


def test_a_run_goes_on_without_the_model_that_it_started_from(tiny, tmp_path: Path):
    first = api.train(tiny("train.steps=1"), tmp_path / "first", progress="none")
    run = api.train(tiny(f"train.init='{first}'", "train.schedule='constant'"), tmp_path / "second", progress="none")
    ancestor = read_info(run / "model.safetensors").ancestor
    shutil.rmtree(first)
    api.resume(run, {"train.steps": 8}, progress="none")
    assert ancestor == read_info(run / "model.safetensors").ancestor


def test_what_is_refused_leaves_an_earlier_run_alone(tiny, tmp_path: Path):
    run = api.train(tiny(), tmp_path / "run", progress="none")
    before = saved(run)
    with pytest.raises(DataError, match="a batch of 99 is larger than the epoch: 6 pictures"):
        api.train(tiny("train.batch=99"), run, progress="none", overwrite=True)
    with pytest.raises(ConfigError, match=r"a batch of 1 cannot be cut into engine\.micro_batches=2 equal parts"):
        tiny("engine.micro_batches=2")
    assert saved(run) == before


def test_a_folder_of_something_else_is_refused(tiny, tmp_path: Path):
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"exists and is no run of i2i\. Choose another folder with -o\."):
        api.train(tiny(), tmp_path, progress="none", overwrite=True)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory: you tried")])
def test_too_large_a_training_ends_with_advice_and_code_5(
    tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def step(*_: object) -> None:
        raise error

    monkeypatch.setattr("i2i.engine.update.Engine.step", step)
    with pytest.raises(NoRoomError, match=r"needs more memory than there is\. Lower --batch or --size"):
        api.train(tiny(), tmp_path / "run", progress="none")
    with pytest.raises(NoRoomError, match=r"needs more memory than there is\."):
        api.dry_run(tiny(), progress="none")


def test_the_command_to_go_on_can_be_pasted_whatever_the_name(tiny, tmp_path: Path):
    with pytest.raises(StoppedError, match=r"Continue: i2i resume '.*/my run'"):
        api.train(tiny("engine.max_time='0.001s'"), tmp_path / "my run", progress="none")


def test_non_finite_values_at_the_end_are_no_success(tiny, tmp_path: Path):
    with pytest.raises(TrainingError, match="gradients became non-finite around step 6"):
        api.train(tiny("train.lr=1e30", "engine.save_every=1000", "log.every=100"), tmp_path / "run", progress="none")
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_init_brings_the_settings_of_its_networks(tiny, pond: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first = api.train(tiny("train.steps=1"), tmp_path / "first", progress="none")
    assert main(["train", "cyclegan", str(pond), "--init", str(first), "--print-config"]) == 0
    printed = capsys.readouterr().out
    origins = [line for line in printed.splitlines() if line.endswith(f"# {first} (--init)")]
    assert any(line.startswith("blocks = 1 ") for line in origins)
    assert any(line.startswith("layers = 2 ") for line in origins)


def test_a_full_disk_does_not_end_a_training_but_its_last_save(
    tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("i2i.engine.loop.write_checkpoint", full)
    with pytest.raises(NoRoomError, match=r"disk full, the last state could not be saved\. Free space, then: i2i"):
        api.train(tiny(), tmp_path / "run", progress="plain")
    told = capsys.readouterr().err
    for step in (2, 4, 6):
        assert f"warning: disk full, step {step} could not be written; the training goes on" in told


def test_lasting_non_finite_values_end_a_training_with_code_4(tiny, tmp_path: Path):
    with pytest.raises(TrainingError, match=r"gradients became non-finite around step \d+") as error:
        api.train(tiny("train.lr=1e30", "engine.save_every=1000"), tmp_path / "run", progress="none")
    assert error.value.exit_code == 4
    assert f"Last saved: step 0. Try: i2i resume {tmp_path / 'run'} --set train.lr=5e+29" in str(error.value)


def test_a_dry_run_says_what_a_training_needs_and_writes_nothing(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    first, second = api.dry_run(tiny("train.steps=1000"), progress="none").splitlines()
    assert first == "6 + 6 pictures, smallest 32x32, none held out"
    assert second.startswith("parameters: 0.0 M generators + 0.0 M discriminators  ·  memory ")
    assert second.endswith(" on cpu")
    assert not list(tmp_path.iterdir())


def test_an_untouched_configuration_is_the_methods_own():
    assert isinstance(resolve("cyclegan", "paper", []).config, CycleGANRun)
