from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from i2i.errors import NoRoomError, UsageError
from i2i.images.files import read, write
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.inference.batch import Options, beside, translate_files
from i2i.inference.inputs import Selection
from i2i.inference.output import Exists, Output
from i2i.inference.plan import plan


def draw(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Picture(np.full((4, 5, 3), number, dtype=np.uint8)), path)


def inverted(picture: Picture) -> Picture:
    return picture.with_pixels(255 - picture.pixels)


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
    assert translate_files(plan([source], out), inverted).exit_code == 0
    assert not (out / "i2i-errors.jsonl").exists()


def test_what_is_there_is_never_overwritten_unasked(tmp_path: Path):
    draw(tmp_path / "in" / "a.png", tmp_path / "out" / "a.png")
    before = (tmp_path / "out" / "a.png").read_bytes()
    todo = plan([tmp_path / "in"], tmp_path / "out")
    failure = translate_files(todo, inverted).failures[0]
    assert failure.reason == (
        f"a file that i2i did not write stands at {tmp_path / 'out' / 'a.png'}. "
        "Choose --exists overwrite or --exists number, or another folder."
    )
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    assert translate_files(todo, inverted, Options(exists="number")).ok == 1
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    assert read(tmp_path / "out" / "a-2.png").pixels[0, 0].tolist() == [255, 255, 255]
    assert translate_files(todo, inverted, Options(exists="overwrite")).ok == 1
    assert (tmp_path / "out" / "a.png").read_bytes() != before


def test_a_file_that_comes_into_the_way_meanwhile_is_not_overwritten(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")

    def while_somebody_writes(picture: Picture) -> Picture:
        (tmp_path / "out" / "a.png").write_bytes(b"mine")
        return picture

    failure = translate_files(plan([tmp_path / "in"], tmp_path / "out"), while_somebody_writes).failures[0]
    assert failure.reason.startswith(f"a file that i2i did not write stands at {tmp_path / 'out' / 'a.png'}.")
    assert (tmp_path / "out" / "a.png").read_bytes() == b"mine"


def test_numbered_outputs_are_done_once_too(tmp_path: Path):
    draw(tmp_path / "in" / "a.png", tmp_path / "out" / "a.png")
    todo = plan([tmp_path / "in"], tmp_path / "out")
    assert translate_files(todo, inverted, Options(exists="number")).ok == 1
    assert translate_files(todo, inverted, Options(exists="number")).skipped == 1
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a-2.png", "a.png"]


def test_a_file_without_a_known_suffix_keeps_its_name_and_format(tmp_path: Path):
    draw(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "scan")
    assert translate_files(plan([tmp_path / "scan"], tmp_path / "out"), inverted).ok == 1
    assert read(tmp_path / "out" / "scan").carried.format == "PNG"


def test_a_second_run_does_what_is_missing(tmp_path: Path):
    draw(tmp_path / "in" / "a.png", tmp_path / "in" / "b.png")
    todo, out = plan([tmp_path / "in"], tmp_path / "out"), tmp_path / "out"
    assert translate_files(todo, inverted).ok == 2
    before = (out / "a.png").stat()
    (out / "b.png").unlink()
    summary = translate_files(todo, inverted)
    assert (summary.ok, summary.skipped) == (1, 1)
    assert (out / "a.png").stat().st_mtime_ns == before.st_mtime_ns


def test_another_input_of_the_same_name_size_and_time_is_not_taken_for_done(tmp_path: Path):
    draw(tmp_path / "x" / "a.bmp", tmp_path / "y" / "a.bmp")
    for folder in ("x", "y"):
        os.utime(tmp_path / folder / "a.bmp", (1, 1))
    translate_files(plan([tmp_path / "x"], tmp_path / "out"), inverted)
    failure = translate_files(plan([tmp_path / "y"], tmp_path / "out"), inverted).failures[0]
    assert failure.reason.startswith(
        f"the output of {tmp_path / 'x' / 'a.bmp'} stands at {tmp_path / 'out' / 'a.bmp'}."
    )


def test_other_work_is_done_anew_in_the_same_place(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    todo = plan([tmp_path / "in"], tmp_path / "out")
    translate_files(todo, inverted, work="one model")
    assert translate_files(todo, lambda picture: picture, work="another").ok == 1
    assert read(tmp_path / "out" / "a.png").pixels[0, 0].tolist() == [0, 0, 0]
    assert translate_files(todo, inverted, Options(metadata="none"), work="another").ok == 1
    assert translate_files(todo, inverted, Options(metadata="none"), work="another").skipped == 1


def test_what_the_format_cannot_hold_becomes_png_and_is_told(tmp_path: Path):
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).quantize(256).save(tmp_path / "in" / "a.gif")
    heard = []

    def many_colours(picture: Picture) -> Picture:
        return picture.with_pixels(noise)

    todo = plan([tmp_path / "in"], tmp_path / "out")
    summary = translate_files(todo, many_colours, report=heard.append)
    assert (summary.ok, summary.as_png) == (1, 1)
    assert heard[0].notes == ("GIF cannot hold more than 256 colours: written as a.png",)
    assert np.array_equal(read(tmp_path / "out" / "a.png").pixels, noise)
    assert translate_files(todo, many_colours).skipped == 1


def test_no_two_inputs_become_one_png(tmp_path: Path):
    (tmp_path / "in").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name in ("a.bmp", "a.gif", "a.gif.gif", "a.gif.png.gif"):
        Image.fromarray(noise).quantize(16).save(tmp_path / "in" / name)
    todo = plan([tmp_path / "in"], tmp_path / "out")
    assert translate_files(todo, lambda picture: picture.with_pixels(noise)).ok == 4
    assert len(list((tmp_path / "out").glob("a*"))) == 4
    assert translate_files(todo, lambda picture: picture.with_pixels(noise)).skipped == 4


@pytest.mark.parametrize("exists", ["skip", "overwrite", "number"])
def test_the_png_that_a_format_needs_never_replaces_an_input(tmp_path: Path, exists: Exists):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).quantize(16).save(tmp_path / "a.gif")
    draw(tmp_path / "a_t.png")
    before = (tmp_path / "a_t.png").read_bytes()
    options = Options(suffix="_t", exists=exists)
    translate_files(plan([tmp_path], tmp_path, suffix="_t"), lambda picture: picture.with_pixels(noise), options)
    assert (tmp_path / "a_t.png").read_bytes() == before


def test_the_file_that_a_link_leads_to_is_an_input_too(tmp_path: Path):
    draw(tmp_path / "out" / "a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to(tmp_path / "out" / "a.png")
    with pytest.raises(UsageError, match=r"a\.png: the output would replace an input\."):
        plan([tmp_path / "in"], tmp_path / "out", selection=Selection(symlinks="follow"))


def test_a_cut_file_is_taken_when_asked_and_the_others_are_not_done_again(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    write(Picture(noise), tmp_path / "in" / "cut.jpg")
    (tmp_path / "in" / "cut.jpg").write_bytes((tmp_path / "in" / "cut.jpg").read_bytes()[:8000])
    todo, heard = plan([tmp_path / "in"], tmp_path / "out"), []
    assert translate_files(todo, inverted).ok == 1
    taken = translate_files(todo, inverted, Options(limits=Limits(allow_truncated=True)), report=heard.append)
    assert (taken.ok, taken.skipped) == (1, 1)
    assert heard[1].notes == ("truncated: what is there was taken",)


def test_after_a_failure_it_may_stop(tmp_path: Path):
    draw(*(tmp_path / "in" / f"{number:02}.png" for number in range(40)))
    (tmp_path / "in" / "00.png").write_bytes(b"")
    summary = translate_files(plan([tmp_path / "in"], tmp_path / "out"), inverted, Options(on_error="stop", jobs=1))
    assert summary.exit_code == 3
    assert summary.not_tried > 30


def test_one_thread_reads_and_one_writes_beside_a_network_on_the_processor():
    assert beside(Options(), "cpu").jobs == 1
    assert beside(Options(), "cuda").jobs == min(4, os.cpu_count() or 1)
    assert beside(Options(jobs=3), "cpu").jobs == 3


def test_a_long_batch_does_not_grow_memory(tmp_path: Path):
    draw(*(tmp_path / "in" / f"{number}.png" for number in range(200)))
    alive = most = 0

    class Counted(Picture):
        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def counted(picture: Picture) -> Picture:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return Counted(picture.pixels, picture.alpha, picture.carried)

    assert translate_files(plan([tmp_path / "in"], tmp_path / "out"), counted, Options(jobs=2)).ok == 200
    assert most <= 2 * 2 + 2


def test_inputs_are_not_changed(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    before = (tmp_path / "in" / "a.png").read_bytes()
    translate_files(plan([tmp_path / "in"], tmp_path / "out"), inverted)
    assert (tmp_path / "in" / "a.png").read_bytes() == before


def test_a_full_disk_ends_the_batch_with_its_failures_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    draw(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "a.png").write_bytes(b"")

    def full(*_: object, **__: object) -> None:
        raise NoRoomError("disk full.", hint="Free space.")

    monkeypatch.setattr(Output, "store", full)
    with pytest.raises(NoRoomError, match=r"disk full\. 0 pictures are done\."):
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
    counts = {"ok": 1, "skipped": 0, "failed": 0, "not_tried": 0}
    assert summary.as_json() == {"event": "summary"} | counts | {"exit": 0, "schema": 1}
