from __future__ import annotations

from pathlib import Path

import pytest

from i2i.data.holdout import automatic_share, held_out_of_classes, hold_out, share_or_folder
from i2i.data.scan import Scan, ScannedPicture
from i2i.errors import ConfigError


def scan_of(*contents: str) -> Scan:
    return Scan(
        tuple(
            ScannedPicture(f"{number}.png", 8, 8, "PNG", False, False, 1, 1, content)
            for number, content in enumerate(contents)
        )
    )


def contents(scan: Scan) -> set[str]:
    return {picture.sha256 for picture in scan.pictures}


def test_five_percent_are_held_out_from_forty_pictures_on() -> None:
    forty = scan_of(*(f"{number:02}" for number in range(40)))
    assert automatic_share(forty) == 0.05
    assert automatic_share(scan_of(*(f"{number:02}" for number in range(39)))) == 0
    train, held_out = hold_out(forty, 0.05)
    assert contents(held_out) == {"00", "01"}
    assert len(train.pictures) == 38


def test_names_and_order_do_not_matter() -> None:
    one, other = hold_out(scan_of("c", "a", "b", "d"), 0.5), hold_out(scan_of("d", "b", "c", "a"), 0.5)
    assert contents(one[1]) == contents(other[1]) == {"a", "b"}


def test_at_least_one_picture_is_held_out_and_none_for_0() -> None:
    assert contents(hold_out(scan_of("b", "a"), 0.01)[1]) == {"a"}
    assert hold_out(scan_of("b", "a"), 0)[1] == Scan(())


def test_files_with_the_same_bytes_stay_together() -> None:
    train, held_out = hold_out(scan_of("a", "b", "a", "c"), 0.34)
    assert [picture.name for picture in held_out.pictures] == ["0.png", "2.png"]
    assert contents(train) == {"b", "c"}


def test_the_setting_is_a_share_or_a_folder() -> None:
    assert share_or_folder("0.1") == 0.1
    assert share_or_folder("pictures/val") == Path("pictures/val")
    with pytest.raises(ConfigError) as caught:
        share_or_folder("5")
    assert str(caught.value) == "data.val: 5 is no share. Write 0.05, 0 for none, or a folder."


def test_of_each_class_one_of_the_contents_stays() -> None:
    assert held_out_of_classes("abcdef", [0, 0, 1, 1, 1, 1], 0.5) == {"a", "c"}
    assert held_out_of_classes("ab", [0, 1], 0.5) == set()
    assert held_out_of_classes("aab", [0, 1, 1], 0.5) == set()  # one content in two classes
    assert held_out_of_classes("ab", [0, 0], 0) == set()
