"""Where a finished picture goes: never over a file that is not ours, whole or not at all, and written down."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from i2i.errors import ImageError, NoRoomError, is_full
from i2i.images.atomic import replace_file, sync_folder, write_new
from i2i.images.files import FileContent
from i2i.inference.journal import Journal, Record
from i2i.inference.plan import STREAM, Job, Plan, RealPaths

Exists = Literal["skip", "overwrite", "error", "number"]
CHOICES = "Choose --exists overwrite or --exists number, or another folder."


@dataclass(frozen=True)
class Output:
    """Takes the finished pictures of a plan. `work` names model and options, as the journal keeps it.

    The journal is None when one picture goes to one file or to standard output.
    """

    plan: Plan
    journal: Journal | None
    exists: Exists
    work: str

    def cleared(self, job: Job) -> Job | None:
        """The job with the name that its output gets; None where it is done already.

        Raises ImageError where a file is in the way.
        """
        if self.journal is None:
            self._clear_single(job)
            return job
        if self.exists in ("skip", "number") and self.journal.finished(job.source, job.name_out, self.work):
            return None
        return self._clear(job, self.journal)

    def renamed_to_png(self, job: Job) -> Job:
        """The job as PNG, since the format of its name cannot hold it. Raises ImageError where a file is in the way."""
        as_png = self.plan.as_png(job)
        return as_png if self.journal is None else self._clear(as_png, self.journal)

    def store(self, job: Job, data: bytes, source: FileContent) -> None:
        """Write an output: onto the disk under a private name, then the journal, then the rename.

        Killed at any moment it leaves nothing that looks whole and is not, and nothing that the journal does not
        know. Raises ImageError, and NoRoomError when the disk is full.
        """
        try:
            if self.journal is not None:
                self._store(job, data, source, self.journal)
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

    def _store(self, job: Job, data: bytes, source: FileContent, journal: Journal) -> None:
        part = journal.parts / secrets.token_hex(8)
        try:
            write_new(part, data)
            status = part.stat()
            job.target.parent.mkdir(parents=True, exist_ok=True)
            record = Record(
                source=RealPaths()(job.source),
                source_size=source.size,
                source_mtime=source.mtime,
                source_sha256=source.sha256,
                work=self.work,
                out=job.name_out,
                size=status.st_size,
                mtime=status.st_mtime_ns,
                sha256=hashlib.sha256(data).hexdigest(),
            )
            if self.exists != "overwrite" and journal.owner(job.name_out) == "unknown":  # it came in the meantime
                raise self._in_the_way(job)
            journal.add(record)
            os.replace(part, job.target)
            sync_folder(job.target.parent)
        finally:
            part.unlink(missing_ok=True)

    def _clear_single(self, job: Job) -> None:
        if job.name_out == STREAM or not os.path.lexists(job.target) or self.exists == "overwrite":
            return
        raise ImageError("the output is there already.", where=job.target, hint="Choose --exists overwrite.")

    def _clear(self, job: Job, journal: Journal) -> Job:
        owner = journal.owner(job.name_out)
        if owner == "nobody" or self.exists == "overwrite":
            return job
        if self.exists == "number":
            return self._numbered(job, journal)
        if self.exists == "error":
            raise ImageError("the output is there already.", where=job.target, hint=CHOICES)
        if owner == "unknown":
            raise self._in_the_way(job)
        if owner.source != RealPaths()(job.source):
            what = f"the output of {owner.source} stands at {job.target}."
            raise ImageError(what, where=job.target, hint=CHOICES)
        return job

    def _in_the_way(self, job: Job) -> ImageError:
        what = f"a file that i2i did not write stands at {job.target}."
        return ImageError(what, where=job.target, hint=CHOICES)

    def _numbered(self, job: Job, journal: Journal) -> Job:
        """The first of name-2, name-3 and so on where nothing stands, or where this input's own output does."""
        place, number, own = PurePosixPath(job.name_out), 1, RealPaths()(job.source)
        candidate = place
        while not self._may_take(candidate, job, own, journal):
            number += 1
            candidate = place.with_name(f"{place.stem}-{number}{place.suffix}")
        return Job(job.source, job.target.with_name(candidate.name), job.name_in, candidate.as_posix())

    def _may_take(self, place: PurePosixPath, job: Job, own: str, journal: Journal) -> bool:
        if place.as_posix() != job.name_out and self.plan.has(place):
            return False
        owner = journal.owner(place.as_posix())
        return owner == "nobody" or (isinstance(owner, Record) and owner.source == own)

    def _full(self, job: Job, data: bytes) -> NoRoomError:
        hint = "Free space and run the same command again."
        if job.name_out == STREAM:
            return NoRoomError("disk full writing to standard output.", hint=hint)
        try:
            free = f", {shutil.disk_usage(self.plan.folder or job.target.parent).free / 1e6:.0f} MB free"
        except OSError:
            free = ""
        what = f"disk full writing {job.target} (needs {len(data) / 1e6:.0f} MB{free})."
        return NoRoomError(what, hint=hint)
