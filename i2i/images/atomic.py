"""A file is written whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from i2i.errors import FREE_SPACE, NoRoomError, is_full


def replace_file(path: Path, data: bytes) -> None:
    """Write `data` to `path`: to a temporary name beside it, onto the disk, then renamed.

    A symbolic link stays a link, an existing file keeps its permissions, a failure leaves no partial file.
    Raises NoRoomError when the disk is full and OSError for everything else.
    """
    target = Path(os.path.realpath(path))
    part = target.parent / f".{secrets.token_hex(6)}.part"
    try:
        write_new(part, data, _mode(target))
        os.replace(part, target)
        sync_folder(target.parent)
    except OSError as error:
        if is_full(error):
            need = f"disk full, {len(data) / 1e6:.1f} MB needed."
            raise NoRoomError(need, where=path, hint=FREE_SPACE) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def _mode(target: Path) -> int | None:
    """Permissions of the file that will be replaced, if there is one."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        return None


def write_new(part: Path, data: bytes, mode: int | None = None) -> None:
    """Write a file that is not there yet, onto the disk. Raises OSError."""
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    if mode is not None:
        part.chmod(mode)


def sync_folder(folder: Path) -> None:
    """Names in a folder onto the disk, where that can be asked for."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
