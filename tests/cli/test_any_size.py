"""The options of `i2i translate` for large pictures, little memory and speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.cli.main import main
from i2i.config.networks import GeneratorConfig, ResNetConfig, UNetConfig
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


def model_file(path: Path, config: GeneratorConfig) -> Path:
    torch.manual_seed(0)
    network = build(config)
    sizes = {"multiple": network.multiple, "minimum": network.minimum}
    save_model(path, {"a2b": network}, ModelInfo(directions=("a2b",), networks={"a2b": config}, **sizes), half=False)
    return path


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    return model_file(tmp_path / "resnet.safetensors", ResNetConfig(filters=4, blocks=1, init_gain=0.3))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write(Picture(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def i2i(*arguments: str | Path) -> int:
    return main(["translate", *map(str, arguments), "--device", "cpu"])


def test_tiles_give_the_same_picture(resnet: Path, photo: Path, tmp_path: Path):
    assert i2i(resnet, photo, "-o", tmp_path / "whole.png", "--tile", "0") == 0
    assert i2i(resnet, photo, "-o", tmp_path / "tiled.png", "--tile", "32") == 0
    whole, tiled = (read(tmp_path / name).pixels.astype(int) for name in ("whole.png", "tiled.png"))
    assert np.abs(whole - tiled).max() <= 1


def test_another_tile_is_another_work_for_the_journal(resnet: Path, photo: Path, tmp_path: Path):
    out = tmp_path / "out"
    for options in ((), (), ("--tile", "32"), ("--tile", "32"), ("--max-side", "64")):
        assert i2i(resnet, photo, "-o", out, *options, "-q") == 0
    lines = (out / ".i2i/journal-1-of-1.jsonl").read_text().splitlines()
    assert [json.loads(line)["way"] for line in lines] == ["whole fp32", "tiles 32 fp32", "whole fp32"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--tile", "7"), "invalid value for '--tile': '7' is none of auto, 0 and the sides from 16 on."),
        (("--tile", "big"), "invalid value for '--tile': 'big' is none of auto, 0 and the sides from 16 on."),
        (("--overlap", "8"), "this network needs no --overlap: its blocks see what they need. Leave it out."),
        (("--max-side", "0"), "invalid value for '--max-side': 0 is not in the range x>=1."),
        (("--precision", "fp16"), "fp16 does not go with cpu. Use --precision fp32."),
        (
            ("--precision", "fp8"),
            "invalid value for '--precision': 'fp8' is not one of 'auto', 'fp32', 'bf16', 'fp16'.",
        ),
        (("--runtime", "tvm"), "invalid value for '--runtime': 'tvm' is not one of 'auto', 'torch', 'onnxruntime'."),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    resnet: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], text: str
):
    assert i2i(resnet, photo, "-o", tmp_path / "out", *options) == 2
    assert f"i2i: {text}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_network_that_must_see_everything_refuses_tiles(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    unet = model_file(tmp_path / "unet.safetensors", UNetConfig(filters=4, downs=5))
    assert i2i(unet, photo, "-o", tmp_path / "out", "--tile", "64") == 2
    assert capsys.readouterr().err == (
        "i2i: this network must see the whole picture: --tile cannot be. "
        "Leave it out; --max-side N shows the network a smaller picture.\n"
    )
    assert i2i(unet, photo, "-o", tmp_path / "out", "--max-side", "32", "-q") == 0
    assert read(tmp_path / "out/photo.png").width == 90


def test_a_picture_that_is_too_large_for_it_names_the_size_that_fits(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    unet = model_file(tmp_path / "unet.safetensors", UNetConfig(filters=4, downs=5))
    monkeypatch.setattr("i2i.inference.translator.total_memory", lambda device: 600_000)
    assert i2i(unet, photo, "-o", tmp_path / "out") == 3
    assert "90x60 pixels are too many for this network, which must see the whole picture. Use --max-side 64." in (
        capsys.readouterr().out
    )
    assert i2i(unet, photo, "-o", tmp_path / "out", "--max-side", "64", "-q") == 0


def test_lack_of_memory_is_told_once_and_ends_well(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from i2i.networks.compact import CompactConfig, CompactGenerator

    forward = CompactGenerator.forward

    def short(self: CompactGenerator, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] * x.shape[3] > 40 * 40:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
        return forward(self, x)

    monkeypatch.setattr(CompactGenerator, "forward", short)
    model = model_file(tmp_path / "compact.safetensors", CompactConfig(filters=4, convolutions=1))
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "in" / name).write_bytes(photo.read_bytes())
    assert i2i(model, tmp_path / "in", "-o", tmp_path / "out") == 5
    told = capsys.readouterr()
    assert told.err.count("memory is short for 90x60 pixels: going on in smaller tiles.") == 1
    assert "need more memory than cpu has. Use --max-side." in told.out
    assert i2i(model, tmp_path / "in", "-o", tmp_path / "out", "--tile", "16") == 0
    assert capsys.readouterr().out == f"2 written to {tmp_path / 'out'}\n"


def test_a_trial_of_onnxruntime_is_told(resnet: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i(resnet, photo, "-o", tmp_path / "out", "--runtime", "onnxruntime") == 0
    assert "onnxruntime: " in capsys.readouterr().err
    assert "quick" in (tmp_path / "out/.i2i/journal-1-of-1.jsonl").read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_only_the_command_line_sets_the_allocator(resnet: Path, photo: Path, tmp_path: Path):
    """Told by page faults: 64 MB that are taken, given back and taken again, are new memory each time, or kept."""
    code = f"""
import resource, sys
import numpy as np, i2i
if sys.argv[1] == 'command':
    from i2i.cli.main import main
    assert main(['translate', {str(resnet)!r}, {str(photo)!r}, '-o', {str(tmp_path / "made.png")!r}, '-q']) == 0
else:
    i2i.load({str(resnet)!r}, device='cpu')({str(photo)!r})
np.ones(8_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = {
        way: int(subprocess.run([sys.executable, "-c", code, way], capture_output=True, text=True, check=True).stdout)
        for way in ("command", "library")
    }
    assert faults["command"] * 20 < faults["library"]
