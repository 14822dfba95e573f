"""What is in this folder? Two domains of pictures, or photos, found by the names of folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2i.errors import DataError
from i2i.images.formats import SUFFIXES

Role = Literal["train", "val", "test"]
ROLES: tuple[Role, ...] = ("train", "val", "test")
EXPECTED = "trainA/ + trainB/, A/ + B/ or train/A + train/B"
NAMED_FILES = 3  # of one kind that a line names
OWN_NAMES = "Or name the two folders: --a FOLDER --b FOLDER"


@dataclass(frozen=True)
class Domain:
    """Pictures of one kind: `names` are posix paths relative to `root`, sorted; `label` is what a person reads."""

    label: str
    root: Path
    names: tuple[str, ...]

    def shown(self, name: str) -> str:
        """The name with its folder: trainB/x.jpg."""
        return f"{self.label}/{name}" if self.label else name


@dataclass(frozen=True)
class Domains:
    """The two unrelated kinds of picture."""

    a: Domain
    b: Domain


def find_training(path: Path | None, a: str | None, b: str | None) -> Domains:
    """The training pictures: of `a` and `b` (each a folder or @list) where given, else found in the folder `path`.

    Raises DataError that says what was found instead.
    """
    if (a is None) != (b is None):
        given, missing = ("--a", "--b") if b is None else ("--b", "--a")
        raise DataError(f"{given} stands without {missing}.", hint="Name both domains, each a folder or @list.")
    if a is not None and b is not None:
        return Domains(_named(a), _named(b))
    if path is None:
        raise DataError("no training pictures were named.", hint="Give a folder, or --a and --b.")
    found = find_role(path, "train")
    if found is None:
        raise _no_layout(path)
    return found


def find_role(path: Path, role: Role) -> Domains | None:
    """The domains of one role in the folder `path`; None where neither is there. Raises DataError."""
    folders = _subfolders(path)
    for name_a, name_b in _pairs(role):
        found_a, found_b = lookup(folders, name_a), lookup(folders, name_b)
        if found_a and found_b:
            return Domains(folder_domain(found_a, _label(path, found_a)), folder_domain(found_b, _label(path, found_b)))
    for name_a, name_b in _pairs(role):
        found_a, found_b = lookup(folders, name_a), lookup(folders, name_b)
        if found_a or found_b:
            raise half(path, found_a or found_b, name_b if found_a else name_a)
    return None


def find_validation(path: Path) -> Domains:
    """The domains of a folder that holds nothing but validation pictures: any of the layouts. Raises DataError."""
    for role in ("val", "test", "train"):
        if found := find_role(path, role):
            return found
    raise _no_layout(path)


def find_photos(path: Path) -> Domain:
    """All photos of a folder: of its `train` where there is one, else of all but its `val` and `test...`.

    Raises DataError.
    """
    folders = folders_in(path)
    inner = [folder for folder in folders if folder.name.lower() == "train"]
    if inner:
        return folder_domain(inner[0], _label(path, inner[0]))
    names = [name for name in _picture_names(path) if not is_kept_apart(name)]
    return _domain("", path, names)


def find_validation_photos(path: Path) -> Domain | None:
    """The photos of the folder's `val`; None where there is none, or none in it. Raises DataError."""
    return find_role_photos(path, "val")


def find_role_photos(path: Path, role: Role) -> Domain | None:
    """The photos of the folder's `val` or other role; None where there is none, or none in it. Raises DataError."""
    inner = [folder for folder in folders_in(path) if folder.name.lower() == role]
    names = _picture_names(inner[0]) if inner else []
    return _domain(_label(path, inner[0]), inner[0], names) if names else None


def all_photos(path: Path) -> Domain:
    """Every photo of a folder that was named for this very use. Raises DataError."""
    folders_in(path)
    return folder_domain(path, path.as_posix())


def counted(images: int) -> str:
    """1 image, 2 images."""
    return f"{images} image{'' if images == 1 else 's'}"


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - NAMED_FILES
    return ", ".join(names[:NAMED_FILES]) + (f" and {more} more" if more > 0 else "")


def _pairs(role: Role) -> Iterator[tuple[str, str]]:
    yield f"{role}a", f"{role}b"
    yield f"{role}/a", f"{role}/b"
    if role == "train":
        yield "a", "b"


def _subfolders(path: Path) -> dict[str, list[Path]]:
    """Folders one and two levels down by their lower-case posix name relative to `path`."""
    found: dict[str, list[Path]] = {}
    for folder in folders_in(path):
        found.setdefault(folder.name.lower(), []).append(folder)
        if folder.name.lower() in ROLES:
            for inner in folders_in(folder):
                found.setdefault(f"{folder.name}/{inner.name}".lower(), []).append(inner)
    return found


def folders_in(path: Path) -> list[Path]:
    """The folders of a folder, sorted, without hidden ones. Raises DataError."""
    if not path.exists():
        raise DataError("no such folder.", where=path)
    if not path.is_dir():
        raise DataError("is a file, not a folder of training pictures.", where=path, hint=instead_of_file(path))
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not _hidden(entry.name))
    except OSError as error:
        raise DataError(f"cannot be listed: {error.strerror or error}.", where=path) from error


def instead_of_file(path: Path) -> str:
    """What to give where a folder is wanted and this file was given."""
    match path.suffix.lower():
        case ".csv":
            return "A CSV of pairs is for pix2pix, with --pairs csv."
        case ".txt":
            return f"A list of files begins with @: --a @{path}"
    return "Name the folder that it lies in."


def lookup(folders: dict[str, list[Path]], name: str) -> Path | None:
    """The one folder of that lower-case name. Raises DataError where two are spelt so."""
    candidates = folders.get(name, [])
    if len(candidates) > 1:
        both = " and ".join(f"{folder.name}/" for folder in candidates)
        raise DataError(f"has {both}: one too many.", where=candidates[0].parent, hint="Rename one of them.")
    return candidates[0] if candidates else None


def _named(text: str) -> Domain:
    """The domain of --a or --b: a folder, or a list of files after an @."""
    if text.startswith("@"):
        return _listed(Path(text[1:]))
    path = Path(text)
    folders_in(path)
    return folder_domain(path, path.as_posix())


def _listed(path: Path) -> Domain:
    return Domain("", path.parent, tuple(sorted(listed_names(path))))


def listed_names(path: Path) -> list[str]:
    """One path a line, relative to the list; blank lines and lines that begin with # are passed over.

    Raises DataError.
    """
    try:
        lines = path.read_text("utf-8-sig", errors="surrogateescape").splitlines()
    except OSError as error:
        raise DataError(f"this list cannot be read: {error.strerror or error}.", where=path) from error
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            what = f"line {number} holds a NUL character, which no name of a file has."
            raise DataError(what, where=path, hint="Save the list as UTF-8, one path a line.")
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise DataError("this list names no files.", where=path, hint="Write one path a line.")
    return names


def folder_domain(path: Path, label: str) -> Domain:
    """All pictures of a folder. Raises DataError where there are none."""
    return _domain(label, path, _picture_names(path))


def _domain(label: str, path: Path, names: list[str]) -> Domain:
    if not names:
        raise DataError("no pictures in this folder.", where=path, hint=f"Known suffixes: {' '.join(sorted(SUFFIXES))}")
    return Domain(label, path, tuple(names))


def is_kept_apart(name: str) -> bool:
    """Whether a picture, by its name in the training folder, lies in a folder of another role: val, or test..."""
    folder, _, inside = name.lower().partition("/")
    return bool(inside) and (folder == "val" or folder.startswith("test"))


def kept_apart(domain: Domain) -> list[tuple[Path, int]]:
    """Folders, each with the number of its pictures, that lie among a domain's and are of another role by their names.

    The pictures of such a folder may, or may not, be found in another role.
    """
    is_train = domain.root.name.lower() == "train" and domain.label != ""
    among = domain.root.parent if is_train else domain.root
    apart = [folder for folder in folders_in(among) if is_kept_apart(f"{folder.name}/inside")]
    return [(folder, count) for folder in apart if (count := len(_picture_names(folder)))]


def _label(parent: Path, folder: Path) -> str:
    return folder.relative_to(parent).as_posix()


def _picture_names(root: Path) -> list[str]:
    """Sorted posix names relative to `root`, recursive, without what is hidden or behind a linked folder."""
    names: list[str] = []

    def refuse(error: OSError) -> None:
        raise DataError(f"cannot be listed: {error.strerror or error}.", where=error.filename) from error

    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not _hidden(name)]
        inside = Path(folder).relative_to(root)
        names += [(inside / name).as_posix() for name in files if _is_picture(name)]
    return sorted(names)


def _is_picture(name: str) -> bool:
    return not _hidden(name) and Path(name).suffix.lower() in SUFFIXES


def _hidden(name: str) -> bool:
    return name.startswith(".")


def half(path: Path, present: Path | None, missing: str) -> DataError:
    """One domain is there and the other is not; the missing name in the spelling of the present one."""
    assert present is not None
    name = _label(path, present)
    other = "".join(sign.upper() if as_in.isupper() else sign for sign, as_in in zip(missing, name, strict=True))
    count = len(_picture_names(present))
    return DataError(
        f"has {name}/ ({counted(count)}) but no {other}/. Both are needed.",
        where=path,
        hint=f"Check: i2i data check {path}",
    )


def _no_layout(path: Path) -> DataError:
    return DataError(f"has no {EXPECTED}. Found: {contents(path)}.", where=path, hint=OWN_NAMES)


def contents(path: Path) -> str:
    """What a person would say is in a folder that is no layout: its folders and the pictures beside them."""
    counts = [(folder.name, len(_picture_names(folder))) for folder in folders_in(path)]
    found = [f"{name}/ ({counted(count)})" for name, count in counts[:8]]
    if len(counts) > 8:
        found.append(f"{len(counts) - 8} more folders")
    beside = sum(1 for entry in path.iterdir() if entry.is_file() and _is_picture(entry.name))
    if beside:
        found.append(f"{counted(beside)} beside them" if counts else f"{counted(beside)} and no folders")
    return ", ".join(found) if found else "nothing"
