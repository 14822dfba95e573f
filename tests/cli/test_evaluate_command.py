from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.cli import batch_progress
from i2i.cli.evaluate import MeasuringProgress
from i2i.cli.main import main
from i2i.config.networks import CompactConfig, GatedConfig
from i2i.evaluation import inpainting, restoration
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


@pytest.fixture
def masks(truth: Path, tmp_path: Path) -> Path:
    """A mask of 100 of 480 pixels for each true picture."""
    hole = np.zeros((24, 20, 1), dtype=np.uint8)
    hole[2:12, 5:15] = 255
    (tmp_path / "masks").mkdir()
    for name in ("a", "b"):
        write(Picture(hole), tmp_path / "masks" / f"{name}.png")
    return tmp_path / "masks"


def test_holes_of_each_band_are_drawn_and_the_baselines_stand_beside_each_other(
    truth: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate("telea", truth, "--bands", "1,4", "-q") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("4 holes in 2 pictures; masks drawn from seed 0; 8 bit, known pixels are the true ones;")
    table = [line.split() for line in lines if line.split()[0] in ("10-20", "40-50", "all")]
    assert [line[:3] for line in table[:4]] == [
        ["10-20", "%", "mean"],
        ["10-20", "%", "telea"],
        ["10-20", "%", "navier-stokes"],
        ["40-50", "%", "mean"],
    ]
    assert table[-1][:3] == ["all", "navier-stokes", "4"]


def test_what_data_masks_writes_is_what_is_drawn_without_it(
    truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (truth / "b.png").rename(tmp_path / "b.png")
    (truth / "deep").mkdir()
    (tmp_path / "b.png").rename(truth / "deep/b.png")
    assert main(["data", "masks", str(truth), "-o", str(tmp_path / "written"), "--seed", "7", "-q"]) == 0
    capsys.readouterr()
    documents = []
    for given in (["--masks", tmp_path / "written"], ["--seed", "7"]):
        assert evaluate("mean", truth, *given, "--json", "-q") == 0
        documents.append(json.loads(capsys.readouterr().out))
    assert documents[0]["rows"] == documents[1]["rows"]
    assert len(documents[0]["rows"][0]["pictures"]) == 12


def test_filled_pictures_are_measured_where_masks_are_given(
    truth: Path, masks: Path, capsys: pytest.CaptureFixture[str]
):
    assert evaluate(truth, truth, "--masks", masks, "--json", "-q") == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in document["rows"]] == ["mean", "telea", "navier-stokes", str(truth)]
    assert document["rows"][3]["mean"]["hole_l1"] == 0
    assert document["rows"][3]["bands"][0]["area"] == [0.2, 0.3]


def test_masks_that_belong_to_no_picture_are_counted_and_noted(
    truth: Path, masks: Path, capsys: pytest.CaptureFixture[str]
):
    (masks / "b.png").rename(masks / "c.png")
    (truth / "b.png").unlink()
    assert evaluate("mean", truth, "--masks", masks) == 0
    assert f"{masks}: 1 mask belongs to no picture of {truth}, such as 'c'.\n" in capsys.readouterr().err
    (masks / "d.png").write_bytes((masks / "c.png").read_bytes())
    assert evaluate("mean", truth, "--masks", masks) == 0
    assert f"{masks}: 2 masks belong to no picture of {truth}, such as 'c'.\n" in capsys.readouterr().err


def test_an_inpainting_model_fills_holes(truth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = GatedConfig(filters=4, attention=False)
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config}, multiple=8, minimum=8)
    save_model(tmp_path / "m.safetensors", {"fill": build(config)}, info, half=False)
    assert evaluate(tmp_path / "m.safetensors", truth, "--bands", "2", "--device", "cpu", "--json", "-q") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["task"] == "inpaint"
    assert document["rows"][3]["name"] == str(tmp_path / "m.safetensors")


def test_progress_has_the_count_and_the_remaining_time():
    seconds = iter([0.0, 0.0, 31.0, 31.0, 31.0])
    stream = io.StringIO()
    progress = MeasuringProgress(1200, "plain", stream=stream, clock=lambda: next(seconds))
    progress.count()
    assert stream.getvalue() == "measured 1/1 200 0 %  left 10:19:29\n"


def test_long_work_shows_where_it_is_and_leaves_the_terminal_as_it_was(
    truth: Path, masks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(batch_progress, "PLAIN_SECONDS", 0.0)
    assert evaluate("mean", truth, "--masks", masks, "--progress", "plain") == 0
    told = capsys.readouterr().err.splitlines()
    assert [line[: line.index("left")] for line in told if line.startswith("measured")] == [
        "measured 1/2 50 %  ",
        "measured 2/2 100 %  ",
    ]
    assert evaluate("bicubic", truth, "--scale", "2", "--progress", "plain") == 0
    assert "measured 2/2 100 %" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["bicubic", "none", "--scale", "2"], 2, "none: there is no such folder."),
        (["bicubic", "{truth}"], 2, "nothing says how many times pictures are enlarged. Add --scale N or --low DIR."),
        (["bicubic", "{truth}", "--scale", "0"], 2, "invalid value for '--scale': 0 is not in the range 1<=x<=16."),
        (["bicubic", "{truth}", "--scale", "2", "--lpips", "none"], 2, "'--lpips': file 'none' does not exist."),
        (["bicubic", "{truth}", "--scale", "2", "--lpips", "{truth}/a.png"], 6, "a.png: no AlexNet weights."),
        (["photo", "{truth}"], 2, "no model 'photo'."),
        (["mean", "none"], 2, "none: there is no such folder."),
        (
            ["mean", "{truth}", "--scale", "2"],
            2,
            "mean: --scale is for where pictures are enlarged, and here holes are",
        ),
        (
            ["{truth}", "{truth}", "--masks", "{truth}", "--low", "x"],
            2,
            "--low is for where pictures are enlarged, and",
        ),
        (
            ["bicubic", "{truth}", "--masks", "x"],
            2,
            "bicubic: --masks is for where holes are filled, and here pictures",
        ),
        (
            ["bicubic", "{truth}", "--bands", "1"],
            2,
            "bicubic: --bands is for where holes are filled, and here pictures",
        ),
        (["bicubic", "{truth}", "--seed", "1"], 2, "bicubic: --seed is for where holes are filled, and here pictures"),
        (
            ["mean", "{truth}", "--seed", "1", "--masks", "x"],
            2,
            "--seed is for masks that are drawn, and --masks gives",
        ),
        (["mean", "{truth}", "--seed", "-1"], 2, "invalid value for '--seed': -1 is not in the range x>=0."),
        (
            ["mean", "{truth}", "--bands", "all"],
            2,
            "'--bands': 'all' names no bands from 0 to 5 such as 0,1,2.",
        ),
        (["mean", "{truth}", "--bands", "0,6"], 2, "'--bands': '0,6' names no bands from 0 to 5 such as"),
        (["mean", "{truth}", "--masks", "none"], 2, "none: there is no such folder."),
        (["{truth}", "{truth}"], 2, "Add --scale N or --low DIR. Where holes were filled, add --masks DIR."),
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


@pytest.mark.parametrize(
    "arguments", [["bicubic", "{truth}"], ["mean", "{truth}", "--masks", "{truth}", "--bands", "0"]]
)
def test_a_wrong_call_is_told_before_torch_is_loaded(arguments: list[str], truth: Path):
    program = "import sys; from i2i.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    call = [sys.executable, "-c", program, "evaluate", *(argument.format(truth=truth) for argument in arguments)]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


@pytest.mark.parametrize("call", ["bicubic {truth} --scale 2", "mean {truth}"])
def test_ctrl_c_ends_with_130_and_one_word(
    call: str, truth: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def interrupted(path: Path) -> Picture:
        raise KeyboardInterrupt

    for measuring in (restoration, inpainting):
        monkeypatch.setattr(measuring, "plain", interrupted)
    assert evaluate(*call.format(truth=truth).split(), "-q") == 130
    assert capsys.readouterr() == ("", "i2i: stopped.\n")
