from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from i2i.engine.runfolder import RunFolder
from i2i.errors import LockedError, UsageError

HOLDER = """
import sys, time
from pathlib import Path
from i2i.engine.runfolder import RunFolder
with RunFolder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    with RunFolder(tmp_path / "runs/first") as folder:
        return folder


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def log(run: RunFolder) -> list[dict[str, object]]:
    return records(run.path / "log.jsonl")


def test_entering_makes_the_folder_with_its_parents(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "a/b/c") as folder:
        assert folder.path.is_dir()


def test_a_second_training_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = RunFolder(tmp_path)
    with first:
        with pytest.raises(LockedError) as caught:
            RunFolder(tmp_path).__enter__()
        assert str(caught.value) == f"{tmp_path}: another process trains in this run. Wait, or end it."
        assert caught.value.exit_code == 8
    with RunFolder(tmp_path):
        pass


def test_the_lock_is_released_after_an_error(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)  # alive to the end: a lock that nobody refers to is released by itself
    with pytest.raises(ZeroDivisionError), folder:
        _ = 1 / 0
    with RunFolder(tmp_path):
        pass


def test_another_process_holds_the_folder_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="another process trains in this run"), RunFolder(tmp_path):
            pass
        holder.kill()
    with RunFolder(tmp_path):
        pass


def test_a_lock_file_that_nobody_holds_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("4711")
    with RunFolder(tmp_path):
        pass


def test_a_folder_without_a_run_is_refused_with_the_command_that_starts_one(tmp_path: Path) -> None:
    words = f"{tmp_path}: no run is here (no config.toml). Start one: i2i train METHOD DATA -o RUN"
    with pytest.raises(UsageError, match=f"^{re.escape(words)}$"):
        RunFolder.existing(tmp_path)
    (tmp_path / "config.toml").write_text("")
    assert RunFolder.existing(tmp_path).config == tmp_path / "config.toml"


def test_log_lines_are_json_with_null_for_what_json_cannot_say(run: RunFolder) -> None:
    run.log(50, {"gan_a": 0.5, "d_a": math.nan, "d_b": math.inf, "cycle_a": -math.inf})
    run.log(100, {"gan_a": 0.25})
    first = '{"step": 50, "gan_a": 0.5, "d_a": null, "d_b": null, "cycle_a": null}'
    assert (run.path / "log.jsonl").read_text() == f'{first}\n{{"step": 100, "gan_a": 0.25}}\n'


def test_events_have_the_time_with_its_zone(run: RunFolder) -> None:
    run.event("save", step=500)
    (record,) = records(run.path / "events.jsonl")
    assert (record["event"], record["step"]) == ("save", 500)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4}", str(record["time"]))


@pytest.mark.parametrize(("step", "left"), [(0, []), (49, []), (50, [50]), (120, [50, 100]), (150, [50, 100, 150])])
def test_a_resumed_run_forgets_the_log_lines_of_later_steps(run: RunFolder, step: int, left: list[int]) -> None:
    for logged in (50, 100, 150):
        run.log(logged, {"gan_a": 1.0})
    run.forget_after(step)
    assert [record["step"] for record in log(run)] == left


def test_lines_that_a_crash_cut_off_are_forgotten_too(run: RunFolder) -> None:
    run.log(50, {"gan_a": 1.0})
    with (run.path / "log.jsonl").open("a") as file:
        file.write('\n{"gan_a": 1.0}\n{"step": 100, "gan')
    run.forget_after(200)
    run.log(150, {"gan_a": 2.0})
    assert log(run) == [{"step": 50, "gan_a": 1.0}, {"step": 150, "gan_a": 2.0}]


def test_without_a_log_there_is_nothing_to_forget(run: RunFolder) -> None:
    run.forget_after(10)
    assert not (run.path / "log.jsonl").exists()


def test_the_command_is_that_of_the_first_event(run: RunFolder) -> None:
    run.event("start", command="i2i train cyclegan data -o runs/first")
    run.event("resume", command="i2i resume runs/first")
    assert run.started()["command"] == "i2i train cyclegan data -o runs/first"


@pytest.mark.parametrize("text", ["", "not json\n"])
def test_without_events_nothing_is_known_of_the_start(run: RunFolder, text: str) -> None:
    assert run.started() == {}
    (run.path / "events.jsonl").write_text(text)
    assert run.started() == {}


def test_scans_are_read_as_they_were_written(run: RunFolder) -> None:
    assert run.read_data() is None
    run.write_data({"a": {"photos/é.jpg": [640, 480]}})
    assert run.read_data() == {"a": {"photos/é.jpg": [640, 480]}}


@pytest.mark.parametrize("data", [b"", b'{"a": ', b"\xff\xfe"])
def test_damaged_scans_are_none(run: RunFolder, data: bytes) -> None:
    run.data.write_bytes(data)
    assert run.read_data() is None


def written_by_a_training(run: RunFolder) -> None:
    names = ["step-000500/state.json", "step-1234567/state.json"]
    for path in (
        run.model,
        run.discriminators,
        run.samples / "step-000500.jpg",
        *(run.checkpoints / name for name in names),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    run.write_config("seed = 1\n")
    run.write_data({})
    run.log(1, {})
    run.event("start")


def test_clearing_removes_all_that_a_training_wrote(run: RunFolder) -> None:
    written_by_a_training(run)
    run.clear()
    assert set(os.listdir(run.path)) <= {".lock"}


def test_what_a_killed_process_left_half_written_goes_when_the_run_is_entered(tmp_path: Path) -> None:
    names = [".0123456789ab.part", "samples/.0123456789ab.part", "checkpoints/.step-001000.part/state.json"]
    for name in [*names, "checkpoints/.step-000500.old.part/state.json", ".mine.part"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with RunFolder(tmp_path):
        left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left - {".lock"} == {".mine.part"}


def test_a_place_where_no_folder_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    words = r"file/run: a run cannot be written here: Not a directory\. Choose another folder with -o\."
    with pytest.raises(UsageError, match=words), RunFolder(tmp_path / "file" / "run"):
        pass


def test_clearing_an_empty_folder_is_no_error(run: RunFolder) -> None:
    run.clear()


def test_clearing_leaves_everything_else(run: RunFolder) -> None:
    written_by_a_training(run)
    files = ["notes.txt", "samples/favourite.jpg", "checkpoints/readme.md", "model.safetensors.bak", "pictures/a.jpg"]
    mine = [*files, "checkpoints/step-000500 best/state.json"]
    for name in mine:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_bytes(b"mine")
    run.clear()
    left = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert left - {".lock"} == set(mine)


def test_a_line_that_a_crash_cut_off_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.event("start")
    events = tmp_path / "events.jsonl"
    events.write_text(events.read_text() + '{"event": "sa')
    run.event("resume")
    assert json.loads(events.read_text().splitlines()[-1])["event"] == "resume"
