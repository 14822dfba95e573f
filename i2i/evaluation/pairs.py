"""Which files are measured against which: found by name and checked before torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from i2i.errors import UsageError
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

    `who` is `bicubic`, a folder of finished pictures, or an upscaling model: a file, a run folder or a shipped name.
    Finished pictures, and small ones in `low`, are known by the true ones' places without suffix. `scale` is that of
    the model, else how many times the first small picture fits into its true one, else it has to be given. Raises
    UsageError for folders, names or scales that do not fit, ModelError for a damaged model.
    """
    finished = _found(who) if _is_finished(who) else None
    model = None if finished or str(who) == BICUBIC else resolve(who)
    truths, lows = _found(truth), None if low is None else _found(low)
    for folder, found in ((who, finished), (low, lows)):
        if found:
            _refuse_missing(truths, found, folder)
    cases = tuple(
        Case(name, path, lows[name] if lows else None, finished[name] if finished else None)
        for name, path in truths.items()
    )
    return Pairing(str(who), model, _scale(str(who), model, scale, cases), cases)


def _is_finished(who: str | PathLike[str]) -> bool:
    """Whether it is a folder of pictures: none of a run, and not the baseline."""
    folder = Path(who)
    is_run = any((folder / name).exists() for name in ("config.toml", "model.safetensors"))
    return str(who) != BICUBIC and folder.is_dir() and not is_run


def _found(folder: str | PathLike[str]) -> dict[str, Path]:
    """Place without suffix -> file, of all pictures in a folder."""
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


def _refuse_missing(truths: dict[str, Path], found: dict[str, Path], folder: str | PathLike[str] | None) -> None:
    missing = [name for name in truths if name not in found]
    if missing:
        what = f"no picture for {len(missing)} of {len(truths)} true ones, such as '{missing[0]}'."
        raise UsageError(what, where=folder, hint="Names must be the same; suffixes may differ.")


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
    raise UsageError("nothing says how many times pictures are enlarged.", hint="Add --scale N or --low DIR.")


def _scale_of(model: Path, who: str) -> int:
    info = read_info(model)
    if info.task != "upscale":
        hint = "Only upscaling models have true pictures to be measured against."
        raise UsageError("this model translates.", where=who, hint=hint)
    return info.generator("up").scale


def _ratio(truth: Path, low: Path) -> int:
    """By the longer sides, which stay the longer ones when a picture is turned."""
    whole, small = (max(read_size(path, Limits())) for path in (truth, low))
    return max(1, round(whole / small))
