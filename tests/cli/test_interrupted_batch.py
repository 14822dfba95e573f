"""Ctrl-C, SIGTERM, a reader that goes away, and a folder that is watched until Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import random
import re
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.watch import Watch

Start = Callable[..., Any]
Gate = Callable[[int], Callable[[], None]]
Until = Callable[[Callable[[], Any]], None]

CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def contents(out: Path) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and ".i2i" not in path.parts
    }


def statuses(out: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.rglob("*.png")}


@pytest.fixture
def clean(i2i_process: Start, tiny_model: Path, twelve: Path, tmp_path: Path) -> dict[str, bytes]:
    assert i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "clean").wait() == 0
    return contents(tmp_path / "clean")


def go_on(i2i_process: Start, call: list[Any], out: Path, clean: dict[str, bytes]) -> None:
    """The same command again: what is there stays, the rest comes."""
    before = statuses(out)
    assert {place: clean[place] for place in contents(out)} == contents(out)
    again = i2i_process(*call)
    assert again.wait() == 0, again.err
    assert contents(out) == clean
    assert {path: status for path, status in statuses(out).items() if path in before} == before
    assert not list((out / ".i2i").glob("parts*"))


@pytest.mark.parametrize(("number", "code"), CODES)
def test_what_was_begun_is_finished_and_the_line_to_go_on_is_told(
    number: signal.Signals,
    code: int,
    i2i_process: Start,
    gate: Gate,
    until: Until,
    tiny_model: Path,
    twelve: Path,
    tmp_path: Path,
    clean: dict[str, bytes],
):
    out = tmp_path / "out"
    call = ["translate", tiny_model, twelve, "-o", out]
    process = i2i_process(*call, before=gate(4))
    until((tmp_path / "waits").exists)
    process.send(number)
    time.sleep(0.05)
    (tmp_path / "go").touch()
    assert process.wait() == code
    assert process.out == f"5 written to {out}  ·  7 not tried\n"
    command = shlex.join(["i2i", *map(str, call), "--device", "cpu", "--threads", "1"])
    assert process.err.splitlines()[1:] == [f"i2i: stopped; what was begun is finished. Go on: {command}"]
    assert len(contents(out)) == 5
    go_on(i2i_process, call, out, clean)


@pytest.mark.parametrize(("number", "code"), CODES)
def test_the_second_signal_ends_at_once(
    number: signal.Signals,
    code: int,
    i2i_process: Start,
    gate: Gate,
    until: Until,
    tiny_model: Path,
    twelve: Path,
    tmp_path: Path,
    clean: dict[str, bytes],
):
    out = tmp_path / "out"
    call = ["translate", tiny_model, twelve, "-o", out]
    process = i2i_process(*call, before=gate(4))  # and never goes on
    until((tmp_path / "waits").exists)
    process.send(number)
    time.sleep(0.05)
    assert process.code is None
    start = time.monotonic()
    process.send(number)
    assert process.wait() in (code, 130)
    assert time.monotonic() - start < 5
    assert "Traceback" not in process.err
    go_on(i2i_process, call, out, clean)


def test_a_signal_during_the_last_picture_changes_nothing(
    i2i_process: Start, gate: Gate, until: Until, tiny_model: Path, twelve: Path, tmp_path: Path
):
    process = i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "out", before=gate(11))
    until((tmp_path / "waits").exists)
    process.send(signal.SIGINT)
    time.sleep(0.05)
    (tmp_path / "go").touch()
    assert process.wait() == 0
    assert process.out == f"12 written to {tmp_path / 'out'}\n"


def test_with_json_the_summary_comes_also_after_a_signal(
    i2i_process: Start, gate: Gate, until: Until, tiny_model: Path, twelve: Path, tmp_path: Path
):
    process = i2i_process("translate", tiny_model, twelve, "-o", tmp_path / "out", "--json", before=gate(4))
    until((tmp_path / "waits").exists)
    process.send(signal.SIGINT)
    time.sleep(0.05)
    (tmp_path / "go").touch()
    assert process.wait() == 130
    events = [json.loads(line) for line in process.out.splitlines()]
    assert [event["event"] for event in events] == ["file"] * 5 + ["summary"]
    assert (events[-1]["ok"], events[-1]["not_tried"]) == (5, 7)


def read_all(terminal: int) -> str:
    """What a terminal shows, until nobody holds its other end."""
    said = b""
    while True:
        try:
            piece = os.read(terminal, 10_000)
        except OSError:  # how Linux says that
            piece = b""
        if not piece:
            return said.decode()
        said += piece


def test_ctrl_c_on_a_terminal(
    i2i_process: Start,
    gate: Gate,
    until: Until,
    tiny_model: Path,
    twelve: Path,
    tmp_path: Path,
    clean: dict[str, bytes],
):
    ours, theirs = pty.openpty()
    call = ["translate", tiny_model, twelve, "-o", tmp_path / "out"]

    def before() -> None:
        import i2i.cli.batch_progress

        i2i.cli.batch_progress.LIVE_SECONDS = 0.0
        gate(4)()

    with os.fdopen(theirs, "r+b", buffering=0) as terminal:
        process = i2i_process(*call, before=before, stdin=terminal, stdout=terminal, stderr=terminal)
    until((tmp_path / "waits").exists)
    os.write(ours, b"\x03")
    time.sleep(0.05)
    (tmp_path / "go").touch()
    shown = read_all(ours)
    os.close(ours)
    assert process.wait() == 130
    assert "\r\x1b[Ktranslate 5/12 41 %  " in shown
    after = shown.rpartition("\x1b[K")[2].splitlines()
    assert after[0] == f"5 written to {tmp_path / 'out'}  ·  7 not tried"
    assert after[1].startswith("i2i: stopped; what was begun is finished. Go on: i2i translate ")
    go_on(i2i_process, call, tmp_path / "out", clean)


def test_ctrl_c_twice_ends_the_wait_for_a_picture_from_standard_input(
    i2i_process: Start, until: Until, tiny_model: Path, tmp_path: Path
):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb"):
        process = i2i_process("translate", tiny_model, "-", "-o", tmp_path / "out.png", stdin=stdin)
        until(lambda: "1 picture" in process.err)
        time.sleep(0.2)
        process.send(signal.SIGINT)
        time.sleep(0.1)
        process.send(signal.SIGINT)
        assert process.wait() == 130
    assert not (tmp_path / "out.png").exists()


def test_a_reader_of_json_that_goes_away_ends_it_with_141(
    i2i_process: Start, gate: Gate, tiny_model: Path, twelve: Path, tmp_path: Path, clean: dict[str, bytes]
):
    reading, writing = os.pipe()
    call = ["translate", tiny_model, twelve, "-o", tmp_path / "out"]
    with os.fdopen(writing, "wb") as stdout:
        process = i2i_process(*call, "--json", before=gate(3), stdout=stdout)
    with os.fdopen(reading, "rb") as stream:
        assert json.loads(stream.readline())["status"] == "ok"
    (tmp_path / "go").touch()
    assert process.wait() == 141
    assert process.err.count("\n") == 1, process.err
    go_on(i2i_process, call, tmp_path / "out", clean)


def quick_looks() -> None:
    Watch.__init__.__defaults__ = (0.3,)


def test_a_watched_folder_gives_what_is_complete_until_ctrl_c(
    i2i_process: Start, until: Until, tiny_model: Path, tmp_path: Path
):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    process = i2i_process("translate", tiny_model, source, "-o", out, "--watch", "--json", before=quick_looks)
    write(Picture(noise), source / "a.png")
    until(lambda: (out / "a.png").exists())
    data = (source / "a.png").read_bytes()
    with (source / "b.png").open("wb", buffering=0) as slow:
        for start in range(0, len(data), len(data) // 20):
            assert not (out / "b.png").exists()
            slow.write(data[start : start + len(data) // 20])
            time.sleep(0.05)
    until(lambda: (out / "b.png").exists())
    assert (out / "b.png").read_bytes() == (out / "a.png").read_bytes()
    write(Picture(255 - noise), source / "a.png")  # and again, since it was changed
    before = (out / "a.png").read_bytes()
    until(lambda: (out / "a.png").read_bytes() != before)
    until(lambda: process.out.count("\n") == 3)
    process.send(signal.SIGINT)
    assert process.wait() == 130
    events = [json.loads(line) for line in process.out.splitlines()]
    assert [event.get("out") for event in events] == ["a.png", "b.png", "a.png", None]
    assert {event["status"] for event in events[:-1]} == {"ok"}
    assert re.search(r"i2i: stopped; what was begun is finished\. Go on: i2i translate .* --watch ", process.err)


def test_a_file_that_was_not_complete_at_the_start_is_no_failure_in_the_end(
    i2i_process: Start, until: Until, tiny_model: Path, tmp_path: Path
):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    write(Picture(np.zeros((40, 40, 3), dtype=np.uint8)), tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    (source / "a.png").write_bytes(data[:50])
    process = i2i_process("translate", tiny_model, source, "-o", out, "--watch", "--json", before=quick_looks)
    until(lambda: process.out.count("\n") == 1)
    (source / "a.png").write_bytes(data)
    until(lambda: (out / "a.png").exists())
    until(lambda: process.out.count("\n") == 2)
    process.send(signal.SIGINT)
    assert process.wait() == 130
    summary = json.loads(process.out.splitlines()[-1])
    assert [summary[name] for name in ("ok", "skipped", "failed", "not_tried")] == [1, 0, 0, 0]
    assert not (out / "i2i-errors.jsonl").exists()


def test_a_watched_folder_with_its_outputs_inside_does_not_take_them(
    i2i_process: Start, until: Until, tiny_model: Path, tmp_path: Path
):
    source = tmp_path / "in"
    source.mkdir()
    write(Picture(np.zeros((4, 4, 3), dtype=np.uint8)), source / "a.png")
    call = ["translate", tiny_model, source, "-o", source, "--suffix", "_t", "--watch"]
    process = i2i_process(*call, before=quick_looks)
    until(lambda: (source / "a_t.png").exists())
    time.sleep(1.0)
    process.send(signal.SIGTERM)
    assert process.wait() == 143
    assert sorted(path.name for path in source.glob("*.png")) == ["a.png", "a_t.png"]


@pytest.mark.thorough
def test_signals_at_twenty_random_moments(
    i2i_process: Start, tiny_model: Path, twelve: Path, tmp_path: Path, clean: dict[str, bytes]
):
    chosen = random.Random(0)
    out = tmp_path / "out"
    call = ["translate", tiny_model, twelve, "-o", out]
    start = time.monotonic()
    assert i2i_process(*call).wait() == 0
    seconds = time.monotonic() - start
    for trial in range(20):
        out = tmp_path / f"out-{trial}"
        call[-1] = out
        process = i2i_process(*call)
        for _ in range(chosen.choice((1, 1, 2))):
            time.sleep(chosen.uniform(0, seconds / 2))
            if process.code is None:
                process.send(chosen.choice((signal.SIGINT, signal.SIGTERM)))
        assert process.wait() in (0, 130, 143, -signal.SIGTERM), process.err  # the last: before it began
        assert "Traceback" not in process.err
        if out.exists():
            go_on(i2i_process, call, out, clean)
