from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from i2i.errors import NoRoomError, UsageError
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.inference import batch
from i2i.inference.batch import plan, translate_files


def draw(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Picture(np.full((4, 5, 3), number, dtype=np.uint8)), path)


def outputs(inputs: list[Path], out: Path, **options: str) -> list[str]:
    return [job.target.relative_to(out).as_posix() for job in plan(inputs, out, **options).jobs]


def inverted(picture: Picture) -> Picture:
    return picture.with_pixels(255 - picture.pixels)


def test_a_folder_is_mirrored_with_names_and_formats(tmp_path: Path):
    source = tmp_path / "in"
    draw(source / "b.PNG", source / "deep" / "er" / "a.v1.2.jpg")
    (source / "notes.txt").touch()
    (source / "._b.png").touch()
    assert outputs([source], tmp_path / "out") == ["b.PNG", "deep/er/a.v1.2.jpg"]


def test_another_format_and_a_suffix_change_the_names(tmp_path: Path):
    draw(tmp_path / "in" / "a.v1.2.jpg")
    assert outputs([tmp_path / "in"], tmp_path / "out", format=".png", suffix="_x") == ["a.v1.2_x.png"]


def test_two_inputs_for_one_output_get_names_of_their_own(tmp_path: Path):
    source = tmp_path / "in"
    draw(source / "a.jpg", source / "a.png", source / "b.jpg")
    assert outputs([source], tmp_path / "out", format=".png") == ["a.jpg.png", "a.png", "b.png"]


def test_names_that_differ_in_case_or_unicode_form_alone_are_kept_apart(tmp_path: Path):
    names = ["A.png", "a.png", "caf\u00e9.png", "cafe\u0301.png"]
    draw(*(tmp_path / "in" / name for name in names))
    found = outputs([tmp_path / "in"], tmp_path / "out")
    assert sorted(found) == sorted(["A.png", "a-2.png", "cafe\u0301.png", "caf\u00e9-2.png"])


def test_equal_names_from_two_folders_are_kept_apart_and_nothing_is_done_twice(tmp_path: Path):
    x, y = tmp_path / "x", tmp_path / "y"
    draw(x / "a.png", y / "a.png", y / "a-2.png")
    assert outputs([x, y, x / "a.png"], tmp_path / "out") == ["a.png", "a-2.png", "a-3.png"]


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    assert outputs([tmp_path / "in"], tmp_path / "out") == ["a.png"]


def test_one_file_may_become_one_file(tmp_path: Path):
    draw(tmp_path / "a.png")
    job = plan([tmp_path / "a.png"], tmp_path / "b.jpg").jobs[0]
    assert (job.source, job.target) == (tmp_path / "a.png", tmp_path / "b.jpg")
    with pytest.raises(UsageError, match=r"b\.jpg names a file\. Leave out --format and --suffix"):
        plan([tmp_path / "a.png"], tmp_path / "b.jpg", format=".png")


@pytest.mark.parametrize("place", ["in", "in/out", "in/../in/new"])
def test_an_output_in_the_input_is_refused(tmp_path: Path, place: str):
    draw(tmp_path / "in" / "a.png")
    with pytest.raises(UsageError, match=r"the output (is the input|lies inside the input .*)\. Give a folder outside"):
        plan([tmp_path / "in"], tmp_path / place)


def test_an_output_that_is_an_input_is_refused_unless_a_suffix_keeps_them_apart(tmp_path: Path):
    draw(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"the output would replace an input\. Give another folder, or --suffix\."):
        plan([tmp_path / "a.png"], tmp_path)
    assert outputs([tmp_path / "a.png"], tmp_path, suffix="_new") == ["a_new.png"]


def test_wrong_inputs_and_outputs_are_refused_before_work(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="none: this input does not exist"):
        plan([tmp_path / "none"], tmp_path / "out")
    with pytest.raises(UsageError, match=r"empty: no pictures found\. Known formats: \.avif"):
        plan([tmp_path / "empty"], tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="the output is a file and should be a folder"):
        plan([tmp_path / "empty"], tmp_path / "file")
    with pytest.raises(UsageError, match=r"\-\-suffix '/x' is no part of a file name"):
        plan([tmp_path / "empty"], tmp_path / "out", suffix="/x")


def test_one_bad_file_is_named_and_passed_over(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png", source / "c.png")
    (source / "b.jpg").write_bytes(b"hello")
    heard: list[str] = []
    todo = plan([source], out)
    summary = translate_files(todo, inverted, report=lambda outcome: heard.append(outcome.status))
    assert heard == ["ok", "failed", "ok"]
    assert (summary.ok, summary.skipped, summary.exit_code) == (2, 0, 3)
    assert read(out / "c.png").pixels[0, 0].tolist() == [254, 254, 254]
    listed = [json.loads(line) for line in (out / "i2i-errors.jsonl").read_text().splitlines()]
    assert [entry["in"] for entry in listed] == [str(source / "b.jpg")]
    assert listed[0]["error"].startswith("no picture in a known format")

    (source / "b.jpg").unlink()
    assert translate_files(plan([source], out), inverted, exists="skip").exit_code == 0
    assert not (out / "i2i-errors.jsonl").exists()


def test_what_is_there_is_never_overwritten_unasked(tmp_path: Path):
    draw(tmp_path / "in" / "a.png", tmp_path / "out" / "a.png")
    before = (tmp_path / "out" / "a.png").read_bytes()
    todo = plan([tmp_path / "in"], tmp_path / "out")
    failure = translate_files(todo, inverted).failures[0]
    assert failure.reason == "the output is there already. Choose --exists skip or --exists overwrite."
    assert translate_files(todo, inverted, exists="skip").skipped == 1
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    assert translate_files(todo, inverted, exists="overwrite").ok == 1
    assert (tmp_path / "out" / "a.png").read_bytes() != before


def test_a_file_without_a_known_suffix_is_named_before_it_is_translated(tmp_path: Path):
    (tmp_path / "a.heic").touch()
    draw(tmp_path / "b.png")
    summary = translate_files(plan([tmp_path / "a.heic", tmp_path / "b.png"], tmp_path / "out"), inverted)
    assert summary.ok == 1
    assert summary.failures[0].reason.startswith("no picture format has the suffix '.heic'. Known: ")


def test_inputs_are_not_changed(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    before = (tmp_path / "in" / "a.png").read_bytes()
    translate_files(plan([tmp_path / "in"], tmp_path / "out"), inverted)
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_a_full_disk_ends_the_batch_with_its_failures_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    draw(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "a.png").write_bytes(b"")

    def full(*_: object, **__: object) -> None:
        raise NoRoomError("disk full.")

    monkeypatch.setattr(batch, "write", full)
    with pytest.raises(NoRoomError, match="disk full"):
        translate_files(plan([tmp_path / "in"], tmp_path / "out"), inverted)
    assert len((tmp_path / "out" / "i2i-errors.jsonl").read_text().splitlines()) == 1


def test_the_events_are_those_of_the_command_line_design(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    heard = []
    summary = translate_files(plan([tmp_path / "in"], tmp_path / "out"), inverted, report=heard.append)
    event = heard[0].as_json()
    assert isinstance(event.pop("ms"), int)
    path = str(tmp_path / "in" / "a.png")
    assert event == {"event": "file", "in": path, "out": "a.png", "status": "ok", "size": [5, 4]}
    assert summary.as_json() == {"event": "summary", "ok": 1, "skipped": 0, "failed": 0, "exit": 0, "schema": 1}
