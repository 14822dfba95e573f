"""Which pictures a model is to make of noise, and what their files are called: known before torch is loaded."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from i2i.errors import UsageError, printable
from i2i.models.info import ModelInfo, call_of

COUNT, PER_CLASS = 64, 8  # where nobody says how many; of each class in a sheet
DIGITS = 6  # of a file's name, so that names sort as numbers do, and more pictures later change none
MOST = 10**DIGITS - 1
SHOWN_CLASSES = 12
LONGEST_NAME = 100  # characters of a folder's name
FORBIDDEN = frozenset('<>:"/\\|?*')  # on one system or another
PORTS = (f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³")
RESERVED = frozenset({"con", "prn", "aux", "nul", "conin$", "conout$", *PORTS})  # on Windows, with any suffix too


class Sample(NamedTuple):
    """One picture: its number, from 1 on, and the number of its class; None where the model knows no classes."""

    number: int
    label: int | None = None


@dataclass(frozen=True)
class Sampling:
    """Which pictures are asked for.

    `count` pictures that take the classes in turns, or `per_class` of each: 999,999 at most. `classes` are names, or
    numbers from 0 on where no class is called by one; none: all that the model knows. A picture is a function of the
    model, `seed`, its class and its number alone. Raises UsageError for what cannot be.
    """

    count: int | None = None
    per_class: int | None = None
    classes: Sequence[str | int] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count is not None and self.per_class is not None:
            raise UsageError("-n and --per-class both say how many.", hint="Leave one of them out.")
        wrong = [number for number in (self.count, self.per_class) if number is not None and number < 1]
        if wrong:
            raise UsageError(f"{wrong[0]} pictures are none: ask for 1 or more.")
        _refuse_too_many(max(self.count or 1, self.per_class or 1))
        if isinstance(self.classes, str):
            hint = f"Such as: classes=['{self.classes}']"
            raise UsageError(f"the classes '{self.classes}' are one text, and no list of names.", hint=hint)
        if not 0 <= self.seed < 2**63:
            raise UsageError(f"{self.seed} is no seed: it is a whole number from 0 on, below 2^63.")

    def or_else(self, *, count: int | None = None, per_class: int | None = None) -> Sampling:
        """The same, but with so many where nobody said how many."""
        is_said = self.count is not None or self.per_class is not None
        return self if is_said else replace(self, count=count, per_class=per_class)

    def samples(self, known: Sequence[str], model: str) -> tuple[Sample, ...]:
        """The pictures in order; `known` are the classes of the model.

        Raises UsageError for classes that it does not know.
        """
        if not known:
            self._refuse_classes(model)
            return tuple(Sample(number) for number in range(1, (self.count or 1) + 1))
        labels = self._labels(known, model)
        if self.per_class is not None:
            _refuse_too_many(self.per_class * len(labels))
            return tuple(Sample(number, label) for label in labels for number in range(1, self.per_class + 1))
        return tuple(Sample(k + 1, labels[k % len(labels)]) for k in range(self.count or 1))

    def _refuse_classes(self, model: str) -> None:
        option = "--per-class" if self.per_class is not None else "--classes" if len(self.classes) else None
        if option:
            hint = "Use -n; a model learns classes where its training has --conditional."
            raise UsageError(f"{model} knows no classes: {option} cannot be.", hint=hint)

    def _labels(self, known: Sequence[str], model: str) -> list[int]:
        """The numbers of the wanted classes, each once."""
        if not len(self.classes):
            return list(range(len(known)))
        labels = [label_of(str(name), known, model) for name in self.classes]
        twice = next((label for place, label in enumerate(labels) if label in labels[:place]), None)
        if twice is not None:
            raise UsageError(f"the class '{known[twice]}' is named twice.", hint="Leave one of them out.")
        return labels


def _refuse_too_many(pictures: int) -> None:
    if pictures > MOST:
        hint = "Make more with another --seed, in another folder."
        raise UsageError(f"{pictures:,} pictures are too many: {MOST:,} at most.", hint=hint)


def label_of(name: str, known: Sequence[str], model: str) -> int:
    """The number of a class that is called by its name, or by its number where no name is one.

    Else the 0 of classes "1" to "26" would be the class "1". Raises UsageError with the nearest name.
    """
    numbers = [] if any(own.isdecimal() for own in known) else [str(number) for number in range(len(known))]
    for names in (known, numbers):
        if name in names:
            return names.index(name)
    near = [] if name.isdecimal() else difflib.get_close_matches(name, known, n=1)
    more = f" and {len(known) - SHOWN_CLASSES} more" if len(known) > SHOWN_CLASSES else ""
    hint = f"Did you mean '{near[0]}'?" if near else f"It has: {', '.join(known[:SHOWN_CLASSES])}{more}."
    raise UsageError(f"{model} has no class '{name}'.", hint=hint)


def refuse_other_tasks(info: ModelInfo, model: str) -> None:
    """Raises UsageError for a model that makes no pictures of noise."""
    if info.task != "generate":
        what = f"{model} is a model to {info.task} pictures: it makes none of noise."
        raise UsageError(what, hint=f"Use: {call_of(info, model)}")


def file_name(sample: Sample, folders: Sequence[str], suffix: str) -> str:
    """The place of a picture in the output folder: 000001.png, or cat/000001.png where each class has a folder."""
    name = f"{sample.number:0{DIGITS}}{suffix}"
    return name if not folders or sample.label is None else f"{folders[sample.label]}/{name}"


def folder_names(classes: Sequence[str]) -> list[str]:
    """A folder name for each class that every system takes; the class's own name where it is one."""
    names: list[str] = []
    taken: set[str] = set()
    for name in classes:
        fitting = _fitting(name)
        candidate, number = fitting, 2
        while _as_systems_compare(candidate) in taken:
            candidate, number = f"{fitting}-{number}", number + 1
        taken.add(_as_systems_compare(candidate))
        names.append(candidate)
    return names


def _fitting(name: str) -> str:
    plain = "".join("_" if letter in FORBIDDEN else letter for letter in name)
    plain = "".join("_" if printable(letter) != letter else letter for letter in plain)[:LONGEST_NAME]
    plain = plain.strip(" ").rstrip(".").strip(" ")  # Windows drops what is at the end
    is_reserved = plain.split(".")[0].rstrip().casefold() in RESERVED or plain.casefold() == "manifest.jsonl"
    return f"_{plain}" if not plain or plain.startswith(".") or is_reserved else plain


def _as_systems_compare(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
