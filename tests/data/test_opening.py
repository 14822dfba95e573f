from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest

from i2i.config.data import UnpairedConfig
from i2i.data.opening import UnpairedScans, open_unpaired
from i2i.errors import ConfigError, DataError

Draw = Callable[..., Path]


def config(path: Path, **settings: object) -> UnpairedConfig:
    return UnpairedConfig(path=str(path), size=16, **settings)  # type: ignore[arg-type]


@pytest.fixture
def folders(draw: Draw, tmp_path: Path) -> Path:
    for number in range(4):
        draw(f"trainA/{number}.png", width=20, height=18)
        draw(f"trainB/{number}.jpg")
    return tmp_path


def test_the_summary_says_what_there_is(folders: Path, draw: Draw) -> None:
    draw("trainA/copy.png", seed=crc32(b"trainA/1.png"), width=20, height=18)
    (folders / "trainB" / "x.jpg").write_bytes(b"")
    opened = open_unpaired(config(folders))
    assert opened.summary == ("5 + 4 pictures, smallest 20x18, 1 duplicate, 1 unreadable (trainB/x.jpg), none held out")
    assert opened.notes == ()
    assert (len(opened.train.a), len(opened.train.b), opened.val) == (5, 4, None)


def test_only_the_first_unreadable_files_are_named(folders: Path) -> None:
    for number in range(5):
        (folders / "trainA" / f"x{number}.jpg").write_bytes(b"")
    assert (
        "5 unreadable (trainA/x0.jpg, trainA/x1.jpg, trainA/x2.jpg and 2 more)"
        in open_unpaired(config(folders)).summary
    )


def test_the_same_file_is_left_out_each_time(folders: Path) -> None:
    (folders / "trainA" / "1.png").write_bytes(b"no picture")
    first, second = open_unpaired(config(folders)), open_unpaired(config(folders))
    assert (
        [path.name for path in first.train.a] == [path.name for path in second.train.a] == ["0.png", "2.png", "3.png"]
    )


def test_five_percent_of_forty_pictures_are_held_out(draw: Draw, tmp_path: Path) -> None:
    for number in range(40):
        draw(f"A/{number}.png", width=16, height=16)
        draw(f"B/{number}.png", width=16, height=16)
    opened = open_unpaired(config(tmp_path))
    assert opened.val is not None
    assert (len(opened.train.a), len(opened.val.a), len(opened.val.b)) == (38, 2, 2)
    assert not set(opened.train.a) & set(opened.val.a)
    assert "2 + 2 held out by content" in opened.summary
    assert opened.fixed(4).real_a.equal(opened.val.fixed(2).real_a)
    assert open_unpaired(config(tmp_path, val="0")).val is None


def test_a_validation_folder_is_found_and_used_whole(folders: Path, draw: Draw) -> None:
    draw("valA/1.png")
    draw("valB/1.png")
    opened = open_unpaired(config(folders))
    assert opened.val is not None
    assert [path.parent.name for path in (*opened.val.a, *opened.val.b)] == ["valA", "valB"]
    assert len(opened.train.a) == 4
    assert "1 + 1 for validation in valA/ and valB/" in opened.summary


def test_a_validation_folder_may_lie_elsewhere(folders: Path, draw: Draw) -> None:
    draw("elsewhere/A/1.png")
    draw("elsewhere/B/1.png")
    opened = open_unpaired(config(folders, val=str(folders / "elsewhere")))
    assert opened.val is not None
    assert opened.val.a == (folders / "elsewhere" / "A" / "1.png",)


def test_test_pictures_are_never_opened(folders: Path, draw: Draw) -> None:
    draw("testA/1.png")
    draw("testB/1.png")
    opened = open_unpaired(config(folders, val="0.25"))
    assert opened.val is not None
    used = (*opened.train.a, *opened.train.b, *opened.val.a, *opened.val.b)
    assert {path.parent.name for path in used} == {"trainA", "trainB"}


def test_a_domain_with_too_few_pictures_to_hold_out_is_held_out_from_by_itself(draw: Draw, tmp_path: Path) -> None:
    for number in range(40):
        draw(f"A/{number}.png", width=16, height=16)
    draw("B/1.png")
    opened = open_unpaired(config(tmp_path))
    assert opened.val is None
    assert not set(opened.sheet.a) & set(opened.train.a)
    assert opened.sheet.b == opened.train.b


def test_small_pictures_are_noted(folders: Path, draw: Draw) -> None:
    draw("trainA/small.png", width=15, height=40)
    assert open_unpaired(config(folders)).notes == ("1 picture is smaller than the crop of 16x16 and is scaled up",)


def test_a_second_opening_reads_nothing_again_and_tells_what_changed(folders: Path, draw: Draw) -> None:
    first = open_unpaired(config(folders))
    stored = UnpairedScans.from_json(json.loads(json.dumps(first.scans.to_json())))
    assert stored == first.scans
    assert open_unpaired(config(folders), previous=stored).notes == ()
    (folders / "trainA" / "2.png").unlink()
    draw("trainA/5.png", seed=99)
    draw("trainA/6.png", seed=98)
    assert open_unpaired(config(folders), previous=stored).notes == (
        "trainA has changed since: 1 gone, 2 new. The training goes on, but not as it would have.",
    )


def test_progress_counts_through_all_folders(folders: Path) -> None:
    heard: list[tuple[int, int]] = []
    open_unpaired(config(folders), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 8) for done in range(1, 9)]


def test_a_domain_in_which_nothing_can_be_read_is_refused(folders: Path) -> None:
    for path in (folders / "trainB").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"trainB: none of 4 images can be read; the first, 0\.jpg: the file is empty\."
    ):
        open_unpaired(config(folders))


def test_files_of_a_list_that_are_not_there_are_told_apart(folders: Path) -> None:
    (folders / "trainA" / "0.png").write_bytes(b"")
    (folders / "a.txt").write_text("trainA/0.png\ntrainA/1.png\n1.png\n", "utf-8")
    lists = UnpairedConfig(a=f"@{folders / 'a.txt'}", b=str(folders / "trainB"), size=16)
    assert ", 1 missing (1.png), 1 unreadable (trainA/0.png), none held out" in open_unpaired(lists).summary
    (folders / "a.txt").write_text("1.png\n2.png\n", "utf-8")
    with pytest.raises(DataError) as caught:
        open_unpaired(lists)
    assert str(caught.value) == (
        f"{folders}: none of 2 images can be read; the first, 1.png: there is no such file. "
        "Relative paths start at the folder of the list or CSV."
    )


def test_holding_out_everything_is_refused(draw: Draw, tmp_path: Path) -> None:
    draw("A/1.png")
    draw("B/1.png")
    with pytest.raises(DataError, match=r"all 1 images would be held out.* Add pictures or use --val 0\."):
        open_unpaired(config(tmp_path, val="0.5"))


def test_a_share_out_of_range_is_refused_before_anything_is_read(folders: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.val: 1\.5 is no share"):
        open_unpaired(config(folders, val="1.5"))


def test_a_validation_folder_in_which_nothing_can_be_read_is_refused(folders: Path, draw: Draw) -> None:
    draw("valA/1.png").write_bytes(b"")
    draw("valB/1.png")
    with pytest.raises(DataError, match=r"valA: none of 1 images can be read"):
        open_unpaired(config(folders))
