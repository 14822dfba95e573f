"""`i2i generate`, and what other commands say of a model that generates."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from i2i.cli.main import main
from i2i.config.noise_networks import PerceptronConfig
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.inference.generator import Generator
from i2i.models import shipped
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

PETS = ("cat", "dog", "bird")


def saved(path: Path, classes: tuple[str, ...], channels: int) -> Path:
    torch.manual_seed(0)
    config = PerceptronConfig.model_validate(
        {"size": 8, "noise": 6, "hidden": (5,), "classes": classes, "channels": channels}
    )
    info = ModelInfo(task="generate", method="gan", directions=("sample",), networks={"sample": config})
    save_model(path, {"sample": build(config)}, info, half=False)
    return path


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("plain") / "plain.safetensors", (), 1)


@pytest.fixture(scope="session")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose model knows three classes."""
    return saved(tmp_path_factory.mktemp("runs") / "model.safetensors", PETS, 3).parent


def i2i(*arguments: object) -> int:
    return main(["generate", *map(str, arguments), "--device", "cpu"])


def places(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_a_folder_of_pictures(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    assert i2i(plain, "-o", out, "-n", "3") == 0
    assert places(out) == ["000001.png", "000002.png", "000003.png"]
    told = capsys.readouterr()
    assert told.out == f"3 written to {out}\n"
    assert told.err == f"model {plain}  ·  8 px  ·  cpu  ·  3 pictures\n"


def test_it_makes_64_where_nobody_says_how_many(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i(pets, "-o", tmp_path / "out") == 0
    assert len(places(tmp_path / "out")) == 64
    assert capsys.readouterr().err == f"model {pets}  ·  8 px, 3 classes  ·  cpu  ·  64 pictures\n"


def test_folders_of_classes(pets: Path, tmp_path: Path):
    assert i2i(pets, "-o", tmp_path / "out", "--per-class", "2", "--classes", "bird, 0") == 0
    assert places(tmp_path / "out") == ["bird/000001.png", "bird/000002.png", "cat/000001.png", "cat/000002.png"]


def test_the_same_command_again_makes_what_is_missing(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    i2i(plain, "-o", out, "-n", "3")
    capsys.readouterr()
    assert i2i(plain, "-o", out, "-n", "5") == 0
    assert capsys.readouterr().out == f"2 written to {out}  ·  3 already done\n"
    assert i2i(plain, "-o", out, "-n", "5") == 0
    assert capsys.readouterr().out == "5 already done\n"


def test_another_seed_in_the_same_folder_is_refused_and_can_be_forced(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "out"
    i2i(plain, "-o", out, "-n", "2", "-q")
    assert i2i(plain, "-o", out, "-n", "2", "--seed", "1", "-q") == 2
    assert capsys.readouterr().err == (
        f"i2i: {out / '000001.png'}: this picture was made by another model, or with another seed or class. "
        "Choose another folder, or --overwrite.\n"
    )
    assert i2i(plain, "-o", out, "-n", "2", "--seed", "1", "--overwrite", "-q") == 0


def test_json_is_a_line_for_each_file_and_a_summary(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    i2i(pets, "-o", tmp_path / "out", "-n", "1", "-q")
    assert i2i(pets, "-o", tmp_path / "out", "-n", "2", "--json", "-q") == 0
    told = capsys.readouterr()
    first = {"event": "file", "out": "000001.png", "status": "skipped", "size": [8, 8], "class": "cat", "number": 1}
    second = first | {"out": "000002.png", "status": "ok", "class": "dog", "number": 2}
    end = {"event": "summary", "ok": 1, "skipped": 1, "failed": 0, "not_tried": 0, "exit": 0, "schema": 1}
    assert [json.loads(line) for line in told.out.splitlines()] == [first, second, end]
    assert told.err == ""


def test_quiet_says_nothing(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i(plain, "-o", tmp_path / "out", "-n", "1", "-q") == 0
    assert i2i(plain, "-o", tmp_path / "a.png", "-n", "1", "-q") == 0
    assert i2i(plain, "-o", tmp_path / "out", "--dry-run", "-q") == 0
    assert capsys.readouterr() == ("", "")


def test_a_dry_run_counts_and_writes_nothing(plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    i2i(plain, "-o", out, "-n", "1", "-q")
    assert i2i(plain, "-o", out, "-n", "1000", "--dry-run") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"999 to do, 0 Mpx  ·  about \d:\d\d:\d\d  ·  about [01]\.\d MB, .* GB free  ·  1 already done", first
    )
    assert second == "Nothing was written; the time is without writing."
    assert places(out) == ["000001.png"]
    assert i2i(plain, "-o", out, "-n", "1000", "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["event"], found["todo"], found["done"], found["schema"]) == ("forecast", 999, 1, 1)


def test_format(plain: Path, tmp_path: Path):
    assert i2i(plain, "-o", tmp_path / "out", "-n", "1", "--format", "webp") == 0
    assert (tmp_path / "out" / "000001.webp").is_file()


def test_one_picture_goes_to_a_file(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i(pets, "-o", tmp_path / "a.png", "-n", "1", "--classes", "dog") == 0
    assert capsys.readouterr().out == f"8x8 px written to {tmp_path / 'a.png'}\n"
    i2i(pets, "-o", tmp_path / "out", "-n", "1", "--classes", "dog")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "out" / "000001.png").read_bytes()


def test_a_sheet_and_a_strip(pets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sheet, strip = tmp_path / "sheet.png", tmp_path / "strip.png"
    assert i2i(pets, "-o", sheet, "--grid", "--per-class", "4", "--json") == 0
    told = {"event": "file", "out": str(sheet), "status": "ok", "size": [38, 28]}
    assert json.loads(capsys.readouterr().out) == told
    assert (read(sheet).width, read(sheet).height) == (38, 28)
    assert i2i(pets, "-o", strip, "--interpolate", "5", "--classes", "cat") == 0
    assert (read(strip).width, read(strip).height) == (48, 8)
    assert {path.name for path in tmp_path.iterdir()} == {"sheet.png", "strip.png"}


KNOWN = "Known: .apng .avif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp"
REFUSED = [
    (["-o", "OUT", "--grid"], "--grid makes one picture: -o names its file. Use: -o OUT.png"),
    (["-o", "OUT", "--interpolate", "5"], "--interpolate makes one picture: -o names its file. Use: -o OUT.png"),
    (["-o", "a.png", "--grid", "--interpolate", "5"],
     "--grid and --interpolate are two pictures. Make one after the other."),
    (["-o", "a.png"], "a.png: 64 pictures do not go into one file. Name a folder with -o, or add --grid or -n 1."),
    (["-o", "a.png", "--grid", "--format", "jpg"], "--format is for folders. Leave it out."),
    (["-o", "a.png", "--grid", "--dry-run"], "--dry-run is for folders. Leave it out."),
    (["-o", "there.png", "--grid"], "there.png: the output is there already. Choose another name, or --overwrite."),
    (["-o", "no/a.png", "--grid"], "no/a.png: the folder of the output does not exist."),
    (["-o", "a.gif", "--grid"],
     "no picture that says that it is synthetic can be written with the suffix '.gif'. KNOWN"),
    (["-o", "a.bmp", "--interpolate", "5"],
     "no picture that says that it is synthetic can be written with the suffix '.bmp'. KNOWN"),
    (["-o", "a.txt", "-n", "1"],
     "no picture that says that it is synthetic can be written with the suffix '.txt'. KNOWN"),
    (["-o", "there.py"], "there.py: is a file, not a folder. Choose another folder with -o."),
    (["-o", "there.py", "--dry-run"], "there.py: is a file, not a folder. Choose another folder with -o."),
    (["-o", "OUT", "-n", "100000000"],
     "100,000,000 pictures are too many: 999,999 at most. Make more with another --seed, in another folder."),
    (["-o", "-"], "-o - is for commands of one picture. Name a folder or a file."),
    (["-o", "OUT", "-n", "3", "--per-class", "3"], "-n and --per-class both say how many. Leave one of them out."),
    (["-o", "OUT", "--classes", "dgo"], "MODEL has no class 'dgo'. Did you mean 'dog'?"),
    (["-o", "OUT", "--classes", " ,"], "--classes names none. Such as: --classes cat,dog"),
    (["-o", "OUT", "--classes", "cat,cat"], "the class 'cat' is named twice. Leave one of them out."),
    (["-o", "OUT", "-n", "0"],
     "invalid value for '-n' / '--count': 0 is not in the range x>=1. See: i2i generate --help"),
    (["-o", "OUT", "--interpolate", "1"],
     "invalid value for '--interpolate': 1 is not in the range 2<=x<=1000. See: i2i generate --help"),
    (["-o", "OUT", "--device", "gpu"],
     "invalid value for '--device': 'gpu' is none of auto, cpu, cuda, cuda:N, mps. See: i2i generate --help"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "told"), REFUSED, ids=lambda value: " ".join(value)[:40])
def test_what_cannot_be_is_told_on_one_line_and_nothing_is_written(
    arguments: list[str],
    told: str,
    pets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.chdir(tmp_path)
    there = {"there.png", "there.py"}
    for name in there:
        (tmp_path / name).touch()
    assert main(["generate", str(pets), *arguments, "-q"]) == 2
    told = told.replace("MODEL", str(pets)).replace("KNOWN", KNOWN)
    assert capsys.readouterr() == ("", f"i2i: {told}\n")
    assert {path.name for path in tmp_path.iterdir()} == there


def test_a_folder_that_is_there_may_have_a_dot(plain: Path, tmp_path: Path):
    (tmp_path / "made.1").mkdir()
    assert i2i(plain, "-o", tmp_path / "made.1", "-n", "1", "-q") == 0
    assert i2i(plain, "-o", tmp_path / "made.2", "-n", "2", "-q") == 0
    assert places(tmp_path) == ["made.1/000001.png", "made.2/000001.png", "made.2/000002.png"]


@pytest.mark.parametrize("option", [["--per-class", "2"], ["--classes", "cat"]], ids=" ".join)
def test_classes_of_a_model_that_knows_none(
    option: list[str], plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert i2i(plain, "-o", tmp_path / "out", *option) == 2
    hint = "Use -n; a model learns classes where its training has --conditional."
    assert capsys.readouterr().err == f"i2i: {plain} knows no classes: {option[0]} cannot be. {hint}\n"
    assert not (tmp_path / "out").exists()


# Interrupted


def held_after(groups: int, folder: Path) -> Callable[[], None]:
    """A `before` for a process: it makes so many groups of pictures, then waits for the file `go`."""

    def hold() -> None:
        made, calls = Generator.made, []

        def held(self: Generator, *arguments: Any) -> list[Picture]:
            calls.append(1)
            if len(calls) > groups:
                (folder / "waits").touch()
                while not (folder / "go").exists():
                    time.sleep(0.005)
            return made(self, *arguments)

        Generator.made = held  # type: ignore[method-assign]

    return hold


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_begun_is_finished_and_the_line_to_go_on_is_told(
    number: signal.Signals,
    code: int,
    i2i_process: Callable[..., Any],
    until: Callable[[Callable[[], Any]], None],
    pets: Path,
    tmp_path: Path,
):
    assert i2i(pets, "-o", tmp_path / "clean", "--per-class", "20", "-q") == 0  # torch has all its modules now
    out = tmp_path / "out"
    call = ["generate", pets, "-o", out, "--per-class", 20]
    process = i2i_process(*call, before=held_after(1, tmp_path))
    until((tmp_path / "waits").exists)
    process.send(number)
    time.sleep(0.05)
    (tmp_path / "go").touch()
    assert process.wait() == code
    assert process.out == f"20 written to {out}  ·  40 not tried\n"
    command = shlex.join(["i2i", *map(str, call), "--device", "cpu", "--threads", "1"])
    assert process.err.splitlines()[1:] == [f"i2i: stopped; what was begun is finished. Go on: {command}"]
    assert i2i_process(*call).wait() == 0
    assert places(out) == places(tmp_path / "clean")
    for place in places(out):
        assert (out / place).read_bytes() == (tmp_path / "clean" / place).read_bytes()
    listed = [json.loads(line)["file"] for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert sorted(listed) == places(out)


def test_a_terminal_sees_how_far_it_is(
    i2i_process: Callable[..., Any], until: Callable[[Callable[[], Any]], None], plain: Path, tmp_path: Path
):
    assert i2i(plain, "-o", tmp_path / "first", "-n", "1", "-q") == 0
    mine, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        process = i2i_process(
            "generate", plain, "-o", tmp_path / "out", "-n", 40, before=held_after(2, tmp_path), stderr=terminal
        )
        until((tmp_path / "waits").exists)
        time.sleep(0.3)
        (tmp_path / "go").touch()
        assert process.wait() == 0
    seen = os.read(mine, 100_000).decode()
    os.close(mine)
    assert re.search(r"generate 33/40 82 %  .* img/s  .* Mpx/s  left \d:\d\d:\d\d  cpu", seen)


# What else is said of such models


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    import numpy as np

    write(Picture(np.zeros((8, 8, 3), np.uint8)), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_other_commands_say_what_it_is(plain: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    use, out = f"Use: i2i generate {plain} -o OUT", tmp_path / "out"
    truth = "Only models that enlarge pictures or fill holes have true ones to be measured against."
    noise = "its input is noise, and such models are not exported."
    calls = {
        ("translate", plain, photo, "-o", out): f"{plain} is a model to generate pictures. {use}",
        ("upscale", photo, "-o", out, "-m", plain): f"{plain} is a model that does not enlarge pictures. {use}",
        ("inpaint", photo, "--mask-alpha", "-o", out, "-m", plain):
            f"{plain} is a model to generate pictures. {use}",
        ("evaluate", plain, tmp_path): f"{plain}: this model generates. {truth}",
        ("export", plain, "--to", "onnx"): f"{plain} is a model to generate pictures: {noise} {use}",
    }  # fmt: skip
    for call, told in calls.items():
        assert main([str(argument) for argument in call]) == 2
        assert capsys.readouterr() == ("", f"i2i: {told}\n")
    assert not out.exists()


def test_a_model_that_takes_pictures_makes_none_of_noise(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert i2i(tiny_model, "-o", tmp_path / "out") == 2
    hint = f"Use: i2i translate {tiny_model} INPUT... -o OUT"
    told = f"{tiny_model} is a model to translate pictures: it makes none of noise. {hint}"
    assert capsys.readouterr().err == f"i2i: {told}\n"


def test_models_tell_sizes_and_classes(
    plain: Path, pets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(shipped, "shipped_models", lambda: {"pets": pets / "model.safetensors", "plain": plain})
    assert main(["models", "list"]) == 0
    assert (
        capsys.readouterr().out
        == "pets   generate   8 px, 3 classes   0.0 MB   \nplain   generate   8 px   0.0 MB   \n"
    )
    assert main(["models", "list", "--json"]) == 0
    entry = json.loads(capsys.readouterr().out)[0]
    assert (entry["task"], entry["scale"], entry["noise"], entry["size"]) == ("generate", 1, 6, 8)
    assert (entry["channels"], entry["classes"]) == (3, ["cat", "dog", "bird"])
    assert main(["models", "info", str(pets)]) == 0
    told = {line[:12].strip(): line[13:] for line in capsys.readouterr().out.splitlines()}
    assert told["task"] == "generate  (gan)"
    assert told["sample"].startswith("kind perceptron, ")
    assert "noise 6, distribution normal, size 8, channels 3" in told["sample"]
    assert told["classes"] == "cat, dog, bird"
    assert main(["models", "info", str(plain)]) == 0
    assert "classes      it knows none\n" in capsys.readouterr().out
    assert main(["models", "verify", str(pets)]) == 0
    assert ": good, SHA-256 " in capsys.readouterr().out
