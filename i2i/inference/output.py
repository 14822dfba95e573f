"""Where a finished picture goes: never over a file that is not ours, whole or not at all, and written down."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePath, PurePosixPath
from threading import Lock
from typing import Literal, TypeVar

from i2i.errors import FREE_SPACE, ImageError, NoRoomError, is_full
from i2i.images.atomic import replace_file, sync_folder, write_new
from i2i.images.files import FileContent
from i2i.inference.inputs import STREAM
from i2i.inference.journal import Journal, Record
from i2i.inference.plan import Job, Plan

Exists = Literal["skip", "overwrite", "error", "number"]
CHOICES = "Choose --exists overwrite or --exists number, or another folder."


@dataclass(frozen=True)
class Output:
    """Takes the finished pictures of a plan. `work` names model and options, as the journal keeps it; the content of
    a picture's mask is a part of its work.

    The journal is None when one picture goes to one file or to standard output.
    """

    plan: Plan
    journal: Journal | None
    exists: Exists
    work: str
    claims: Claims = field(default_factory=lambda: Claims())

    def cleared(self, job: Job) -> Job | None:
        """The job with the name that its output gets; None where it is done already.

        Raises ImageError where a file is in the way.
        """
        if self.journal is None:
            return self._clear_single(job)
        if self.exists in ("skip", "number") and self.journal.finished(job.source, job.name_out, self.work_of(job)):
            return None
        return self._clear(job, self.journal)

    def renamed_to_png(self, job: Job) -> Job:
        """The job as PNG, since the format of its name cannot hold it. Raises ImageError where a file is in the way."""
        as_png = self.plan.as_png(job)
        return as_png if self.journal is None else self._clear(as_png, self.journal)

    def way(self, job: Job, source: FileContent) -> str:
        """The way that the picture took through the network when it was made before."""
        return "" if self.journal is None else self.journal.way(job.source, source.sha256, self.work_of(job))

    def work_of(self, job: Job) -> str:
        """All that the output of a job is made with, as the journal keeps it."""
        return f"{self.work} {job.mask_sha256}" if job.mask else self.work

    def store(self, job: Job, data: bytes, source: FileContent, way: str = "") -> None:
        """Write an output: onto the disk under a private name, then the journal, then the rename.

        Killed at any moment it leaves nothing that looks whole and is not, and nothing that the journal does not
        know. Raises ImageError, and NoRoomError when the disk is full.
        """
        try:
            if self.journal is not None:
                self._store(job, data, source, way, self.journal)
            elif job.name_out == STREAM:
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
            else:
                replace_file(job.target, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            if is_full(error):
                raise self._full(job, data) from error
            raise ImageError(f"cannot be written: {error.strerror or error}.", where=job.target) from error

    def _store(self, job: Job, data: bytes, source: FileContent, way: str, journal: Journal) -> None:
        part = journal.parts / secrets.token_hex(8)
        try:
            write_new(part, data)
            status = part.stat()
            job.target.parent.mkdir(parents=True, exist_ok=True)
            record = Record(
                source=journal.real(job.source),
                source_size=source.size,
                source_mtime=source.mtime,
                source_sha256=source.sha256,
                work=self.work_of(job),
                out=job.name_out,
                size=status.st_size,
                mtime=status.st_mtime_ns,
                sha256=hashlib.sha256(data).hexdigest(),
                way=way,
            )
            if self.exists != "overwrite" and journal.owner(job.name_out) == "unknown":  # it came in the meantime
                raise self._in_the_way(job)
            journal.add(record)
            os.replace(part, job.target)
            sync_folder(job.target.parent)
        finally:
            part.unlink(missing_ok=True)

    def _clear_single(self, job: Job) -> Job:
        if job.name_out == STREAM or not os.path.lexists(job.target) or self.exists == "overwrite":
            return job
        if self.exists == "number":
            target = next(place for place in _numbered(job.target) if not os.path.lexists(place))
            return replace(job, target=Path(target), name_out=str(target))
        hint = "Choose --exists overwrite or --exists number."
        raise ImageError("the output is there already.", where=job.target, hint=hint)

    def _clear(self, job: Job, journal: Journal) -> Job:
        if self.exists == "number":
            return self._first_free(job, journal)
        if self.plan.is_input(job.target):
            what = f"the output {job.target} would replace an input."
            raise ImageError(what, where=job.target, hint="Choose another folder, or --suffix.")
        own = journal.real(job.source)
        if not self.claims.take(job.name_out, own):
            raise self._of_another(job, self.claims.owner(job.name_out))
        owner = journal.owner(job.name_out)
        if owner == "nobody" or self.exists == "overwrite":
            return job
        if self.exists == "error":
            raise ImageError("the output is there already.", where=job.target, hint=CHOICES)
        if owner == "unknown":
            raise self._in_the_way(job)
        if owner.source != own:
            raise self._of_another(job, owner.source)
        return job

    def _of_another(self, job: Job, source: str) -> ImageError:
        return ImageError(f"the output of {source} stands at {job.target}.", where=job.target, hint=CHOICES)

    def _in_the_way(self, job: Job) -> ImageError:
        what = f"a file that i2i did not write stands at {job.target}."
        return ImageError(what, where=job.target, hint=CHOICES)

    def _first_free(self, job: Job, journal: Journal) -> Job:
        """The name, or the first of name-2, name-3 and so on that nobody has, or that this input's own output has."""
        own = journal.real(job.source)
        for place in _numbered(PurePosixPath(job.name_out)):
            target = job.target.with_name(place.name)
            if self._may_take(place, target, job, own, journal) and self.claims.take(place.as_posix(), own):
                return replace(job, target=target, name_out=place.as_posix())
        raise AssertionError("numbers do not end")

    def _may_take(self, place: PurePosixPath, target: Path, job: Job, own: str, journal: Journal) -> bool:
        if (place.as_posix() != job.name_out and self.plan.has(place)) or self.plan.is_input(target):
            return False
        owner = journal.owner(place.as_posix())
        return owner == "nobody" or (isinstance(owner, Record) and owner.source == own)

    def _full(self, job: Job, data: bytes) -> NoRoomError:
        if job.name_out == STREAM:
            return NoRoomError("disk full writing to standard output.", hint=FREE_SPACE)
        try:
            free = f", {shutil.disk_usage(self.plan.folder or job.target.parent).free / 1e6:.0f} MB free"
        except OSError:
            free = ""
        what = f"disk full writing {job.target} (needs {len(data) / 1e6:.0f} MB{free})."
        return NoRoomError(what, hint=FREE_SPACE)


class Claims:
    """Which input each name of this run is for: two that are worked on at once never get the same."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._lock = Lock()

    def take(self, name: str, source: str) -> bool:
        """Whether the name is for this input from now on."""
        with self._lock:
            return self._owners.setdefault(name, source) == source

    def owner(self, name: str) -> str:
        """The input that a name was taken for."""
        return self._owners[name]


P = TypeVar("P", bound=PurePath)


def _numbered(place: P) -> Iterator[P]:
    """The name, name-2, name-3 and so on."""
    yield place
    for number in count(2):
        yield place.with_name(f"{place.stem}-{number}{place.suffix}")
