"""A public data set from its address into a folder: loaded, checked, unpacked, and there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.data.archives import unpack
from i2i.data.download import Progress, Say, download, noted_beside
from i2i.data.recipes import Recipe
from i2i.errors import FREE_SPACE, DataError, DownloadError, LockedError, NoRoomError, UsageError, is_full
from i2i.images.atomic import replace_file

MARK = ".i2i-fetched.json"


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
    if before := fetched_before(recipe, folder):
        return before
    if os.path.lexists(folder):
        raise UsageError("is there already.", where=folder, hint="Choose a new folder with -o.")
    address = _open_address(recipe)
    part = folder.parent / f"{recipe.name}.{recipe.kind}.part"
    with _alone(part):
        download(address, part, expected_bytes=recipe.bytes, say=say, progress=progress)
        say("checking and unpacking.")
        digest = _checked(recipe, part)
        fetched = _unpacked(recipe, part, folder, digest)
        part.unlink()
        noted_beside(part).unlink(missing_ok=True)
    return fetched


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
def _alone(part: Path) -> Iterator[None]:
    """While inside, no other process loads or unpacks this archive. Raises LockedError, UsageError."""
    lock = FileLock(part.with_name(f".{part.name}.lock"))
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError("another process is loading it.", where=part, hint="Wait, or end it.") from None
    except OSError as error:
        what = f"nothing can be written here: {error.strerror or error}."
        raise UsageError(what, where=part.parent, hint="Choose another folder with -o.") from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


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
        os.rename(inside, folder)
    except OSError as error:
        if is_full(error):
            raise NoRoomError("disk full while unpacking.", where=folder, hint=FREE_SPACE) from error
        raise UsageError(f"cannot be written: {error.strerror or error}.", where=folder) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return fetched


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
