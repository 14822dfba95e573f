"""Disks that are full, read-only or failing: a code and a line, the rest whole, and the same command goes on."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i.errors import I2IError, ImageError, NoRoomError, UsageError
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.inference.batch import Options, plan_files, translate_files
from i2i.inference.inputs import Selection
from i2i.inference.journal import Journal
from i2i.inference.outcome import Summary

ADVICE = "Free space and run the same command again."
needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="becomes another user")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight noisy pictures of some 30 kB, and a file that is none."""
    for number in range(8):
        path = tmp_path / "in" / ("trip" if number % 2 else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (100, 100, 3), dtype=np.uint8)
        write(Picture(noise), path)
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    return tmp_path / "in"


def inverted(picture: Picture) -> Picture:
    return picture.with_pixels(255 - picture.pixels)


def batch(photos: Path, out: Path) -> Summary:
    options = Options(jobs=1)
    return translate_files(plan_files([str(photos)], out, options, Selection()), inverted, options, work="inverted")


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".i2i" not in path.parts
    }


def in_a_child(work: Callable[[], object]) -> None:
    """Do it in a process of its own; an assertion that fails there fails here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the parent may have threads; the child needs none of them
        child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            sys.__stderr__.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def as_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A folder that another user can enter."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return tmp_path


ON_A_SMALL_DISK = """
import subprocess, sys
from i2i.cli.main import main
out, *arguments = sys.argv[1:]
def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", out], check=True)
mount("size=160k")
code = main(arguments)
subprocess.run(f"cp -r {out} {out}.full; mount -o remount,size=4m none {out}", shell=True, check=True)
print(code, main(arguments))
subprocess.run(f"cp -r {out} {out}.done", shell=True, check=True)
subprocess.run(f"mount -o remount,ro none {out}", shell=True, check=True)
sys.stdout.flush()
print(main(arguments))
"""


def may_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    return (
        subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not may_mount(), reason="may not mount a disk of its own")
def test_a_disk_that_fills_up_and_gets_room_again_and_becomes_read_only(tiny_model: Path, photos: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    arguments = ["translate", tiny_model, photos, "-o", out, "--device", "cpu", "--jobs", "1"]
    done = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", ON_A_SMALL_DISK, out, *arguments], capture_output=True, text=True
    )
    codes_and_text = done.stdout.splitlines()
    errors = [line for line in done.stderr.splitlines() if line.startswith("i2i: ")]
    full, whole = (Path(f"{out}.{name}") for name in ("full", "done"))
    count = len(list(full.rglob("[0-9].png")))
    assert 2 <= count <= 6
    assert codes_and_text[-2:] == ["5 3", "2"], done.stderr
    assert f"{8 - count} written to {out}  ·  {count} already done  ·  1 failed (list: {out}/i2i-errors.jsonl)" in (
        codes_and_text
    )
    assert errors[0].startswith(f"i2i: disk full writing {out}/")
    assert errors[0].endswith(f" MB free). {count} pictures are done. {ADVICE}")
    assert errors[1:] == [
        f"i2i: {out}: nothing can be written here: Read-only file system. Choose another folder with -o."
    ]
    for path in full.rglob("[0-9].png"):
        assert path.read_bytes() == (whole / path.relative_to(full)).read_bytes()
        assert (read(path).width, read(path).height) == (100, 100)
    assert not list(full.rglob("*.part"))


@pytest.mark.parametrize("limit", [20_000, 1_200], ids=["in a picture", "in the journal"])
def test_a_limit_on_the_size_of_a_file_is_a_full_disk(limit: int, photos: Path, tmp_path: Path):
    if limit < 2_000:  # the journal is the file that grows
        for path in photos.rglob("[0-9].png"):
            write(Picture(np.full((4, 5, 3), int(path.stem), dtype=np.uint8)), path)
    batch(photos, tmp_path / "clean")

    def limited() -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        with pytest.raises(NoRoomError, match=r"disk full .*\d pictures are done\. Free space and run"):
            batch(photos, tmp_path / "out")

    in_a_child(limited)
    found = contents(tmp_path / "out")
    clean = contents(tmp_path / "clean")
    assert {place: clean[place] for place in found} == found
    journal = tmp_path / "out" / ".i2i" / "journal-1-of-1.jsonl"
    assert journal.read_bytes() == b"" or journal.read_bytes().endswith(b"}\n")
    summary = batch(photos, tmp_path / "out")
    pictures = sum(place.endswith(".png") for place in found)
    assert (summary.ok, summary.skipped, len(summary.failures)) == (8 - pictures, pictures, 1)
    assert contents(tmp_path / "out") == clean


def test_a_disk_that_takes_half_a_line_of_the_journal(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written, full = os.write, []

    def half(handle: int, data: bytes) -> int:
        if len(data) < 50 or len(full) == 4:
            return written(handle, data)
        full.append(len(data))
        if len(full) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written(handle, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(NoRoomError, match="disk full writing the journal"):
            batch(photos, tmp_path / "out")
    before = contents(tmp_path / "out")
    records = Journal(tmp_path / "out").outputs()
    assert {str(tmp_path / "out" / place) for place in before if place != "i2i-errors.jsonl"} <= records
    assert batch(photos, tmp_path / "out").exit_code == 3
    assert batch(photos, tmp_path / "out").skipped == 8


CALLS = ("open", "write", "fsync", "mkdir", "replace")


def failing(number: int, code: int, patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The n-th call of the system that changes something fails; gives the count of calls."""
    calls = 0

    def counting(function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **more: object) -> object:
            nonlocal calls
            if not str(arguments[0]).startswith("/proc"):
                calls += 1
            if calls == number:
                calls += 1
                raise OSError(code, os.strerror(code), str(arguments[0]))
            return function(*arguments, **more)

        return counted

    for name in CALLS:
        patch.setattr(os, name, counting(getattr(os, name)))
    return lambda: calls


FULL = (errno.ENOSPC, errno.EDQUOT)


def error_of(photos: Path, out: Path) -> I2IError | None:
    try:
        batch(photos, out)
    except I2IError as error:
        return error
    return None


def fail_at_calls(photos: Path, tmp_path: Path, code: int, numbers: range, patch: pytest.MonkeyPatch) -> int:
    """How many numbers were tried before the batch had fewer calls than that."""
    batch(photos, tmp_path / "clean")
    clean = contents(tmp_path / "clean")
    for number in numbers:
        out = tmp_path / f"out-{number}"
        with patch.context() as inner:
            count = failing(number, code, inner)
            ended = error_of(photos, out)
            if count() < number:
                return number
        allowed = (NoRoomError,) if code in FULL else (UsageError, ImageError)
        assert ended is None or isinstance(ended, allowed), (number, ended)
        found = contents(out) if out.exists() else {}
        for place, data in found.items():
            assert place == "i2i-errors.jsonl" or data == clean[place], (number, place)
        batch(photos, out)
        assert contents(out) == clean, number
        assert not list((out / ".i2i").glob("parts*"))
    return numbers.stop


def test_calls_of_the_system_that_fail(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for code in (errno.ENOSPC, errno.EIO):
        folder = tmp_path / str(code)
        folder.mkdir()
        fail_at_calls(photos, folder, code, range(1, 50, 6), monkeypatch)


@pytest.mark.thorough
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT, errno.EROFS])
def test_every_call_of_the_system_that_fails(code: int, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert 60 < fail_at_calls(photos, tmp_path, code, range(1, 1000), monkeypatch) < 999


# The folder of the outputs and its journal


@needs_root
def test_a_folder_that_this_user_may_not_write_into(photos: Path, open_path: Path):
    (open_path / "out").mkdir()

    def check() -> None:
        as_nobody()
        for out in (open_path / "out", open_path / "new" / "out"):
            with pytest.raises(UsageError) as caught:
                batch(photos, out)
            text = f"{out}: nothing can be written here: Permission denied. Choose another folder with -o."
            assert str(caught.value) == text

    in_a_child(check)
    assert not list((open_path / "out").iterdir())


@needs_root
def test_a_folder_in_the_output_that_this_user_may_not_write_into(photos: Path, open_path: Path):
    (open_path / "out" / "trip").mkdir(parents=True)
    (open_path / "out").chmod(0o777)

    def check() -> None:
        as_nobody()
        summary = batch(photos, open_path / "out")
        assert (summary.ok, len(summary.failures)) == (4, 5)
        assert {failure.reason for failure in summary.failures} == {
            "the file is empty.",
            "cannot be written: Permission denied.",
        }

    in_a_child(check)


@needs_root
def test_a_journal_that_this_user_may_not_read(photos: Path, open_path: Path):
    out = open_path / "out"
    batch(photos, out)
    journal = out / ".i2i" / "journal-1-of-1.jsonl"
    journal.chmod(0)

    def check() -> None:
        as_nobody()
        with pytest.raises(UsageError) as caught:
            batch(photos, out)
        assert str(caught.value).startswith(f"{journal}: this journal cannot be read: Permission denied.")

    in_a_child(check)


@pytest.mark.parametrize("name", [".i2i", ".i2i/journal-1-of-1.jsonl", ".i2i/lock-1-of-1", ".i2i/parts-1-of-1"])
def test_something_else_stands_where_the_journal_should(name: str, photos: Path, tmp_path: Path):
    place = tmp_path / "out" / name
    if name == ".i2i" or "parts" in name:
        place.parent.mkdir(parents=True)
        place.write_text("mine")
    else:
        place.mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        batch(photos, tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value)
    assert [path for path in contents(tmp_path / "out") if path.endswith(".png")] == []
