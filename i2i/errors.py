"""What a person or a file can cause, each with its exit code.

I2IError
├── UsageError        2   refused before work began: arguments, configuration, folders
│   └── ConfigError   2   a setting is unknown, of the wrong type or out of range
├── DataError         2   the training pictures are missing, too few or too small
├── ImageError        3   one picture cannot be read, translated or written
│   └── NoMemoryError 5   one picture needs more memory than there is, in the smallest blocks too
├── TrainingError     4   training stopped: non-finite values
├── NoRoomError       5   no room on disk or in memory
├── ModelError        6   a model file or checkpoint is damaged, unsafe or unknown
├── DownloadError     7   the network, a server or a checksum says no; what was loaded is kept
├── LockedError       8   another process works on this folder
└── StoppedError      9   stopped on request before the end, state saved (130 by SIGINT, 143 by SIGTERM)
"""

from __future__ import annotations

import errno
from os import PathLike
from unicodedata import category

FREE_SPACE = "Free space and run the same command again."


class I2IError(Exception):
    """What happened, where, and what to do: one line for a person.

    `where` is a file, folder or setting and stands first; `hint` is the next step and stands last.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | PathLike[str] | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        place = f"{where}: " if where is not None else ""
        advice = f" {hint}" if hint else ""
        super().__init__(f"{place}{what}{advice}")


class UsageError(I2IError):
    """Refused before work began."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type or out of range."""


class DataError(I2IError):
    """The training pictures are missing, too few or too small."""

    exit_code = 2


class ImageError(I2IError):
    """One picture cannot be read, translated or written."""

    exit_code = 3


class NoMemoryError(ImageError):
    """One picture needs more memory than there is, in the smallest blocks too; others may need less."""

    exit_code = 5


class TrainingError(I2IError):
    """Training stopped on non-finite values; the last good checkpoint is kept."""

    exit_code = 4


class NoRoomError(I2IError):
    """No room on disk, in memory or on the device."""

    exit_code = 5


class ModelError(I2IError):
    """A model file or checkpoint is damaged, unsafe or unknown."""

    exit_code = 6


class DownloadError(I2IError):
    """The network, a server or a checksum says no; what was loaded is kept."""

    exit_code = 7


class LockedError(I2IError):
    """Another process works on this run or output folder."""

    exit_code = 8


class StoppedError(I2IError):
    """Stopped on request before the end, by a time limit or a signal; the state is saved."""

    exit_code = 9

    def __init__(self, what: str, *, hint: str | None = None, exit_code: int = exit_code) -> None:
        super().__init__(what, hint=hint)
        self.exit_code = exit_code


def is_full(error: OSError) -> bool:
    """Whether there is no room left on the disk, for anybody, this person or a file so large."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def printable(text: str) -> str:
    """The text on one line: control characters, line ends and lone surrogates of file names are escaped."""
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else character
        for character in text
    )
