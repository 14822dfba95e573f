"""Many picture files: planned before the first pixel, one bad file passed over and named, counted at the end."""

from __future__ import annotations

import json
import os
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from i2i.errors import ImageError, UsageError
from i2i.images.atomic import replace_file
from i2i.images.files import SUFFIXES, format_of, read, write
from i2i.images.picture import Picture

Exists = Literal["error", "skip", "overwrite"]
FAILURES = "i2i-errors.jsonl"


@dataclass(frozen=True)
class Job:
    """One picture: where it is, where its translation goes, and both as they are named to a person."""

    source: Path
    target: Path
    name_in: str
    name_out: str


@dataclass(frozen=True)
class Plan:
    """All jobs, in order; `folder` takes the list of failures and is None when one file goes to one file."""

    jobs: tuple[Job, ...]
    folder: Path | None


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    status: Literal["ok", "skipped", "failed"]
    reason: str = ""
    milliseconds: int = 0
    size: tuple[int, int] | None = None

    def as_json(self) -> dict[str, Any]:
        """The event that `--json` prints."""
        event: dict[str, Any] = {"event": "file", "in": self.job.name_in, "out": self.job.name_out}
        event |= {"status": self.status, "ms": self.milliseconds}
        if self.size:
            event["size"] = list(self.size)
        if self.reason:
            event["error"] = self.reason
        return event


@dataclass(frozen=True)
class Summary:
    """Counts of a finished batch, and the failures with their reasons."""

    ok: int
    skipped: int
    failures: tuple[Outcome, ...]

    @property
    def exit_code(self) -> int:
        """0 when all is done, 3 when something failed."""
        return 3 if self.failures else 0

    def as_json(self) -> dict[str, Any]:
        """The last event that `--json` prints."""
        failed = len(self.failures)
        event = {"event": "summary", "ok": self.ok, "skipped": self.skipped, "failed": failed}
        return event | {"exit": self.exit_code, "schema": 1}


def plan(inputs: Sequence[Path], output: Path, *, format: str | None = None, suffix: str = "") -> Plan:
    """Which file becomes which: folders are searched to the bottom and mirrored, names and formats kept.

    `format` is another suffix for all outputs (`.png`), `suffix` goes between name and format. Two inputs that would
    share an output, also where upper case or Unicode forms are not told apart, get names of their own.
    Raises UsageError for inputs that do not exist, for no picture at all, and where an output would be an input.
    """
    if set(suffix) & set("/\\\0"):
        raise UsageError(f"--suffix '{suffix}' is no part of a file name.", hint="Leave out the slash.")
    for path in inputs:
        _check_input(path, output)
    if len(inputs) == 1 and inputs[0].is_file() and output.suffix.lower() in SUFFIXES and not output.is_dir():
        if format is not None or suffix:
            raise UsageError(f"{output} names a file.", hint="Leave out --format and --suffix, or give a folder.")
        jobs = [Job(inputs[0], output, str(inputs[0]), str(output))]
        folder = None
    else:
        if output.exists() and not output.is_dir():
            raise UsageError("the output is a file and should be a folder.", where=output)
        jobs = _name_outputs(list(_pictures(inputs)), output, format, suffix)
        folder = output
    if not jobs:
        known = " ".join(sorted(SUFFIXES))
        raise UsageError("no pictures found.", where=", ".join(map(str, inputs)), hint=f"Known formats: {known}")
    _refuse_to_replace_inputs(jobs)
    return Plan(tuple(jobs), folder)


def translate_files(
    plan: Plan,
    translate: Callable[[Picture], Picture],
    *,
    exists: Exists = "error",
    quality: int = 95,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> Summary:
    """Read, translate and write every picture of a plan; `report` hears of each one as it is done.

    What fails is passed over and listed in `i2i-errors.jsonl` in the output folder, which holds the failures of the
    last batch only. Raises NoRoomError when the disk is full.
    """
    counts: Counter[str] = Counter()
    failures: list[Outcome] = []
    try:
        for job in plan.jobs:
            outcome = _do(job, translate, exists, quality)
            counts[outcome.status] += 1
            if outcome.status == "failed":
                failures.append(outcome)
            report(outcome)
    finally:
        _list_failures(plan, failures)
    return Summary(counts["ok"], counts["skipped"], tuple(failures))


def _do(job: Job, translate: Callable[[Picture], Picture], exists: Exists, quality: int) -> Outcome:
    start = time.perf_counter()
    try:
        format_of(job.target)
        if job.target.exists() and exists != "overwrite":
            if exists == "skip":
                return Outcome(job, "skipped")
            raise ImageError("the output is there already.", hint="Choose --exists skip or --exists overwrite.")
        picture = translate(read(job.source))
        _make_folder(job.target.parent)
        write(picture, job.target, quality=quality)
    except ImageError as error:
        reason = f"{error.what} {error.hint}" if error.hint else error.what
        return Outcome(job, "failed", reason, _milliseconds(start))
    return Outcome(job, "ok", "", _milliseconds(start), (picture.width, picture.height))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"cannot make the folder {folder}: {error.strerror}.", where=folder) from error


def _milliseconds(start: float) -> int:
    return round(1000 * (time.perf_counter() - start))


def _check_input(path: Path, output: Path) -> None:
    if not path.exists():
        raise UsageError("this input does not exist.", where=path)
    if path.is_dir() and output.resolve().is_relative_to(path.resolve()):
        place = "is the input" if output.resolve() == path.resolve() else f"lies inside the input {path}"
        raise UsageError(f"the output {place}.", where=output, hint="Give a folder outside of it.")


def _pictures(inputs: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """(file, its place in the output tree), each file once, in a fixed order; links to folders are not followed."""
    seen: set[Path] = set()
    for path in inputs:
        files = _walk(path) if path.is_dir() else [path]
        for file in files:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, file.relative_to(path) if path.is_dir() else Path(file.name)


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders.sort()
        for name in sorted(names):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("._"):
                yield Path(place, name)


def _refuse_folder(error: OSError) -> None:
    raise UsageError(f"this folder cannot be listed: {error.strerror}.", where=error.filename) from error


def _name_outputs(files: Sequence[tuple[Path, Path]], output: Path, format: str | None, suffix: str) -> list[Job]:
    plain = [place.with_name(f"{place.stem}{suffix}{format or place.suffix}") for _, place in files]
    shared = Counter(_same(place) for place in plain)
    taken = {name for name, count in shared.items() if count == 1}
    jobs = []
    for (file, place), wanted in zip(files, plain, strict=True):
        target = wanted
        if shared[_same(wanted)] > 1:
            if format is not None and place.suffix.lower() != format:
                target = place.with_name(f"{place.name}{suffix}{format}")
            target = _free(target, taken)
            taken.add(_same(target))
        jobs.append(Job(file, output / target, str(file), target.as_posix()))
    return jobs


def _same(place: Path) -> str:
    """Equal for two names that some file systems do not tell apart."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", place.as_posix()).casefold())


def _free(target: Path, taken: set[str]) -> Path:
    """The name, or the first of name-2, name-3 and so on that nobody has."""
    candidate, number = target, 1
    while _same(candidate) in taken:
        number += 1
        candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
    return candidate


def _refuse_to_replace_inputs(jobs: Sequence[Job]) -> None:
    sources = {job.source.resolve() for job in jobs}
    for job in jobs:
        if job.target.resolve() in sources:
            hint = "Give another folder, or --suffix."
            raise UsageError("the output would replace an input.", where=job.target, hint=hint)


def _list_failures(plan: Plan, failures: Sequence[Outcome]) -> None:
    if plan.folder is None:
        return
    path = plan.folder / FAILURES
    if failures:
        _make_folder(plan.folder)
        lines = [json.dumps({"in": failure.job.name_in, "error": failure.reason}) for failure in failures]
        replace_file(path, "".join(f"{line}\n" for line in lines).encode())
    else:
        path.unlink(missing_ok=True)
