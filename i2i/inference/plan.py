"""Which picture file becomes which: decided from names alone, before the first pixel is read."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from i2i.errors import UsageError
from i2i.images.formats import FORMAT_OF_SUFFIX, SUFFIXES, WRITTEN_AS

PRIVATE = ".i2i"  # folder in the output for the journal and unfinished files
STREAM = "-"


@dataclass(frozen=True)
class Selection:
    """Which files of the inputs are taken.

    `include` and `exclude` are patterns for a file's name or its path inside its folder. `shard` (i, n) takes the
    i-th of n parts of the plan, always the same files whichever others there are.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    symlinks: Literal["skip", "follow"] = "skip"
    shard: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Job:
    """One picture: where it is (`-`: standard input), where its translation goes, and both as a person knows them."""

    source: Path
    target: Path
    name_in: str
    name_out: str


@dataclass(frozen=True)
class Plan:
    """The jobs to do, in order; `everything` also holds those of other shards, whose names are taken.

    `folder` takes the outputs, the journal and the list of failures; it is None when one picture goes to one file or to
    standard output. `unlisted` are folders that cannot be read, with the reason; `links` counts links passed over.
    """

    jobs: tuple[Job, ...]
    folder: Path | None
    selection: Selection = Selection()
    unlisted: tuple[tuple[str, str], ...] = ()
    links: int = 0
    everything: tuple[Job, ...] = ()

    def as_png(self, job: Job) -> Job:
        """The same job with the name that its output gets where its own format cannot hold it.

        `a.gif` becomes `a.png`, or `a.gif.png` where another output has that name or could get it.
        """
        place = PurePosixPath(job.name_out)
        candidate = place.with_suffix(".png")
        if _same(candidate) in self._taken or self._stems[_same(place.with_suffix(""))] > 1:
            candidate = _free(place.with_name(f"{place.name}.png"), self._taken)
        return Job(job.source, job.target.with_name(candidate.name), job.name_in, candidate.as_posix())

    def has(self, place: PurePosixPath) -> bool:
        """Whether an output of the plan has that name."""
        return _same(place) in self._taken

    @cached_property
    def _taken(self) -> set[str]:
        return {_same(PurePosixPath(job.name_out)) for job in self.everything or self.jobs}

    @cached_property
    def _stems(self) -> Counter[str]:
        return Counter(_same(PurePosixPath(job.name_out).with_suffix("")) for job in self.everything or self.jobs)


def plan(
    inputs: Sequence[str | Path],
    output: Path,
    *,
    format: str | None = None,
    suffix: str = "",
    selection: Selection = Selection(),
    own: Callable[[], frozenset[str]] = frozenset,
    may_be_empty: bool = False,
) -> Plan:
    """Which file becomes which: folders are searched and mirrored, names and formats kept.

    An input is a file, a folder, a pattern (`photos/**/*.jpg`), `-` (standard input) or `@list` (a file with one
    input on each line, or between zero bytes). `format` is another suffix for all outputs (`.png`), `suffix` goes
    between name and format. Two inputs that would share an output, also where upper case or Unicode forms are not
    told apart, get names of their own. `own` gives the paths that i2i wrote into the output before: they are no inputs.
    Raises UsageError for inputs that do not exist, for no picture at all unless it `may_be_empty`, and where an output
    would be an input.
    """
    if set(suffix) & set("/\\\0"):
        raise UsageError(f"--suffix '{suffix}' is no part of a file name.", hint="Leave out the slash.")
    roots = list(_roots(inputs))
    if STREAM in {root.path for root in roots} or str(output) == STREAM:
        return _plan_of_one(roots, output, format, suffix, selection)
    for root in roots:
        _check_root(root, output, suffix)
    single = len(roots) == 1 and os.path.isfile(roots[0].path) and roots[0].named
    if single and output.suffix.lower() in SUFFIXES and not os.path.isdir(output):
        return _plan_of_one(roots, output, format, suffix, selection)
    if os.path.exists(output) and not os.path.isdir(output):
        raise UsageError("the output is a file and should be a folder.", where=output)
    search = _Search(selection, own() if any(_holds(root, output) for root in roots) else frozenset())
    files = list(search.files(roots))
    jobs = _name_outputs(files, output, format, suffix)
    if not jobs and not search.unlisted and not may_be_empty:
        _refuse_nothing(inputs, search.links)
    _refuse_to_replace_inputs(jobs)
    mine = tuple(job for job in jobs if in_shard(job.name_out, selection.shard))
    return Plan(mine, output, selection, tuple(search.unlisted), search.links, tuple(jobs))


def in_shard(name_out: str, shard: tuple[int, int]) -> bool:
    """Whether an output belongs to part i of n: by its name alone, so that other files do not move it."""
    number, count = shard
    digest = hashlib.blake2b(name_out.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count == number - 1


@dataclass(frozen=True)
class _Root:
    """An input as a person gave it. `base` is the folder that its place in the output counts from."""

    path: str
    base: str
    named: bool = True  # by name and not by a pattern or list


def _roots(inputs: Iterable[str | Path]) -> Iterator[_Root]:
    for given in map(str, inputs):
        if given == STREAM or os.path.lexists(given):
            yield _Root(given, _base(given))
        elif given.startswith("@"):
            yield from _listed(given[1:])
        elif glob.has_magic(given):
            yield from _matching(given)
        else:
            raise UsageError("this input does not exist.", where=given)


def _listed(path: str) -> Iterator[_Root]:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"this list cannot be read: {error.strerror}.", where=path) from error
    for line in content.split(b"\0") if b"\0" in content else content.splitlines():
        if line:
            entry = os.fsdecode(line)
            if not os.path.lexists(entry):
                raise UsageError("this input does not exist.", where=entry, hint=f"It is listed in {path}.")
            yield _Root(entry, _base(entry), named=False)


def _matching(pattern: str) -> Iterator[_Root]:
    parts = pattern.split("/")
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    base = "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else ".")
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise UsageError("nothing matches this pattern.", where=pattern)
    for path in found:
        if not os.path.isdir(path) or not pattern.endswith("**"):  # which also names each folder on the way
            yield _Root(path, base, named=False)


def _base(path: str) -> str:
    return path if os.path.isdir(path) else os.path.dirname(path) or "."


def _check_root(root: _Root, output: Path, suffix: str) -> None:
    if not suffix and _holds(root, output):
        same = os.path.realpath(output) == os.path.realpath(root.path)
        place = "is the input" if same else f"lies inside the input {root.path}"
        hint = "Give a folder outside of it, or --suffix."
        raise UsageError(f"the output {place}.", where=output, hint=hint)


def _holds(root: _Root, output: Path) -> bool:
    """Whether an input is a folder that is the output, or that the output lies in."""
    return os.path.isdir(root.path) and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(root.path))


def _plan_of_one(roots: Sequence[_Root], output: Path, format: str | None, suffix: str, selection: Selection) -> Plan:
    """One picture to one file or to standard output, without a journal."""
    to_stream = str(output) == STREAM
    if len(roots) != 1 or os.path.isdir(roots[0].path):
        raise UsageError("- stands for one picture, and goes with one picture.", hint="Leave out the other inputs.")
    if suffix or (format is not None and not to_stream):
        raise UsageError(f"{output} names a file.", hint="Leave out --format and --suffix, or give a folder.")
    if not to_stream and (os.path.isdir(output) or output.suffix.lower() not in FORMAT_OF_SUFFIX):
        raise UsageError("one picture needs the name of a picture file here.", where=output, hint="Such as -o out.png")
    source = Path(roots[0].path)
    target = output if not to_stream or format is None else Path(f"{STREAM}{format}")
    jobs = [Job(source, target, str(source), STREAM if to_stream else str(output))]
    if not to_stream:
        _refuse_to_replace_inputs(jobs)
        if os.path.exists(target) and os.path.exists(source) and target.samefile(source):
            raise UsageError("the output is the input under another name.", where=target, hint="Give another name.")
    return Plan(tuple(jobs), None, selection)


@dataclass
class _Search:
    """Finds the files of the inputs: each once, in a fixed order, whatever links there are."""

    selection: Selection
    own: frozenset[str]
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    links: int = 0
    real: RealPaths = field(default_factory=lambda: RealPaths())

    def files(self, roots: Sequence[_Root]) -> Iterator[tuple[str, str]]:
        """(file, its place in the output tree)."""
        seen: set[str] = set()
        for root in roots:
            found = self._walk(root.path) if os.path.isdir(root.path) else [root.path]
            for path in found:
                real = self.real(path)
                if real not in seen and real not in self.own:
                    seen.add(real)
                    yield path, _place(path, root.base)

    def _walk(self, top: str) -> Iterator[str]:
        """All picture files below a folder. Iterative: a tree may be deeper than Python's stack."""
        stack, visited = [top], set()
        while stack:
            folder = stack.pop()
            try:
                status = os.stat(folder)
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                self.unlisted.append((folder, f"this folder cannot be listed: {error.strerror}."))
                continue
            if (status.st_dev, status.st_ino) in visited:  # a link that leads back
                continue
            visited.add((status.st_dev, status.st_ino))
            folders = []
            for entry in entries:
                if entry.is_symlink() and self.selection.symlinks == "skip":
                    self.links += _is_picture(entry.name) or _is_folder(entry)
                elif _is_folder(entry):
                    if self.selection.recursive and entry.name != PRIVATE:
                        folders.append(entry.path)
                elif self._wanted(entry, top):
                    yield entry.path
            stack += reversed(folders)

    def _wanted(self, entry: os.DirEntry[str], top: str) -> bool:
        if not _is_picture(entry.name):
            return False
        include, exclude = self.selection.include, self.selection.exclude
        if not include and not exclude:
            return True
        names = (entry.name, os.path.relpath(entry.path, top))
        return (not include or _matches(names, include)) and not _matches(names, exclude)


def _place(path: str, base: str) -> str:
    """Where a file stands below the base; nothing leaves the output folder."""
    place = os.path.relpath(path, base)
    return os.path.basename(path) if place.startswith("..") else place


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("._")


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)


def _name_outputs(files: Sequence[tuple[str, str]], output: Path, format: str | None, suffix: str) -> list[Job]:
    plain = [_named(PurePosixPath(place), format, suffix) for _, place in files]
    keys = [_same(place) for place in plain]
    shared = Counter(keys)
    taken = {key for key, count in shared.items() if count == 1}
    jobs = []
    for (path, given), wanted, key in zip(files, plain, keys, strict=True):
        target = wanted
        if shared[key] > 1:
            place = PurePosixPath(given)
            if wanted.suffix.lower() != place.suffix.lower():
                target = place.with_name(f"{place.name}{suffix}{wanted.suffix}")
            target = _free(target, taken)
            taken.add(_same(target))
        jobs.append(Job(Path(path), output / target, path, target.as_posix()))
    return jobs


def _named(place: PurePosixPath, format: str | None, suffix: str) -> PurePosixPath:
    wanted = format or WRITTEN_AS.get(place.suffix.lower(), place.suffix)
    return place if wanted == place.suffix and not suffix else place.with_name(f"{place.stem}{suffix}{wanted}")


def _same(place: PurePosixPath) -> str:
    """Equal for two names that some file systems do not tell apart."""
    text = str(place)
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _free(target: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """The name, or the first of name-2, name-3 and so on that nobody has."""
    candidate, number = target, 1
    while _same(candidate) in taken:
        number += 1
        candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
    return candidate


def _refuse_nothing(inputs: Sequence[str | Path], links: int) -> None:
    hint = f"Known formats: {' '.join(sorted(SUFFIXES))}"
    if links:
        hint = f"{links} links were passed over: --symlinks follow takes them."
    raise UsageError("no pictures found.", where=", ".join(map(str, inputs)), hint=hint)


def _refuse_to_replace_inputs(jobs: Sequence[Job]) -> None:
    real = RealPaths()
    sources = {real(job.source) for job in jobs}
    for job in jobs:
        if real(job.target) in sources:
            hint = "Give another folder, or --suffix."
            raise UsageError("the output would replace an input.", where=job.target, hint=hint)


class RealPaths:
    """Real folder and own name of paths: the same for all ways to a file, and a link is not what it points to."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: str | Path) -> str:
        """See above."""
        folder, name = os.path.split(path)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)


def read_stream() -> bytes:
    """All of standard input. Raises UsageError where a person would have to type it."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("- reads a picture from standard input, and that is a terminal.", hint="Such as: < in.jpg")
    return sys.stdin.buffer.read()
