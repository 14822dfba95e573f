from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from i2i.engine import checkpoint
from i2i.engine.checkpoint import newest_checkpoint, read_checkpoint, write_checkpoint
from i2i.errors import ModelError

FILES = ["manifest.txt", "optimisers.safetensors", "state.json", "weights.safetensors"]


def write(folder: Path, step: int, keep: int = 3, **state: object) -> Path:
    tensors = {
        "weights": {"w": torch.full((2, 3), float(step)), "seen": torch.tensor(step)},
        "optimisers": {"generators.0.step": torch.tensor(float(step))},
    }
    return write_checkpoint(folder, step, tensors, {"taken": step, **state}, keep)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def flip(path: Path, place: int, mask: int = 0xFF) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= mask
    path.write_bytes(data)


def failing(number: int, error: Exception, real: Callable[..., object]) -> Callable[..., object]:
    """The function, but its call of this number fails."""
    calls = iter(range(1, 100))

    def call(*arguments: object, **keywords: object) -> object:
        if next(calls) == number:
            raise error
        return real(*arguments, **keywords)

    return call


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    image = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    weights = {"image": image, "half": torch.rand(3).bfloat16(), "count": torch.tensor(7), "none": torch.empty(0)}
    state = {"taken": 12, "rate": 0.1, "scale": {"generators": 65536.0}, "stage": ""}
    path = write_checkpoint(tmp_path / "checkpoints", 1234, {"weights": weights, "optimisers": {}}, state, keep=1)
    assert path == tmp_path / "checkpoints/step-001234"
    assert names(path) == FILES
    read = read_checkpoint(path)
    assert (read.step, read.state, set(read.tensors)) == (1234, state, {"weights", "optimisers"})
    assert read.tensors["optimisers"] == {}
    for name, tensor in weights.items():
        assert torch.equal(read.tensors["weights"][name], tensor)
        assert read.tensors["weights"][name].dtype == tensor.dtype


def test_the_manifest_holds_the_sums_that_sha256sum_prints(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    *lines, last = (path / "manifest.txt").read_text().splitlines()
    assert lines == [f"{sha256((path / name).read_bytes()).hexdigest()}  {name}" for name in FILES[1:]]
    assert last == sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def test_its_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    (tmp_path / "other").touch()
    modes = {(path / name).stat().st_mode for name in FILES}
    assert modes == {(tmp_path / "other").stat().st_mode}


@pytest.mark.parametrize("name", FILES[1:])
def test_a_flipped_byte_anywhere_in_a_file_is_noticed_and_the_file_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, 1)
    for place in range(0, (path / name).stat().st_size, 5):
        flip(path / name, place)
        with pytest.raises(ModelError, match=f"^{re.escape(f'{path}: {name} is damaged (SHA-256 differs).')}$"):
            read_checkpoint(path)
        flip(path / name, place)
    assert read_checkpoint(path).step == 1


@pytest.mark.parametrize("mask", [0x07, 0xFF])  # the first makes another line end of a line end
def test_a_changed_byte_anywhere_in_the_manifest_is_noticed(tmp_path: Path, mask: int) -> None:
    path = write(tmp_path, 1)
    words = re.escape(f"{path}: the manifest is damaged (SHA-256 differs).")
    manifest = (path / "manifest.txt").read_bytes()
    line_ends = [place for place, byte in enumerate(manifest) if byte == ord("\n")]
    for place in (*range(0, len(manifest), 10), *line_ends):
        flip(path / "manifest.txt", place, mask)
        with pytest.raises(ModelError, match=f"^{words}$"):
            read_checkpoint(path)
        flip(path / "manifest.txt", place, mask)
    assert read_checkpoint(path).step == 1


@pytest.mark.parametrize("name", FILES)
def test_a_torn_or_missing_file_is_noticed(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, 1)
    data = (path / name).read_bytes()
    for size in {0, 1, len(data) // 2, len(data) - 1}:
        (path / name).write_bytes(data[:size])
        with pytest.raises(ModelError, match="damaged"):
            read_checkpoint(path)
    (path / name).unlink()
    with pytest.raises(ModelError, match=f"step-000001: the checkpoint is damaged .*No such file.*{name}"):
        read_checkpoint(path)


def test_the_newest_is_found_by_its_number(tmp_path: Path) -> None:
    for step in (2, 1_000_000, 999_999):
        write(tmp_path, step)
    found, warnings = newest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.tensors["weights"]["seen"], warnings) == (1_000_000, 1_000_000, [])


def test_damaged_ones_are_passed_over_with_a_warning_each(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write(tmp_path, step)
    flip(tmp_path / "step-000003/weights.safetensors", 100)
    (tmp_path / "step-000002/manifest.txt").unlink()
    found, warnings = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 1
    assert len(warnings) == 2
    words = "weights.safetensors is damaged (SHA-256 differs)."
    assert warnings[0] == f"{tmp_path}/step-000003: {words}"
    assert re.fullmatch(r".*step-000002: the checkpoint is damaged \(.*\).", warnings[1])


def test_a_folder_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "nowhere") == (None, [])
    (tmp_path / "step-by-step").mkdir()
    (tmp_path / ".step-000001.part").mkdir()
    assert newest_checkpoint(tmp_path) == (None, [])


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_the_newest_ones_are_kept(tmp_path: Path, keep: int) -> None:
    for step in (8, 9, 10, 11):
        write(tmp_path, step, keep)
    assert names(tmp_path) == [f"step-{step:06d}" for step in (8, 9, 10, 11)[-keep:]]


def test_damaged_later_ones_do_not_push_out_what_was_just_saved(tmp_path: Path) -> None:
    for step in (8, 9):
        flip(write(tmp_path, step) / "state.json", 0)
    for step in (1, 2, 3):
        write(tmp_path, step, keep=2)
        found, _ = newest_checkpoint(tmp_path)
        assert found is not None
        assert found.step == step
    assert not (tmp_path / "step-000001").exists()


def test_the_same_step_is_written_over(tmp_path: Path) -> None:
    flip(write(tmp_path, 5) / "weights.safetensors", 0)
    write(tmp_path, 5, note="again")
    assert read_checkpoint(tmp_path / "step-000005").state["note"] == "again"
    assert names(tmp_path) == ["step-000005"]


@pytest.mark.parametrize(
    ("place", "number"),
    [("save_file", 1), ("save_file", 2), ("json.dumps", 1), *(("os.fsync", n) for n in range(1, 6))],
)
def test_a_failing_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, number: int
) -> None:
    write(tmp_path, 1)
    error = OSError(errno.EIO, "Input/output error")
    where, _, name = f"i2i.engine.checkpoint.{place}".rpartition(".")
    real = {"save_file": checkpoint.save_file, "dumps": checkpoint.json.dumps, "fsync": os.fsync}[name]
    monkeypatch.setattr(f"{where}.{name}", failing(number, error, real))
    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path, 2, keep=1)
    assert names(tmp_path) == ["step-000001"]
    assert read_checkpoint(tmp_path / "step-000001").step == 1


@pytest.mark.parametrize("number", range(1, 6))
def test_a_failing_write_of_the_same_step_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    write(tmp_path, 1, note="first")
    monkeypatch.setattr(checkpoint.os, "fsync", failing(number, OSError(errno.EIO, "Input/output error"), os.fsync))
    with pytest.raises(OSError, match="Input/output error"):
        write(tmp_path, 1, note="second")
    assert names(tmp_path) == ["step-000001"]
    assert read_checkpoint(tmp_path / "step-000001").state["note"] == "first"


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint.os, "fsync", failing(3, KeyboardInterrupt(), os.fsync))
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, 1)
    assert names(tmp_path) == []


def test_what_a_killed_process_left_half_written_is_cleaned_up(tmp_path: Path) -> None:
    part = tmp_path / ".step-000001.part"
    shutil.copytree(write(tmp_path / "other", 1), part)
    (part / "junk").write_bytes(b"x")
    assert names(write(tmp_path, 1)) == FILES
    assert not part.exists()


def test_a_full_disk_is_the_system_s_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    monkeypatch.setattr(checkpoint, "save_file", failing(1, error, checkpoint.save_file))
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path, 1)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename.endswith("weights.safetensors")
    assert names(tmp_path) == []


def test_a_file_that_may_not_grow_is_the_system_s_error_too(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_checkpoint(tmp_path, 1, {"weights": {"w": torch.zeros(100_000)}}, {}, keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.errno == errno.EFBIG
    assert names(tmp_path) == []


def test_another_error_of_safetensors_stays_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "save_file", failing(1, SafetensorError("invalid header"), checkpoint.save_file))
    with pytest.raises(SafetensorError, match=r"^invalid header$"):
        write(tmp_path, 1)
    assert names(tmp_path) == []
