"""The whole way: train on a handful of digits, generate pictures of each class, learn from these in turn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i.cli.main import main
from i2i.images.files import read, write
from i2i.images.picture import Picture

SMALL = ["--set", "method.generator.filters=4", "--set", "method.discriminator.filters=4", "--batch", "8", "-q"]
CPU = ["--device", "cpu"]


@pytest.fixture(scope="module")
def digits(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight real digits of each of three classes, as a folder of folders."""
    import gzip

    def numbers(name: str, header: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((test_data / "mnist" / name).read_bytes()), np.uint8, offset=header)

    pictures = numbers("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28, 1)
    labels = numbers("t10k-labels-idx1-ubyte.gz", 8)
    folder = tmp_path_factory.mktemp("digits")
    for digit, name in ((0, "zero"), (1, "one"), (7, "seven")):
        (folder / name).mkdir()
        for number, place in enumerate(np.flatnonzero(labels == digit)[:8]):
            write(Picture(pictures[place]), folder / name / f"{number}.png")
    return folder


def i2i(*arguments: object, code: int = 0) -> None:
    assert main([str(argument) for argument in arguments]) == code


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.parametrize("method", ["dcgan", "wgan-gp"])
def test_a_conditional_model_makes_folders_that_another_training_reads(method: str, digits: Path, tmp_path: Path):
    run, made = tmp_path / "run", tmp_path / "made"
    i2i("train", method, digits, "-o", run, "--conditional", "--steps", "3", *SMALL, *CPU)
    i2i("generate", run, "-o", made, "--per-class", "4", *CPU, "-q")
    assert sorted({Path(place).parts[0] for place in pictures(made)}) == ["one", "seven", "zero"]
    assert all(read(path).pixels.shape == (28, 28, 1) for path in made.rglob("*.png"))
    again = tmp_path / "again"
    i2i("train", method, made, "-o", again, "--conditional", "--steps", "1", *SMALL, *CPU)
    i2i("generate", again, "-o", tmp_path / "sheet.png", "--grid", *CPU, "-q")
    assert read(tmp_path / "sheet.png").height == 3 * 30 - 2


def test_synthetic_pictures_lie_beside_real_ones(digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run, both = tmp_path / "run", tmp_path / "both"
    i2i("train", "dcgan", digits, "-o", run, "--conditional", "--steps", "1", *SMALL, *CPU)
    i2i("generate", run, "-o", both, "--per-class", "4", *CPU, "-q")
    for path in digits.rglob("*.png"):
        (both / path.relative_to(digits)).write_bytes(path.read_bytes())
    capsys.readouterr()
    i2i("data", "check", both, "--method", "dcgan")
    assert capsys.readouterr().out.startswith(f"{both}: 36 pictures 28x28 gray, 3 classes, 12 each\n")
    listed = {json.loads(line)["file"] for line in (both / "manifest.jsonl").read_text().splitlines()}
    assert listed == {f"{name}/{number:06}.png" for name in ("zero", "one", "seven") for number in range(1, 5)}


def test_a_training_that_went_on_makes_other_pictures_of_the_same_noise(digits: Path, tmp_path: Path, refused: Refused):
    run, made = tmp_path / "run", tmp_path / "made"
    i2i("train", "dcgan", digits, "-o", run, "--steps", "2", *SMALL, *CPU)
    i2i("generate", run, "-o", made, "-n", "3", *CPU, "-q")
    before = pictures(made)
    i2i("generate", run, "-o", made, "-n", "5", *CPU, "-q")
    assert {place: pictures(made)[place] for place in before} == before
    i2i("resume", run, "--steps", "4", "-q")
    refused("by another model", "generate", run, "-o", made, "-n", "5", *CPU, "-q")
    i2i("generate", run, "-o", made, "-n", "5", "--overwrite", *CPU, "-q")
    assert not {content for content in before.values() if content in pictures(made).values()}


def test_without_classes_there_are_none(digits: Path, tmp_path: Path, refused: Refused):
    run = tmp_path / "run"
    i2i("train", "gan", digits, "-o", run, "--steps", "1", "--batch", "8", "-q", *CPU)
    refused("knows no classes: --per-class cannot be.", "generate", run, "-o", tmp_path / "x", "--per-class", "2")
    i2i("generate", run, "-o", tmp_path / "strip.png", "--interpolate", "6", *CPU, "-q")
    assert (read(tmp_path / "strip.png").width, read(tmp_path / "strip.png").height) == (6 * 30 - 2, 28)


Refused = Callable[..., None]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that is refused, and looks for words in what it tells."""

    def run(words: str, *arguments: object) -> None:
        i2i(*arguments, code=2)
        assert words in capsys.readouterr().err

    return run
