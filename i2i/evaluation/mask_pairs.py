"""Which holes of which pictures are measured: found by name and checked before torch is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from os import PathLike
from pathlib import Path

from i2i.errors import ImageError, UsageError
from i2i.evaluation.pairs import called, is_finished, is_name, pictures_in, refuse_missing, stored_size
from i2i.images.files import read
from i2i.images.masks import read_mask
from i2i.masks.fixed import BANDS, band_of
from i2i.models.info import read_info
from i2i.models.shipped import resolve

BASELINES = ("mean", "telea", "navier-stokes")  # without what they do, which needs OpenCV

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Hole:
    """A hole in a true picture, which is known by its place in the folder, without suffix.

    `name` is the place of the mask as `i2i data masks` writes it; a mask without a file is drawn. `band` is that of its
    area, None outside all of them. `made` is a finished picture, where those are measured.
    """

    picture: str
    truth: Path
    name: str
    band: int | None
    mask: Path | None = None
    made: Path | None = None


@dataclass(frozen=True)
class Masking:
    """What is measured: `who` as a person called it; `model` is its file, if it is one; `seed` that of drawn masks.

    `strays` are the places of masks that belong to no picture.
    """

    who: str
    model: Path | None
    seed: int
    holes: tuple[Hole, ...]  # those of one picture stand together
    strays: tuple[str, ...] = ()

    @property
    def are_drawn(self) -> bool:
        """Whether the masks are those of the fixed set."""
        return self.holes[0].mask is None


def find_holes(
    who: str | PathLike[str],
    truth: str | PathLike[str],
    *,
    masks: str | PathLike[str] | None = None,
    seed: int | None = None,
    bands: Sequence[int] | None = None,
) -> Masking:
    """The holes to be measured in a folder of true pictures, searched to the bottom.

    `who` is one of BASELINES as a `str`, an inpainting model (a file, a run folder or a shipped name), or a folder of
    finished pictures, each at the place of its mask. Without `masks` those of the fixed set of `seed` (0) are drawn,
    one for each band. A mask in the folder `masks` belongs to the true picture of the same place, whatever folders
    stand before that: `band-2/deep/a.png` to `deep/a.jpg`. Of all masks those of `bands` are taken.

    Raises UsageError for folders, names and bands that do not fit, ImageError for a file that cannot be read or has
    another size, and for a mask with nothing or everything as its hole, ModelError for a damaged model.
    """
    if masks is not None and seed is not None:
        raise UsageError("--seed is for masks that are drawn, and --masks gives them.", hint="Leave one of them out.")
    is_baseline = is_name(who, BASELINES)
    finished = pictures_in(who) if not is_baseline and is_finished(who) else None
    if finished and masks is None:
        raise UsageError("nothing says which holes were filled here.", where=who, hint="Add --masks DIR.")
    model = None if finished or is_baseline else _inpainting(who)
    wanted = None if bands is None else _checked(bands)
    truths = pictures_in(truth)
    holes, strays = (_drawn(truths), ()) if masks is None else _given(truths, masks)
    taken = [hole for hole in holes if wanted is None or hole.band in wanted]
    if not taken:
        raise UsageError(f"no mask covers {' or '.join(map(shares, wanted or ()))} of its picture.", where=masks)
    if finished:
        refuse_missing([hole.name for hole in taken], finished, who, of="masks")
        taken = [replace(hole, made=finished[hole.name]) for hole in taken]
    _refuse_other_sizes(taken)
    return Masking(called(who, BASELINES), model, seed or 0, tuple(taken), strays)


def _inpainting(who: str | PathLike[str]) -> Path:
    path = resolve(who)
    task = read_info(path).task
    if task != "inpaint":
        raise UsageError(f"this model does not fill holes: its task is {task}.", where=who)
    return path


def shares(band: int | None) -> str:
    """The share of the picture that holes of a band cover: `1-10 %`; `other` outside all bands."""
    return "other" if band is None else f"{100 * BANDS[band][0]:.0f}-{100 * BANDS[band][1]:.0f} %"


def _checked(bands: Sequence[int]) -> Sequence[int]:
    wrong = [band for band in bands if band not in range(len(BANDS))]
    if wrong or not bands:
        what = f"there is no band {wrong[0]}." if wrong else "no band is named."
        raise UsageError(what, where="--bands", hint=f"Bands go from 0 to {len(BANDS) - 1}, such as --bands 0,1.")
    return sorted(set(bands))


def _drawn(truths: dict[str, Path]) -> list[Hole]:
    """A hole of each band in each picture, which is drawn when its size is known."""
    return [
        Hole(name, truth, f"band-{band}/{name}", band) for name, truth in truths.items() for band in range(len(BANDS))
    ]


def _given(truths: dict[str, Path], folder: str | PathLike[str]) -> tuple[list[Hole], tuple[str, ...]]:
    """The holes of the masks in a folder, picture by picture, and the places of masks that belong to none."""
    masks = pictures_in(folder)
    places: dict[str, list[str]] = {name: [] for name in truths}
    strays: list[str] = []
    for place in masks:
        owner = _owner(place, truths)
        (places[owner] if owner else strays).append(place)
    refuse_missing(truths, {name for name in truths if places[name]}, folder, what="mask")
    holes = [
        Hole(name, truth, place, _band(masks[place]), masks[place])
        for name, truth in truths.items()
        for place in places[name]
    ]
    return holes, tuple(strays)


def _refuse_other_sizes(holes: Iterable[Hole]) -> None:
    """Raises ImageError for the first mask or finished picture that has not the size of its true one."""
    for truth, of_one in groupby(holes, key=lambda hole: hole.truth):
        given = [path for hole in of_one for path in (hole.mask, hole.made) if path]
        wanted = stored_size(truth) if given else None
        for path in given:
            if stored_size(path) != wanted:  # then one of them may be stored lying on its side
                found, true = read(path), read(truth)
                refuse_other_size(path, (found.width, found.height), truth, (true.width, true.height))


def refuse_other_size(path: Path, found: Size, truth: Path, wanted: Size) -> None:
    """Raises ImageError where a mask or a finished picture has not the width and height of the true picture."""
    if found != wanted:
        raise ImageError(f"{found[0]}x{found[1]} pixels: {truth} has {wanted[0]}x{wanted[1]}.", where=path)


def _band(path: Path) -> int | None:
    """The band of a mask's area. Raises ImageError where nothing is to be filled, or everything."""
    mask = read_mask(path)
    if mask.all() or not mask.any():
        what = "this mask is all white: nothing is known." if mask.any() else "this mask is black: there is no hole."
        raise ImageError(what, where=path, hint="White is the hole.")
    return band_of(mask)


def _owner(place: str, truths: dict[str, Path]) -> str | None:
    """The true picture that a mask belongs to: of the same place, after as few folders as can be."""
    parts = place.split("/")
    return next((name for at in range(len(parts)) if (name := "/".join(parts[at:])) in truths), None)
