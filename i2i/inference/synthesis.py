"""Many synthetic pictures into a folder, with a manifest: what is there already is left, what is missing is made."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from i2i.images.encoding import encode
from i2i.images.synthetic import marked_format
from i2i.inference.forecast import Forecast
from i2i.inference.generator import Generator
from i2i.inference.manifest import Entry, Manifest, refuse_file
from i2i.inference.outcome import Summary
from i2i.inference.samples import Sample, Sampling, file_name, folder_names


@dataclass(frozen=True)
class Made:
    """What became of one picture: written now, or skipped since it was there."""

    entry: Entry
    size: int
    status: Literal["ok", "skipped"]

    def as_json(self) -> dict[str, Any]:
        """The event that `--json` prints."""
        event = {"event": "file", "out": self.entry.file, "status": self.status, "size": [self.size, self.size]}
        return event | {"class": self.entry.label, "number": self.entry.number}


@dataclass(frozen=True)
class Synthesis:
    """The pictures of a sampling as files of one folder, in a format by its suffix (`.png`).

    With as many of each class as the sampling says, each class has a folder of its own. Raises UsageError for a suffix
    whose files could not say that they are synthetic.
    """

    generator: Generator
    sampling: Sampling
    folder: Path
    suffix: str = ".png"
    overwrite: bool = False

    def __post_init__(self) -> None:
        marked_format(self.suffix)

    def write(
        self,
        *,
        report: Callable[[Made], None] = lambda made: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Summary:
        """Make what is missing; `report` hears of each picture, `stop` is asked between those made at once.

        Raises UsageError where a file is in the way, before anything is made, unless `overwrite` is set; LockedError
        when another process works on the folder, NoRoomError when disk or memory is full, ModelError for a network
        whose output is not finite.
        """
        samples = self._samples()
        with Manifest(self.folder) as manifest:
            there, missing = self._sorted(samples, manifest)
            for sample in there:
                report(self._told(sample, "skipped"))
            done = 0
            for group in self.generator.groups(missing):
                if stop():
                    break
                manifest.store([(self._entry(sample), data) for sample, data in self._encoded(group)])
                done += len(group)
                for sample in group:
                    report(self._told(sample, "ok"))
        return Summary(done, len(there), (), not_tried=len(missing) - done)

    def forecast(self) -> Forecast:
        """What `write` would do; nothing is written. Raises as `write` does.

        The seconds are those of making and encoding, measured by some pictures, without writing.
        """
        there, missing = self._sorted(self._samples(), Manifest(self.folder))
        seconds, size = self._measured(missing)
        place = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        return Forecast(
            todo=len(missing),
            done=len(there),
            failures=(),
            pixels=len(missing) * self.generator.config.size**2,
            seconds=seconds * len(missing),
            bytes=round(size * len(missing)),
            free=shutil.disk_usage(place).free,
        )

    @cached_property
    def _folders(self) -> list[str]:
        """Of each class, where each has one."""
        return [] if self.sampling.per_class is None else folder_names(self.generator.classes)

    def _entry(self, sample: Sample) -> Entry:
        """What a picture's line in the manifest says."""
        return Entry(
            file=file_name(sample, self._folders, self.suffix),
            label=None if sample.label is None else self.generator.classes[sample.label],
            number=sample.number,
            seed=self.sampling.seed,
            model=self.generator.name,
            model_sha256=self.generator.sha256,
        )

    def _told(self, sample: Sample, status: Literal["ok", "skipped"]) -> Made:
        return Made(self._entry(sample), self.generator.config.size, status)

    def _samples(self) -> Sequence[Sample]:
        return self.sampling.samples(self.generator.classes, self.generator.name)

    def _sorted(self, samples: Sequence[Sample], manifest: Manifest) -> tuple[list[Sample], list[Sample]]:
        """Those that are there, and those still to be made. Raises UsageError where a file is in the way of one."""
        there: list[Sample] = []
        missing: list[Sample] = []
        for sample in samples:
            entry = self._entry(sample)
            if manifest.has(entry):
                there.append(sample)
                continue
            manifest.refuse_obstacle(entry, overwrite=self.overwrite)
            missing.append(sample)
        for label in {sample.label for sample in missing if self._folders and sample.label is not None}:
            refuse_file(self.folder / self._folders[label])
        return there, missing

    def _encoded(self, group: Sequence[Sample]) -> Iterator[tuple[Sample, bytes]]:
        pictures = self.generator.made(group, self.sampling.seed)
        for sample, picture in zip(group, pictures, strict=True):
            yield sample, encode(picture, marked_format(self.suffix))

    def _measured(self, missing: Sequence[Sample]) -> tuple[float, float]:
        """Seconds and bytes of a picture."""
        # one of the first groups may be what was missing of another run, a picture in place of a whole batch
        group = max(islice(self.generator.groups(missing), 3), key=len, default=[])
        if not group:
            return 0.0, 0.0
        list(self._encoded(group))  # the first time takes longer than all that follow
        start = time.perf_counter()
        sizes = [len(data) for _, data in self._encoded(group)]
        return (time.perf_counter() - start) / len(group), sum(sizes) / len(group)
