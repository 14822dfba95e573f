from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from i2i.errors import NoRoomError
from i2i.images import atomic


def test_a_full_disk_keeps_the_old_file_and_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(NoRoomError) as caught:
        atomic.replace_file(path, b"x" * 2_500_000)
    message = f"{path}: disk full, 2.5 MB needed. Free space and run the same command again."
    assert str(caught.value) == message
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_longest_name_can_be_written(tmp_path: Path):
    path = tmp_path / ("x" * 255)
    atomic.replace_file(path, b"new")
    assert path.read_bytes() == b"new"
