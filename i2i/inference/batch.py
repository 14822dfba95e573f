"""Many picture files: reading, translating and writing at the same time, one bad file passed over and named."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i2i.errors import I2IError, ImageError, NoRoomError, StoppedError
from i2i.images.decoding import Frames, decode, decode_frames, header
from i2i.images.encoding import encode, encode_frames
from i2i.images.files import FileContent, content_of, read_content
from i2i.images.formats import BY_NAME, FORMAT_OF_SUFFIX, PNG, CannotHoldError, Format, loses_depth
from i2i.images.labels import decode_labels
from i2i.images.limits import Limits
from i2i.images.metadata import MetadataKept
from i2i.images.picture import Picture
from i2i.images.profiles import ProfileKept
from i2i.inference.inputs import STREAM, Selection, read_stream
from i2i.inference.journal import Journal
from i2i.inference.mask_files import MaskFile, MaskReader, with_masks
from i2i.inference.outcome import Outcome, Summary
from i2i.inference.output import Exists, Output
from i2i.inference.plan import Job, Plan, plan
from i2i.inference.room import Room

if TYPE_CHECKING:
    from i2i.inference.inpainter import Inpainter
    from i2i.inference.translator import Translator

Translate = Callable[..., Picture]  # of a picture; with `way` where its result named one before
# of a file's bytes and its mask file, where it has one; raises ImageError
Decode = Callable[[bytes, "Options", MaskFile | None], Picture | Frames]

PIXELS_IN_MEMORY = 64_000_000  # that are read, translated and written at the same time
READ_AHEAD = 2  # pictures for each thread
MOST_THREADS = 4  # more than these only wait for the disk, the network or each other


@dataclass(frozen=True)
class Options:
    """How pictures are read and written; the names are those of the command line."""

    format: str | None = None  # another suffix for all outputs
    suffix: str = ""
    quality: int | None = None
    metadata: MetadataKept = "keep"
    profile: ProfileKept = "keep"
    frames: Literal["first", "all"] = "first"
    limits: Limits = field(default_factory=Limits)
    exists: Exists = "skip"
    on_error: Literal["continue", "stop"] = "continue"
    jobs: int | None = None  # threads that read, and as many that write

    def what_matters(self) -> dict[str, Any]:
        """The options that change what is in the outputs."""
        other = asdict(self)
        for name in ("exists", "on_error", "jobs"):
            del other[name]
        del other["limits"]  # they decide whether there is an output, not what is in it
        return other


def pictures(data: bytes, options: Options, _: MaskFile | None = None) -> Picture | Frames:
    """A file's picture, or all of its frames; a mask is left out. Raises ImageError."""
    return (decode_frames if options.frames == "all" else decode)(data, options.limits)


def translate_files(
    plan: Plan,
    translate: Translate,
    options: Options = Options(),
    *,
    work: str = "",
    decoded: Decode = pictures,
    report: Callable[[Outcome], None] = lambda outcome: None,
    stop: Callable[[], bool] = lambda: False,
    following: Callable[[], Plan] | None = None,
) -> Summary:
    """Read, translate and write every picture of a plan; `report` hears of each one as it is done, in order.

    `work` names the model: with the options it decides whether an output that is there was made the same way, and is
    passed over. `decoded` makes of a file's bytes what the model takes, see `decoder`. What fails is passed over and
    listed in `i2i-errors.jsonl` in the output folder, which holds the failures of the last batch only. `stop` is asked
    after each picture; those that were begun are finished, unless `translate` itself raises StoppedError. `following`
    gives plans to go on with, until one without jobs. Raises LockedError when another process works on the folder,
    NoRoomError when the disk is full.
    """
    with _journal(plan) as journal:
        output = Output(plan, journal, options.exists, work_key(work, options))
        batch = _Batch(plan, translate, options, decoded, output, report)
        try:
            batch.run(stop)
            while following and not stop() and not batch.is_over() and (more := following()).jobs:
                batch.go_on(more)
                batch.run(stop)
        except BaseException:
            with suppress(I2IError, OSError):  # what happened first is what a person must hear of
                batch.list_failures()
            raise
        try:
            batch.list_failures()
        except I2IError as error:
            return replace(batch.summary(), problem=str(error))
        return batch.summary()


def decoder(translator: Translator | Inpainter) -> Decode:
    """What a model takes of a file: its pictures, with their holes where it repairs them; or the class numbers of a
    label map and nothing else of it."""
    if translator.marking:
        return translator.marking.decoded
    return _label_map if translator.labels else pictures


def _label_map(data: bytes, options: Options, _: MaskFile | None = None) -> Picture | Frames:
    return Picture(decode_labels(data, options.limits))


def beside(options: Options, device: str) -> Options:
    """The options with a number of threads, where none was asked for, that suits a network on this kind of device.

    On a CPU the network takes the processor itself, and more than one thread beside it costs more than it gains
    (benchmarks/folder.py).
    """
    most = 1 if device == "cpu" else MOST_THREADS
    return replace(options, jobs=options.jobs or min(most, os.cpu_count() or 1))


def plan_files(
    inputs: Sequence[str],
    output: Path,
    options: Options,
    selection: Selection,
    *,
    masks: Path | None = None,
    may_be_empty: bool = False,
) -> Plan:
    """The plan of a batch, see `plan` and `with_masks`; what an earlier batch wrote into the output is no input."""
    planned = plan(
        inputs,
        output,
        format=options.format,
        suffix=options.suffix,
        selection=selection,
        own=lambda: Journal(output).outputs(),
        may_be_empty=may_be_empty,
    )
    return planned if masks is None else with_masks(planned, masks, limits=options.limits, may_be_empty=may_be_empty)


def _journal(plan: Plan) -> Any:
    return nullcontext() if plan.folder is None else Journal(plan.folder, plan.selection.shard)


def work_key(work: str, options: Options) -> str:
    """One word for all that an output was made with, as the journal keeps it."""
    text = json.dumps({"model": work} | options.what_matters(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def failures_file(plan: Plan) -> Path | None:
    """Where the failures of a plan are listed; one file for each shard."""
    if plan.folder is None:
        return None
    number, count = plan.selection.shard
    return plan.folder / ("i2i-errors.jsonl" if count == 1 else f"i2i-errors-{number}-of-{count}.jsonl")


@dataclass(frozen=True)
class _Loaded:
    """A picture on its way: where it goes, its file without the data, what was decoded, since when."""

    planned: Job
    job: Job  # with the name that its output gets
    file: FileContent
    decoded: Picture | Frames
    start: float
    pixels: int  # for which it has room
    way: str  # that it took through the network before, see `Translator`


class _Batch:
    def __init__(
        self,
        plan: Plan,
        translate: Translate,
        options: Options,
        decoded: Decode,
        output: Output,
        report: Callable[[Outcome], None],
    ) -> None:
        self.plan, self.translate, self.options, self.decoded = plan, translate, options, decoded
        self.output, self.report = output, report
        self.room, self.masks = Room(PIXELS_IN_MEMORY), MaskReader(options.limits)
        self.planned = 0
        self.counts: Counter[str] = Counter()
        self.failures: list[Outcome] = []

    def go_on(self, plan: Plan) -> None:
        """Take another plan for the same output; what failed before and is tried again is no failure meanwhile."""
        again = {job.source for job in plan.jobs}
        failures = [failure for failure in self.failures if failure.job.source not in again]
        self.planned -= len(self.failures) - len(failures)
        self.failures = failures
        self.plan, self.output, self.room = plan, replace(self.output, plan=plan), Room(PIXELS_IN_MEMORY)

    def run(self, stop: Callable[[], bool]) -> None:
        """The network runs in this thread, picture by picture; others read ahead of it and write behind it."""
        self.planned += len(self.plan.jobs) + len(self.plan.unlisted)
        for folder, reason in self.plan.unlisted:
            self._count(Outcome(Job(Path(folder), Path(), folder, ""), "failed", reason))
        threads = self.options.jobs or min(MOST_THREADS, os.cpu_count() or 1)
        with ThreadPoolExecutor(threads) as readers, ThreadPoolExecutor(threads) as writers:
            try:
                self._flow(readers, writers, threads, stop)
            except NoRoomError as error:
                hint = f"{self.counts['ok']} pictures are done. {error.hint}"
                raise NoRoomError(error.what, where=error.where, hint=hint) from error.__cause__
            finally:
                self.room.close()
                readers.shutdown(cancel_futures=True)

    def is_over(self) -> bool:
        """Whether it ends after a failure."""
        return bool(self.failures) and self.options.on_error == "stop"

    def summary(self) -> Summary:
        """What became of everything that was planned."""
        ok, skipped = self.counts["ok"], self.counts["skipped"]
        left = self.planned - ok - skipped - len(self.failures)
        return Summary(ok, skipped, tuple(self.failures), self.counts["as png"], left)

    def list_failures(self) -> None:
        """Write the failures down, or remove the list of an earlier batch where there are none."""
        path, journal = failures_file(self.plan), self.output.journal
        if path is None or journal is None:
            return
        if self.failures:
            lines = [json.dumps({"in": failure.job.name_in, "error": failure.reason}) for failure in self.failures]
            journal.put(path, "".join(f"{line}\n" for line in lines).encode())
        else:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise ImageError(f"cannot be removed: {error.strerror or error}.", where=path) from error

    def _flow(
        self, readers: ThreadPoolExecutor, writers: ThreadPoolExecutor, threads: int, stop: Callable[[], bool]
    ) -> None:
        writing: deque[Future[Outcome]] = deque()
        for loaded in self._read(readers, threads * READ_AHEAD):
            try:
                writing.append(self._translated(loaded, writers))
            except StoppedError:  # in the middle of a picture, of which nothing is written: it was not tried
                break
            while len(writing) > threads or (writing and writing[0].done()):
                self._count(writing.popleft().result())
            if stop() or self.is_over():
                break
        while writing:
            self._count(writing.popleft().result())

    def _read(self, readers: ThreadPoolExecutor, ahead: int) -> Iterator[_Loaded | Outcome]:
        """What was read, in the plan's order, some pictures before they are needed."""
        if self.plan.jobs and str(self.plan.jobs[0].source) == STREAM:
            yield self._load(0, self.plan.jobs[0])  # in this thread, where a second Ctrl-C ends the wait for a pipe
            return
        jobs = iter(enumerate(self.plan.jobs))
        reading: deque[Future[_Loaded | Outcome]] = deque()
        while True:
            while len(reading) < ahead and (following := next(jobs, None)):
                reading.append(readers.submit(self._load, *following))
            if not reading:
                return
            yield reading.popleft().result()

    def _load(self, number: int, job: Job) -> _Loaded | Outcome:
        start, limits = time.perf_counter(), self.options.limits
        try:
            with self.room.turn(number) as turn:
                job, mask = self.masks(job)
                cleared = self.output.cleared(job)
                if cleared is None:
                    return Outcome(job, "skipped")
                is_stream = str(job.source) == STREAM
                file = content_of(read_stream(limits.max_bytes)) if is_stream else read_content(job.source, limits)
                width, height, count = header(file.data, limits)
                turn.enter(width * height * (count if self.options.frames == "all" else 1))
                decoded = self.decoded(file.data, self.options, mask)
                way = self.output.way(job, file)
                return _Loaded(job, cleared, replace(file, data=b""), decoded, start, turn.pixels or 0, way)
        except ImageError as error:
            return _failed(job, error, start)

    def _translated(self, loaded: _Loaded | Outcome, writers: ThreadPoolExecutor) -> Future[Outcome]:
        """The outcome to come; what needs no writing is there at once."""
        if isinstance(loaded, Outcome):
            outcome = loaded
        else:
            try:
                made = self._through_network(loaded.decoded, loaded.way)
                return writers.submit(self._store, loaded, made)
            except ImageError as error:
                self.room.leave(loaded.pixels)
                outcome = _failed(loaded.job, error, loaded.start)
        there: Future[Outcome] = Future()
        there.set_result(outcome)
        return there

    def _through_network(self, decoded: Picture | Frames, way: str) -> Picture | Frames:
        again = {"way": way} if way else {}
        if isinstance(decoded, Picture):
            return self.translate(decoded, **again)
        return replace(decoded, pictures=tuple(self.translate(picture, **again) for picture in decoded.pictures))

    def _store(self, loaded: _Loaded, made: Picture | Frames) -> Outcome:
        first = made if isinstance(made, Picture) else made.pictures[0]
        notes = first.carried.notes
        try:
            job = loaded.job
            try:
                data = encoded(made, format_for(job, first, self.options), self.options)
            except CannotHoldError as error:
                if self.plan.folder is None:
                    raise
                job = self.output.renamed_to_png(loaded.planned)
                data = encoded(made, PNG, self.options)
                notes = (*notes, f"{error.what.rstrip('.')}: written as {job.name_out}")
            self.output.store(job, data, loaded.file, first.way)
        except ImageError as error:
            return _failed(loaded.job, error, loaded.start)
        finally:
            self.room.leave(loaded.pixels)
        size = (first.width, first.height)
        return Outcome(job, "ok", "", _milliseconds(loaded.start), size, notes, as_png=job != loaded.job)

    def _count(self, outcome: Outcome) -> None:
        self.counts[outcome.status] += 1
        self.counts["as png"] += outcome.as_png
        if outcome.status == "failed":
            self.failures.append(outcome)
        self.report(outcome)


def format_for(job: Job, picture: Picture, options: Options) -> Format:
    """That of the output's name; of the source where the name says nothing. Raises CannotHoldError."""
    named = FORMAT_OF_SUFFIX.get(job.target.suffix.lower())
    format = named or BY_NAME.get(picture.carried.format or "", PNG)
    if options.format is None and loses_depth(picture, format):
        raise CannotHoldError(f"{format.name} cannot hold more than 8 bit.")
    return format


def encoded(made: Picture | Frames, format: Format, options: Options) -> bytes:
    """The bytes of an output. Raises CannotHoldError, ImageError."""
    quality, metadata, profile = options.quality, options.metadata, options.profile
    if isinstance(made, Picture):
        return encode(made, format, quality=quality, metadata=metadata, profile=profile)
    return encode_frames(made, format, quality=quality, metadata=metadata, profile=profile)


def _failed(job: Job, error: ImageError, start: float) -> Outcome:
    reason = f"{error.what} {error.hint}" if error.hint else error.what
    return Outcome(job, "failed", reason, _milliseconds(start), exit_code=error.exit_code)


def _milliseconds(start: float) -> int:
    return round(1000 * (time.perf_counter() - start))
