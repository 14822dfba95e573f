"""A model to inpaint, given to what takes a picture without a mask: one line, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import i2i
from i2i.cli.main import main
from i2i.config.networks import GatedConfig
from i2i.errors import UsageError
from i2i.inference.export import export
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


@pytest.fixture
def model(tmp_path: Path) -> Path:
    config, path = GatedConfig(filters=4), tmp_path / "fill.safetensors"
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config}, multiple=8, minimum=8)
    save_model(path, {"fill": build(config)}, info, half=False)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / "photos" / "a.png")
    return tmp_path / "photos"


def test_translate(model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["translate", str(model), str(photos), "-o", str(tmp_path / "out")]) == 2
    hint = f"Use: i2i inpaint INPUT... -o OUT --model {model}"
    assert capsys.readouterr().err == f"i2i: {model} is a model to inpaint pictures. {hint}\n"
    assert not (tmp_path / "out").exists()


def test_upscale(model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["upscale", str(photos), "-o", str(tmp_path / "out"), "-m", str(model)]) == 2
    assert capsys.readouterr().err == (
        f"i2i: {model} is a model that does not enlarge pictures. Use: i2i inpaint INPUT... -o OUT --model {model}\n"
    )
    assert not (tmp_path / "out").exists()


NOT_EXPORTED = "is a model to inpaint pictures: it takes a mask too, and such models are not exported."


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_export(to: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    output = tmp_path / ("m.onnx" if to == "onnx" else "m.xml")
    assert main(["export", str(model), "--to", to, "-o", str(output)]) == 2
    hint = f"Use: i2i inpaint INPUT... -o OUT --model {model}"
    assert capsys.readouterr().err == f"i2i: {model} {NOT_EXPORTED} {hint}\n"
    with pytest.raises(UsageError, match=NOT_EXPORTED):
        export(model, output, to=to)
    assert not output.exists()


def test_load_and_translate_of_the_library(model: Path, photos: Path, tmp_path: Path):
    for call in (lambda: i2i.load(model), lambda: i2i.translate(model, [photos], tmp_path / "out")):
        with pytest.raises(UsageError) as caught:
            call()
        assert str(caught.value) == (
            f"{model} is a model to inpaint pictures: it takes a mask too. Use: i2i.load_inpainter"
        )
    assert not (tmp_path / "out").exists()
