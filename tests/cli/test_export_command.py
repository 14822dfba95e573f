from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.cli.main import main
from i2i.config.networks import ResNetConfig, SRResNetConfig
from i2i.inference import export as exporting
from i2i.inference.translator import load
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

PHOTO = Path(__file__).parents[2] / "pretrained" / "demo" / "coast.jpg"
RESULT = r"  ·  \d+\.\d MB  ·  differs from the source by at most 0(\.\d+)?/255 in 6 pictures\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that commands run in."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def i2i(*arguments: str | Path) -> int:
    return main(["export", *map(str, arguments)])


@pytest.mark.parametrize(("to", "files"), [("onnx", ["tiny-a2b.onnx"]), ("openvino", ["tiny-a2b.bin", "tiny-a2b.xml"])])
def test_one_line_tells_what_was_written(
    to: str, files: list[str], tiny_model: Path, here: Path, capfd: pytest.CaptureFixture[str]
):
    assert i2i(tiny_model, "--to", to) == 0
    told = capfd.readouterr()
    assert re.fullmatch(f"wrote {re.escape(files[-1])}{RESULT}", told.out)
    assert told.err == ""
    assert sorted(os.listdir(here)) == files


def test_a_run_gives_its_name_and_the_direction_is_chosen(tiny_model: Path, here: Path, tmp_path: Path):
    (tmp_path / "horses").mkdir()
    shutil.copy(tiny_model, tmp_path / "horses" / "model.safetensors")
    assert i2i(tmp_path / "horses", "--to", "onnx", "--direction", "a2b") == 0
    assert os.listdir(here) == ["horses-a2b.onnx"]


def test_result_as_json(tiny_model: Path, here: Path, capfd: pytest.CaptureFixture[str]):
    assert i2i(tiny_model, "--to", "openvino", "-o", "m.xml", "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert 0 <= told.pop("difference") < 0.1 / 255
    assert told.pop("bytes") == sum(path.stat().st_size for path in here.iterdir())
    files = ["m.xml", "m.bin"]
    assert told == {"out": "m.xml", "files": files, "format": "openvino", "direction": "a2b", "pictures": 6}


def test_a_wrong_call_is_told_before_torch_is_loaded(tiny_model: Path, here: Path):
    (here / "old.bin").touch()
    calls = [
        (["--to", "onnx", "-o", "a.xml"], "a.xml: a model for onnx ends in .onnx. Use: -o a.onnx"),
        (["--to", "openvino", "-o", "."], ".: a model for openvino ends in .xml. Use: -o model.xml"),
        (["--to", "onnx", "-o", "no/a.onnx"], "no/a.onnx: the folder of the output does not exist."),
        (
            ["--to", "openvino", "-o", "old.xml"],
            "old.bin: the output is there already. Choose another name, or --overwrite.",
        ),
        (["--to", "onnx", "--direction", "b2a"], "this model has no direction b2a. It has: a2b."),
        (
            ["--to", "tflite"],
            "invalid value for '--to': 'tflite' is not one of 'onnx', 'openvino'. See: i2i export --help",
        ),
        ([], "missing option '--to'. Choose from: onnx, openvino See: i2i export --help"),
    ]
    program = (
        "import json, sys; from i2i.cli.main import main;"
        "codes = [main(['export', sys.argv[1], *call]) for call in json.loads(sys.argv[2])];"
        "print(*codes, 'torch' in sys.modules)"
    )
    arguments = [sys.executable, "-c", program, tiny_model, json.dumps([call for call, _ in calls])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == f"{'2 ' * len(calls)}False\n"
    assert done.stderr.splitlines() == [f"i2i: {text}" for _, text in calls]
    assert os.listdir(here) == ["old.bin"]


def test_an_unknown_model_is_code_2(here: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i("nothing", "--to", "onnx") == 2
    told = "i2i: no model 'nothing'. Give a file, a run folder or a name of: i2i models list\n"
    assert capsys.readouterr().err == told


def test_a_missing_package_is_code_2(
    tiny_model: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert i2i(tiny_model, "--to", "openvino") == 2
    told = "the package openvino is not installed. Install it: pip install 'i2i-toolkit[openvino]'"
    assert capsys.readouterr().err == f"i2i: {told}\n"


def test_overwrite_replaces(tiny_model: Path, here: Path, capsys: pytest.CaptureFixture[str]):
    (here / "tiny-a2b.onnx").write_bytes(b"old")
    assert i2i(tiny_model, "--to", "onnx") == 2
    told = "tiny-a2b.onnx: the output is there already. Choose another name, or --overwrite."
    assert capsys.readouterr().err == f"i2i: {told}\n"
    assert i2i(tiny_model, "--to", "onnx", "--overwrite") == 0
    assert (here / "tiny-a2b.onnx").stat().st_size > 1000


def test_a_difference_is_code_6_and_leaves_nothing(
    tiny_model: Path, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(exporting, "_reader", lambda path: lambda x: np.full_like(x, 0.5))
    assert i2i(tiny_model, "--to", "onnx") == 6
    told = capsys.readouterr()
    text = (
        r"exported, it gives another picture: \d+/255 apart at 1x1 pixels, 0\.1/255 is allowed\. Nothing was written\."
    )
    assert re.fullmatch(f"i2i: {re.escape(str(tiny_model))}: {text}\n", told.err)
    assert told.out == ""
    assert not os.listdir(here)


@pytest.mark.parametrize("at", ["onnx_bytes", "_write", "_compare"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_at_any_moment_it_leaves_nothing(
    at: str, number: signal.Signals, code: int, tiny_model: Path, here: Path, monkeypatch: pytest.MonkeyPatch
):
    # a process in the background of a shell, as tests may be, has learned to pass over Ctrl-C
    usual = signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    handler, work = signal.getsignal(number), getattr(exporting, at)

    def stopped(*arguments: object) -> None:
        work(*arguments)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(exporting, at, stopped)
    assert i2i(tiny_model, "--to", "openvino") == code
    assert not os.listdir(here)
    assert signal.getsignal(number) is handler
    signal.signal(number, usual)


def test_a_signal_between_two_files_waits_for_the_second(tiny_model: Path, here: Path, monkeypatch: pytest.MonkeyPatch):
    replace = os.replace

    def stopped(source: Path, target: Path) -> None:
        replace(source, target)
        os.kill(os.getpid(), signal.SIGINT)
        monkeypatch.setattr(os, "replace", replace)

    monkeypatch.setattr(os, "replace", stopped)
    assert i2i(tiny_model, "--to", "openvino") == 0
    assert sorted(os.listdir(here)) == ["tiny-a2b.bin", "tiny-a2b.xml"]


USER = """
import os, sys
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
sys.modules["openvino_telemetry"] = None
import numpy as np, onnxruntime, openvino
from PIL import Image

photo, *models = sys.argv[1:]
picture = np.asarray(Image.open(photo).convert("RGB"), dtype=np.float32) / 255
height, width, _ = picture.shape
for model in models:
    if model.endswith(".onnx"):
        session = onnxruntime.InferenceSession(model)
        known = session.get_modelmeta().custom_metadata_map
        run = lambda x: session.run(None, {"x": x})[0]
        told = lambda name: int(known["i2i." + name])
    else:
        known = openvino.Core().read_model(model)
        # where a processor has bfloat16, OpenVINO would compute in it
        compiled = openvino.Core().compile_model(known, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        run = lambda x: compiled(x)[0]
        told = lambda name: int(known.get_rt_info(["i2i", name]).astype(str))
    multiple, minimum, scale = told("multiple"), told("minimum"), told("scale")
    below, right = (-(-max(side, minimum) // multiple) * multiple - side for side in (height, width))
    padded = np.pad(picture, ((0, below), (0, right), (0, 0)), mode="reflect")
    made = run(np.ascontiguousarray(padded.transpose(2, 0, 1)[None]))[0, :, : height * scale, : width * scale]
    Image.fromarray((made.transpose(1, 2, 0) * 255 + 0.5).astype(np.uint8)).save(model + ".png")
assert "torch" not in sys.modules and "i2i" not in sys.modules
"""


@pytest.mark.parametrize(
    "config",
    [
        ResNetConfig(filters=4, blocks=1, norm="batch", init="kaiming", init_gain=1),
        SRResNetConfig(filters=4, blocks=1, scale=2, norm="none"),
    ],
    ids=["translates", "enlarges"],
)
def test_a_program_without_torch_makes_the_same_picture_by_the_metadata(
    config: ResNetConfig | SRResNetConfig, here: Path
):
    torch.manual_seed(0)
    network = build(config)
    low = -1.0 if config.scale == 1 else 0.0
    fits = {"multiple": network.multiple, "minimum": network.minimum, "value_range": (low, 1.0)}
    info = ModelInfo(directions=("a2b",), networks={"a2b": config}, **fits)
    save_model(here / "m.safetensors", {"a2b": network}, info, half=False)
    Image.open(PHOTO).crop((90, 60, 213, 151)).save("photo.png")
    for to, name in (("onnx", "m.onnx"), ("openvino", "m.xml")):
        assert i2i("m.safetensors", "--to", to, "-o", name) == 0
    subprocess.run([sys.executable, "-c", USER, "photo.png", "m.onnx", "m.xml"], check=True)
    expected = load("m.safetensors", device="cpu")("photo.png").pixels.astype(int)
    assert expected.shape == (91 * config.scale, 123 * config.scale, 3)
    assert expected.std() > 20  # or equality would say nothing
    for name in ("m.onnx.png", "m.xml.png"):
        assert np.abs(np.asarray(Image.open(name), dtype=int) - expected).max() <= 1
