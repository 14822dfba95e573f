"""Two processes at one output folder: one works, the other leaves everything as it is."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from i2i.inference.journal import Journal

Start = Callable[..., Any]
Gate = Callable[[int], Callable[[], None]]
Until = Callable[[Callable[[], Any]], None]


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".i2i" not in path.parts
    }


def statuses(folder: Path) -> dict[Path, tuple[int, int, int]]:
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.fixture
def clean(i2i_process: Start, tiny_model: Path, twelve: Path, tmp_path: Path) -> dict[str, bytes]:
    assert i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "clean").wait() == 0
    return contents(tmp_path / "clean")


def test_the_second_is_told_and_changes_nothing(
    i2i_process: Start,
    gate: Gate,
    until: Until,
    tiny_model: Path,
    twelve: Path,
    tmp_path: Path,
    clean: dict[str, bytes],
):
    out = tmp_path / "out"
    first = i2i_process("translate", tiny_model, twelve, "-o", out, before=gate(3))
    until(lambda: (tmp_path / "waits").exists() and len(contents(out)) == 3)
    before = statuses(out)
    for _ in range(2):
        second = i2i_process("translate", tiny_model, twelve, "-o", out)
        assert second.wait() == 8
        assert second.err.splitlines()[-1] == f"i2i: {out}: another process works on this folder. Wait, or end it."
        assert second.out == ""
    assert statuses(out) == before
    (tmp_path / "go").touch()
    assert first.wait() == 0
    assert contents(out) == clean
    third = i2i_process("translate", tiny_model, twelve, "-o", out)
    assert third.wait() == 0
    assert third.out == "12 already done\n"


def test_a_dry_run_beside_a_run_is_allowed(
    i2i_process: Start, gate: Gate, until: Until, tiny_model: Path, twelve: Path, tmp_path: Path
):
    out = tmp_path / "out"
    i2i_process("translate", tiny_model, twelve, "-o", out, before=gate(3))
    until(lambda: (tmp_path / "waits").exists() and len(contents(out)) == 3)
    second = i2i_process("translate", tiny_model, twelve, "-o", out, "--dry-run")
    assert second.wait() == 0
    assert second.out.startswith("9 to do, 0 Mpx  ·  ")


def test_the_lock_of_a_process_that_was_killed_is_free(
    i2i_process: Start,
    gate: Gate,
    until: Until,
    tiny_model: Path,
    twelve: Path,
    tmp_path: Path,
    clean: dict[str, bytes],
):
    out = tmp_path / "out"
    first = i2i_process("translate", tiny_model, twelve, "-o", out, before=gate(3))
    until(lambda: (tmp_path / "waits").exists() and len(contents(out)) == 3)
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert (out / ".i2i" / "lock-1-of-1").exists()
    second = i2i_process("translate", tiny_model, twelve, "-o", out)
    assert second.wait() == 0
    assert second.out == f"9 written to {out}  ·  3 already done\n"
    assert contents(out) == clean


def test_parts_work_beside_each_other_and_no_other_division_does(
    i2i_process: Start,
    gate: Gate,
    until: Until,
    tiny_model: Path,
    twelve: Path,
    tmp_path: Path,
    clean: dict[str, bytes],
):
    out = tmp_path / "out"
    first = i2i_process("translate", tiny_model, twelve, "-o", out, "--shard", "1/2", before=gate(1))
    until(lambda: (tmp_path / "waits").exists())
    for part in ("1/1", "1/2", "1/3", "3/3"):
        other = i2i_process("translate", tiny_model, twelve, "-o", out, "--shard", part)
        assert other.wait() == 8, part
        assert other.err.splitlines()[-1] == f"i2i: {out}: another process works on this folder. Wait, or end it."
    beside = i2i_process("translate", tiny_model, twelve, "-o", out, "--shard", "2/2")
    assert beside.wait() == 0
    (tmp_path / "go").touch()
    assert first.wait() == 0
    assert contents(out) == clean
    assert i2i_process("translate", tiny_model, twelve, "-o", out).wait() == 0


def test_of_many_that_begin_at_once_the_tree_is_that_of_one(
    i2i_process: Start, tiny_model: Path, twelve: Path, tmp_path: Path, clean: dict[str, bytes]
):
    out = tmp_path / "out"
    parts = ("1/1", "1/2", "2/2", "1/3", "1/1", "2/3")
    processes = [i2i_process("translate", tiny_model, twelve, "-o", out, "--shard", part) for part in parts]
    assert {process.wait() for process in processes} <= {0, 8}
    for place, data in contents(out).items():
        assert data == clean[place]
    assert i2i_process("translate", tiny_model, twelve, "-o", out).wait() == 0
    assert contents(out) == clean
    lines = [line for path in (out / ".i2i").glob("journal-*") for line in path.read_text().splitlines()]
    assert len(lines) == 12, "each picture was made once"


def test_parts_that_begin_at_once_do_not_refuse_each_other_where_another_division_was_before(
    i2i_process: Start, tiny_model: Path, twelve: Path, tmp_path: Path
):
    out = tmp_path / "out"
    for count in range(10, 40):  # what earlier runs left
        (out / ".i2i").mkdir(parents=True, exist_ok=True)
        (out / ".i2i" / f"lock-1-of-{count}").touch()
    parts = [f"{part}/4" for part in range(1, 5)]
    processes = [i2i_process("translate", tiny_model, twelve, "-o", out, "--shard", part) for part in parts]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]


def test_what_another_wrote_before_the_folder_was_entered_is_known(
    i2i_process: Start, tiny_model: Path, twelve: Path, tmp_path: Path
):
    early = Journal(tmp_path / "out")
    assert i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "out").wait() == 0
    assert len(early.outputs()) == 0
    with early:
        assert len(early.outputs()) == 12


def test_two_outputs_of_one_input_do_not_know_of_each_other(
    i2i_process: Start, gate: Gate, until: Until, tiny_model: Path, twelve: Path, tmp_path: Path
):
    i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "one", before=gate(1))
    until(lambda: (tmp_path / "waits").exists())
    assert i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "two").wait() == 0
