"""What a training would say about pictures with classes, and more, before it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from i2i.config.data import LabelledConfig
from i2i.config.noise_networks import SMALLEST_BASE
from i2i.data.labelled_opening import facts, summary_of
from i2i.data.labelled_sets import FileSet, LabelledSet, each_of
from i2i.data.scan import MISSING, Progress

NAMED_TWINS = 3  # pairs of equal pictures inside one file that are told


@dataclass(frozen=True)
class LabelledCheck:
    """All that was found. `size` is the side in pixels that pictures would be brought to."""

    read: LabelledSet
    size: int

    @property
    def has_problems(self) -> bool:
        """Whether a person should look at something."""
        return next(self.problems(), None) is not None

    def lines(self) -> Iterator[str]:
        """What there is, a line for each class, then one for each problem."""
        yield f"{self.read.place}: {summary_of(self.read)}"
        yield from (f"{name}: {count}" for name, count in self.counts.items())
        yield from self._notes()
        problems = list(self.problems())
        yield from problems or ["no problems found"]

    def problems(self) -> Iterator[str]:
        """Unreadable files, then classes without any other, then small pictures, then equal ones: a line each."""
        for name, reason in self._unreadable().items():
            yield f"{'missing' if reason == MISSING else 'unreadable'}: {name}: {reason}"
        yield from (f"no readable picture: {name}" for name, count in self.counts.items() if not count)
        if small := self._small():
            told = f"{small} of {len(self.read.labels)}; they are scaled up"
            instead = " or a smaller --size" if self.size > SMALLEST_BASE else ""
            yield f"smaller than {self.size}: {told}: use larger pictures{instead}"
        yield from self._equal()

    def to_json(self) -> dict[str, Any]:
        """One document with everything."""
        return {
            "schema": 1,
            "size": self.size,
            "place": str(self.read.place),
            "pictures": len(self.read.labels),
            "classes": self.counts,
            "smallest": "x".join(map(str, self.read.sizes[0])),
            "largest": "x".join(map(str, self.read.sizes[-1])),
            "gray": self.read.gray,
            "smaller_than_size": self._small(),
            "unreadable": self._unreadable(),
            "duplicates": [list(group) for group in self.twins],
            "notes": list(self._notes()),
            "problems": list(self.problems()),
        }

    @property
    def counts(self) -> dict[str, int]:
        """Class -> how many pictures it has."""
        return each_of(self.read.labels, self.read.classes)

    @cached_property
    def twins(self) -> list[tuple[str, ...]]:
        """Equal pictures, group by group: by the names of their files, or by their numbers in the file of all."""
        groups = defaultdict(list)
        for number, content in enumerate(self.read.contents()):
            groups[content].append(self._name(number))
        return [tuple(group) for group in groups.values() if len(group) > 1]

    def _notes(self) -> tuple[str, ...]:
        """What a training would tell, but for unreadable files, which are problems here."""
        return self.read.found.notes if isinstance(self.read, FileSet) else self.read.notes

    def _name(self, number: int) -> str:
        return self.read.scan.pictures[number].name if isinstance(self.read, FileSet) else str(number)

    def _equal(self) -> Iterator[str]:
        if isinstance(self.read, FileSet):
            yield from (f"duplicates: {', '.join(group)}" for group in self.twins)
        elif self.twins:
            such = "; ".join(" = ".join(group) for group in self.twins[:NAMED_TWINS])
            more = "" if len(self.twins) <= NAMED_TWINS else f" and {len(self.twins) - NAMED_TWINS} more"
            yield f"duplicates, by their numbers from 0: {such}{more}"

    def _small(self) -> int:
        if isinstance(self.read, FileSet):
            return sum(picture.short_side < self.size for picture in self.read.scan.pictures)
        return len(self.read.labels) if min(self.read.sizes[0]) < self.size else 0

    def _unreadable(self) -> dict[str, str]:
        if not isinstance(self.read, FileSet):
            return {}
        domain = self.read.found.domain
        return {domain.shown(file.name): file.reason for file in self.read.scan.unreadable}


def check_labelled(config: LabelledConfig, progress: Progress | None = None) -> LabelledCheck:
    """Look at the pictures that a training would take. Raises DataError."""
    said = facts(config, progress=progress)
    return LabelledCheck(said.read, config.size or said.size)
