"""From an address to a folder, with a plain web server of the standard library on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from i2i.data import fetch as module
from i2i.data.fetch import MARK, fetch
from i2i.data.recipes import Recipe
from i2i.errors import DataError, DownloadError, LockedError, UsageError

LOCK_FILES = {".i2i-fetch/archive-pond.zip.part.lock", ".i2i-fetch/folder-pond.lock"}


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of the folder `site`, as a server shows it."""
    monkeypatch.setenv("no_proxy", "*")
    (tmp_path / "site").mkdir()
    handler = partial(Handler, directory=str(tmp_path / "site"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def archive(tmp_path: Path, address: str) -> Path:
    return pack(tmp_path / "site/pond.zip", ["pond/trainA/1.jpg", "pond/trainB/1.jpg", "__MACOSX/x"])


@pytest.fixture
def recipe(address: str, archive: Path) -> Recipe:
    return pond(address, bytes=archive.stat().st_size, sha256=hashlib.sha256(archive.read_bytes()).hexdigest())


def pack(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, f"bytes of {name}")
    return path


def pond(address: str, *, bytes: int | None = None, sha256: str | None = None) -> Recipe:
    return Recipe(
        name="pond", description="fish", method="cyclegan", page="https://pond.invalid/", licence="CC0",
        pictures="1 + 1", layout=("trainA", "trainB"), checked="never", address=f"{address}/pond.zip",
        bytes=bytes, sha256=sha256,
    )  # fmt: skip


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_set_is_there_whole_and_nothing_else(tmp_path: Path, recipe: Recipe):
    fetched = fetch(recipe, tmp_path / "mine/pond")
    assert names(tmp_path / "mine") == {"pond/trainA/1.jpg", "pond/trainB/1.jpg", f"pond/{MARK}"} | LOCK_FILES
    assert (tmp_path / "mine/pond/trainA/1.jpg").read_text() == "bytes of pond/trainA/1.jpg"
    assert (fetched.sha256, fetched.bytes, fetched.files) == (recipe.sha256, recipe.bytes, 3)
    assert json.loads((tmp_path / "mine/pond" / MARK).read_text())["address"] == recipe.address


def test_a_set_that_is_there_is_not_loaded_again(
    tmp_path: Path, recipe: Recipe, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    first = fetch(recipe, tmp_path / "pond")
    archive.unlink()
    monkeypatch.setenv("I2I_OFFLINE", "1")
    assert fetch(recipe, tmp_path / "pond") == first


@pytest.mark.parametrize("mark", [None, "[]", '{"name": "lake"}'])
def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path, recipe: Recipe, mark: str | None):
    (tmp_path / "pond").mkdir()
    if mark:
        (tmp_path / "pond" / MARK).write_text(mark)
    with pytest.raises(UsageError, match=r"pond: is there already\. Choose a new folder with -o\."):
        fetch(recipe, tmp_path / "pond")


def test_another_checksum_is_told_with_both_sums_and_the_archive_is_kept(tmp_path: Path, recipe: Recipe, address: str):
    with pytest.raises(DownloadError) as caught:
        fetch(pond(address, sha256="0" * 64), tmp_path / "pond")
    part = tmp_path / "pond.zip.part"
    assert str(caught.value) == (
        f"{part}: SHA-256 is {recipe.sha256}, and the recipe says {'0' * 64}: not unpacked. "
        f"Load it again: rm {part}, then the same command."
    )
    assert caught.value.exit_code == 7
    assert part.stat().st_size == recipe.bytes
    assert not (tmp_path / "pond").exists()


def test_a_changed_set_of_another_size_is_not_loaded(tmp_path: Path, recipe: Recipe, archive: Path):
    pack(archive, ["pond/other.jpg"])
    with pytest.raises(DownloadError, match="it is another file"):
        fetch(recipe, tmp_path / "pond")
    assert names(tmp_path) == {"site/pond.zip"} | LOCK_FILES


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        (["../evil.jpg"], r"refused, nothing is unpacked: '\.\./evil\.jpg' would lie outside of the folder\."),
        (["pond/trainA/1.jpg"], r"holds no pictures in pond/trainB/: the set is another one by now\."),
        (["lake/trainA/1.jpg"], r"holds no pictures in pond/trainA/, pond/trainB/: the set"),
    ],
)
def test_an_archive_that_is_refused_leaves_no_folder(
    tmp_path: Path, address: str, archive: Path, inside: list[str], text: str
):
    pack(archive, inside)
    with pytest.raises(DataError, match=rf"pond\.zip\.part: {text}"):
        fetch(pond(address), tmp_path / "pond")
    assert names(tmp_path) == {"site/pond.zip", "pond.zip.part", "pond.zip.part.json"} | LOCK_FILES


def test_what_a_killed_process_has_half_unpacked_is_taken_away(tmp_path: Path, recipe: Recipe):
    (tmp_path / ".pond.i2i-unpacking/pond/trainA").mkdir(parents=True)
    (tmp_path / ".pond.i2i-unpacking/pond/trainA/half.jpg").touch()
    fetch(recipe, tmp_path / "pond")
    assert names(tmp_path) - LOCK_FILES == {
        "site/pond.zip", "pond/trainA/1.jpg", "pond/trainB/1.jpg", f"pond/{MARK}"
    }  # fmt: skip


def meanwhile(then: Callable[[], object]) -> Callable[[str], None]:
    """What to do while the archive is being unpacked, in the place of another process."""
    return lambda line: then() if line == "checking and unpacking." else None


def test_two_do_not_load_one_set_at_once(tmp_path: Path, recipe: Recipe):
    def other() -> None:
        with pytest.raises(LockedError) as caught:
            fetch(recipe, tmp_path / "other")
        assert str(caught.value) == f"{tmp_path / 'pond.zip.part'}: another process is loading it. Wait, or end it."

    fetch(recipe, tmp_path / "pond", say=meanwhile(other))


def test_two_sets_do_not_go_into_one_folder_at_once(tmp_path: Path, recipe: Recipe):
    (tmp_path / ".mine.i2i-unpacking").mkdir()

    def other() -> None:
        with pytest.raises(LockedError) as caught:
            fetch(replace(recipe, name="lake"), tmp_path / "mine")
        assert str(caught.value) == f"{tmp_path / 'mine'}: another process is loading it. Wait, or end it."
        assert (tmp_path / ".mine.i2i-unpacking").is_dir()

    fetch(recipe, tmp_path / "mine", say=meanwhile(other))
    assert fetch(recipe, tmp_path / "mine").name == "pond"


def test_a_lock_is_the_same_file_for_whoever_comes_later(tmp_path: Path, recipe: Recipe):
    fetch(recipe, tmp_path / "pond")
    before = {name: (tmp_path / name).stat().st_ino for name in LOCK_FILES}
    fetch(recipe, tmp_path / "other")
    assert (tmp_path / ".i2i-fetch/archive-pond.zip.part.lock").stat().st_ino in before.values()


def test_what_another_process_has_just_fetched_is_not_loaded_again(
    tmp_path: Path, recipe: Recipe, archive: Path, monkeypatch: pytest.MonkeyPatch
):
    locked = module._locked

    def late(path: Path, what: Path) -> FileLock:
        if path.name.startswith("archive"):
            monkeypatch.setattr(module, "_locked", locked)
            fetch(recipe, tmp_path / "pond")
            archive.unlink()
        return locked(path, what)

    monkeypatch.setattr(module, "_locked", late)
    assert fetch(recipe, tmp_path / "pond").files == 3


def test_all_is_on_the_disk_before_the_archive_goes(tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    synced, sync = set(), os.fsync

    def noted(handle: int) -> None:
        sync(handle)
        if (tmp_path / "pond.zip.part").exists():
            synced.add((os.fstat(handle).st_ino, (tmp_path / "pond").exists()))

    monkeypatch.setattr(os, "fsync", noted)
    fetch(recipe, tmp_path / "pond")
    inside = {path.stat().st_ino for path in [tmp_path / "pond", *(tmp_path / "pond").rglob("*")]}
    assert len(inside) == 6
    assert {(number, False) for number in inside} <= synced
    assert (tmp_path.stat().st_ino, True) in synced


def test_nothing_is_loaded_offline(tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("I2I_OFFLINE", "1")
    with pytest.raises(UsageError) as caught:
        fetch(recipe, tmp_path / "pond")
    assert str(caught.value) == (
        f"I2I_OFFLINE is set, and {recipe.address} would be loaded. Unset it for this command."
    )


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, recipe: Recipe):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file: nothing can be written here: .*\. Choose another folder with -o\."):
        fetch(recipe, tmp_path / "file/pond")
