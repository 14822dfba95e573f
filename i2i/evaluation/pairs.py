"""Which files are measured against which: found by name and checked before torch is loaded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from i2i.errors import ImageError, UsageError
from i2i.images.files import read_size
from i2i.images.limits import Limits
from i2i.inference.inputs import Root, Search, Selection
from i2i.models.info import read_info
from i2i.models.shipped import resolve

BICUBIC = "bicubic"


@dataclass(frozen=True)
class Case:
    """A true picture by its place in the folder, without suffix; its small one and a finished one, where given."""

    name: str
    truth: Path
    low: Path | None
    made: Path | None


@dataclass(frozen=True)
class Pairing:
    """What is measured: `who` as a person called it, enlarging `scale` times; `model` is its file, if it is one."""

    who: str
    model: Path | None
    scale: int
    cases: tuple[Case, ...]


def pair_up(
    who: str | PathLike[str],
    truth: str | PathLike[str],
    *,
    low: str | PathLike[str] | None = None,
    scale: int | None = None,
) -> Pairing:
    """What there is to measure in a folder of true pictures, searched to the bottom.

    `who` is `bicubic` as a `str`, a folder of finished pictures, or an upscaling model: a file, a run folder or a
    shipped name. Finished pictures, and small ones in `low`, are known by the true ones' places without suffix.
    `scale` is that of the model, else how many times the first small picture fits into its true one, else it has to be
    given. Raises UsageError for folders, names or scales that do not fit, ImageError for files whose size cannot be
    read, ModelError for a damaged model.
    """
    is_baseline = is_name(who, (BICUBIC,))
    finished = pictures_in(who) if not is_baseline and is_finished(who) else None
    model = None if finished or is_baseline else resolve(who)
    truths, lows = pictures_in(truth), None if low is None else pictures_in(low)
    for folder, found in ((who, finished), (low, lows)):
        if found:
            refuse_missing(truths, found, folder)
    cases = tuple(
        Case(name, path, lows[name] if lows else None, finished[name] if finished else None)
        for name, path in truths.items()
    )
    return Pairing(called(who, (BICUBIC,)), model, _scale(str(who), model, scale, cases), cases)


def is_name(who: str | PathLike[str], baselines: Collection[str]) -> bool:
    """Whether a baseline is meant; a path is a file or folder, though `Path("./mean")` no longer shows its dot."""
    return isinstance(who, str) and who in baselines


def called(who: str | PathLike[str], baselines: Collection[str]) -> str:
    """As a person called it, and never as a baseline that is not meant."""
    return str(who) if is_name(who, baselines) or str(who) not in baselines else f"./{who}"


def is_finished(who: str | PathLike[str]) -> bool:
    """Whether it is a folder of finished pictures: one that is none of a run."""
    folder = Path(who)
    return folder.is_dir() and not any((folder / name).exists() for name in ("config.toml", "model.safetensors"))


def pictures_in(folder: str | PathLike[str]) -> dict[str, Path]:
    """Place without suffix -> file, of all pictures in a folder. Raises UsageError where there are none."""
    if not Path(folder).is_dir():
        what = "is no folder." if Path(folder).exists() else "there is no such folder."
        raise UsageError(what, where=folder)
    search = Search(Selection(symlinks="follow"))
    found: dict[str, Path] = {}
    for path, place in search.files([Root(str(folder), str(folder))]):
        name = Path(place).with_suffix("").as_posix()
        if name in found:
            what = f"'{found[name].name}' and '{Path(path).name}' have one name."
            raise UsageError(what, where=Path(path).parent, hint="Leave one picture of each name in the folder.")
        found[name] = Path(path)
    for place, reason in search.unlisted:
        raise UsageError(reason, where=place)
    if not found:
        raise UsageError("there are no pictures in this folder.", where=folder)
    return found


def refuse_missing(
    wanted: Collection[str],
    found: Collection[str],
    folder: str | PathLike[str] | None,
    *,
    what: str = "picture",
    of: str = "true ones",
) -> None:
    """Raises UsageError where the folder has none for some of the names."""
    missing = [name for name in wanted if name not in found]
    if missing:
        told = f"no {what} for {len(missing)} of {len(wanted)} {of}, such as '{missing[0]}'."
        raise UsageError(told, where=folder, hint="Names must be the same; suffixes may differ.")


def _scale(who: str, model: Path | None, asked: int | None, cases: tuple[Case, ...]) -> int:
    if model:
        known = _scale_of(model, who)
        if asked not in (None, known):
            raise UsageError(f"this model enlarges {known} times, --scale says {asked}.", where=who)
        return known
    if asked:
        return asked
    if cases[0].low:
        return _ratio(cases[0].truth, cases[0].low)
    hint = "Add --scale N or --low DIR." + ("" if who == BICUBIC else " Where holes were filled, add --masks DIR.")
    raise UsageError("nothing says how many times pictures are enlarged.", hint=hint)


def _scale_of(model: Path, who: str) -> int:
    info = read_info(model)
    if info.task != "upscale":
        raise UsageError(f"this model does not enlarge pictures: its task is {info.task}.", where=who)
    return info.generator("up").scale


def _ratio(truth: Path, low: Path) -> int:
    """By the longer sides, which stay the longer ones when a picture is turned."""
    whole, small = (max(stored_size(path)) for path in (truth, low))
    return max(1, round(whole / small))


def stored_size(path: Path) -> tuple[int, int]:
    """Width and height by a file's header, which may describe a picture on its side. Raises ImageError."""
    try:
        return read_size(path, Limits())
    except ImageError as error:
        raise ImageError(error.what, where=path, hint=error.hint) from error
