from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from i2i.config.networks import (
    GENERATORS,
    CompactConfig,
    GatedConfig,
    GeneratorConfig,
    ResNetConfig,
    RRDBConfig,
    SPANConfig,
    SRResNetConfig,
    UNetConfig,
)
from i2i.errors import I2IError, ModelError, NoRoomError, UsageError
from i2i.inference import export as exporting
from i2i.inference.export import Exported, UnitRange, export, load_onnxruntime, load_openvino, onnx_bytes
from i2i.models.info import Card
from i2i.models.modelfile import ModelInfo, save_model, sha256
from i2i.networks.base import Network
from i2i.networks.build import build

TINY_RESNET = {"filters": 4, "blocks": 1, "init": "kaiming", "init_gain": 1}
KINDS = {
    "resnet-instance-transposed": ResNetConfig(**TINY_RESNET),
    "resnet-batch-resize": ResNetConfig(**TINY_RESNET, norm="batch", upsampling="resize", dropout=0.5),
    "resnet-none-replicate": ResNetConfig(**TINY_RESNET, norm="none", padding="replicate"),
    "resnet-zero-gray": ResNetConfig(**TINY_RESNET, padding="zero", input_channels=1),
    "compact-1": CompactConfig(filters=4, convolutions=1, init="kaiming"),
    "compact-3": CompactConfig(filters=4, convolutions=1, init="kaiming", scale=3),
    "span-2": SPANConfig(filters=4, blocks=2, scale=2),
    "unet-batch": UNetConfig(filters=4, downs=5, init="kaiming"),
    "unet-instance": UNetConfig(filters=4, downs=5, init="kaiming", norm="instance", output_channels=1),
    "srresnet-batch-4": SRResNetConfig(filters=4, blocks=1),
    "srresnet-none-3": SRResNetConfig(filters=4, blocks=1, norm="none", scale=3),
    "rrdb-4": RRDBConfig(filters=4, growth=2, blocks=1),
    "rrdb-2": RRDBConfig(filters=4, growth=2, blocks=1, scale=2),
    "rrdb-1": RRDBConfig(filters=4, growth=2, blocks=1, scale=1),
}
OWN_STATISTICS = ("resnet-instance-transposed", "resnet-batch-resize", "unet-batch", "unet-instance")
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def network_of(config: GeneratorConfig) -> Network:
    """Trained at random: its batch norms have statistics that matter."""
    torch.manual_seed(0)
    network = build(config)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval()


def by_onnxruntime(data: bytes) -> Run:
    session = load_onnxruntime().InferenceSession(data, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["y"], {"x": x})[0]


def by_openvino(data: bytes) -> Run:
    core = load_openvino().Core()
    run = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda x: run({"x": x})["y"]


def noise(count: int, channels: int, height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (count, channels, height, width)).astype(np.float32)


def bytes_of(network: Network, config: GeneratorConfig) -> bytes:
    return onnx_bytes(network, config.input_channels, network.multiple, network.minimum)


def test_every_generator_is_among_the_kinds():
    masked = {GatedConfig}  # takes a mask, and is refused
    assert {type(config) for config in KINDS.values()} == set(GENERATORS) - masked


@pytest.mark.parametrize("config", KINDS.values(), ids=KINDS)
def test_any_size_and_count_gives_what_the_network_gives(config: GeneratorConfig):
    network = network_of(config)
    data = bytes_of(network, config)
    runs = [by_onnxruntime(data), by_openvino(data)]
    m, least = network.multiple, network.minimum
    for size in [(1, least, least), (1, least + 6 * m, least + m), (2, least + m, least + 3 * m), (3, least, least)]:
        x = noise(size[0], config.input_channels, *size[1:])
        with torch.inference_mode():
            expected = network(torch.from_numpy(x)).numpy()
        for got in [run(x) for run in runs]:
            assert got.shape == expected.shape
            assert np.abs(got - expected).max() < 2e-5 * max(1, np.abs(expected).max())
        assert expected.std() > 0.01 or size[1] < 4  # or equality would say nothing


@pytest.mark.parametrize("kind", OWN_STATISTICS)
def test_a_picture_does_not_depend_on_its_neighbour_in_the_batch(kind: str):
    config = KINDS[kind]
    network = network_of(config)
    run = by_onnxruntime(bytes_of(network, config))
    x = noise(2, config.input_channels, 64, 96) * np.float32([1, 0.1]).reshape(2, 1, 1, 1)
    assert np.abs(run(x) - np.concatenate([run(x[:1]), run(x[1:])])).max() < 1e-5


def test_the_network_stays_as_it_is_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]):
    network = network_of(KINDS["resnet-batch-resize"]).train().half()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with torch.inference_mode():
        data = onnx_bytes(network, 3, 4, 8)
    assert network.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert by_onnxruntime(data)(noise(1, 3, 8, 8)).dtype == np.float32
    assert capfd.readouterr() == ("", "")


def test_the_unit_range_is_that_of_the_network_and_clipped():
    seen = []

    class Doubling(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return 2 * x

    x = torch.tensor([0.0, 0.25, 0.6, 1.0])
    assert UnitRange(Doubling(), (-1.0, 1.0))(x).tolist() == pytest.approx([0, 0, 0.7, 1])
    assert seen[0].tolist() == pytest.approx([-1, -0.5, 0.2, 1])
    assert UnitRange(Doubling(), (0.0, 1.0))(x).tolist() == pytest.approx([0, 0.5, 1, 1])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    config = KINDS["resnet-batch-resize"]
    card = Card(description="fog < to & sun", licence="MIT")
    info = ModelInfo(directions=("b2a",), networks={"b2a": config}, multiple=4, minimum=8, card=card)
    path = tmp_path / "model.safetensors"
    save_model(path, {"b2a": network_of(config)}, info, half=False)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def to_ir(model: Path, out: Path, **other: bool) -> Exported:
    return export(model, out / "m.xml", to="openvino", **other)


def to_onnx(model: Path, out: Path, **other: bool) -> Exported:
    return export(model, out / "m.onnx", to="onnx", **other)


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def expected_facts(model: Path) -> dict[str, str]:
    return {
        "version": "0.1.0",
        "source_sha256": sha256(model),
        "direction": "b2a",
        "channels_in": "3",
        "channels_out": "3",
        "scale": "1",
        "multiple": "4",
        "minimum": "8",
        "values": "float32 from 0 to 1, RGB or gray in sRGB, as (N, C, H, W)",
        "padding": "H and W must be multiples of `multiple` and at least `minimum`: continue the picture on the right"
        " and below by reflection, and crop the output to `scale` times the picture's size",
        "description": "fog < to & sun",
        "licence": "MIT",
    }


def test_an_onnx_file_says_how_it_is_used(model: Path, out: Path):
    done = to_onnx(model, out)
    assert (done.files, done.direction, done.pictures) == ((out / "m.onnx",), "b2a", 6)
    assert 0 < done.difference < 0.1 / 255
    assert done.size == (out / "m.onnx").stat().st_size
    written = onnx.load(out / "m.onnx")
    onnx.checker.check_model(written, full_check=True)
    assert {entry.key: entry.value for entry in written.metadata_props} == {
        f"i2i.{name}": value for name, value in expected_facts(model).items()
    }
    ends = {
        end.name: [size.dim_param or size.dim_value for size in end.type.tensor_type.shape.dim]
        for end in [*written.graph.input, *written.graph.output]
    }
    assert ends == {"x": ["N", 3, "H", "W"], "y": ["N", 3, "H_out", "W_out"]}
    assert os.listdir(out) == ["m.onnx"]


def test_an_ir_says_how_it_is_used_and_keeps_float32(model: Path, out: Path):
    done = to_ir(model, out)
    assert done.files == (out / "m.xml", out / "m.bin")
    assert done.size == sum(path.stat().st_size for path in done.files)
    known = expected_facts(model)
    read = load_openvino().Core().read_model(out / "m.xml")
    assert {name: read.get_rt_info(["i2i", name]).astype(str) for name in known} == known
    values = sum(tensor.numel() for tensor in build(KINDS["resnet-batch-resize"]).parameters())
    assert (out / "m.bin").stat().st_size >= 4 * values
    assert sorted(os.listdir(out)) == ["m.bin", "m.xml"]


@pytest.mark.parametrize("write", [to_onnx, to_ir])
def test_a_weight_that_is_another_is_noticed_and_nothing_is_left(
    write: Callable[..., Exported], model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    write(model, out)
    before = contents(out)

    def tampered(*arguments: object) -> bytes:
        written = onnx.load_from_string(onnx_bytes(*arguments))
        weight = next(entry for entry in written.graph.initializer if len(entry.dims) == 4)
        values = onnx.numpy_helper.to_array(weight).copy()
        values[0, 0] *= 1.05
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        return written.SerializeToString()

    monkeypatch.setattr(exporting, "onnx_bytes", tampered)
    text = r"exported, it gives another picture: [\d.]+/255 apart at 8x8 pixels, 0\.1/255 is allowed\. Nothing was wri"
    with pytest.raises(ModelError, match=text):
        write(model, out, overwrite=True)
    assert contents(out) == before


def nothing(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.full_like(x, np.nan)


def narrow(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return x[:, :, :, :1]


def broken(x: NDArray[np.float32]) -> NDArray[np.float32]:
    raise RuntimeError("no kernel")


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (nothing, "another picture: nan/255 apart at 1x1"),
        (narrow, "another picture: inf/255 apart"),
        (broken, "cannot be run on 1x1 pixels"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    run: Run, text: str, tiny_model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(exporting, "_reader", lambda path: run)
    with pytest.raises(ModelError, match=text):
        to_onnx(tiny_model, out)
    assert not contents(out)


def test_a_network_whose_output_is_not_finite_is_refused(out: Path, tmp_path: Path):
    network = build(CompactConfig(filters=4, convolutions=0))
    nn.init.constant_(next(network.parameters()), torch.inf)
    info = ModelInfo(directions=("a2b",), networks={"a2b": network.config})
    save_model(tmp_path / "bad.safetensors", {"a2b": network}, info, half=False)
    with pytest.raises(ModelError, match=r"bad\.safetensors: the network's output is not finite"):
        to_onnx(tmp_path / "bad.safetensors", out)
    assert not contents(out)


def test_what_is_there_is_replaced_only_when_asked(tiny_model: Path, out: Path):
    (out / "m.bin").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"m\.bin: the output is there already\. Choose another name, or --overwrite"):
        to_ir(tiny_model, out)
    assert contents(out) == {"m.bin": b"mine"}
    to_ir(tiny_model, out, overwrite=True)
    (out / "m.xml").write_bytes(b"old")
    to_ir(tiny_model, out, overwrite=True)
    assert contents(out)["m.xml"] != b"old"
    assert contents(out)["m.bin"] != b"mine"
    (out / "m.onnx").symlink_to("nowhere")
    with pytest.raises(UsageError, match="there already"):
        to_onnx(tiny_model, out)


def test_what_appears_meanwhile_is_not_replaced(tiny_model: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    compare = exporting._compare

    def slow(*arguments: object) -> tuple[float, int]:
        (out / "m.onnx").write_bytes(b"of another process")
        return compare(*arguments)

    monkeypatch.setattr(exporting, "_compare", slow)
    with pytest.raises(UsageError, match="there already"):
        to_onnx(tiny_model, out)
    assert contents(out) == {"m.onnx": b"of another process"}


@pytest.mark.parametrize("before", [{}, {"m.xml": b"old", "m.bin": b"older"}], ids=["new", "old"])
@pytest.mark.parametrize("at", [".bin", ".xml"])
def test_two_files_come_together_or_not_at_all(
    at: str, before: dict[str, bytes], tiny_model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    for name, data in before.items():
        (out / name).write_bytes(data)
    replace = os.replace

    def failing(source: Path, target: Path) -> None:
        if target == out / f"m{at}" and source.stem == "m":
            monkeypatch.setattr(os, "replace", replace)
            raise OSError(errno.EACCES, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(ModelError, match=r"m\.xml: cannot be written: Permission denied\."):
        to_ir(tiny_model, out, overwrite=True)
    assert contents(out) == before


@pytest.mark.parametrize("write", [to_onnx, to_ir])
def test_a_full_disk_is_told_and_nothing_is_left(
    write: Callable[..., Exported], tiny_model: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def cut(model: object, path: Path, **options: object) -> None:
        path.write_bytes(b"<net")
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr(exporting, "write_new", full)
    monkeypatch.setattr(load_openvino(), "save_model", cut)
    monkeypatch.setattr(exporting.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(NoRoomError, match=r"disk full\. Free space"):
        write(tiny_model, out)
    assert not contents(out)


def test_a_folder_that_is_not_there_is_told(tiny_model: Path, out: Path):
    with pytest.raises(ModelError, match=r"cannot be written: No such file or directory\."):
        export(tiny_model, out / "no" / "m.onnx", to="onnx")


def test_the_suffix_is_that_of_the_format(tiny_model: Path, out: Path):
    with pytest.raises(UsageError, match=r"m\.onnx: a model for openvino ends in \.xml\."):
        export(tiny_model, out / "m.onnx", to="openvino")


@pytest.mark.parametrize(
    ("write", "package", "extra"),
    [
        (to_onnx, "onnx", "fast"),
        (to_onnx, "onnxruntime", "fast"),
        (to_ir, "onnx", "openvino"),
        (to_ir, "openvino", "openvino"),
    ],
)
def test_a_missing_package_is_told_with_its_command(
    write: Callable[..., Exported],
    package: str,
    extra: str,
    tiny_model: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(I2IError) as caught:
        write(tiny_model, out)
    assert str(caught.value) == (
        f"the package {package} is not installed. Install it: pip install 'i2i-toolkit[{extra}]'"
    )
    assert caught.value.exit_code == 2


def test_nothing_is_reported_to_the_makers_of_the_runtimes(tiny_model: Path, out: Path, tmp_path: Path):
    program = """
import socket, sys
socket.socket.connect = socket.getaddrinfo = lambda *to: print("calls", *to)
from i2i.inference.export import export
export(sys.argv[1], sys.argv[2] + "/m.onnx", to="onnx")
export(sys.argv[1], sys.argv[2] + "/m.xml", to="openvino")
assert "openvino_telemetry" not in sys.modules
"""
    hidden = ("CI", "TF_BUILD", "JENKINS_URL", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")  # would hide it
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    home = tmp_path / "home"  # where each would keep an identifier of the machine
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, tiny_model, out],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, os.listdir(home)) == ("", [])
