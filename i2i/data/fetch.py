"""A public data set from its address into a folder: loaded, checked, unpacked, and there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.data.archives import unpack
from i2i.data.download import Progress, Say, download, noted_beside
from i2i.data.recipes import Recipe
from i2i.errors import FREE_SPACE, DataError, DownloadError, LockedError, NoRoomError, UsageError, is_full
from i2i.images.atomic import replace_file, sync_folder

MARK = ".i2i-fetched.json"
LOCKS = ".i2i-fetch"  # beside the folder
SYNCS = 16  # files at a time, which disks write as quickly as one
BATCH = 100  # files


@dataclass(frozen=True)
class Fetched:
    """What lies in the folder: the set's name and address, bytes and SHA-256 of its archive, the files that it held."""

    name: str
    address: str
    bytes: int
    sha256: str
    files: int


def fetch(
    recipe: Recipe,
    folder: Path,
    *,
    say: Say = lambda line: None,
    progress: Progress = lambda done, total: None,
) -> Fetched:
    """Put the set of `recipe` into the new folder; an archive that is not yet whole lies beside it as NAME.KIND.part.

    Where the same set has been fetched into the folder before, nothing is done. Raises UsageError for a folder that is
    in use, a set without an open download, or I2I_OFFLINE=1; DownloadError; DataError for an archive that is refused,
    damaged or holds something else; NoRoomError; LockedError.
    """
    if before := _before(recipe, folder):
        return before
    address = _open_address(recipe)
    part = folder.parent / f"{recipe.name}.{recipe.kind}.part"
    with _alone(part, folder):
        if before := _before(recipe, folder):  # until now others may have written
            return before
        download(address, part, expected_bytes=recipe.bytes, say=say, progress=progress)
        say("checking and unpacking.")
        digest = _checked(recipe, part)
        fetched = _unpacked(recipe, part, folder, digest)
        part.unlink()
        noted_beside(part).unlink(missing_ok=True)
    return fetched


def _before(recipe: Recipe, folder: Path) -> Fetched | None:
    before = fetched_before(recipe, folder)
    if before is None and os.path.lexists(folder):
        raise UsageError("is there already.", where=folder, hint="Choose a new folder with -o.")
    return before


def fetched_before(recipe: Recipe, folder: Path) -> Fetched | None:
    """What an earlier fetch of the same set has put there; None where something else or nothing is."""
    try:
        found = Fetched(**json.loads((folder / MARK).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.name == recipe.name and found.sha256 == (recipe.sha256 or found.sha256) else None


def _open_address(recipe: Recipe) -> str:
    if recipe.address is None:
        what = f"{recipe.name} has no open download."
        raise UsageError(what, hint=f"Register at {recipe.page} and load it from there.")
    if os.environ.get("I2I_OFFLINE", "0") not in ("", "0"):
        raise UsageError(
            f"I2I_OFFLINE is set, and {recipe.address} would be loaded.", hint="Unset it for this command."
        )
    return recipe.address


@contextmanager
def _alone(part: Path, folder: Path) -> Iterator[None]:
    """While inside, no other process loads this archive or unpacks into this folder. Raises LockedError, UsageError.

    The lock files stay: a process that has just opened one would lock nothing if it were taken away.
    """
    locks = folder.parent / LOCKS
    with ExitStack() as held:
        try:
            locks.mkdir(parents=True, exist_ok=True)
            held.callback(_locked(locks / f"archive-{part.name}.lock", part).release)
            held.callback(_locked(locks / f"folder-{folder.name}.lock", folder).release)
        except OSError as error:
            what = f"nothing can be written here: {error.strerror or error}."
            raise UsageError(what, where=folder.parent, hint="Choose another folder with -o.") from error
        yield


def _locked(path: Path, what: Path) -> FileLock:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError("another process is loading it.", where=what, hint="Wait, or end it.") from None
    return lock


def _checked(recipe: Recipe, part: Path) -> str:
    """The SHA-256 of the archive. Raises DownloadError where the recipe has another; the archive is kept."""
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if recipe.sha256 and digest != recipe.sha256:
        what = f"SHA-256 is {digest}, and the recipe says {recipe.sha256}: not unpacked."
        hint = f"Load it again: rm {shlex.quote(str(part))}, then the same command."
        raise DownloadError(what, where=part, hint=hint)
    return digest


def _unpacked(recipe: Recipe, part: Path, folder: Path, digest: str) -> Fetched:
    """Unpack beside the folder, and rename when all of it is there."""
    beside = folder.parent / f".{folder.name}.i2i-unpacking"
    shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed: the lock is ours
    try:
        beside.mkdir()
        files = unpack(part, recipe.kind, beside)
        inside = beside / recipe.name
        _refuse_other_layout(recipe, inside, part)
        fetched = Fetched(recipe.name, recipe.address or "", part.stat().st_size, digest, files)
        replace_file(inside / MARK, json.dumps(asdict(fetched)).encode())
        _sync(inside)
        os.rename(inside, folder)
        sync_folder(folder.parent)
    except OSError as error:
        if is_full(error):
            raise NoRoomError("disk full while unpacking.", where=folder, hint=FREE_SPACE) from error
        raise UsageError(f"cannot be written: {error.strerror or error}.", where=folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return fetched


def _sync(folder: Path) -> None:
    """All that is in the folder onto the disk, before the archive goes. Raises OSError."""
    walked = list(os.walk(folder))
    files = [os.path.join(place, name) for place, _, names in walked for name in names]
    batches = [files[start : start + BATCH] for start in range(0, len(files), BATCH)]
    with ThreadPoolExecutor(SYNCS) as threads:
        list(threads.map(_sync_files, batches))
    for place, _, _ in walked:
        sync_folder(Path(place))


def _sync_files(paths: list[str]) -> None:
    for path in paths:
        with open(path, "r+b") as file:
            os.fsync(file.fileno())


def _refuse_other_layout(recipe: Recipe, inside: Path, part: Path) -> None:
    missing = [name for name in recipe.layout if not _has_files(inside / name)]
    if missing:
        lacks = ", ".join(f"{recipe.name}/{name}/" for name in missing)
        raise DataError(f"holds no pictures in {lacks}: the set is another one by now.", where=part)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.iterdir())


def as_json(fetched: Fetched, folder: Path, *, there_already: bool) -> dict[str, Any]:
    """What --json tells."""
    return {"folder": str(folder), "there_already": there_already, **asdict(fetched)}
