"""What a batch would do: counted and measured, nothing written."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from i2i.errors import ImageError
from i2i.images.decoding import header
from i2i.images.files import read_content, read_size
from i2i.images.formats import PNG, CannotHoldError
from i2i.images.picture import Picture
from i2i.inference.batch import Decode, Options, encoded, format_for, pictures, work_key
from i2i.inference.journal import Journal
from i2i.inference.marking import refuse_unfit
from i2i.inference.mask_files import MaskReader
from i2i.inference.output import Output
from i2i.inference.plan import Job, Plan

SAMPLES = 3
ENOUGH_SECONDS = 20.0


@dataclass(frozen=True)
class Forecast:
    """Counts of pictures; pixels that go through the network; seconds and bytes as some samples let expect.

    `failures` are inputs that cannot be read or whose place is taken, with the reason. `seconds` and `bytes` are None
    where no sample could be translated.
    """

    todo: int
    done: int
    failures: tuple[tuple[str, str], ...]
    pixels: int
    seconds: float | None
    bytes: int | None
    free: int

    def as_json(self) -> dict[str, Any]:
        """What `--dry-run --json` prints."""
        failures = [{"in": name, "error": reason} for name, reason in self.failures]
        return {"event": "forecast"} | asdict(self) | {"failures": failures, "schema": 1}


def forecast(
    plan: Plan, translate: Callable[[Picture], Picture], options: Options, work: str, decoded: Decode = pictures
) -> Forecast:
    """Look at every header and at the journal, and translate a few pictures to measure them."""
    journal = None if plan.folder is None else Journal(plan.folder, plan.selection.shard)
    output = Output(plan, journal, options.exists, work_key(work, options))
    masks = MaskReader(options.limits)

    def look(job: Job) -> int | None:
        """Pixels to translate; None for what is done. Raises ImageError."""
        job, mask = masks(job)
        if output.cleared(job) is None:
            return None
        if mask is not None:
            refuse_unfit(mask, job.source, options.limits)
        return _pixels(job, options)

    sizes, failures = _looked_at(plan, look)
    total = sum(sizes.values())
    seconds, size = _measured(sizes, translate, options, decoded, masks)
    left = None if seconds is None else seconds * total
    return Forecast(
        todo=len(sizes),
        done=len(plan.jobs) + len(plan.unlisted) - len(sizes) - len(failures),
        failures=tuple(failures),
        pixels=total,
        seconds=left,
        bytes=None if size is None else round(size * total),
        free=_free(plan.folder or Path()),
    )


def _looked_at(plan: Plan, look: Callable[[Job], int | None]) -> tuple[dict[Job, int], list[tuple[str, str]]]:
    """Pixels of the jobs that are to do; names and reasons of what cannot be done."""
    sizes: dict[Job, int] = {}
    failures = [(folder, reason) for folder, reason in plan.unlisted]
    with ThreadPoolExecutor() as threads:
        looks = [(job, threads.submit(look, job)) for job in plan.jobs]
        try:
            for job, future in looks:
                try:
                    pixels = future.result()
                except ImageError as error:
                    failures.append((job.name_in, error.what))
                    continue
                if pixels is not None:
                    sizes[job] = pixels
        finally:
            threads.shutdown(cancel_futures=True)  # Ctrl-C: not all the others first
    return sizes, failures


def _pixels(job: Job, options: Options) -> int:
    if options.frames == "all":  # how many there are stands all over the file
        width, height, count = header(read_content(job.source, options.limits).data, options.limits)
        return width * height * count
    width, height = read_size(job.source, options.limits)
    return width * height


def _measured(
    sizes: dict[Job, int],
    translate: Callable[[Picture], Picture],
    options: Options,
    decoded: Decode,
    masks: MaskReader,
) -> tuple[float | None, float | None]:
    """Seconds and bytes for each pixel: of pictures of the middle size and below, which take the least time."""
    by_size = sorted(sizes, key=lambda job: sizes[job])
    spent, pixels, written = 0.0, 0, 0
    for job in by_size[len(by_size) // 2 :: -max(1, len(by_size) // 2 // SAMPLES)][:SAMPLES]:
        start = time.perf_counter()
        try:
            _, mask = masks(job)
            found = decoded(read_content(job.source, options.limits).data, options, mask)
            picture = found if isinstance(found, Picture) else found.pictures[0]
            made = translate(picture)
            written += len(_encoded(made, job, options))
        except ImageError:  # the batch will name it
            continue
        spent += time.perf_counter() - start
        pixels += picture.width * picture.height
        if spent > ENOUGH_SECONDS:
            break
    return (spent / pixels, written / pixels) if pixels else (None, None)


def _encoded(made: Picture, job: Job, options: Options) -> bytes:
    try:
        return encoded(made, format_for(job, made, options), options)
    except CannotHoldError:
        return encoded(made, PNG, options)


def _free(folder: Path) -> int:
    """Bytes free on the disk of a folder that may not be there yet."""
    place = folder.absolute()
    while not os.path.isdir(place):
        place = place.parent
    return shutil.disk_usage(place).free
