"""Archives as they come, and as somebody who means harm would make them."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import pytest

from i2i.data import archives
from i2i.data.archives import unpack
from i2i.errors import DataError, NoRoomError

Kind = Literal["zip", "tar.gz"]
BOTH = pytest.mark.parametrize("kind", ["zip", "tar.gz"])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    return folder


def packed(path: Path, kind: Kind, files: list[tuple[str, bytes]]) -> Path:
    """An archive of these files, made by the standard library's own writers; a name that ends in / is a folder."""
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files:
                archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
        return path
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files:
            member = tarfile.TarInfo(name.rstrip("/"))
            member.size, member.type = len(data), tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(data))
    return path


def refusal(archive: Path, kind: Kind, out: Path) -> str:
    """What is said of an archive that is refused; nothing lies outside of `out` afterwards."""
    before = {path for path in archive.parent.rglob("*") if out not in path.parents}
    with pytest.raises(DataError) as caught:
        unpack(archive, kind, out)
    assert {path for path in archive.parent.rglob("*") if out not in path.parents} == before
    assert not any(path.is_symlink() for path in out.rglob("*"))
    return str(caught.value).removeprefix(f"{archive}: ")


@BOTH
def test_files_and_folders_come_out_as_they_went_in(tmp_path: Path, out: Path, kind: Kind):
    files = [("set/", b""), ("set/trainA/1.jpg", b"one"), ("set/trainA/2.jpg", b"two" * 999_999), ("./set/ü.txt", b"")]
    assert unpack(packed(tmp_path / "set", kind, files), kind, out) == 3
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == {"set/trainA/1.jpg": b"one", "set/trainA/2.jpg": b"two" * 999_999, "set/ü.txt": b""}


def test_permissions_of_an_archive_are_not_taken_over(tmp_path: Path, out: Path):
    with tarfile.open(tmp_path / "set", "w:gz") as archive:
        member = tarfile.TarInfo("program")
        member.mode = 0o4755
        archive.addfile(member)
    unpack(tmp_path / "set", "tar.gz", out)
    assert stat.S_IMODE((out / "program").stat().st_mode) & 0o4111 == 0


@BOTH
@pytest.mark.parametrize(
    "name", ["../evil.jpg", "set/../../evil.jpg", "/tmp/evil.jpg", "..\\evil.jpg", "C:/evil.jpg", "set/.."]
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, out: Path, kind: Kind, name: str):
    said = refusal(packed(tmp_path / "set", kind, [("good.jpg", b"1"), (name, b"2")]), kind, out)
    assert said == f"refused, nothing is unpacked: '{name}' would lie outside of the folder."


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        "set/aux.jpg",
        "NUL",
        "com1",
        "set/a.",
        "set /a",
        "a\nb",
        "a?.jpg",
        "<a>",
        '"a"',
        "a|b",
        "a*",
        "set:1",
        "a\x7f",
        "a\x85",
    ],
)
def test_names_that_other_systems_do_not_have_are_refused(tmp_path: Path, out: Path, kind: Kind, name: str):
    said = refusal(packed(tmp_path / "set", kind, [(name, b"2")]), kind, out)
    assert said == f"refused, nothing is unpacked: '{name}' is no name on every system."


@BOTH
@pytest.mark.parametrize(
    ("first", "second"), [("a/1.jpg", "a/1.JPG"), ("a/1.jpg", "A/2.jpg"), ("é.jpg", "e\u0301.jpg"), ("ß", "ss")]
)
def test_names_that_are_one_on_some_systems_are_refused(tmp_path: Path, out: Path, kind: Kind, first: str, second: str):
    said = refusal(packed(tmp_path / "set", kind, [(first, b"1"), (second, b"2")]), kind, out)
    assert "are one name on some systems." in said


@BOTH
@pytest.mark.parametrize("second", ["a/1.jpg", "a/1.jpg/2.jpg"])
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path, out: Path, kind: Kind, second: str):
    path = tmp_path / "set"
    with pytest.warns() if kind == "zip" and second == "a/1.jpg" else nullcontext():  # the writer warns of it
        packed(path, kind, [("a/1.jpg", b"1"), (second, b"2")])
    assert refusal(path, kind, out) == "refused, nothing is unpacked: 'a/1.jpg' is there twice."


@pytest.mark.parametrize(
    ("type", "what"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.FIFOTYPE, "a device"),
    ],
)
def test_links_and_devices_of_a_tar_file_are_refused(tmp_path: Path, out: Path, type: bytes, what: str):
    with tarfile.open(tmp_path / "set", "w:gz") as archive:
        member = tarfile.TarInfo("a")
        member.type, member.linkname = type, "/etc"
        archive.addfile(member)
        archive.addfile(tarfile.TarInfo("a/passwd"))
    assert refusal(tmp_path / "set", "tar.gz", out) == f"refused, nothing is unpacked: 'a' is {what}."


@pytest.mark.parametrize(("mode", "what"), [(stat.S_IFLNK, "a link"), (stat.S_IFCHR, "a device")])
def test_links_and_devices_of_a_zip_file_are_refused(tmp_path: Path, out: Path, mode: int, what: str):
    with zipfile.ZipFile(tmp_path / "set", "w") as archive:
        info = zipfile.ZipInfo("a")
        info.external_attr = (mode | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    assert refusal(tmp_path / "set", "zip", out) == f"refused, nothing is unpacked: 'a' is {what}."


def test_an_encrypted_zip_file_is_refused(tmp_path: Path, out: Path):
    path = packed(tmp_path / "set", "zip", [("a", b"1")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert refusal(path, "zip", out) == "refused, nothing is unpacked: 'a' is encrypted."


@BOTH
def test_a_bomb_is_refused(tmp_path: Path, out: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "FREE_BYTES", 100_000)
    path = packed(tmp_path / "set", kind, [(f"{number}.jpg", bytes(2_000_000)) for number in range(10)])
    assert path.stat().st_size < 25_000  # of 20 MB
    assert "it would unpack to more than" in refusal(path, kind, out)
    assert sum(file.stat().st_size for file in out.iterdir()) <= 100 * path.stat().st_size


def test_a_bomb_that_lies_about_its_size_ends_at_the_stated_size(tmp_path: Path, out: Path):
    path = packed(tmp_path / "set", "zip", [("a", bytes(2_000_000))])
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02") + 24
    data[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    assert refusal(path, "zip", out).startswith("is damaged or no zip archive: ")
    assert (out / "a").stat().st_size <= 1000


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path, out: Path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 50_000_000
    (tmp_path / "set").write_bytes(gzip.compress(header.tobuf() + bytes(50_000_000)))
    said = refusal(tmp_path / "set", "tar.gz", out)
    assert said == "refused, nothing is unpacked: a header of 50000384 bytes."


@BOTH
def test_too_many_files_are_refused(tmp_path: Path, out: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    path = packed(tmp_path / "set", kind, [(f"{number}.jpg", b"") for number in range(3)])
    assert refusal(path, kind, out) == "refused, nothing is unpacked: it holds more than 2 files and folders."


@BOTH
def test_folders_count_as_files_do(tmp_path: Path, out: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MOST_FILES", 4)
    path = packed(tmp_path / "set", kind, [("a/b/c/d/1.jpg", b"")])
    assert refusal(path, kind, out) == "refused, nothing is unpacked: it holds more than 4 files and folders."


def test_too_many_files_of_a_zip_file_are_refused_before_its_directory_is_read(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
):
    path = packed(tmp_path / "set", "zip", [(f"{number}.jpg", b"") for number in range(3)])
    data = bytearray(path.read_bytes())
    data[-14:-10] = (1).to_bytes(2, "little") * 2  # the end record speaks of one
    path.write_bytes(data)
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    assert refusal(path, "zip", out) == "refused, nothing is unpacked: it holds more than 2 files and folders."
    assert not any(out.iterdir())


def test_a_large_directory_of_a_zip_file_is_refused(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archives, "MOST_DIRECTORY", 100)
    path = packed(tmp_path / "set", "zip", [("1.jpg", b""), ("2.jpg", b"")])
    assert refusal(path, "zip", out) == "refused, nothing is unpacked: a directory of 102 bytes."


def test_headers_of_a_tar_file_are_not_kept(tmp_path: Path, out: Path):
    """10 MB of headers, of one file and of all that follow, are read in a fraction of the memory."""
    headers = {"comment": "x" * 50_000}
    with tarfile.open(tmp_path / "set", "w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as archive:
        for number in range(100):
            archive.fileobj.write(tarfile.TarInfo.create_pax_global_header({f"key{number}": headers["comment"]}))
            archive.offset = archive.fileobj.tell()
            member = tarfile.TarInfo(f"{number}.jpg")
            member.pax_headers = headers
            archive.addfile(member)
    tracemalloc.start()
    try:
        assert unpack(tmp_path / "set", "tar.gz", out) == 100
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@BOTH
def test_a_name_of_very_many_folders_is_refused(tmp_path: Path, out: Path, kind: Kind):
    path = packed(tmp_path / "set", kind, [("a/" * 1900 + "1.jpg", b"")])
    assert refusal(path, kind, out) == "refused, nothing is unpacked: a name leads through more than 31 folders."


def test_headers_of_headers_are_damage(tmp_path: Path, out: Path):
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE
    (tmp_path / "set").write_bytes(gzip.compress(header.tobuf() * 3000))
    said = refusal(tmp_path / "set", "tar.gz", out)
    assert said.startswith("is damaged or no tar.gz archive: ")


@pytest.mark.parametrize(
    ("place", "value", "said"), [(6, 99, "zip file version 9.9"), (8, 1 << 5, "compressed patched data (flag bit 5)")]
)
def test_what_zipfile_cannot_do_is_damage(tmp_path: Path, out: Path, place: int, value: int, said: str):
    path = packed(tmp_path / "set", "zip", [("a", b"1")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + place] = value
    path.write_bytes(data)
    hint = "Delete it and run the same command again."
    assert refusal(path, "zip", out) == f"is damaged or no zip archive: {said}. {hint}"


@BOTH
@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: data[:-6], lambda data: b"<html>not found</html>"],
    ids=["half", "end cut off", "web page"],
)
def test_damage_is_one_line(tmp_path: Path, out: Path, kind: Kind, damage: Callable[[bytes], bytes]):
    noise = bytes(range(256)) * 40
    path = packed(tmp_path / "set", kind, [("1.jpg", noise), ("2.jpg", noise[::-1])])
    path.write_bytes(damage(path.read_bytes()))
    said = refusal(path, kind, out)
    assert said.startswith(f"is damaged or no {kind} archive: ")
    assert said.endswith("Delete it and run the same command again.")


@BOTH
def test_a_flipped_bit_is_found_by_the_checksum_inside(tmp_path: Path, out: Path, kind: Kind):
    path = packed(tmp_path / "set", kind, [("1.jpg", bytes(range(256)) * 40)])
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    assert refusal(path, kind, out).startswith("is damaged or no")


def test_a_full_disk_is_told(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = packed(tmp_path / "set", "zip", [("1.jpg", b"1")])
    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(NoRoomError, match=r"set: disk full while unpacking\. Free space"):
        unpack(path, "zip", out)
