"""Mask files: which belongs to which picture, decided from names alone, and what is in them. H x W, true = hole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from i2i.errors import ImageError, UsageError
from i2i.images.files import FileContent, read_content
from i2i.images.limits import Limits
from i2i.images.masks import Mask, decode_mask, read_mask
from i2i.inference.inputs import STREAM, RealPaths, Search, Selection, roots_of
from i2i.inference.plan import Job, Plan, folded

Found = dict[str, list[Path]]  # place in the folder of masks, without suffix -> the masks there


def with_masks(plan: Plan, masks: Path, *, limits: Limits = Limits(), may_be_empty: bool = False) -> Plan:  # noqa: B008
    """The plan with a mask for each job: the file `masks` for all, or of the folder the one of the job's place.

    `trip/a.jpg` has `trip/a.jpg.png` or `trip/a.png`, or one of these names at the top where no other picture is
    called so; names count as equal that some file systems do not tell apart, where no two masks share them. Masks
    that lie among the inputs are no inputs. A job without a mask is refused when it is its turn. Raises UsageError
    for masks that are not there, for two of one name, where no picture has one unless it `may_be_empty`, where an
    output would be a mask, and for one mask for all that cannot be read within the limits, unless it `may_be_empty`.
    """
    if not os.path.exists(masks):
        hint = "Give a mask file, or a folder with a mask for each picture."
        raise UsageError("this mask does not exist.", where=masks, hint=hint)
    everything = plan.everything or plan.jobs
    if masks.is_dir():
        _refuse_for_folder(plan, masks)
        search = Search(Selection(symlinks=plan.selection.symlinks))
        found = _found(masks, search)
        pictures = _others(everything, [path for paths in found.values() for path in paths])
        assigned = _assigned(pictures, found, masks)
        unlisted = tuple(dict.fromkeys((*plan.unlisted, *search.unlisted)))
        plan = replace(plan, unlisted=unlisted, links=plan.links + search.links)
    else:
        if not may_be_empty:
            _refuse_unreadable(masks, limits)
        assigned = {job: replace(job, mask=masks) for job in _others(everything, [masks])}
    if not may_be_empty and not plan.unlisted and not any(job.mask for job in assigned.values()):
        raise _nothing(bool(assigned), plan.links, masks)
    mine = tuple(assigned[job] for job in plan.jobs if job in assigned)
    made = replace(plan, jobs=mine, everything=tuple(assigned.values()) if plan.everything else ())
    _refuse_to_replace_masks(made)
    return made


@dataclass(frozen=True, eq=False)
class MaskFile:
    """A mask file as it was at one moment; it is decoded when that is needed, and once."""

    path: Path
    content: FileContent
    limits: Limits

    @cached_property
    def hole(self) -> Mask:
        """(H, W), upright. Raises ImageError that names the file."""
        try:
            return decode_mask(self.content.data, self.limits)
        except ImageError as error:
            raise named(self.path, error) from error


class MaskReader:
    """Reads the masks of jobs, for several threads; one that pictures share is read and decoded once while it stays
    the same."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._last: MaskFile | None = None

    def __call__(self, job: Job) -> tuple[Job, MaskFile | None]:
        """The job that knows its mask's content, and this. Raises ImageError where it is refused or cannot be read."""
        if job.refusal:
            raise ImageError(job.refusal)
        if job.mask is None:
            return job, None
        try:
            file = self._read(job.mask)
        except ImageError as error:
            raise named(job.mask, error) from error
        return replace(job, mask_sha256=file.content.sha256), file

    def _read(self, path: Path) -> MaskFile:
        last = self._last
        if last is None or last.path != path or not _is_unchanged(last):
            last = self._last = MaskFile(path, read_content(path, self.limits), self.limits)
        return last


def _is_unchanged(file: MaskFile) -> bool:
    try:
        status = os.stat(file.path)
    except OSError:  # reading it will say why
        return False
    return (status.st_mtime_ns, status.st_size) == (file.content.mtime, file.content.size)


def named(path: Path, error: ImageError) -> ImageError:
    """The error of a mask as one of its picture."""
    return ImageError(f"its mask {path}: {error.what}", hint=error.hint)


def _refuse_unreadable(mask: Path, limits: Limits) -> None:
    try:
        read_mask(mask, limits)
    except ImageError as error:
        raise UsageError(error.what, where=mask, hint=error.hint) from error


def _found(masks: Path, search: Search) -> Found:
    """All masks of a folder. Raises UsageError where two have one name."""
    found: Found = {}
    for path, place in search.files(list(roots_of([masks], may_be_empty=True))):
        found.setdefault(_without_suffix(place), []).append(Path(path))
    for place, paths in found.items():
        if len(paths) > 1:
            names = " and ".join(path.name for path in paths[:2])
            raise UsageError(f"two masks are named {place}: {names}.", where=masks, hint="Leave one of them.")
    return found


def _without_suffix(place: str) -> str:
    return str(PurePosixPath(place).with_suffix("")) if place else ""


def _name(place: str) -> str:
    return PurePosixPath(place).name


# What a mask of a picture may be called, the surest first.
NAMES: tuple[Callable[[str], str], ...] = (
    lambda place: place,
    _without_suffix,
    _name,
    lambda place: _without_suffix(_name(place)),
)


def _assigned(jobs: Sequence[Job], found: Found, masks: Path) -> dict[Job, Job]:
    """Each job with its mask, or refused, in the same order. A name that several pictures are left with is nobody's."""
    alike: Found = {}
    for place, paths in found.items():
        alike.setdefault(folded(PurePosixPath(place)), []).extend(paths)
    taken: dict[Job, Path] = {}
    doubts: dict[Job, str] = {}
    for name_of in NAMES:
        for among, written in ((found, str), (alike, folded)):
            names = {job: written(PurePosixPath(name_of(job.place))) for job in jobs if job not in taken}
            counts, gone = Counter(names.values()), set(taken.values())
            for job, name in names.items():
                paths = [path for path in among.get(name, ()) if path not in gone]
                if len(paths) == 1 and counts[name] == 1:
                    taken[job] = paths[0]
                elif paths and job not in doubts:
                    doubts[job] = _doubt(job, name_of(job.place), paths, counts[name], masks)
    missing = {job: f"has no mask: there is no {masks / _without_suffix(job.place)} of any format." for job in jobs}
    refusals = missing | doubts
    return {job: replace(job, mask=taken[job]) if job in taken else replace(job, refusal=refusals[job]) for job in jobs}


def _doubt(job: Job, name: str, paths: Sequence[Path], pictures: int, masks: Path) -> str:
    own = _without_suffix(job.place)
    if len(paths) > 1:
        return f"its mask may be {paths[0]} or {paths[1]}: put it at {masks / own}{paths[0].suffix}."
    place = f"{masks / (job.place if name in (own, job.place) else own)}{paths[0].suffix}"
    return f"its mask may be {paths[0]}, but {pictures} pictures are named {name}: put theirs at {place} and so on."


def _others(jobs: Sequence[Job], masks: Sequence[Path]) -> list[Job]:
    """The jobs whose input is not itself a mask."""
    real = RealPaths()
    taken = {real(path) for path in masks}
    return [job for job in jobs if real(job.source) not in taken]


def _nothing(any_picture: bool, links: int, masks: Path) -> UsageError:
    if any_picture and links:
        hint = f"{links} links were passed over: --symlinks follow takes them."
    else:
        hint = "Masks are named as their pictures: a.png for a.jpg."
    return UsageError(
        "no picture has a mask here." if any_picture else "all of the pictures are masks.", where=masks, hint=hint
    )


def _refuse_for_folder(plan: Plan, masks: Path) -> None:
    """Raises UsageError for what does not go with a folder of masks."""
    if any(str(job.source) == STREAM for job in plan.jobs):
        what = "a picture from standard input has no name that a mask in a folder could share."
        raise UsageError(what, where=masks, hint="Give a mask file.")
    if plan.folder is not None and Path(os.path.realpath(plan.folder)).is_relative_to(os.path.realpath(masks)):
        hint = "Give a folder outside of it."
        raise UsageError("the output lies in the folder of the masks.", where=plan.folder, hint=hint)


def _refuse_to_replace_masks(plan: Plan) -> None:
    real = RealPaths()
    masks = {real(job.mask) for job in plan.everything or plan.jobs if job.mask}
    for job in plan.jobs:
        if real(job.target) in masks:
            raise UsageError("the output would replace a mask.", where=job.target, hint="Give another name or folder.")
