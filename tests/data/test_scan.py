from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from i2i.data import scan as scanning
from i2i.data.layouts import Domain
from i2i.data.scan import Scan, duplicate_groups, not_read, scan, shared_contents
from i2i.errors import ImageError

Draw = Callable[..., Path]


def domain(root: Path) -> Domain:
    return Domain(root.name, root, tuple(sorted(path.name for path in root.iterdir())))


def test_a_scan_knows_size_format_mode_and_content(draw: Draw, tmp_path: Path) -> None:
    path = draw("A/1.png", width=50, height=20, mode="LA")
    picture = scan(domain(tmp_path / "A")).pictures[0]
    assert (picture.name, picture.width, picture.height, picture.format) == ("1.png", 50, 20, "PNG")
    assert (picture.gray, picture.alpha, picture.short_side) == (True, True, 20)
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_formats_and_modes_are_mixed_freely(draw: Draw, tmp_path: Path) -> None:
    for name, mode in [("1.jpg", "RGB"), ("2.png", "P"), ("3.webp", "RGBA"), ("4.tif", "CMYK"), ("5.bmp", "1")]:
        draw(f"A/{name}", mode=mode)
    found = scan(domain(tmp_path / "A"))
    assert [picture.format for picture in found.pictures] == ["JPEG", "PNG", "WEBP", "TIFF", "BMP"]
    assert [picture.gray for picture in found.pictures] == [False, False, False, False, True]


def test_a_truncated_jpeg_is_named_and_left_out(draw: Draw, tmp_path: Path) -> None:
    draw("A/whole.jpg")
    cut = draw("A/cut.jpg", width=200, height=200)
    cut.write_bytes(cut.read_bytes()[:3000])
    found = scan(domain(tmp_path / "A"))
    assert [picture.name for picture in found.pictures] == ["whole.jpg"]
    assert [(file.name, file.reason) for file in found.unreadable] == [
        ("cut.jpg", "truncated: the file ends before its picture does.")
    ]


def test_a_listed_file_that_is_not_there_is_left_out_with_the_reason(tmp_path: Path) -> None:
    found = scan(Domain("", tmp_path, ("gone.jpg",)))
    assert found.unreadable[0].reason == "there is no such file."
    assert not_read([(Domain("A", tmp_path, ()), found)]) == {"missing": ["A/gone.jpg"]}


def test_a_link_that_leads_nowhere_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone.jpg")
    assert scan(Domain("", tmp_path, ("a.jpg",))).unreadable[0].reason == "is a link that leads nowhere."


def test_progress_counts_every_file(draw: Draw, tmp_path: Path) -> None:
    for number in range(3):
        draw(f"A/{number}.png")
    heard: list[tuple[int, int]] = []
    scan(domain(tmp_path / "A"), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_duplicates_are_found_by_content_in_a_domain_and_between_two(draw: Draw, tmp_path: Path) -> None:
    for name in ("A/1.png", "A/2.png", "B/3.png"):
        draw(name, seed=5)
    draw("A/other.png", seed=6)
    one, other = scan(domain(tmp_path / "A")), scan(domain(tmp_path / "B"))
    assert (one.duplicates, other.duplicates) == (1, 0)
    assert duplicate_groups(one) == [("1.png", "2.png")]
    assert shared_contents(one, other) == [("1.png", "3.png"), ("2.png", "3.png")]


def test_the_smallest_picture_has_the_shortest_side(draw: Draw, tmp_path: Path) -> None:
    draw("A/small.png", width=90, height=19)
    draw("A/square.png", width=20, height=20)
    assert scan(domain(tmp_path / "A")).smallest.name == "small.png"


def test_unchanged_files_are_not_read_again(draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw("A/1.png")
    (tmp_path / "A" / "broken.png").write_bytes(b"no picture")
    before = scan(domain(tmp_path / "A"))
    stored = Scan.from_json(json.loads(json.dumps(before.to_json())))
    assert stored == before

    def refuse(path: Path) -> None:
        raise ImageError("read again", where=path)

    monkeypatch.setattr(scanning, "read", refuse)
    assert scan(domain(tmp_path / "A"), previous=stored) == before
    os.utime(tmp_path / "A" / "1.png", ns=(0, 1))
    changed = scan(domain(tmp_path / "A"), previous=stored)
    assert [file.reason for file in changed.unreadable if file.name == "1.png"] == ["read again"]


def test_warnings_are_as_they_were_after_a_scan_in_many_threads(draw: Draw, tmp_path: Path) -> None:
    for number in range(100):
        draw(f"A/{number}.jpg")
    before = list(warnings.filters)
    scan(domain(tmp_path / "A"))
    assert list(warnings.filters) == before


def test_the_depth_of_samples_is_known(tmp_path: Path) -> None:
    for name, kind in (("1.tif", "uint8"), ("2.tif", "uint16"), ("3.tif", "float32")):
        tifffile.imwrite(tmp_path / name, np.zeros((4, 5), dtype=kind))
    assert [picture.depth for picture in scan(domain(tmp_path)).pictures] == [8, 16, 32]


def test_scans_of_earlier_run_folders_know_no_depth_and_are_used_all_the_same(
    draw: Draw, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw("A/1.png")
    document = scan(domain(tmp_path / "A")).to_json()
    del document["pictures"][0]["depth"]
    monkeypatch.delattr(scanning, "read")
    assert scan(domain(tmp_path / "A"), previous=Scan.from_json(document)).pictures[0].depth == 8
