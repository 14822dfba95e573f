"""What decides how a picture goes through a network, and what happens when memory or bits are short."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from i2i.config.networks import CompactConfig, GeneratorConfig, ResNetConfig, UNetConfig
from i2i.errors import ImageError, NoMemoryError, UsageError
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference import quick, ways
from i2i.inference.batch import Options, plan_files, translate_files
from i2i.inference.inputs import Selection
from i2i.inference.translator import Translator
from i2i.inference.ways import Running, Way, Ways, total_memory
from i2i.models.info import ModelInfo
from i2i.networks.build import build

CPU = torch.device("cpu")
DECIDED = Running()
RESNET = ResNetConfig(filters=8, blocks=2)
COMPACT = CompactConfig(filters=8, convolutions=3)
GB = 10**9


def translator(
    config: GeneratorConfig, running: Running = DECIDED, *, memory: int | None = None, network: nn.Module | None = None
) -> Translator:
    torch.manual_seed(3)
    used = network or build(config)
    for module in used.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(module.weight, a=1)
    sizes = {"multiple": getattr(used, "multiple", 1), "minimum": getattr(used, "minimum", 1)}
    info = ModelInfo(directions=("a2b",), networks={"a2b": config}, **sizes)
    return Translator(used, info, "a2b", CPU, sha256="0" * 64, running=running, memory=memory)


def on_paper(config: GeneratorConfig, memory: int, running: Running = DECIDED) -> Ways:
    with torch.device("meta"):
        return Ways(build(config), 3, CPU, running, memory)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Short:
    """Lets a network run out of memory for inputs of more pixels than `most`."""

    def __init__(self, network: nn.Module, most: int, error: type[Exception] = MemoryError) -> None:
        self.most, self.error, self.failed = most, error, 0
        network.register_forward_pre_hook(self)

    def __call__(self, _: nn.Module, inputs: tuple[Tensor]) -> None:
        if inputs[0].shape[2] * inputs[0].shape[3] > self.most:
            self.failed += 1
            raise self.error("not enough memory: you tried to allocate 12345 bytes")


@pytest.mark.parametrize(
    "way",
    [Way(), Way(None), Way(128, sampled=True), Way(0, precision="bf16"), Way(0, quick=True), Way(64, False, "fp16")],
)
def test_a_way_is_a_text_in_the_journal(way: Way):
    assert Way.parse(str(way)) == way


@pytest.mark.parametrize("text", ["", "whole", "tiles fp32", "tiles -3 fp32", "whole fp64", "tiles 128 fp32 sampled"])
def test_other_texts_are_no_ways(text: str):
    assert Way.parse(text) is None


@pytest.mark.parametrize(
    ("config", "megapixels", "memory", "way"),
    [
        (ResNetConfig(), 0.07, 24 * GB, "whole fp32"),
        (ResNetConfig(), 1.0, 24 * GB, "whole fp32"),
        (ResNetConfig(), 12.0, 24 * GB, "tiles auto fp32"),
        (ResNetConfig(), 12.0, 6 * GB, "tiles auto fp32"),
        (ResNetConfig(), 12.0, 3 * GB, "tiles auto sampled fp32"),
        (CompactConfig(scale=4), 12.0, GB, "tiles auto fp32"),
        (UNetConfig(), 1.0, 24 * GB, "whole fp32"),
    ],
)
def test_the_way_follows_from_network_size_and_memory(
    config: GeneratorConfig, megapixels: float, memory: int, way: str
):
    side = int((megapixels * 1e6) ** 0.5)
    assert str(on_paper(config, memory).first(side, side)) == way


def test_a_network_that_must_see_everything_names_the_size_that_fits():
    with pytest.raises(ImageError) as raised:
        on_paper(UNetConfig(), 2 * GB).first(6000, 8000)
    assert str(raised.value) == (
        "8000x6000 pixels are too many for this network, which must see the whole picture. Use --max-side 1280."
    )
    assert str(on_paper(UNetConfig(), 2 * GB).first(960, 1280)) == "whole fp32"


def test_all_memory_is_what_this_process_may_take():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30));"
        "import torch; from i2i.inference.ways import total_memory; print(total_memory(torch.device('cpu')))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(printed) <= 8 << 30
    assert total_memory(CPU) > GB // 4


@pytest.mark.parametrize("error", [MemoryError, RuntimeError, torch.OutOfMemoryError])
def test_short_memory_means_smaller_blocks_and_one_word(error: type[Exception]):
    run = translator(COMPACT, memory=GB)
    expected = run(noise(300, 280))
    told: list[str] = []
    run.tell = told.append
    short = Short(run.network, 200 * 200, error)
    made = run(Picture(noise(300, 280)))
    assert np.array_equal(made.pixels, expected)
    assert made.way == "tiles 256 fp32"
    assert told == ["memory is short for 280x300 pixels: going on in smaller tiles."]
    failed = short.failed
    run(noise(301, 281))
    assert len(told) == 1
    assert short.failed == failed, "a picture as large begins with what fitted the first one"


def test_with_norms_of_the_whole_picture_blocks_come_before_samples():
    run = translator(RESNET)
    ways_down = [str(way) for way in run.ways.after(Way())]
    assert ways_down == [
        *(f"tiles {side} fp32" for side in ("auto", 256, 128, 64)),
        *(f"tiles {side} sampled fp32" for side in ("auto", 256, 128, 64)),
    ]
    assert [str(way) for way in translator(COMPACT).ways.after(Way(256))] == ["tiles 128 fp32", "tiles 64 fp32"]


def test_another_error_is_no_lack_of_memory():
    run = translator(COMPACT)
    Short(run.network, 0, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        run(noise(20, 20))


@pytest.mark.parametrize(
    ("running", "text"),
    [
        (DECIDED, "50x40 pixels need more memory than cpu has. Use --max-side."),
        (
            Running(tile=16),
            "50x40 pixels need more memory than cpu has, in tiles of 16 too. Use --max-side, or a smaller --tile.",
        ),
    ],
)
def test_a_picture_that_never_fits_is_named(running: Running, text: str):
    run = translator(COMPACT, running)
    short = Short(run.network, 0)
    with pytest.raises(NoMemoryError) as raised:
        run(noise(40, 50))
    assert str(raised.value) == text
    assert short.failed == (1 if running.tile else 5), "a tile that was asked for is not made smaller"


def test_a_folder_goes_on_after_a_picture_without_room_and_ends_with_code_5(tmp_path: Path):
    (tmp_path / "in").mkdir()
    write(Picture(noise(8, 8)), tmp_path / "in/a.png")
    write(Picture(noise(90, 90)), tmp_path / "in/b.png")
    write(Picture(noise(9, 9)), tmp_path / "in/c.png")
    run = translator(COMPACT)
    Short(run.network, 100)
    plan = plan_files([str(tmp_path / "in")], tmp_path / "out", Options(), Selection())
    summary = translate_files(plan, run, Options(), work=run.name)
    assert (summary.ok, summary.exit_code) == (2, 5)
    assert summary.failures[0].reason == "90x90 pixels need more memory than cpu has. Use --max-side."


def test_the_way_stands_in_the_journal_and_is_taken_again(tmp_path: Path):
    (tmp_path / "in").mkdir()
    write(Picture(noise(300, 300)), tmp_path / "in/a.png")
    run = translator(COMPACT)
    short = Short(run.network, 200 * 200)

    def batch() -> bytes:
        plan = plan_files([str(tmp_path / "in")], tmp_path / "out", Options(), Selection())
        assert translate_files(plan, run, Options(), work=run.name).ok == 1
        return (tmp_path / "out/a.png").read_bytes()

    first = batch()
    record = json.loads((tmp_path / "out/.i2i/journal-1-of-1.jsonl").read_text().splitlines()[-1])
    assert record["way"] == "tiles 256 fp32"
    failed = short.failed
    assert failed
    (tmp_path / "out/a.png").unlink()
    assert batch() == first
    assert short.failed == failed, "it does not try again what failed"
    write(Picture(noise(300, 299)), tmp_path / "in/a.png")
    batch()
    assert short.failed > failed, "another picture of that name is not bound by it"


def test_sampled_statistics_are_near_and_are_told(tmp_path: Path):
    rows, columns = np.mgrid[0:384, 0:512]
    pixels = (
        np.stack([rows // 2, columns // 3, (rows + columns) // 4], axis=2).astype(np.uint8) // 2 + noise(384, 512) // 4
    )
    exact = translator(RESNET, Running(tile=128))(pixels)
    run = translator(RESNET, memory=8_000_000)
    told: list[str] = []
    run.tell = told.append
    made = run(Picture(pixels))
    assert made.way == "tiles auto sampled fp32"
    assert 0 < np.abs(made.pixels.astype(int) - exact).mean() < 3
    note = "too large for exact statistics: colours may differ by a few levels from those of a smaller copy"
    assert told == [f"a picture is {note}."]
    assert made.carried.notes == (note,)
    run(pixels)
    assert len(told) == 1


class Coarse(nn.Module):
    """Not finite in fewer bits."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 0 if torch.is_autocast_enabled("cpu") else -x


def test_what_is_not_finite_in_few_bits_is_computed_again_in_fp32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ways, "_has_bf16", lambda: True)
    run = translator(COMPACT, Running(precision="bf16"), network=Coarse())
    told: list[str] = []
    run.tell = told.append
    made = run(Picture(noise(20, 20)))
    assert np.array_equal(made.pixels, 255 - noise(20, 20))
    assert made.way == "whole fp32"
    assert told == ["bf16 is too coarse for this network: computed in fp32."]


def test_bf16_differs_by_some_levels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ways, "_has_bf16", lambda: True)
    exact = translator(COMPACT)(noise(40, 40)).astype(int)
    made = translator(COMPACT, Running(precision="bf16"))(noise(40, 40))
    assert 0 < np.abs(made - exact).max() < 8


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        ("bf16", "this processor has no bf16: it would take many times as long. Leave it out."),
        ("fp16", "fp16 does not go with cpu. Use --precision fp32."),
    ],
)
def test_a_precision_that_the_device_does_not_have(monkeypatch: pytest.MonkeyPatch, precision: str, text: str):
    monkeypatch.setattr(ways, "_has_bf16", lambda: False)
    with pytest.raises(UsageError) as raised:
        translator(COMPACT, Running(precision=precision))
    assert str(raised.value) == text


@pytest.mark.parametrize("config", [COMPACT, UNetConfig(filters=4, downs=5)], ids=lambda config: config.kind)
def test_max_side_shows_a_smaller_picture_and_keeps_the_size(config: GeneratorConfig):
    seen: list[tuple[int, ...]] = []
    run = translator(config, Running(max_side=64))
    run.network.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[2:])))
    assert run(noise(90, 128)).shape == (90, 128, 3)
    assert seen == [(64, 64) if config.kind == "unet" else (45, 64)]
    small = noise(40, 64)
    assert np.array_equal(run(small), translator(config)(small)), "smaller ones stay as they are"


def test_max_side_gives_what_shrinking_and_enlarging_by_hand_gives():
    class Same(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    rows, columns = np.mgrid[0:120, 0:160]
    smooth = np.stack([rows * 2, columns, rows + columns], axis=2).clip(0, 255).astype(np.uint8)
    made = translator(COMPACT, Running(max_side=80), network=Same())(smooth)
    assert np.abs(made[4:-4, 4:-4].astype(int) - smooth[4:-4, 4:-4]).max() <= 2


def test_onnxruntime_gives_the_same_picture_whole_and_in_tiles():
    for config in (COMPACT, RESNET, UNetConfig(filters=4, downs=5)):
        pixels = noise(64, 96)
        run = translator(config, Running(runtime="onnxruntime"))
        told: list[str] = []
        run.tell = told.append
        made = run(Picture(pixels))
        assert made.way == "whole fp32 quick"
        assert np.abs(made.pixels.astype(int) - translator(config)(pixels)).max() <= 1
        assert len(told) == 1
        assert told[0].startswith("onnxruntime: ")
    tiled = translator(COMPACT, Running(runtime="onnxruntime", tile=32))
    assert np.abs(tiled(pixels).astype(int) - translator(COMPACT)(pixels)).max() <= 1


@pytest.mark.parametrize(
    ("ratio", "difference", "used"),
    [(1.04, 0.0, False), (1.2, 0.01, True), (3.0, 1.5, False), (3.0, float("inf"), False)],
)
def test_onnxruntime_is_taken_where_it_is_quicker_and_right(
    monkeypatch: pytest.MonkeyPatch, ratio: float, difference: float, used: bool
):
    monkeypatch.setattr("i2i.inference.translator.tried", lambda *_: quick.Trial(ratio, difference))
    run = translator(COMPACT)
    assert run(Picture(noise(20, 20))).way == "whole fp32", "one picture is not worth it"
    run.expect(32)
    assert run(Picture(noise(20, 20))).way == ("whole fp32 quick" if used else "whole fp32")


def test_a_trial_notices_another_result(monkeypatch: pytest.MonkeyPatch):
    run = translator(COMPACT)
    computed = quick.Quick(run.network, 3)
    with torch.inference_mode():
        right = quick.tried(computed, run.network, run_source(noise(64, 64), run), (-1.0, 1.0))
        wrong = quick.tried(computed, lambda x: run.network(x) + 0.02, run_source(noise(64, 64), run), (-1.0, 1.0))
    assert right.difference < 0.01
    assert 2.5 < wrong.difference < 2.6
    assert not wrong.is_passed
    assert str(wrong).endswith("times as quick as torch here, differs by 2.550/255")


def run_source(pixels: np.ndarray, run: Translator):
    from i2i.inference.canvas import Pixels

    return Pixels(pixels, run.info, CPU)


def test_onnxruntime_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(quick, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as raised:
        translator(COMPACT, Running(runtime="onnxruntime"))
    assert str(raised.value) == "onnxruntime is not installed. Install it: pip install 'i2i-toolkit[fast]'"


def test_onnxruntime_that_fails_leaves_it_to_torch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("i2i.inference.translator.tried", lambda *_: quick.Trial(2.0, 0.0))
    run = translator(COMPACT)
    run.expect(40)
    told: list[str] = []
    run.tell = told.append
    assert run(Picture(noise(20, 20))).way == "whole fp32 quick"
    assert run.passage.quick is not None

    class Broken:
        def run(self, *_: object) -> None:
            raise Exception("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory")

    run.passage.quick.session = Broken()
    assert run(Picture(noise(20, 20))).way == "whole fp32"
    assert told[-1] == "onnxruntime failed, torch goes on: [ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory"


def test_onnxruntime_that_cannot_take_a_network_is_told(monkeypatch: pytest.MonkeyPatch):
    def failing(*_: object) -> None:
        raise ValueError("no such operator")

    monkeypatch.setattr(quick, "onnx_bytes", failing)
    run = translator(COMPACT)
    run.expect(40)
    told: list[str] = []
    run.tell = told.append
    assert run(Picture(noise(20, 20))).way == "whole fp32"
    assert told == ["onnxruntime: not used, since it failed: no such operator"]
    with pytest.raises(UsageError, match="onnxruntime cannot compute this network: no such operator"):
        translator(COMPACT, Running(runtime="onnxruntime"))(noise(20, 20))


def test_a_picture_made_quickly_is_made_so_again():
    run = translator(COMPACT)
    made = run(Picture(noise(20, 20)), way="whole fp32 quick")
    assert made.way == "whole fp32 quick", "though it is one picture alone"


@pytest.mark.parametrize(
    ("config", "running", "way"),
    [
        (COMPACT, Running(tile=32), "tiles 64 fp32"),
        (COMPACT, Running(tile=0), "tiles auto fp32"),
        (COMPACT, DECIDED, "tiles auto sampled fp32"),
        (COMPACT, DECIDED, "whole bf16"),
        (COMPACT, DECIDED, "5"),
        (UNetConfig(filters=4, downs=5), DECIDED, "tiles 16 fp32"),
    ],
)
def test_a_way_that_does_not_fit_is_not_taken(config: GeneratorConfig, running: Running, way: str):
    run = translator(config, running)
    assert run(Picture(noise(70, 70)), way=way).way == run(Picture(noise(70, 70))).way != way


def test_one_model_after_another_takes_no_way_of_the_first():
    first, second = translator(COMPACT, Running(tile=16)), translator(COMPACT)
    assert second(first(Picture(noise(30, 30)))).way == "whole fp32"


def test_a_journal_that_somebody_changed_is_no_bug(tmp_path: Path):
    (tmp_path / "in").mkdir()
    write(Picture(noise(30, 30)), tmp_path / "in/a.png")
    run = translator(COMPACT)
    plan = plan_files([str(tmp_path / "in")], tmp_path / "out", Options(), Selection())
    translate_files(plan, run, Options(), work=run.name)
    path = tmp_path / "out/.i2i/journal-1-of-1.jsonl"
    path.write_text(path.read_text().replace('"whole fp32"', "5"))
    (tmp_path / "out/a.png").unlink()
    assert translate_files(plan, run, Options(), work=run.name).ok == 1


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"tile": -5}, "tile is -5 and should be a number from 0 on."),
        ({"max_side": 0}, "max_side is 0 and should be a number from 1 on."),
        ({"runtime": "tvm"}, "runtime is 'tvm' and should be one of auto, torch, onnxruntime."),
        ({"precision": "fp8"}, "precision is 'fp8' and should be one of auto, fp32, bf16, fp16."),
    ],
)
def test_what_a_program_asks_for_is_checked(asked: dict[str, object], text: str):
    with pytest.raises(UsageError) as raised:
        Running(**asked)
    assert str(raised.value) == text


def test_a_network_can_learn_after_it_was_used():
    network = build(RESNET)
    for running in (Running(tile=0), Running(tile=16)):
        translator(RESNET, running, network=network)(noise(40, 40))
    network.train()(torch.rand(1, 3, 16, 16)).sum().backward()


@pytest.mark.parametrize("color", [0, 255, 77])
@pytest.mark.parametrize("tile", [None, 32])
@pytest.mark.parametrize("size", [(1, 1), (40, 64), (90, 90)])
def test_a_picture_of_one_colour_is_not_made_into_noise(color: int, tile: int | None, size: tuple[int, int]):
    """A map of one value is 0 behind an instance norm, and the output gray; rounding, divided by next to nothing at
    each norm, would be noise."""
    pixels = np.full((*size, 3), color, dtype=np.uint8)
    pixels[:, :, 1] //= 2
    config = ResNetConfig(filters=16, blocks=4)
    assert (translator(config, Running(tile=tile))(pixels) == 128).all()


PRESSED = """
import resource, sys, numpy as np, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_ways import RESNET, noise, translator
from i2i.errors import NoMemoryError
from i2i.images.picture import Picture
side, more = int(sys.argv[2]), int(sys.argv[3])
run = translator(RESNET, memory=10**12)
run(noise(64, 64))
taken = int(open('/proc/self/statm').read().split()[0]) * 4096
told = []; run.tell = told.append
pixels = noise(side, side)
resource.setrlimit(resource.RLIMIT_AS, (taken + more * 1_000_000, -1))
try:
    print(run(Picture(pixels)).way, '|', *told)
except NoMemoryError as error:
    print(error)
"""


def _innermost(report: str) -> str:
    """The line of the function that a process ended in, of what faulthandler printed."""
    return next((line for line in report.splitlines() if line.startswith("  File ")), "")


def under_pressure(side: int, megabytes: int) -> str:
    """What a process says that may take so much more memory for a square picture."""
    given = [str(Path(__file__).parent), str(side), str(megabytes)]
    command = [sys.executable, "-X", "faulthandler", "-c", PRESSED, *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if done.returncode == -signal.SIGSEGV and "_conv_forward" in _innermost(done.stderr):
        pytest.xfail("torch's convolution ends the process where there is no room for the code that it generates")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_real_lack_of_memory_ends_in_smaller_blocks():
    said = under_pressure(3000, 750)
    assert said.startswith("tiles ")
    assert "memory is short for 3000x3000 pixels: going on in smaller tiles." in said


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
@pytest.mark.parametrize("megabytes", range(20, 420, 20))
def test_however_little_memory_there_is_it_ends_with_a_picture_or_one_line(megabytes: int):
    said = under_pressure(1400, megabytes)
    assert said.startswith(("whole", "tiles", "1400x1400 pixels need more memory than cpu has."))
