from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.cli.main import main
from i2i.config.networks import CompactConfig
from i2i.evaluation import restoration
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Two true pictures."""
    (tmp_path / "truth").mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        pixels = np.random.default_rng(seed).integers(0, 256, (24, 20, 3), dtype=np.uint8)
        write(Picture(pixels), tmp_path / "truth" / f"{name}.png")
    return tmp_path / "truth"


@pytest.fixture
def no_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that torchvision has fetched is found."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))


def evaluate(*arguments: object) -> int:
    return main(["evaluate", *map(str, arguments)])


pytestmark = pytest.mark.usefixtures("no_torchvision")


def test_a_table_on_stdout_and_a_note_on_lpips_on_stderr(truth: Path, capsys: pytest.CaptureFixture[str]):
    assert evaluate("bicubic", truth, "--scale", "2") == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].startswith("x2, 2 pictures; truth cut to multiples of 2")
    assert lines[1].split() == ["picture", "by", "PSNR", "Y", "SSIM", "Y", "PSNR", "RGB", "SSIM", "RGB"]
    assert [line.split()[:2] for line in lines[2:]] == [["a", "bicubic"], ["b", "bicubic"], ["mean", "bicubic"]]
    assert told.err == (
        "LPIPS is left out: no AlexNet here. --lpips FILE takes its features, and those that torchvision has fetched "
        "once are found (docs/evaluate.md).\n"
    )


def test_json_is_one_document(truth: Path, capsys: pytest.CaptureFixture[str]):
    assert evaluate(truth, truth, "--scale", "2", "--json", "-q") == 0
    told = capsys.readouterr()
    document = json.loads(told.out)
    assert [row["name"] for row in document["rows"]] == ["bicubic", str(truth)]
    assert document["rows"][1]["mean"]["psnr_y"] == 100
    assert told.err == ""


def test_a_model_needs_no_scale(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = CompactConfig(filters=4, convolutions=1, scale=2)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config})
    save_model(tmp_path / "m.safetensors", {"up": build(config)}, info, half=False)
    assert evaluate(tmp_path / "m.safetensors", truth, "--device", "cpu", "--json") == 0
    assert json.loads(capsys.readouterr().out)["scale"] == 2


def test_lpips_is_a_column_where_its_features_are_given(
    truth: Path, tmp_path: Path, test_data: Path, capsys: pytest.CaptureFixture[str]
):
    large = tmp_path / "large"
    large.mkdir()
    write(Picture(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)), large / "a.png")
    weights = test_data / "weights/alexnet_features_fp16.safetensors"
    assert evaluate("bicubic", large, "--scale", "2", "--lpips", weights) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[1].endswith("LPIPS")
    assert told.err == ""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["bicubic", "none", "--scale", "2"], 2, "none: there is no such folder."),
        (["bicubic", "{truth}"], 2, "nothing says how many times pictures are enlarged. Add --scale N or --low DIR."),
        (["bicubic", "{truth}", "--scale", "0"], 2, "invalid value for '--scale': 0 is not in the range 1<=x<=16."),
        (["bicubic", "{truth}", "--scale", "2", "--lpips", "none"], 2, "'--lpips': file 'none' does not exist."),
        (["bicubic", "{truth}", "--scale", "2", "--lpips", "{truth}/a.png"], 6, "a.png: no AlexNet weights."),
        (["photo", "{truth}"], 2, "no model 'photo'."),
        (["bicubic", "{truth}", "--scale", "8"], 3, "20x24 pixels: at x8, 32 px a side are needed."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_measured_is_one_line(
    truth: Path, arguments: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(*(argument.format(truth=truth) for argument in arguments), "-q") == code
    told = capsys.readouterr()
    assert told.out == ""
    assert text.lower() in told.err.lower()
    assert told.err.count("\n") == 1


def test_a_model_that_translates_is_one_line(tiny_model: Path, truth: Path, capsys: pytest.CaptureFixture[str]):
    assert evaluate(tiny_model, truth) == 2
    assert f"{tiny_model}: this model translates." in capsys.readouterr().err


def test_a_wrong_call_is_told_before_torch_is_loaded(truth: Path):
    program = "import sys; from i2i.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    call = [sys.executable, "-c", program, "evaluate", "bicubic", str(truth)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


def test_ctrl_c_ends_with_130_and_without_a_word(
    truth: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(path: Path) -> Picture:
        raise KeyboardInterrupt

    monkeypatch.setattr(restoration, "read", interrupted)
    assert evaluate("bicubic", truth, "--scale", "2", "-q") == 130
    assert capsys.readouterr() == ("", "")
