"""Which pairs can be used: both pictures were read and have one aspect; label maps know no class that is not there."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from i2i.config.data import Derivation
from i2i.data.layouts import Domain, some_of
from i2i.data.paired_layouts import FoundPairs, LeftOut
from i2i.data.scan import MOST_THREADS, PATHS_OF_LISTS, Scan, ScannedPicture, not_read
from i2i.errors import DataError, ImageError
from i2i.images.labels import SAVE_AS, read_labels

Side = Literal["a", "b"]
Part = Literal["whole", "left", "right"]
HALVES: dict[Side, Part] = {"a": "left", "b": "right"}
NO_LABEL_MAP = "no label map"


@dataclass(frozen=True)
class UsablePair:
    """Two readable pictures that belong together; halves of one file have their own width."""

    a: ScannedPicture
    b: ScannedPicture

    def of(self, side: Side) -> ScannedPicture:
        """The one of a domain."""
        return self.a if side == "a" else self.b

    @property
    def content(self) -> str:
        """The same for pairs of the same bytes."""
        return hashlib.sha256((self.a.sha256 + self.b.sha256).encode()).hexdigest()

    @property
    def smaller(self) -> ScannedPicture:
        """The one with the shorter short side."""
        return min(self.a, self.b, key=lambda picture: picture.short_side)


@dataclass(frozen=True)
class UsablePairs:
    """What was found, what of it can be used, and all that is left out beside the unreadable files."""

    found: FoundPairs
    scans: tuple[Scan, ...]
    pairs: tuple[UsablePair, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def not_read(self) -> dict[str, list[str]]:
        """Missing and unreadable files: their names with their folders."""
        return not_read(zip(self.found.domains, self.scans, strict=True))

    @property
    def losses(self) -> list[str]:
        """What is left out, counted by reason: 2 without partner (trainA/x.jpg, trainB/y.jpg)."""
        reasons: dict[str, list[str]] = {}
        for why, what in self.left_out:
            reasons.setdefault(why, []).append(what)
        reasons |= self.not_read
        return [f"{len(names)} {why} ({some_of(names)})" for why, names in reasons.items()]

    def shown(self, pair: UsablePair) -> str:
        """The pair as a person reads it."""
        return self.found.shown(pair.a.name, pair.b.name)

    def without_bad_labels(self, labels: int, side: Side) -> UsablePairs:
        """Without the pairs whose label map, in that domain, is none.

        Raises DataError where one holds a class that is not below `labels`: then their number is wrong, not a file.
        """
        domain = self.found.a if side == "a" else self.found.b
        names = list(dict.fromkeys(pair.of(side).name for pair in self.pairs))
        part = HALVES[side] if self.found.layout == "side-by-side" else "whole"
        refused = _refused_labels(domain, names, part, labels)
        kept = tuple(pair for pair in self.pairs if pair.of(side).name not in refused)
        lost = [LeftOut(NO_LABEL_MAP, f"{domain.shown(name)}: {why.rstrip('.')}") for name, why in refused.items()]
        return replace(self, pairs=kept, left_out=(*self.left_out, *lost))


def usable_pairs(found: FoundPairs, scans: Sequence[Scan]) -> UsablePairs:
    """The pairs of which both pictures were read, without those of unequal aspect. `scans` are of `found.domains`."""
    a, b = ({picture.name: picture for picture in scan.pictures} for scan in (scans[0], scans[-1]))
    pairs, left_out = [], list(found.left_out)
    for name_a, name_b in found.pairs:
        if name_a not in a or name_b not in b:
            continue
        pair = UsablePair(a[name_a], b[name_b])
        if found.layout == "side-by-side":
            pair = _halved(pair)
        if pair.a.width == 0:
            left_out.append(LeftOut("too narrow to be halved", found.a.shown(name_a)))
        elif not _equal_aspects(pair.a, pair.b):
            left_out.append(LeftOut("of unequal aspect", f"{_sized(found.a, pair.a)} + {_sized(found.b, pair.b)}"))
        else:
            pairs.append(pair)
    return UsablePairs(found, tuple(scans), tuple(pairs), tuple(left_out))


def refuse_none(usable: UsablePairs, side: Side) -> None:
    """Raises DataError, which says what was found, where no pair can be used. `side` is the inputs'."""
    if usable.pairs:
        return
    found = usable.found
    counts = " + ".join(str(len(domain.names)) for domain in found.domains)
    roots = found.a.root, found.b.root
    beside = roots[0] != roots[1] and roots[0].parent == roots[1].parent
    where = roots[0].parent if beside else roots[0]
    losses = f": {', '.join(usable.losses)}" if usable.losses else ""
    raise DataError(f"no pair can be used of {counts} pictures{losses}.", where=where, hint=_remedy(usable, side))


def _remedy(usable: UsablePairs, side: Side) -> str | None:
    found = usable.found
    if not found.in_one_file and not found.pairs:
        return "Files pair by equal names but for the suffix, such as A/1.jpg and B/1.png."
    if any(why == NO_LABEL_MAP for why, _ in usable.left_out):
        if found.in_one_file:
            return f"{SAVE_AS} Beside photos in colour they need files of their own."
        other, direction = ("B", "b2a") if side == "a" else ("A", "a2b")
        return f"{SAVE_AS} Where {other} holds them: --direction {direction}."
    return PATHS_OF_LISTS if "missing" in usable.not_read else None


def duplicate_pairs(usable: UsablePairs) -> list[tuple[UsablePair, ...]]:
    """Pairs of the same bytes, group by group."""
    groups: dict[str, list[UsablePair]] = {}
    for pair in usable.pairs:
        groups.setdefault(pair.content, []).append(pair)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def part_of(whole: NDArray[Any], part: Part | Derivation) -> NDArray[Any]:
    """(H, W, ...) or a half of it, of one width with the other: of an odd one, the middle column is left out."""
    half = whole.shape[1] // 2
    match part:
        case "left":
            return np.ascontiguousarray(whole[:, :half])
        case "right":
            return np.ascontiguousarray(whole[:, whole.shape[1] - half :])
    return whole


def _halved(pair: UsablePair) -> UsablePair:
    half = replace(pair.a, width=pair.a.width // 2)
    return UsablePair(half, half)


def _equal_aspects(one: ScannedPicture, other: ScannedPicture) -> bool:
    """Whether the smaller one may be the larger one scaled and both sides rounded, down or to the nearest pixel."""
    large, small = sorted((one, other), key=lambda picture: -picture.width * picture.height)
    return abs(small.width * large.height - small.height * large.width) <= max(large.width, large.height)


def _sized(domain: Domain, picture: ScannedPicture) -> str:
    return f"{domain.shown(picture.name)} {picture.width}x{picture.height}"


def _refused_labels(domain: Domain, names: Sequence[str], part: Part, labels: int) -> dict[str, str]:
    """Files that are no label maps, with the reason. Raises DataError for classes that are not there."""
    with warnings.catch_warnings(), ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads:
        highest_classes = threads.map(lambda name: _highest_class(domain.root / name, part), names)
        found = list(zip(names, highest_classes, strict=True))
    beyond = [(highest, name) for name, highest in found if isinstance(highest, int) and highest >= labels]
    if beyond:
        first_class, first = beyond[0]
        wanted = max(highest for highest, _ in beyond) + 1
        so = f"so in {len(beyond)} of {len(names)} label maps"
        known = "class 0 alone is known" if labels == 1 else f"there are {labels} (0 to {labels - 1})"
        what = f"class {first_class}, but {known}; {so}."
        raise DataError(what, where=domain.shown(first), hint=f"Set method.labels={wanted}, or correct the files.")
    return {name: reason for name, reason in found if isinstance(reason, str)}


def _highest_class(path: Path, part: Part) -> int | str:
    try:
        return int(part_of(read_labels(path), part).max())
    except ImageError as error:
        return error.what
