"""Many synthetic pictures into a folder, with a manifest: what is there already is left, what is missing is made."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from i2i.errors import UsageError
from i2i.images.encoding import encode
from i2i.images.formats import Format, format_of
from i2i.inference.forecast import Forecast
from i2i.inference.generator import Generator
from i2i.inference.manifest import Entry, Manifest
from i2i.inference.outcome import Summary
from i2i.inference.samples import Sample, Sampling, file_names


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

    With as many of each class as the sampling says, each class has a folder of its own.
    """

    generator: Generator
    sampling: Sampling
    folder: Path
    suffix: str = ".png"
    overwrite: bool = False

    def write(
        self,
        *,
        report: Callable[[Made], None] = lambda made: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Summary:
        """Make what is missing; `report` hears of each picture, `stop` is asked between those made at once.

        Raises UsageError where a file is in the way, before anything is made, unless `overwrite` is set; LockedError
        when another process works on the folder, NoRoomError when disk or memory is full.
        """
        entries = self._entries()
        with Manifest(self.folder) as manifest:
            missing = self._missing(entries, manifest)
            for sample, entry in entries.items():
                if sample not in missing:
                    report(Made(entry, self.generator.config.size, "skipped"))
            done = 0
            for group in self.generator.groups([*missing]):
                if stop():
                    break
                self._store(group, entries, manifest)
                done += len(group)
                for sample in group:
                    report(Made(entries[sample], self.generator.config.size, "ok"))
        return Summary(done, len(entries) - len(missing), (), not_tried=len(missing) - done)

    def forecast(self) -> Forecast:
        """What `write` would do, measured by the first pictures; nothing is written. Raises as `write` does."""
        entries = self._entries()
        missing = self._missing(entries, Manifest(self.folder))
        seconds, size = self._measured(next(self.generator.groups([*missing]), []))
        place = next(path for path in (self.folder, *self.folder.absolute().parents) if path.exists())
        return Forecast(
            todo=len(missing),
            done=len(entries) - len(missing),
            failures=(),
            pixels=len(missing) * self.generator.config.size**2,
            seconds=seconds * len(missing),
            bytes=round(size * len(missing)),
            free=shutil.disk_usage(place).free,
        )

    @property
    def _format(self) -> Format:
        return format_of(Path(f"picture{self.suffix}"))

    def _entries(self) -> dict[Sample, Entry]:
        """What each picture's line in the manifest says, in order."""
        made, sampling = self.generator, self.sampling
        samples = sampling.samples(made.classes, made.name)
        files = file_names(samples, made.classes, self.suffix, by_class=sampling.per_class is not None)
        return {
            sample: Entry(
                file=file,
                label=None if sample.label is None else made.classes[sample.label],
                number=sample.number,
                seed=sampling.seed,
                model=made.name,
                model_sha256=made.sha256,
            )
            for sample, file in zip(samples, files, strict=True)
        }

    def _missing(self, entries: dict[Sample, Entry], manifest: Manifest) -> dict[Sample, Entry]:
        """Those that are still to be made. Raises UsageError where a file is in the way of one."""
        missing = {sample: entry for sample, entry in entries.items() if not manifest.has(entry)}
        if not self.overwrite:
            for entry in missing.values():
                if reason := manifest.obstacle(entry):
                    hint = "Choose another folder, or --overwrite."
                    raise UsageError(reason, where=self.folder / entry.file, hint=hint)
        return missing

    def _store(self, group: Sequence[Sample], entries: dict[Sample, Entry], manifest: Manifest) -> None:
        manifest.store([(entries[sample], data) for sample, data in self._encoded(group)])

    def _encoded(self, group: Sequence[Sample]) -> Iterator[tuple[Sample, bytes]]:
        pictures = self.generator.made(group, self.sampling.seed)
        for sample, picture in zip(group, pictures, strict=True):
            yield sample, encode(picture, self._format)

    def _measured(self, group: Sequence[Sample]) -> tuple[float, float]:
        """Seconds and bytes of a picture."""
        if not group:
            return 0.0, 0.0
        start = time.perf_counter()
        sizes = [len(data) for _, data in self._encoded(group)]
        return (time.perf_counter() - start) / len(group), sum(sizes) / len(group)
