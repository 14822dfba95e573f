from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i.config.data import PairedConfig
from i2i.data.paired_opening import PairedData, PairedScans, open_paired
from i2i.errors import ConfigError, DataError
from i2i.images.files import write
from i2i.images.picture import Picture

Draw = Callable[..., Path]


def opened(path: Path, *, labels: int = 0, direction: Any = "a2b", **settings: Any) -> PairedData:
    return open_paired(config(path, **settings), labels=labels, direction=direction)


def config(path: Path, **settings: Any) -> PairedConfig:
    return PairedConfig(**{"path": str(path), "size": 16, "load": 16, "flip": False} | settings)


def names(samples: Any) -> list[tuple[str, str]]:
    return [(source.path.name, target.path.name) for source, target in samples.pairs]


@pytest.fixture
def folders(draw: Draw, tmp_path: Path) -> Path:
    for number in range(4):
        draw(f"trainA/{number}.png", width=20, height=16)
        draw(f"trainB/{number}.jpg", width=40, height=32)
    return tmp_path


def label_map(path: Path, *ids: int) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.resize(np.array(ids, dtype=np.uint8), (16, 20))).save(path)


def test_the_summary_says_what_there_is_and_what_is_left_out(folders: Path, draw: Draw) -> None:
    draw("trainA/alone.png")
    draw("trainB/lonely.png")
    draw("trainA/wide.png", width=40, height=30)
    draw("trainB/wide.png", width=30, height=30)
    draw("trainA/x.png")
    (folders / "trainB" / "x.jpg").write_bytes(b"")
    for folder, suffix in (("trainA", "png"), ("trainB", "jpg")):
        first = (folders / folder / f"1.{suffix}").read_bytes()
        (folders / folder / f"twin.{suffix}").write_bytes(first)
    found = opened(folders)
    assert found.summary == (
        "5 pairs, smallest 20x16, 1 duplicate, 2 without partner (trainA/alone.png, trainB/lonely.png), "
        "1 of unequal aspect (trainA/wide.png 40x30 + trainB/wide.png 30x30), 1 unreadable (trainB/x.jpg), "
        "none held out"
    )
    assert names(found.train) == [(f"{name}.png", f"{name}.jpg") for name in ("0", "1", "2", "3", "twin")]
    assert (found.notes, found.val, found.sheet) == ((), None, found.train)


def test_sizes_that_differ_by_rounding_are_of_one_aspect(draw: Draw, tmp_path: Path) -> None:
    for number, size in enumerate([(50, 37), (50, 38), (101, 75), (33, 25)]):
        draw(f"A/{number}.png", width=100, height=75)
        draw(f"B/{number}.png", width=size[0], height=size[1])
    assert len(opened(tmp_path).train) == 4
    draw("B/1.png", width=50, height=39)
    assert "1 of unequal aspect (A/1.png 100x75 + B/1.png 50x39)" in opened(tmp_path).summary


def test_the_direction_says_which_domain_is_the_input(folders: Path) -> None:
    forward, back = opened(folders).fixed(2), opened(folders, direction="b2a").fixed(2)
    assert back.real_a.equal(forward.real_b)
    assert back.real_b.equal(forward.real_a)


def test_halves_stand_in_the_order_that_the_direction_says(tmp_path: Path, draw: Draw) -> None:
    file = draw("1.png", width=32, height=16)
    pixels = np.asarray(Image.open(file)).transpose(2, 0, 1)
    found = opened(tmp_path, direction="b2a")
    assert found.summary == "1 side-by-side pairs, smallest 16x16, none held out"
    np.testing.assert_array_equal(found.fixed(1).real_a[0], pixels[:, :, 16:])
    np.testing.assert_array_equal(found.fixed(1).real_b[0], pixels[:, :, :16])


@pytest.mark.parametrize(("direction", "target", "source"), [("a2b", "right", "left"), ("b2a", "left", "right")])
def test_a_model_of_halves_is_told_to_take_one_half(
    tmp_path: Path, draw: Draw, direction: Any, target: str, source: str
) -> None:
    draw("1.png", width=32, height=16)
    assert opened(tmp_path, direction=direction).notes == (
        f"the model will make {target} halves of {source} halves: to translate, give it {source} halves alone",
    )


@pytest.mark.parametrize(("direction", "other", "instead"), [("a2b", "B", "b2a"), ("b2a", "A", "a2b")])
def test_where_the_inputs_are_no_label_maps_the_other_direction_is_named(
    tmp_path: Path, draw: Draw, direction: Any, other: str, instead: str
) -> None:
    label_map(tmp_path / other / "1.png", 0, 1)
    draw(f"{'A' if other == 'B' else 'B'}/1.png", width=20, height=16)
    with pytest.raises(DataError, match=rf"no label map.* Where {other} holds them: --direction {instead}\."):
        opened(tmp_path, labels=2, direction=direction)


def test_one_class_is_spoken_of_as_one(tmp_path: Path, draw: Draw) -> None:
    label_map(tmp_path / "A" / "1.png", 0, 3)
    draw("B/1.png", width=20, height=16)
    with pytest.raises(DataError, match=r"A/1\.png: class 3, but class 0 alone is known; so in 1 of 1 label maps\."):
        opened(tmp_path, labels=1)


def test_a_picture_too_narrow_to_be_halved_is_left_out(tmp_path: Path, draw: Draw) -> None:
    draw("1.png", width=32, height=16)
    draw("2.png", width=1, height=16)
    assert "1 too narrow to be halved (2.png)" in opened(tmp_path, pairs="side-by-side").summary


def test_a_csv_pairs_files_that_are_there(tmp_path: Path, draw: Draw) -> None:
    draw("in/1.png", width=20, height=16)
    draw("out/1.png", width=20, height=16)
    (tmp_path / "pairs.csv").write_text("a,b\nin/1.png,out/1.png\nin/1.png,out/2.png\n", "utf-8")
    (tmp_path / "val.csv").write_text("a,b\nin/1.png,out/1.png\n", "utf-8")
    found = opened(tmp_path)
    assert found.summary == (
        "1 pairs of a CSV, smallest 20x16, 1 missing (out/2.png), "
        "1 for validation in column a of val.csv and column b of val.csv"
    )


def test_photos_are_pairs_with_what_is_made_of_them(tmp_path: Path, draw: Draw) -> None:
    draw("1.png", width=20, height=16)
    found = open_paired(config(tmp_path, pairs="colorize"), channels=(1, 3))
    assert found.summary == "1 photos and their gray versions, smallest 20x16, none held out"
    assert found.fixed(1).real_a.shape == (1, 1, 16, 16)
    back = open_paired(config(tmp_path, pairs="colorize"), channels=(3, 1), direction="b2a")
    assert back.fixed(1).real_b.equal(found.fixed(1).real_a)


def test_five_percent_of_forty_pairs_are_held_out_by_the_content_of_both(tmp_path: Path, draw: Draw) -> None:
    for number in range(40):
        draw(f"A/{number}.png", width=16, height=16, seed=number // 2)
        draw(f"B/{number}.png", width=16, height=16, seed=100 + number // 2)
    found = opened(tmp_path)
    assert found.val is not None
    held_out = {int(name.removesuffix(".png")) // 2 for name, _ in names(found.val)}
    assert (len(found.train), len(found.val)) == (38, 2)
    assert not held_out & {int(name.removesuffix(".png")) // 2 for name, _ in names(found.train)}
    assert found.summary.endswith("20 duplicates, 2 held out by content")
    assert found.fixed(9).real_a.equal(found.val.fixed(9).real_a)
    assert opened(tmp_path, val="0").val is None


def test_validation_pairs_are_used_whole_and_test_pairs_never(folders: Path, draw: Draw) -> None:
    for role in ("val", "test"):
        draw(f"{role}A/9.png", width=20, height=16)
        draw(f"{role}B/9.png", width=20, height=16)
    draw("valA/alone.png")
    found = opened(folders)
    assert found.val is not None
    assert names(found.val) == [("9.png", "9.png")]
    assert {source.path.parent.name for source, _ in (*found.train.pairs, *found.val.pairs)} == {"trainA", "valA"}
    assert found.summary.endswith("1 without partner (valA/alone.png), 1 for validation in valA and valB")


def test_validation_pairs_may_lie_elsewhere(folders: Path, draw: Draw) -> None:
    draw("elsewhere/A/1.png")
    draw("elsewhere/B/1.png")
    found = opened(folders, val=str(folders / "elsewhere"))
    assert found.val is not None
    assert found.val.pairs[0][0].path == folders / "elsewhere" / "A" / "1.png"


def test_small_pairs_are_noted(folders: Path) -> None:
    assert opened(folders, size=24, load=24).notes == ("4 pairs are smaller than the crop of 24x24 and are scaled up",)


@pytest.mark.parametrize(("direction", "channels"), [("a2b", (3, 1)), ("b2a", (1, 3))])
def test_a_gray_domain_in_three_channels_is_noted_by_its_own_letter(
    tmp_path: Path, draw: Draw, direction: Any, channels: tuple[int, int]
) -> None:
    for number in range(2):
        draw(f"A/{number}.png", mode="L")
        draw(f"B/{number}.png", mode="L")
    gray = "all pictures of {} are gray: --set method.channels_{}=1 makes a smaller network"
    assert opened(tmp_path).notes == (gray.format("A", "a"), gray.format("B", "b"))
    assert open_paired(config(tmp_path), channels=channels, direction=direction).notes == (gray.format("A", "a"),)
    assert open_paired(config(tmp_path), channels=(1, 1)).notes == ()
    draw("A/1.png")
    draw("B/1.png")
    assert opened(tmp_path).notes == ()


def test_label_maps_and_what_is_made_of_photos_have_the_channels_that_they_must_have(
    tmp_path: Path, draw: Draw
) -> None:
    label_map(tmp_path / "A" / "1.png", 0, 1)
    draw("B/1.jpg", width=20, height=16)
    assert opened(tmp_path, labels=2).notes == ()
    draw("photos/1.jpg", mode="L")
    assert opened(tmp_path / "photos", pairs="degrade").notes == (
        "all pictures of B are gray: --set method.channels_b=1 makes a smaller network",
    )


def test_pictures_of_more_than_8_bit_are_noted_where_they_are_read_in_8(tmp_path: Path, draw: Draw) -> None:
    for name in ("A/1.png", "A/2.png", "B/1.png"):
        draw(name, width=20, height=16)
    deep = np.zeros((16, 20, 3), dtype=np.uint16)
    write(Picture(deep), tmp_path / "B" / "2.png")
    assert opened(tmp_path).notes == ("1 picture of more than 8 bit is read in 8: --set data.depth=16 keeps 16",)
    assert opened(tmp_path, depth=16).notes == ()
    write(Picture(deep), tmp_path / "A" / "2.png")
    assert opened(tmp_path).notes == ("2 pictures of more than 8 bit are read in 8: --set data.depth=16 keeps 16",)


def test_label_maps_of_16_bit_lose_nothing_in_8(tmp_path: Path, draw: Draw) -> None:
    (tmp_path / "A").mkdir()
    write(Picture(np.ones((16, 20, 1), dtype=np.uint16)), tmp_path / "A" / "1.png")
    draw("B/1.jpg", width=20, height=16)
    assert opened(tmp_path, labels=2).notes == ()


def test_a_second_opening_tells_what_changed(folders: Path, draw: Draw) -> None:
    first = opened(folders)
    stored = PairedScans.from_json(json.loads(json.dumps(first.scans.to_json())))
    assert stored == first.scans
    assert open_paired(config(folders), previous=stored).notes == ()
    draw("trainB/2.jpg", width=40, height=32, seed=99)
    assert open_paired(config(folders), previous=stored).notes == (
        "trainB has changed since: 1 gone, 1 new. The training goes on, but not as it would have.",
    )


def test_progress_counts_through_all_files(folders: Path) -> None:
    heard: list[tuple[int, int]] = []
    open_paired(config(folders), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 8) for done in range(1, 9)]


def test_label_maps_of_known_classes_are_the_inputs(tmp_path: Path, draw: Draw) -> None:
    label_map(tmp_path / "A" / "1.png", 0, 3, 34)
    draw("B/1.jpg", width=20, height=16)
    found = opened(tmp_path, labels=35)
    assert found.fixed(1).real_a.shape == (1, 1, 16, 16)
    assert set(found.fixed(1).real_a.unique().tolist()) == {0, 3, 34}


def test_a_class_beyond_the_number_is_named_with_its_file(tmp_path: Path, draw: Draw) -> None:
    for number, highest in enumerate([34, 37, 40]):
        label_map(tmp_path / "A" / f"{number}.png", 0, highest)
        draw(f"B/{number}.jpg", width=20, height=16)
    with pytest.raises(DataError) as caught:
        opened(tmp_path, labels=35)
    assert str(caught.value) == (
        "A/1.png: class 37, but there are 35 (0 to 34); so in 2 of 3 label maps. "
        "Set method.labels=41, or correct the files."
    )


@pytest.mark.parametrize(("direction", "labels"), [("a2b", 3), ("b2a", 41)])
def test_side_by_side_the_input_alone_holds_classes(tmp_path: Path, direction: Any, labels: int) -> None:
    halves = np.hstack([np.full((16, 16), 2), np.full((16, 16), 40)]).astype(np.uint8)
    Image.fromarray(halves).save(tmp_path / "1.png")
    assert int(opened(tmp_path, labels=labels, direction=direction).fixed(1).real_a.max()) == labels - 1
    with pytest.raises(DataError, match=rf"1\.png: class {labels - 1}, but there are {labels - 1} "):
        opened(tmp_path, labels=labels - 1, direction=direction)


def test_a_label_map_beside_a_photo_in_colour_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw("1.png", width=32, height=16)
    with pytest.raises(DataError) as caught:
        opened(tmp_path, labels=3)
    assert str(caught.value) == (
        f"{tmp_path}: no pair can be used of 1 pictures: 1 no label map (1.png: is a colour picture, no label map). "
        "Save label maps as palette or gray PNG: at each pixel the number of its class. "
        "Beside photos in colour they need files of their own."
    )


def test_label_maps_that_are_jpegs_are_refused(tmp_path: Path, draw: Draw) -> None:
    draw("A/1.jpg", mode="L")
    draw("B/1.jpg")
    with pytest.raises(DataError) as caught:
        opened(tmp_path, labels=255)
    assert str(caught.value) == (
        f"{tmp_path}: no pair can be used of 1 + 1 pictures: 1 no label map "
        "(A/1.jpg: was compressed with loss (JPEG), which changes class numbers). "
        "Save label maps as palette or gray PNG: at each pixel the number of its class. Where B holds them: "
        "--direction b2a."
    )


def test_a_list_may_name_files_that_are_not_in_utf_8(tmp_path: Path, draw: Draw) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    try:
        draw("1.png").rename(tmp_path / name)
    except OSError:
        pytest.skip("this file system takes no such names")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9.png\n")
    (tmp_path / "b.txt").write_bytes(b"missing\xe9.png\n")
    both = PairedConfig(a=f"@{tmp_path / 'a.txt'}", b=f"@{tmp_path / 'a.txt'}", size=16, load=16)
    found = open_paired(both)
    assert PairedScans.from_json(json.loads(json.dumps(found.scans.to_json()))) == found.scans
    assert found.fixed(1).real_a.shape == (1, 3, 16, 16)
    with pytest.raises(DataError, match="1 missing \\(missing\udce9") as caught:
        open_paired(both.model_copy(update={"b": f"@{tmp_path / 'b.txt'}"}))
    assert caught.value.hint == "Relative paths start at the folder of the list or CSV."


def test_a_colour_picture_among_label_maps_is_left_out(tmp_path: Path, draw: Draw) -> None:
    label_map(tmp_path / "A" / "1.png", 0, 1)
    draw("A/2.png", width=20, height=16)
    for number in (1, 2):
        draw(f"B/{number}.jpg", width=20, height=16)
    assert "1 no label map (A/2.png: is a colour picture, no label map)" in opened(tmp_path, labels=2).summary


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"jitter": 0.1}, "data.jitter: label maps have no brightness to change. Set data.jitter=0."),
        ({"pairs": "edges"}, "method.labels: --pairs edges reads photos, no label maps. Set 0."),
        ({"val": "1.5"}, "data.val: 1.5 is no share."),
    ],
)
def test_settings_that_do_not_suit_the_pairs_are_refused(folders: Path, settings: dict[str, Any], text: str) -> None:
    (folders / "1.png").write_bytes(b"")
    with pytest.raises(ConfigError) as caught:
        opened(folders, labels=2, **settings)
    assert text in str(caught.value)


def test_folders_without_one_pair_are_refused_with_what_is_there(tmp_path: Path, draw: Draw) -> None:
    for number in range(2):
        draw(f"A/real_{number}.png")
        draw(f"B/fake_{number}.png")
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no pair can be used of 2 + 2 pictures: 4 without partner (B/fake_0.png, B/fake_1.png, "
        "A/real_0.png and 1 more). Files pair by equal names but for the suffix, such as A/1.jpg and B/1.png."
    )


def test_pairs_of_which_none_can_be_read_are_refused(folders: Path) -> None:
    for file in (folders / "trainB").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match=r"no pair can be used of 4 \+ 4 pictures: 4 unreadable \(trainB/0\.jpg, "):
        opened(folders)


def test_validation_pairs_of_which_none_can_be_used_are_refused(folders: Path, draw: Draw) -> None:
    draw("valA/1.png", width=20, height=16)
    draw("valB/1.png", width=20, height=30)
    with pytest.raises(DataError, match=r"no pair can be used of 1 \+ 1 pictures: 1 of unequal aspect"):
        opened(folders)


def test_holding_out_everything_is_refused(tmp_path: Path, draw: Draw) -> None:
    draw("A/1.png")
    draw("B/1.png")
    with pytest.raises(DataError, match=r"all 1 pairs would be held out.* Add pairs or use --val 0\."):
        opened(tmp_path, val="0.5")


def test_the_real_facades_are_found_by_themselves() -> None:
    if "I2I_TEST_DATA" not in os.environ:
        pytest.skip("I2I_TEST_DATA is not set: no real photos")
    found = opened(Path(os.environ["I2I_TEST_DATA"]) / "facades", direction="b2a")
    assert found.summary == "150 side-by-side pairs, smallest 256x256, 40 for validation in val"
    # Label maps are flat: most neighbours are alike but for the noise of JPEG.
    fixed = found.fixed(4)
    flatness = [(side[..., 1:].int() - side[..., :-1].int()).abs().float().median() for side in fixed]
    assert flatness[0] < flatness[1]
