"""A batch that is killed at any moment leaves nothing half, and the rerun ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import i2i.inference.journal as journal_module
import i2i.inference.output as output_module
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.inference.batch import Options, _Batch, translate_files
from i2i.inference.inputs import PRIVATE
from i2i.inference.journal import Journal
from i2i.inference.outcome import Summary
from i2i.inference.plan import plan

PICTURES = 9
IN_ORDER = Options(jobs=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine pictures of several formats, one of which becomes a PNG, and a file that is none."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "trip" / "deep").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
    for place in ("a.png", "trip/b.jpg", "trip/c.bmp", "trip/deep/d.webp"):
        write(Picture(noise), folder / place)
        noise = noise[::-1].copy()
    write(Picture((noise[:, :, :1].astype(np.uint16) << 8) + 7), folder / "trip" / "e.tif")
    write(Picture(noise.astype(np.uint16) * 257), folder / "trip" / "deep" / "f.png")
    Image.fromarray(noise).quantize(16).save(folder / "g.gif")
    Image.fromarray(noise[:20, :20]).quantize(200).save(folder / "many.gif")
    write(Picture(noise), folder / "z.jpg")
    (folder / "trip" / "bad.jpg").write_bytes(b"no picture")
    return folder


def changed(picture: Picture) -> Picture:
    """Inverted; a large palette gets more colours than a GIF holds."""
    pixels = (picture.white - picture.pixels).astype(picture.pixels.dtype)
    if picture.width == 20:
        pixels = np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint8)
    return picture.with_pixels(pixels)


def batch(photos: Path, out: Path) -> Summary:
    return translate_files(plan([photos], out), changed, IN_ORDER, work="inverted")


@pytest.fixture(scope="module")
def clean(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | None]:
    out = tmp_path_factory.mktemp("clean") / "out"
    assert batch(photos, out).ok == PICTURES
    assert (out / "many.png").exists()
    return contents(out)


def contents(out: Path) -> dict[str, bytes | None]:
    """Everything outside of the private folder; None for folders."""
    found: dict[str, bytes | None] = {}
    for path in sorted(out.rglob("*")):
        place = path.relative_to(out)
        if place.parts[0] != PRIVATE:
            found[place.as_posix()] = path.read_bytes() if path.is_file() else None
    return found


def finished(out: Path) -> dict[Path, tuple[int, int]]:
    """Inode and time of change of every output."""
    files = [path for path in out.rglob("*") if path.is_file() and PRIVATE not in path.parts]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files if path.name != "i2i-errors.jsonl"}


def in_a_child(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Status of a forked process that does the work and may be killed meanwhile; negative: the signal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the parent may have threads; the child needs none of them
        child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(77)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def check_what_is_there(out: Path, clean: dict[str, bytes | None]) -> None:
    """Whatever a killed batch left is whole."""
    for place, data in contents(out).items() if out.exists() else []:
        assert place in clean, f"{place} is left over"
        assert data == clean[place], f"{place} is not whole"


def check_rerun(photos: Path, out: Path, clean: dict[str, bytes | None]) -> None:
    before = finished(out)
    summary = batch(photos, out)
    assert (summary.ok + summary.skipped, len(summary.failures)) == (PICTURES, 1)
    assert summary.skipped == len(before)
    assert contents(out) == clean
    assert {path: place for path, place in finished(out).items() if path in before} == before
    assert batch(photos, out).skipped == PICTURES, "a line of the journal was lost"
    assert sorted(path.name for path in (out / PRIVATE).iterdir()) == ["journal-1-of-1.jsonl", "lock-1-of-1"]


def killing(function: Callable[..., object], number: int, *, after: bool = False) -> Callable[..., object]:
    """The function, but its n-th call ends the process, before or after the work."""
    calls = 0

    def killer(*arguments: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **more)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return killer


def half_a_file(part: Path, data: bytes, mode: int | None = None) -> None:
    part.write_bytes(data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def half_a_line(journal: Journal, record: object) -> None:
    line = json.dumps(asdict(record)).encode()  # type: ignore[call-overload]
    os.write(journal._file, line[: len(line) // 2])
    os.kill(os.getpid(), signal.SIGKILL)


def at(function: Callable[..., object], number: int, instead: Callable[..., object]) -> Callable[..., object]:
    """The function, but something else at its n-th call."""
    calls = 0

    def chosen(*arguments: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        return (instead if calls == number else function)(*arguments, **more)

    return chosen


# Each sets up a process so that it dies at the n-th passage.
POINTS: dict[str, Callable[[int], None]] = {
    "before the part": lambda n: setattr(output_module, "write_new", killing(output_module.write_new, n)),
    "half of the part": lambda n: setattr(output_module, "write_new", at(output_module.write_new, n, half_a_file)),
    "after the part": lambda n: setattr(output_module, "write_new", killing(output_module.write_new, n, after=True)),
    "before the journal": lambda n: setattr(Journal, "add", killing(Journal.add, n)),
    "half of the line": lambda n: setattr(Journal, "add", at(Journal.add, n, half_a_line)),
    "after the journal": lambda n: setattr(Journal, "add", killing(Journal.add, n, after=True)),
    "before the rename": lambda n: setattr(os, "replace", killing(os.replace, n)),
    "after the rename": lambda n: setattr(os, "replace", killing(os.replace, n, after=True)),
    "before the sync": lambda n: setattr(output_module, "sync_folder", killing(output_module.sync_folder, n)),
    "after the sync": lambda n: setattr(
        output_module, "sync_folder", killing(output_module.sync_folder, n, after=True)
    ),
}
AT_THE_END: dict[str, Callable[[], None]] = {
    "before the list": lambda: setattr(_Batch, "list_failures", killing(_Batch.list_failures, 1)),
    "after the list": lambda: setattr(_Batch, "list_failures", killing(_Batch.list_failures, 1, after=True)),
    "before the list's rename": lambda: setattr(os, "replace", killing(os.replace, PICTURES + 1)),
    "after the list's rename": lambda: setattr(os, "replace", killing(os.replace, PICTURES + 1, after=True)),
    "before the journal is left": lambda: setattr(Journal, "__exit__", killing(Journal.__exit__, 1)),
    "after the journal is left": lambda: setattr(Journal, "__exit__", killing(Journal.__exit__, 1, after=True)),
}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize(
    "number", [1, 5, *(pytest.param(number, marks=pytest.mark.thorough) for number in (2, 3, 4, 6, 7, 8, 9))]
)
def test_a_kill_at_every_write_point(
    point: str, number: int, photos: Path, clean: dict[str, bytes | None], tmp_path: Path
):
    def dies() -> None:
        POINTS[point](number)
        batch(photos, tmp_path / "out")

    assert in_a_child(dies) == -signal.SIGKILL
    check_what_is_there(tmp_path / "out", clean)
    check_rerun(photos, tmp_path / "out", clean)


@pytest.mark.parametrize("point", AT_THE_END)
def test_a_kill_at_the_end(point: str, photos: Path, clean: dict[str, bytes | None], tmp_path: Path):
    def dies() -> None:
        AT_THE_END[point]()
        batch(photos, tmp_path / "out")

    assert in_a_child(dies) == -signal.SIGKILL
    check_what_is_there(tmp_path / "out", clean)
    check_rerun(photos, tmp_path / "out", clean)


def test_a_kill_in_the_middle_of_the_list_of_failures(photos: Path, clean: dict[str, bytes | None], tmp_path: Path):
    def dies() -> None:
        whole = journal_module.write_new
        journal_module.write_new = at(whole, 1, half_a_file)
        batch(photos, tmp_path / "out")

    assert in_a_child(dies) == -signal.SIGKILL
    check_what_is_there(tmp_path / "out", clean)
    check_rerun(photos, tmp_path / "out", clean)


CALLS = ("open", "write", "fsync", "mkdir", "replace", "unlink", "rmdir")


def dies_at_call(number: int, photos: Path, out: Path, *, after: bool) -> None:
    """Count all calls of the system that change something, whoever makes them."""
    calls = 0

    def counting(function: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            here = calls == number
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*arguments, **more)
            finally:
                if here:
                    os.kill(os.getpid(), signal.SIGKILL)

        return counted

    for name in CALLS:
        setattr(os, name, counting(getattr(os, name)))
    batch(photos, out)


def kills_at_calls(
    photos: Path, clean: dict[str, bytes | None], tmp_path: Path, numbers: Iterator[int], *, after: bool
) -> int:
    """How many calls there were before the batch came to its end."""
    for number in numbers:
        out = tmp_path / f"out-{number}"
        code = in_a_child(lambda: dies_at_call(number, photos, out, after=after))  # noqa: B023  called at once
        check_what_is_there(out, clean)
        check_rerun(photos, out, clean)
        if code == 0:
            return number
        assert code == -signal.SIGKILL
    raise AssertionError("never came to its end")


def test_a_kill_at_some_calls_of_the_system(photos: Path, clean: dict[str, bytes | None], tmp_path: Path):
    numbers = iter((1, 3, 6, 10, 15, 21, 55, 100_000))
    assert kills_at_calls(photos, clean, tmp_path, numbers, after=False) == 100_000


@pytest.mark.thorough
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_every_call_of_the_system(after: bool, photos: Path, clean: dict[str, bytes | None], tmp_path: Path):
    assert kills_at_calls(photos, clean, tmp_path, iter(range(1, 1000)), after=after) > 8 * PICTURES


def kills_at_random(count: int, seed: int, photos: Path, clean: dict[str, bytes | None], tmp_path: Path) -> None:
    delays, trees, killed = random.Random(seed), 0, 0
    start = time.perf_counter()
    assert in_a_child(lambda: batch(photos, tmp_path / "whole")) == 0
    seconds = time.perf_counter() - start
    while killed < count:
        out = tmp_path / f"out-{trees}"
        for _ in range(3):  # the second and third go on where one was killed already
            code = in_a_child(lambda: batch(photos, out), delays.uniform(0, seconds))  # noqa: B023  called at once
            assert code in (0, -signal.SIGKILL)
            killed += code != 0
            check_what_is_there(out, clean)
        check_rerun(photos, out, clean)
        trees += 1


def test_kills_at_six_random_moments(photos: Path, clean: dict[str, bytes | None], tmp_path: Path):
    kills_at_random(6, 0, photos, clean, tmp_path)


@pytest.mark.thorough
def test_kills_at_forty_random_moments(photos: Path, clean: dict[str, bytes | None], tmp_path: Path):
    kills_at_random(40, 1, photos, clean, tmp_path)


def test_a_kill_while_a_changed_picture_is_made_anew_keeps_the_old_or_the_new(photos: Path, tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for point in POINTS:
        write(Picture(np.full((4, 4, 3), 10, dtype=np.uint8)), source / "a.png")
        assert batch(source, out).exit_code == 0
        write(Picture(np.full((4, 4, 3), 20, dtype=np.uint8)), source / "a.png")

        def dies(point: str = point) -> None:
            POINTS[point](1)
            batch(source, out)

        assert in_a_child(dies) == -signal.SIGKILL
        assert read(out / "a.png").pixels[0, 0, 0] in (245, 235)
        assert batch(source, out).exit_code == 0
        assert read(out / "a.png").pixels[0, 0, 0] == 235
