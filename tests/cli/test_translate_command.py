from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from i2i.cli.batch_progress import BatchProgress
from i2i.cli.main import main
from i2i.config.networks import ResNetConfig
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a tiny model of both directions."""
    torch.manual_seed(0)
    config = ResNetConfig(filters=4, blocks=1)
    info = ModelInfo(directions=("a2b", "b2a"), networks={"a2b": config, "b2a": config}, multiple=4, minimum=8)
    (tmp_path / "run").mkdir()
    networks = {"a2b": build(config), "b2a": build(config)}
    save_model(tmp_path / "run" / "model.safetensors", networks, info, half=False)
    return tmp_path / "run"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "trip/b.jpg", "trip/gray.tif")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (13, 10 + seed, 1 if "gray" in name else 3)
        write(Picture(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)), path)
    return tmp_path / "photos"


def i2i(*arguments: str | Path) -> int:
    return main(["translate", *map(str, arguments), "--device", "cpu"])


def test_a_folder_is_translated_with_a_run(run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    assert i2i(run, photos, "-o", out) == 0
    assert (read(out / "trip" / "b.jpg").width, read(out / "trip" / "b.jpg").height) == (11, 13)
    assert read(out / "trip" / "gray.tif").is_gray
    told = capsys.readouterr()
    assert told.out == f"3 written to {out}\n"
    assert told.err == f"model {run}  ·  a2b  ·  cpu  ·  3 pictures\n"


def test_a_second_time_gives_the_same_bytes(run: Path, photos: Path, tmp_path: Path):
    for name in ("one", "two"):
        assert i2i(run, photos, "-o", tmp_path / name) == 0
    for path in (tmp_path / "one").glob("[!.]*/*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()


def test_the_direction_matters(run: Path, photos: Path, tmp_path: Path):
    i2i(run, photos / "a.png", "-o", tmp_path / "there.png")
    i2i(run, photos / "a.png", "-o", tmp_path / "back.png", "--direction", "b2a")
    assert not np.array_equal(read(tmp_path / "there.png").pixels, read(tmp_path / "back.png").pixels)


def test_a_bad_file_is_named_and_the_code_is_3(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (photos / "bad\nname.jpg").write_bytes(b"")
    out = tmp_path / "out"
    assert i2i(run, photos, "-o", out) == 3
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"3 written to {out}  ·  1 failed (list: {out / 'i2i-errors.jsonl'})"
    assert second == f"  {photos}/bad\\nname.jpg   the file is empty."


def test_json_is_a_line_for_each_file_and_a_summary(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (photos / "bad.jpg").write_bytes(b"")
    assert i2i(run, photos, "-o", tmp_path / "out", "--json", "-q") == 3
    told = capsys.readouterr()
    events = [json.loads(line) for line in told.out.splitlines()]
    assert [event.get("status") for event in events] == ["ok", "failed", "ok", "ok", None]
    counts = {"ok": 3, "skipped": 0, "failed": 1, "not_tried": 0}
    assert events[-1] == {"event": "summary"} | counts | {"exit": 3, "schema": 1}
    assert told.err == ""


def test_quiet_says_errors_alone(run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert i2i(run, photos, "-o", tmp_path / "out", "-q") == 0
    assert capsys.readouterr() == ("", "")
    (photos / "b.png").write_bytes(b"")
    assert i2i(run, photos, "-o", tmp_path / "out", "-q") == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"i2i: {photos / 'b.png'}: the file is empty.\n"


def test_the_same_command_again_does_what_is_missing(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    i2i(run, photos / "a.png", "-o", tmp_path / "out")
    capsys.readouterr()
    assert i2i(run, photos, "-o", tmp_path / "out") == 0
    assert capsys.readouterr().out == f"2 written to {tmp_path / 'out'}  ·  1 already done\n"


def test_format_quality_and_suffix(run: Path, photos: Path, tmp_path: Path):
    for quality in ("10", "95"):
        out = tmp_path / quality
        assert i2i(run, photos / "a.png", "-o", out, "--format", "jpg", "--quality", quality, "--suffix", "_t") == 0
    assert (tmp_path / "10" / "a_t.jpg").stat().st_size < (tmp_path / "95" / "a_t.jpg").stat().st_size


def test_a_dry_run_counts_and_estimates_and_writes_nothing(
    run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (photos / "bad.jpg").write_bytes(b"")
    assert i2i(run, photos, "-o", tmp_path / "out", "--dry-run") == 3
    first, second, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        r"3 to do, 0 Mpx  ·  about \d:\d\d:\d\d  ·  about 0\.0 MB, [\d.]+ GB free  ·  1 cannot be done", first
    )
    assert (second, last) == (f"  {photos / 'bad.jpg'}   the file is empty.", "Nothing was written.")
    assert not (tmp_path / "out").exists()

    (photos / "bad.jpg").unlink()
    i2i(run, photos / "a.png", "-o", tmp_path / "out")
    capsys.readouterr()
    assert i2i(run, photos, "-o", tmp_path / "out", "--dry-run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["todo"], found["done"], found["failures"]) == (2, 1, [])
    assert found["pixels"] == 13 * (11 + 12)


REFUSALS = [
    (["mine", "{photos}", "-o", "{out}"], "no model 'mine'."),
    (["{run}", "{photos}/none", "-o", "{out}"], "this input does not exist."),
    (["{run}", "{photos}", "-o", "{photos}/out"], "the output lies inside the input"),
    (["{run}", "{photos}", "-o", "{out}", "--device", "gpu"], "'gpu' is none of auto, cpu, cuda, cuda:N, mps."),
    (["{run}", "{photos}", "-o", "{out}", "--quality", "101"], "101 is not in the range 1<=x<=100."),
    (["{run}", "{photos}", "-o", "{out}", "--shard", "3/2"], "'3/2' is no part such as 2/8, from 1/8 to 8/8."),
    (["{run}", "{photos}", "-o", "{out}", "--max-pixels", "many"], "'many' is no number of pixels such as 178M."),
    (["{run}", "-", "-o", "{out}.png", "--watch"], "--watch is for folders. Leave it out."),
    (["{run}", "{photos}/a.png", "-o", "-", "--json"], "--json and -o - both need standard output."),
    (["{run}", "{photos}"], "missing option '-o' / '--output'."),
]


@pytest.mark.parametrize(("arguments", "text"), REFUSALS, ids=[text for _, text in REFUSALS])
def test_wrong_calls_are_one_line_and_code_2(
    arguments: list[str], text: str, run: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    places = {"run": run, "photos": photos, "out": tmp_path / "out"}
    assert main(["translate", *(argument.format(**places) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_none_is_code_6(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "m.safetensors").write_bytes(b"hello")
    assert i2i(tmp_path / "m.safetensors", photos, "-o", tmp_path / "out") == 6
    assert "m.safetensors: is no model file, or damaged." in capsys.readouterr().err


def test_wrong_arguments_are_told_before_torch_is_loaded(photos: Path, tmp_path: Path):
    program = "import sys; from i2i.cli.main import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    arguments = ["translate", "mine", str(photos), "-o", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_elsewhere_than_on_a_terminal_a_line_comes_every_30_seconds():
    clock, stream = Clock(), io.StringIO()
    progress = BatchProgress("translate", 3000, "auto", lambda: "cpu", stream=stream, clock=clock)
    for second in range(1, 61):
        clock.now = second
        progress.count(failed=second == 1, size=None if second == 1 else (1000, 1000))
    progress.close()
    assert stream.getvalue().splitlines() == [
        "translate 30/3 000 1 %  1.0 img/s  1.0 Mpx/s  left 0:49:30  1 failed  cpu",
        "translate 60/3 000 2 %  1.0 img/s  1.0 Mpx/s  left 0:49:00  1 failed  cpu",
    ]


def test_a_terminal_has_one_line_that_is_cleared():
    clock, stream = Clock(), Terminal()
    progress = BatchProgress("translate", 2, "auto", lambda: "cpu", stream=stream, clock=clock)
    clock.now = 1.0
    progress.count(failed=False, size=(10, 10))
    progress.close()
    assert stream.getvalue() == "\r\x1b[Ktranslate 1/2 50 %  1.0 img/s  0.0 Mpx/s  left 0:00:01  cpu\r\x1b[K"
