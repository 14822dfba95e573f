"""Which picture file becomes which: decided from names alone, before the first pixel is read."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from i2i.errors import UsageError
from i2i.images.formats import FORMAT_OF_SUFFIX, SUFFIXES, WRITTEN_AS
from i2i.inference.inputs import STREAM, RealPaths, Root, Search, Selection, roots_of


@dataclass(frozen=True)
class Job:
    """One picture: where it is (`-`: standard input), where its translation goes, and both as a person knows them.

    `place` is where it is below its input. `mask` is the file that marks its holes, with the SHA-256 of its content
    once that was read; `refusal` says why nothing can be done, where that is known from names alone.
    """

    source: Path
    target: Path
    name_in: str
    name_out: str
    place: str = ""
    mask: Path | None = None
    mask_sha256: str = ""
    refusal: str = ""


@dataclass(frozen=True)
class Plan:
    """The jobs to do, in order; `everything` also holds those of other shards, whose names are taken.

    `folder` takes the outputs, the journal and the list of failures; it is None when one picture goes to one file or to
    standard output. `unlisted` are folders that cannot be read, with the reason; `links` counts links passed over.
    """

    jobs: tuple[Job, ...]
    folder: Path | None
    selection: Selection = field(default_factory=Selection)
    unlisted: tuple[tuple[str, str], ...] = ()
    links: int = 0
    everything: tuple[Job, ...] = ()

    def as_png(self, job: Job) -> Job:
        """The same job with the name that its output gets where its own format cannot hold it.

        `a.gif` becomes `a.png`, or `a.gif.png` where another output has that name or could get it.
        """
        name = self._names_as_png[job.name_out]
        return replace(job, target=job.target.with_name(PurePosixPath(name).name), name_out=name)

    def has(self, place: PurePosixPath) -> bool:
        """Whether an output of the plan has that name."""
        return folded(place) in self._taken

    def is_input(self, path: Path) -> bool:
        """Whether a place is that of an input or mask, or of a file that an input is a link to."""
        return self._real(path) in self._inputs

    @cached_property
    def _taken(self) -> set[str]:
        return {folded(PurePosixPath(job.name_out)) for job in self.everything or self.jobs}

    @cached_property
    def _names_as_png(self) -> dict[str, str]:
        """Of all jobs at once, so that no two get the same."""
        places = [PurePosixPath(job.name_out) for job in self.everything or self.jobs]
        stems = Counter(folded(place.with_suffix("")) for place in places)
        taken, names = set(self._taken), {}
        for place in places:
            candidate = place.with_suffix(".png")
            if folded(candidate) in taken or stems[folded(place.with_suffix(""))] > 1:
                candidate = _free(place.with_name(f"{place.name}.png"), taken)
            taken.add(folded(candidate))
            names[place.as_posix()] = candidate.as_posix()
        return names

    @cached_property
    def _real(self) -> RealPaths:
        return RealPaths()

    @cached_property
    def _inputs(self) -> set[str]:
        jobs = self.everything or self.jobs
        return _real_inputs(jobs) | {self._real(job.mask) for job in jobs if job.mask}


def plan(
    inputs: Sequence[str | Path],
    output: Path,
    *,
    format: str | None = None,
    suffix: str = "",
    selection: Selection = Selection(),  # noqa: B008  frozen
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
    roots = list(roots_of(inputs, may_be_empty=may_be_empty))
    if _is_one(roots, output):
        return _plan_of_one(roots, output, format, suffix, selection)
    for root in roots:
        _check_root(root, output, suffix)
    if os.path.exists(output) and not os.path.isdir(output):
        raise UsageError("the output is a file and should be a folder.", where=output)
    search = Search(selection)
    files = list(search.files(roots))
    if any(_holds(root, output) for root in roots):
        written = own()  # after the search: what another process writes meanwhile stands in its journal before
        files = [file for file in files if search.real(file[0]) not in written]
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


def _check_root(root: Root, output: Path, suffix: str) -> None:
    if not suffix and _holds(root, output):
        same = os.path.realpath(output) == os.path.realpath(root.path)
        place = "is the input" if same else f"lies inside the input {root.path}"
        hint = "Give a folder outside of it, or --suffix."
        raise UsageError(f"the output {place}.", where=output, hint=hint)


def _holds(root: Root, output: Path) -> bool:
    """Whether an input is a folder that is the output, or that the output lies in."""
    return os.path.isdir(root.path) and Path(os.path.realpath(output)).is_relative_to(os.path.realpath(root.path))


def _is_one(roots: Sequence[Root], output: Path) -> bool:
    """Whether a stream takes part, or one file becomes one file."""
    if STREAM in {root.path for root in roots} or str(output) == STREAM:
        return True
    single = len(roots) == 1 and os.path.isfile(roots[0].path) and roots[0].named
    return single and output.suffix.lower() in SUFFIXES and not os.path.isdir(output)


def _plan_of_one(roots: Sequence[Root], output: Path, format: str | None, suffix: str, selection: Selection) -> Plan:
    """One picture to one file or to standard output, without a journal."""
    to_stream = str(output) == STREAM
    if len(roots) != 1 or os.path.isdir(roots[0].path):
        raise UsageError("- stands for one picture, and goes with one picture.", hint="Leave out the other inputs.")
    if selection.shard != (1, 1):
        raise UsageError("one picture has no parts.", hint="Leave out --shard.")
    if suffix or (format is not None and not to_stream):
        raise UsageError(f"{output} names a file.", hint="Leave out --format and --suffix, or give a folder.")
    if not to_stream and (os.path.isdir(output) or output.suffix.lower() not in FORMAT_OF_SUFFIX):
        raise UsageError("one picture needs the name of a picture file here.", where=output, hint="Such as -o out.png")
    source = Path(roots[0].path)
    target = output if not to_stream or format is None else Path(f"{STREAM}{format}")
    place = "" if str(source) == STREAM else source.name
    jobs = [Job(source, target, str(source), STREAM if to_stream else str(output), place)]
    if not to_stream:
        _refuse_to_replace_inputs(jobs)
        if os.path.exists(target) and os.path.exists(source) and target.samefile(source):
            raise UsageError("the output is the input under another name.", where=target, hint="Give another name.")
    return Plan(tuple(jobs), None, selection)


def _name_outputs(files: Sequence[tuple[str, str]], output: Path, format: str | None, suffix: str) -> list[Job]:
    plain = [_named(PurePosixPath(place), format, suffix) for _, place in files]
    keys = [folded(place) for place in plain]
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
            taken.add(folded(target))
        jobs.append(Job(Path(path), output / target, path, target.as_posix(), given))
    return jobs


def _named(place: PurePosixPath, format: str | None, suffix: str) -> PurePosixPath:
    wanted = format or WRITTEN_AS.get(place.suffix.lower(), place.suffix)
    return place if wanted == place.suffix and not suffix else place.with_name(f"{place.stem}{suffix}{wanted}")


def folded(place: PurePosixPath) -> str:
    """Equal for two names that some file systems do not tell apart."""
    text = str(place)
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def _free(target: PurePosixPath, taken: set[str]) -> PurePosixPath:
    """The name, or the first of name-2, name-3 and so on that nobody has."""
    candidate, number = target, 1
    while folded(candidate) in taken:
        number += 1
        candidate = target.with_name(f"{target.stem}-{number}{target.suffix}")
    return candidate


def _refuse_nothing(inputs: Sequence[str | Path], links: int) -> None:
    hint = f"Known formats: {' '.join(sorted(SUFFIXES))}"
    if links:
        hint = f"{links} links were passed over: --symlinks follow takes them."
    raise UsageError("no pictures found.", where=", ".join(map(str, inputs)), hint=hint)


def _real_inputs(jobs: Sequence[Job]) -> set[str]:
    """Real paths of all inputs: of links both their own and that of the file they lead to."""
    real = RealPaths()
    return {path for job in jobs for path in (real(job.source), *_behind_link(job.source))}


def _behind_link(path: Path) -> tuple[str, ...]:
    return (os.path.realpath(path),) if os.path.islink(path) else ()


def _refuse_to_replace_inputs(jobs: Sequence[Job]) -> None:
    real, inputs = RealPaths(), _real_inputs(jobs)
    for job in jobs:
        if real(job.target) in inputs:
            hint = "Give another folder, or --suffix."
            raise UsageError("the output would replace an input.", where=job.target, hint=hint)
