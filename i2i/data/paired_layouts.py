"""Which pairs are in this folder? Found by the names of folders and files, in a CSV, or as halves of pictures.

In every layout A is what stands first: the left half, the first column, the input that is made of a photo.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

from i2i.config.data import DERIVED, PairedConfig, PairLayout
from i2i.data.layouts import (
    OWN_NAMES,
    Domain,
    Domains,
    Role,
    contents,
    find_photos,
    find_role,
    find_role_photos,
    find_training,
    folder_domain,
    folders_in,
    half,
    is_kept_apart,
    listed_names,
    lookup,
)
from i2i.errors import DataError, ImageError
from i2i.images.files import read_size
from i2i.images.limits import Limits

Pairs = Literal["auto", PairLayout]
HEADERS = (("a", "b"), ("input", "target"), ("source", "target"))
FOLDERS = "trainA/ + trainB/, A/ + B/, train/A + train/B or A/train + B/train"
TABLES = "pairs.csv or train.csv"
MADE = f"{', '.join(DERIVED[:-1])} or {DERIVED[-1]}"
CSV_NAMES: dict[Role, tuple[str, ...]] = {
    "train": ("pairs.csv", "train.csv"),
    "val": ("val.csv",),
    "test": ("test.csv",),
}


class LeftOut(NamedTuple):
    """Files that no pair is made of: `why` is the same for all of a kind, `what` names them."""

    why: str
    what: str


@dataclass(frozen=True)
class FoundPairs:
    """The pairs of one role: names in `a` and `b`, which are the same where one file holds, or makes, both.

    `written` says where a person wrote them down, once for each domain.
    """

    layout: PairLayout
    a: Domain
    b: Domain
    pairs: tuple[tuple[str, str], ...]
    left_out: tuple[LeftOut, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def titles(self) -> list[str]:
        """What a person calls the domains."""
        return list(self.written) or [domain.label or str(domain.root) for domain in self.domains]

    @property
    def in_one_file(self) -> bool:
        """Whether each pair is one file."""
        return self.layout == "side-by-side" or self.layout in DERIVED

    @property
    def domains(self) -> tuple[Domain, ...]:
        """What is to be read."""
        return (self.a,) if self.in_one_file else (self.a, self.b)

    def shown(self, a: str, b: str) -> str:
        """A pair as a person reads it: trainA/1.jpg + trainB/1.png."""
        return self.a.shown(a) if self.in_one_file else f"{self.a.shown(a)} + {self.b.shown(b)}"


def find_training_pairs(config: PairedConfig) -> FoundPairs:
    """The training pairs that the settings name. Raises DataError that says what was found instead."""
    if config.a is not None or config.b is not None:
        return _named_pairs(config.a, config.b)
    if config.path is None:
        raise DataError("no training pairs were named.", hint="Give a folder or a CSV of pairs, or --a and --b.")
    path = Path(config.path)
    found = find_role_pairs(path, "train", config.pairs)
    if found is None:
        raise _no_pairs(path, config.pairs)
    return found


def find_role_pairs(path: Path, role: Role, pairs: Pairs) -> FoundPairs | None:
    """The pairs of one role in the folder `path`, or beside it where it is a CSV; None where there are none.

    Raises DataError.
    """
    match pairs:
        case "auto":
            found = _csv_role(path, role, asked=_is_csv(path)) or _folders_role(path, role)
            return found or (_whole_files(path, role, "side-by-side") if _are_halved(path) else None)
        case "csv":
            return _csv_role(path, role, asked=True)
        case "folders":
            return _folders_role(path, role)
        case _:
            return _whole_files(path, role, pairs)


def find_validation_pairs(path: Path, layout: PairLayout) -> FoundPairs:
    """The pairs of a folder or CSV that holds nothing but validation pairs, in files of their own in any layout.

    Raises DataError.
    """
    pairs: Pairs = "auto" if layout in ("folders", "csv") else layout
    roles: tuple[Role, ...] = ("train",) if _is_csv(path) else ("val", "test", "train")
    for role in roles:
        if found := find_role_pairs(path, role, pairs):
            return found
    raise _no_pairs(path, pairs)


def _folders_role(path: Path, role: Role) -> FoundPairs | None:
    within = [_inside(path, f"{domain}/{role}") for domain in "ab"]
    if within[0] and within[1]:
        a, b = (folder_domain(folder, folder.relative_to(path).as_posix()) for folder in within if folder)
        return paired_by_stem(Domains(a, b))
    domains = find_role(path, role)
    one = within[0] or within[1]
    if one and (domains is None or one.parent in (domains.a.root, domains.b.root)):
        raise half(path, one, f"b/{role}" if within[0] else f"a/{role}")
    if domains is None:
        return None
    return paired_by_stem(Domains(_without_kept_apart(domains.a), _without_kept_apart(domains.b)))


def _without_kept_apart(domain: Domain) -> Domain:
    return replace(domain, names=tuple(name for name in domain.names if not is_kept_apart(name)))


def _inside(path: Path, name: str) -> Path | None:
    """The folder of that lower-case posix name, in whatever spelling it has."""
    found: Path | None = path
    for part in name.split("/"):
        spelt = [folder for folder in folders_in(found) if folder.name.lower() == part] if found else []
        found = lookup({part: spelt}, part)
    return found


def paired_by_stem(domains: Domains) -> FoundPairs:
    """Files of equal relative name without the suffix: sub/x.jpg belongs to sub/x.png.

    Accents count alike however the file system spells them: macOS writes them as signs of their own.
    """
    a, b = _by_stem(domains.a), _by_stem(domains.b)
    pairs, left_out = [], []
    for stem in sorted(a.keys() | b.keys()):
        names_a, names_b = a.get(stem, []), b.get(stem, [])
        for domain, names in ((domains.a, names_a), (domains.b, names_b)):
            if len(names) > 1:
                left_out.append(LeftOut("of one name but for the suffix", " and ".join(map(domain.shown, names))))
        if len(names_a) == len(names_b) == 1:
            pairs.append((names_a[0], names_b[0]))
        elif not names_a or not names_b:
            left_out += [LeftOut("without partner", domains.a.shown(name)) for name in names_a[:1]]
            left_out += [LeftOut("without partner", domains.b.shown(name)) for name in names_b[:1]]
    return FoundPairs("folders", domains.a, domains.b, tuple(pairs), tuple(left_out))


def _by_stem(domain: Domain) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in domain.names:
        stem = unicodedata.normalize("NFC", Path(name).with_suffix("").as_posix())
        found.setdefault(stem, []).append(name)
    return found


def _named_pairs(a: str | None, b: str | None) -> FoundPairs:
    """Of --a and --b: two folders pair by name, two lists line by line."""
    domains = find_training(None, a, b)
    assert a is not None
    assert b is not None
    if a.startswith("@") != b.startswith("@"):
        hint = "Name two folders, whose files pair by name, or two lists, which pair line by line."
        raise DataError("a list and a folder do not pair.", where=f"--a {a} --b {b}", hint=hint)
    if not a.startswith("@"):
        return paired_by_stem(domains)
    names_a, names_b = listed_names(Path(a[1:])), listed_names(Path(b[1:]))
    if len(names_a) != len(names_b):
        what = f"names {len(names_a)} files, {b[1:]} names {len(names_b)}: lists pair line by line."
        raise DataError(what, where=a[1:], hint="Write as many lines into both.")
    return _from_lines("folders", Path(a[1:]), Path(b[1:]), zip(names_a, names_b, strict=True))


def _from_lines(layout: PairLayout, a: Path, b: Path, lines: Iterable[tuple[str, str]]) -> FoundPairs:
    """Pairs that a person wrote down in the files `a` and `b`: what is there twice is used once."""
    pairs: dict[tuple[str, str], int] = {}
    for pair in lines:
        pairs[pair] = pairs.get(pair, 0) + 1
    domain_a, domain_b = (
        Domain("", file.parent, tuple(sorted({pair[side] for pair in pairs}))) for side, file in enumerate((a, b))
    )
    again = (LeftOut("named again", " + ".join(pair)) for pair, count in pairs.items() for _ in range(count - 1))
    written = (a.name, b.name) if a != b else (f"column a of {a.name}", f"column b of {b.name}")
    return FoundPairs(layout, domain_a, domain_b, tuple(pairs), tuple(again), written)


def _csv_role(path: Path, role: Role, *, asked: bool) -> FoundPairs | None:
    """Not `asked` for, a CSV of another name than pairs.csv and with other columns has nothing to do with pairs."""
    file = _csv_of(path, role)
    if file is None or not (asked or file.name == "pairs.csv" or _has_known_columns(file)):
        return None
    rows = _csv_rows(file)
    columns = _columns(rows[0][1]) if rows else None
    if columns is None:
        known = ", ".join(" and ".join(header) for header in HEADERS)
        begin = f"begins with {','.join(rows[0][1])}" if rows else "is empty"
        raise DataError(f"{begin}: the first line names the columns.", where=file, hint=f"Known: {known}.")
    return _from_lines("csv", file, file, [_cells(file, line, row, columns) for line, row in rows[1:]])


def _has_known_columns(file: Path) -> bool:
    try:
        rows = _csv_rows(file)
    except DataError:
        return False
    return bool(rows) and _columns(rows[0][1]) is not None


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and not path.is_dir()


def _csv_of(path: Path, role: Role) -> Path | None:
    if _is_csv(path) and role == "train":
        return path
    folder = path.parent if _is_csv(path) else path
    candidates = (folder / name for name in CSV_NAMES[role])
    return next((file for file in candidates if file.is_file() and not (path.is_file() and file.samefile(path))), None)


def _csv_rows(path: Path) -> list[tuple[int, list[str]]]:
    """(line, cells) of all lines that are not blank; the first line tells commas, semicolons and tabs apart."""
    try:
        text = path.read_text("utf-8-sig")
        first = text.lstrip().split("\n", 1)[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except OSError as error:
        raise DataError(f"this CSV cannot be read: {error.strerror or error}.", where=path) from error
    except UnicodeDecodeError as error:
        raise DataError("this CSV is not in UTF-8.", where=path, hint="Save it as UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"line {reader.line_num} is no line of a CSV: {error}.", where=path) from error


def _columns(header: Sequence[str]) -> tuple[int, int] | None:
    names = [name.lower() for name in header]
    return next(((names.index(a), names.index(b)) for a, b in HEADERS if a in names and b in names), None)


def _cells(file: Path, line: int, row: Sequence[str], columns: tuple[int, int]) -> tuple[str, str]:
    a, b = (row[column] if column < len(row) else "" for column in columns)
    if not a or not b:
        raise DataError(f"line {line} names one file: a pair has two.", where=file, hint="Complete or delete the line.")
    if "\0" in a + b:
        what = f"line {line} holds a NUL character, which no name of a file has."
        raise DataError(what, where=file, hint="Correct or delete the line.")
    return a, b


def _whole_files(path: Path, role: Role, layout: PairLayout) -> FoundPairs | None:
    """Each picture is a pair: side by side, or a photo that an input is made of."""
    domain = find_photos(path) if role == "train" else find_role_photos(path, role)
    if domain is None:
        return None
    return FoundPairs(layout, domain, domain, tuple((name, name) for name in domain.names))


def _are_halved(path: Path) -> bool:
    """Whether it is unmistakable that pictures hold both halves: they lie in one folder, each twice as wide as high.

    3:2 and 16:9 are shapes of photos.
    """
    shapes = _shapes(path)
    return bool(shapes) and not _odd(shapes)


def _shapes(path: Path) -> dict[str, tuple[int, int]]:
    """Width and height by name, of the pictures that lie in one folder; nothing where there are folders in it."""
    try:
        domain = find_photos(path)
    except DataError:  # no pictures, or no folder
        return {}
    if any("/" in name for name in domain.names):
        return {}
    shapes = {domain.shown(name): _shape(domain.root / name) for name in domain.names}
    return {name: shape for name, shape in shapes.items() if shape}


def _odd(shapes: Mapping[str, tuple[int, int]]) -> list[str]:
    """The pictures that are not twice as wide as high."""
    return [name for name, (width, height) in shapes.items() if width != 2 * height]


def _shape(path: Path) -> tuple[int, int] | None:
    try:
        return read_size(path, Limits())
    except ImageError:
        return None  # the scan will name it


def _no_pairs(path: Path, pairs: Pairs) -> DataError:
    found = f"Found: {contents(path)}."
    match pairs:
        case "csv":
            return DataError(f"has no {TABLES}. {found}", where=path, hint="Or give the CSV itself.")
        case "folders":
            return DataError(f"has no {FOLDERS}. {found}", where=path, hint=OWN_NAMES)
    shapes = _shapes(path) if pairs == "auto" else {}
    odd = _odd(shapes)
    if 2 * len(odd) < len(shapes):
        width, height = shapes[odd[0]]
        what = f"{len(odd)} of {len(shapes)} pictures {'is' if len(odd) == 1 else 'are'} not twice as wide as high"
        first = f"{odd[0]} is {width}x{height}" if len(odd) == 1 else f"the first, {odd[0]}, is {width}x{height}"
        hint = "Take what is no pair out, or halve every picture: --pairs side-by-side"
        return DataError(f"{what}: {first}.", where=path, hint=hint)
    what = f"has no {FOLDERS}, no {TABLES}, and is no one folder of pictures all twice as wide as high. {found}"
    hint = f"{OWN_NAMES}; pictures that hold both halves: --pairs side-by-side; photos alone: --pairs {MADE}"
    return DataError(what, where=path, hint=hint)
