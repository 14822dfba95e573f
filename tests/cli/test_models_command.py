from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from i2i.cli.main import main
from i2i.config.networks import CompactConfig, ResNetConfig, RRDBConfig
from i2i.models import shipped
from i2i.models.info import Card, TrainingScale
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

CONFIG = ResNetConfig(filters=4, blocks=1)
CARD = Card(description="day to night", data="two photos", licence="MIT", metrics={"distance": 0.25})


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shipped model named night."""
    path = tmp_path / "night.safetensors"
    info = ModelInfo(version="0.1.0", directions=("a2b",), networks={"a2b": CONFIG}, multiple=4, minimum=8, card=CARD)
    save_model(path, {"a2b": build(CONFIG)}, info, half=True)
    monkeypatch.setattr(shipped, "shipped_models", lambda: {"night": path})
    return path


def i2i(*arguments: str | Path) -> int:
    return main(["models", *map(str, arguments)])


def test_list_names_what_is_shipped(model: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i("list") == 0
    assert capsys.readouterr().out == "night   translate   a2b   0.0 MB   day to night\n"


def test_list_as_json(model: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i("list", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["task"], entry["bytes"]) == ("night", "translate", model.stat().st_size)
    assert entry["sha256"] == sha256(model.read_bytes()).hexdigest()
    assert entry["card"]["licence"] == "MIT"


def test_a_model_that_enlarges_is_known_by_its_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    config = CompactConfig(filters=4, convolutions=0, scale=3)
    info = ModelInfo(task="upscale", directions=("up",), networks={"up": config}, training=TrainingScale(size=96))
    path = tmp_path / "photo.safetensors"
    save_model(path, {"up": build(config)}, info, half=True)
    monkeypatch.setattr(shipped, "shipped_models", lambda: {"photo": path})
    assert i2i("list") == 0
    assert capsys.readouterr().out == "photo   upscale   x3   0.0 MB   \n"
    assert i2i("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["scale"] == 3
    assert i2i("info", path) == 0
    assert "trained at   96 px\n" in capsys.readouterr().out


def test_listing_loads_no_torch():
    program = "import sys; from i2i.cli.main import main; main(['models', 'list'])"
    check = "; print('HEAVY', *({'torch', 'numpy', 'PIL', 'rich', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program + check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["HEAVY"]


def test_info_says_what_a_person_wants_to_know(model: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i("info", "night") == 0
    lines = {line[:12].strip(): line[13:] for line in capsys.readouterr().out.splitlines()}
    assert lines["what"] == "day to night"
    assert lines["directions"] == "a2b"
    assert lines["a2b"].startswith("kind resnet, input_channels 3, output_channels 3, filters 4, blocks 1")
    assert lines["distance"] == "0.25"
    assert i2i("info", model, "--json") == 0
    assert json.loads(capsys.readouterr().out)["info"]["networks"]["a2b"]["filters"] == 4


def test_verify_ends_with_10_when_one_is_damaged(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i("verify", "night") == 0
    assert capsys.readouterr().out == f"night: good, SHA-256 {sha256(model.read_bytes()).hexdigest()}\n"
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(model.read_bytes()[:-1])
    assert i2i("verify", "night", bad) == 10
    assert f"{bad}: damaged: its tensors cannot be read." in capsys.readouterr().out
    assert i2i("verify", "night", bad, "--json") == 10
    assert [entry["ok"] for entry in json.loads(capsys.readouterr().out)] == [True, False]


def test_a_misspelt_name_is_answered_with_the_right_one(model: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i("info", "nigt") == 2
    assert capsys.readouterr().err == "i2i: no model 'nigt'. Did you mean 'night'?\n"


def foreign_file(path: Path) -> Path:
    """A generator under the names of the best-known implementation; instance norm, one block, four filters."""
    shapes = {1: (4, 3, 7, 7), 4: (8, 4, 3, 3), 7: (16, 8, 3, 3), 11: (16, 8, 3, 3), 14: (8, 4, 3, 3), 18: (3, 4, 7, 7)}
    state = {f"model.{index}.weight": torch.zeros(shape) for index, shape in shapes.items()}
    biases = {1: 4, 4: 8, 7: 16, 11: 8, 14: 4, 18: 3}
    state |= {f"model.{index}.bias": torch.zeros(size) for index, size in biases.items()}
    for index in (1, 5):
        state[f"model.10.conv_block.{index}.weight"] = torch.zeros(16, 16, 3, 3)
        state[f"model.10.conv_block.{index}.bias"] = torch.zeros(16)
    torch.save(state, path)
    return path


def test_import_makes_a_model_and_reports_what_it_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, output = foreign_file(tmp_path / "net_G.pth"), tmp_path / "mine.safetensors"
    assert i2i("import", source, "-o", output, "--direction", "b2a") == 0
    told = capsys.readouterr()
    assert told.out == f"{output}\n"
    assert told.err == (
        f"b2a from {source}: kind resnet, input_channels 3, output_channels 3, filters 4, blocks 1, norm instance,"
        " padding reflect, upsampling transposed, dropout 0.0\n"
    )
    assert i2i("verify", output) == 0


def test_import_of_an_upscaler_reports_its_kind_scale_and_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source, output = tmp_path / "net_g.safetensors", tmp_path / "mine.safetensors"
    save_file(build(RRDBConfig(blocks=2, filters=8, growth=4, scale=2)).state_dict(), source)
    assert i2i("import", source, "-o", output) == 0
    told = capsys.readouterr()
    assert told.out == f"{output}\n"
    assert told.err == (
        f"up from {source}: kind rrdb, input_channels 3, output_channels 3, filters 8, growth 4, blocks 2, scale 2\n"
    )
    assert i2i("info", output) == 0
    told = capsys.readouterr()
    assert "task         upscale  (method unknown)\ndirections   up\n" in told.out
    assert i2i("import", source, "-o", tmp_path / "b.safetensors", "--direction", "b2a") == 2
    assert f"{source}: is an upscaler, and those have no directions." in capsys.readouterr().err


def test_an_import_that_cannot_be_is_refused_before_torch_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = foreign_file(tmp_path / "g.pth")
    for arguments, text in [
        (["none.pth", "-o", tmp_path / "x.safetensors"], "none.pth: this file does not exist."),
        ([source, "-o", tmp_path / "x.pth"], "a model file ends in .safetensors."),
        ([source, "-o", source.parent / "no" / "x.safetensors"], "the folder of the output does not exist."),
        ([source, source, "-o", tmp_path / "x.safetensors", "--direction", "a2b"], "--direction is for a single FILE."),
    ]:
        assert i2i("import", *arguments) == 2
        assert text in capsys.readouterr().err


def test_an_import_of_something_else_is_code_6(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "d.pth"
    torch.save({"model.0.weight": torch.zeros(8, 3, 4, 4)}, path)
    assert i2i("import", path, "-o", tmp_path / "x.safetensors") == 6
    assert f"{path}: looks like a PatchGAN discriminator." in capsys.readouterr().err
    assert not (tmp_path / "x.safetensors").exists()
