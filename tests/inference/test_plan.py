from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from i2i.errors import UsageError
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.inputs import Selection
from i2i.inference.plan import plan


def draw(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Picture(np.full((4, 5, 3), number, dtype=np.uint8)), path)


def outputs(inputs: list[Path | str], out: Path, **options: object) -> list[str]:
    return [job.target.relative_to(out).as_posix() for job in plan(inputs, out, **options).jobs]


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
    with pytest.raises(UsageError, match=r"empty: no pictures found\. Known formats: \.apng"):
        plan([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(UsageError, match=r"an input is empty\. Give a file"):
        plan([""], tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="the output is a file and should be a folder"):
        plan([tmp_path / "empty"], tmp_path / "file")
    with pytest.raises(UsageError, match=r"\-\-suffix '/x' is no part of a file name"):
        plan([tmp_path / "empty"], tmp_path / "out", suffix="/x")


def test_what_cannot_be_written_gets_a_format_that_can(tmp_path: Path):
    for name in ("a.heic", "b.mpo"):
        (tmp_path / name).touch()
    assert outputs([tmp_path], tmp_path.parent / "out") == ["a.jpg", "b.jpg"]


def test_the_name_as_png_is_free_for_certain(tmp_path: Path):
    draw(tmp_path / "in" / "a.bmp", tmp_path / "in" / "b.bmp", tmp_path / "in" / "b.png", tmp_path / "in" / "c.bmp")
    (tmp_path / "in" / "c.gif").touch()
    todo = plan([tmp_path / "in"], tmp_path / "out")
    names = {job.name_out: todo.as_png(job).name_out for job in todo.jobs}
    assert names["a.bmp"] == "a.png"
    assert names["b.bmp"] == "b.bmp.png"  # b.png is there
    assert (names["c.bmp"], names["c.gif"]) == ("c.bmp.png", "c.gif.png")  # both could become c.png


def test_a_pattern_is_mirrored_from_its_fixed_part_on(tmp_path: Path):
    draw(tmp_path / "in" / "x" / "a.png", tmp_path / "in" / "b.png")
    assert outputs([f"{tmp_path}/in/**/*.png"], tmp_path / "out") == ["b.png", "x/a.png"]
    with pytest.raises(UsageError, match=r"none\*: nothing matches this pattern\."):
        plan([f"{tmp_path}/none*"], tmp_path / "out")


@pytest.mark.parametrize("between", ["\n", "\0"])
def test_a_list_names_the_inputs(tmp_path: Path, between: str):
    draw(tmp_path / "a.png", tmp_path / "in" / "b.png")
    (tmp_path / "list").write_text(between.join([f"{tmp_path}/a.png", f"{tmp_path}/in", ""]))
    assert outputs([f"@{tmp_path}/list"], tmp_path / "out") == ["a.png", "b.png"]
    (tmp_path / "list").write_text("none.png")
    with pytest.raises(UsageError, match=r"none\.png: this input does not exist\. It is listed in .*list\."):
        plan([f"@{tmp_path}/list"], tmp_path / "out")


def test_include_exclude_and_no_recursion_choose(tmp_path: Path):
    source = tmp_path / "in"
    draw(source / "a.png", source / "b.jpg", source / "x" / "c.png", source / "y" / "d.png")

    def chosen(**choice: object) -> list[str]:
        return outputs([source], tmp_path / "out", selection=Selection(**choice))

    assert chosen(include=("*.png",)) == ["a.png", "x/c.png", "y/d.png"]
    assert chosen(include=("*.png",), exclude=("x/*",)) == ["a.png", "y/d.png"]
    assert chosen(recursive=False) == ["a.png", "b.jpg"]


def test_links_in_folders_are_counted_or_followed(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "b.png").symlink_to(tmp_path / "in" / "a.png")
    assert plan([tmp_path / "in"], tmp_path / "out").links == 2
    assert outputs([tmp_path / "in"], tmp_path / "out", selection=Selection(symlinks="follow")) == ["a.png", "b.png"]


def test_shards_are_parts_that_other_files_do_not_move(tmp_path: Path):
    draw(*(tmp_path / "in" / f"{number}.png" for number in range(20)))
    parts = [outputs([tmp_path / "in"], tmp_path / "out", selection=Selection(shard=(i, 3))) for i in (1, 2, 3)]
    assert sorted([*parts[0], *parts[1], *parts[2]]) == sorted(f"{number}.png" for number in range(20))
    (tmp_path / "in" / "0.png").unlink()
    again = outputs([tmp_path / "in"], tmp_path / "out", selection=Selection(shard=(2, 3)))
    assert again == [name for name in parts[1] if name != "0.png"]


def test_a_stream_goes_with_one_picture(tmp_path: Path):
    draw(tmp_path / "a.png")
    assert plan(["-"], Path("-")).jobs[0].name_out == "-"
    assert plan([tmp_path / "a.png"], Path("-"), format=".jpg").jobs[0].target == Path("-.jpg")
    with pytest.raises(UsageError, match=r"- stands for one picture, and goes with one picture\."):
        plan(["-", tmp_path / "a.png"], tmp_path / "out.png")
    with pytest.raises(UsageError, match=r"one picture needs the name of a picture file here\. Such as -o out\.png"):
        plan(["-"], tmp_path)
