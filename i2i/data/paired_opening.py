"""From settings to pairs: find them, scan them, hold some out, and say what there is and what is left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from i2i.config.data import DERIVED, PairedConfig, PairLayout
from i2i.data.batches import Paired
from i2i.data.holdout import automatic_share, hold_out, share_or_folder
from i2i.data.opening import changed_line
from i2i.data.paired import PairedPictures, View
from i2i.data.paired_layouts import FoundPairs, find_role_pairs, find_training_pairs, find_validation_pairs
from i2i.data.paired_scan import (
    HALVES,
    Side,
    UsablePair,
    UsablePairs,
    duplicate_pairs,
    refuse_none,
    usable_pairs,
)
from i2i.data.scan import Progress, Scan, Scans, scan_all
from i2i.errors import ConfigError, DataError

Direction = Literal["a2b", "b2a"]
KINDS: dict[PairLayout, str] = {
    "folders": "pairs",
    "csv": "pairs of a CSV",
    "side-by-side": "side-by-side pairs",
    "colorize": "photos and their gray versions",
    "edges": "photos and drawings of them",
    "degrade": "photos and damaged versions of them",
}


@dataclass(frozen=True)
class PairedScans(Scans):
    """The scans of training and validation pictures; `b` and `val_b` are None where a pair is one file."""

    a: Scan
    b: Scan | None = None
    val_a: Scan | None = None
    val_b: Scan | None = None


@dataclass(frozen=True)
class PairedData:
    """Opened training pairs; see `OpenedData`. `val` is None without held-out pairs, `sheet` are those if there are."""

    train: PairedPictures
    val: PairedPictures | None
    sheet: PairedPictures
    scans: PairedScans
    summary: str
    notes: tuple[str, ...]

    def fixed(self, count: int) -> Paired:
        """The first `count` pairs for the sample sheet."""
        return self.sheet.fixed(count)


def open_paired(
    config: PairedConfig,
    *,
    channels: tuple[int, int] = (3, 3),
    labels: int = 0,
    direction: Direction = "a2b",
    previous: PairedScans | None = None,
    progress: Progress | None = None,
) -> PairedData:
    """The pairs that the settings name: in batches, `real_a` is the input and `real_b` the target.

    `direction` says which of the data's domains is the input; `channels` are those of input and target. With `labels`,
    the inputs are label maps of so many classes, in one channel. `previous` are the scans of an earlier opening:
    unchanged files are not scanned again. Raises DataError for folders that cannot be trained on, ConfigError for wrong
    settings.
    """
    domains: tuple[Side, Side] = ("a", "b") if direction == "a2b" else ("b", "a")
    channels = (1 if labels else channels[0], channels[1])
    found, val_found = _found(config, labels)
    scans = _scan(found, val_found, previous, progress)
    parts = _usable(found, val_found, scans, labels, domains[0])
    train, held_out = (parts[0], parts[1]) if val_found else _divided(parts[0], config.val)
    samples = [
        PairedPictures(_views(part, direction), config, channels, labels) for part in (train, held_out) if part.pairs
    ]
    val = samples[1] if held_out.pairs else None
    return PairedData(
        train=samples[0],
        val=val,
        sheet=val or samples[0],
        scans=scans,
        summary=_summary(parts, held_out, val_found),
        notes=(
            *_layout_notes(found, direction),
            *_size_notes(train, config.size),
            *_gray_notes(parts, dict(zip(domains, channels, strict=True))),
            *_depth_notes(parts, config, domains[1:] if labels else domains),
            *_change_notes(train.found, previous, scans),
        ),
    )


def _found(config: PairedConfig, labels: int) -> tuple[FoundPairs, FoundPairs | None]:
    """Pairs for training, and those that lie apart for validation."""
    found = find_training_pairs(config)
    if labels:
        _check_labels_suit(config, found)
    if config.val != "auto":
        wanted = share_or_folder(config.val)
        return found, find_validation_pairs(wanted, found.layout) if isinstance(wanted, Path) else None
    return found, find_role_pairs(Path(config.path), "val", found.layout) if config.path is not None else None


def _check_labels_suit(config: PairedConfig, found: FoundPairs) -> None:
    if found.layout in DERIVED:
        raise ConfigError(f"--pairs {found.layout} reads photos, no label maps.", where="method.labels", hint="Set 0.")
    if config.jitter:
        raise ConfigError("label maps have no brightness to change.", where="data.jitter", hint="Set data.jitter=0.")


def _scan(
    found: FoundPairs, val: FoundPairs | None, previous: PairedScans | None, progress: Progress | None
) -> PairedScans:
    known = previous or PairedScans(Scan(()))
    names = ["a", "b"][: len(found.domains)]
    wanted = list(zip(found.domains, (known.a, known.b), strict=False))
    if val:
        names += ["val_a", "val_b"][: len(val.domains)]
        wanted += zip(val.domains, (known.val_a, known.val_b), strict=False)
    return PairedScans(**dict(zip(names, scan_all(wanted, progress), strict=True)))


def _usable(
    found: FoundPairs, val: FoundPairs | None, scans: PairedScans, labels: int, side: Side
) -> list[UsablePairs]:
    """Pairs for training, and where they lie apart, for validation. Raises DataError where there are none."""
    parts = [usable_pairs(found, _both(scans.a, scans.b))]
    if val and scans.val_a:
        parts.append(usable_pairs(val, _both(scans.val_a, scans.val_b)))
    if labels:
        parts = [part.without_bad_labels(labels, side) for part in parts]
    for part in parts:
        refuse_none(part, side)
    return parts


def _both(a: Scan, b: Scan | None) -> tuple[Scan, ...]:
    return (a,) if b is None else (a, b)


def _divided(usable: UsablePairs, setting: str) -> tuple[UsablePairs, UsablePairs]:
    """Training and held-out pairs: by the content of both pictures, so that no held-out pair is trained on."""
    contents = Scan(tuple(replace(pair.smaller, sha256=pair.content) for pair in usable.pairs))
    share = automatic_share(contents) if setting == "auto" else share_or_folder(setting)
    assert isinstance(share, float)
    held_out = {picture.sha256 for picture in hold_out(contents, share)[1].pictures}
    train, val = (
        tuple(pair for pair in usable.pairs if (pair.content in held_out) == is_held_out)
        for is_held_out in (False, True)
    )
    if not train:
        what = f"all {len(val)} pairs would be held out, none are left to train on."
        raise DataError(what, where=usable.found.a.root, hint="Add pairs or use --val 0.")
    return replace(usable, pairs=train), replace(usable, pairs=val)


def _views(usable: UsablePairs, direction: Direction) -> list[tuple[View, View]]:
    """(input, target) of each pair."""
    found = usable.found
    views = [_pair_of_views(found, pair) for pair in usable.pairs]
    return views if direction == "a2b" else [(b, a) for a, b in views]


def _pair_of_views(found: FoundPairs, pair: UsablePair) -> tuple[View, View]:
    """Of A and B."""
    a, b = found.a.root / pair.a.name, found.b.root / pair.b.name
    match found.layout:
        case "folders" | "csv":
            return View(a, "whole"), View(b, "whole")
        case "side-by-side":
            return View(a, HALVES["a"]), View(b, HALVES["b"])
        case made:
            return View(a, made), View(b, "whole")


def _summary(parts: Sequence[UsablePairs], held_out: UsablePairs, val: FoundPairs | None) -> str:
    found = parts[0]
    smallest = min((pair.smaller for pair in found.pairs), key=lambda picture: picture.short_side)
    words = [f"{len(found.pairs)} {KINDS[found.found.layout]}", f"smallest {smallest.width}x{smallest.height}"]
    if doubles := sum(len(group) - 1 for group in duplicate_pairs(found)):
        words.append(f"{doubles} duplicate{'s' if doubles > 1 else ''}")
    words += [loss for part in parts for loss in part.losses]
    count = len(held_out.pairs)
    if val:
        words.append(f"{count} for validation in {' and '.join(val.titles)}")
    else:
        words.append(f"{count} held out by content" if count else "none held out")
    return ", ".join(words)


def _layout_notes(found: FoundPairs, direction: Direction) -> Iterator[str]:
    if found.layout == "side-by-side":
        source, target = ("left", "right") if direction == "a2b" else ("right", "left")
        yield f"the model will make {target} halves of {source} halves: to translate, give it {source} halves alone"


def _size_notes(train: UsablePairs, size: int) -> Iterator[str]:
    if small := sum(pair.smaller.short_side < size for pair in train.pairs):
        are = "pair is" if small == 1 else "pairs are"
        yield f"{small} {are} smaller than the crop of {size}x{size} and {are.split()[1]} scaled up"


def _gray_notes(parts: Sequence[UsablePairs], channels: dict[Side, int]) -> Iterator[str]:
    """`channels` are those of the data's domains; an A that is made of photos has those that it must have."""
    sides: tuple[Side, ...] = ("b",) if parts[0].found.layout in DERIVED else ("a", "b")
    for side in sides:
        if channels[side] == 3 and all(pair.of(side).gray for part in parts for pair in part.pairs):
            yield f"all pictures of {side.upper()} are gray: --set method.channels_{side}=1 makes a smaller network"


def _depth_notes(parts: Sequence[UsablePairs], config: PairedConfig, pictures: Sequence[Side]) -> Iterator[str]:
    """`pictures` are the domains that hold no label maps."""
    if config.depth == 16 or parts[0].found.layout in DERIVED:
        return
    pairs = ((part.found, pair) for part in parts for pair in part.pairs)
    deep = {
        (found.a if side == "a" else found.b).root / pair.of(side).name
        for found, pair in pairs
        for side in pictures
        if pair.of(side).depth > 8
    }
    if deep:
        are = "1 picture of more than 8 bit is" if len(deep) == 1 else f"{len(deep)} pictures of more than 8 bit are"
        yield f"{are} read in 8: --set data.depth=16 keeps 16"


def _change_notes(found: FoundPairs, previous: PairedScans | None, scans: PairedScans) -> Iterator[str]:
    if previous:
        both = zip(found.domains, _both(previous.a, previous.b), _both(scans.a, scans.b), strict=False)
        yield from (line for each in both if (line := changed_line(*each)))
