"""What all commands that take pictures share: the way through a folder, and what is told at the end."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.cli.allocator import keep_memory
from i2i.cli.batch_progress import BatchProgress, grouped
from i2i.cli.console import Console
from i2i.cli.picture_options import FORMATS
from i2i.errors import StoppedError, UsageError, printable
from i2i.interrupt import Interrupt

if TYPE_CHECKING:
    from i2i.inference.batch import Options
    from i2i.inference.forecast import Forecast
    from i2i.inference.inpainter import Inpainter
    from i2i.inference.inputs import Selection
    from i2i.inference.outcome import Outcome, Summary
    from i2i.inference.plan import Plan
    from i2i.inference.translator import Translator
    from i2i.inference.ways import Running

SHOWN_FAILURES = 20


class PictureRun:
    """One call of a picture command: its plan, made before torch is loaded, and everything that follows.

    `masks` is a mask file or a folder of them.
    """

    def __init__(self, console: Console, verb: str, asked: dict[str, Any], masks: Path | None = None) -> None:
        from i2i.images.limits import Limits
        from i2i.inference.batch import Options, plan_files
        from i2i.inference.inputs import Selection

        keep_memory()  # before torch is loaded
        self.console, self.verb, self.asked, self.masks = console, verb, asked, masks
        self.output: Path = asked["output"]
        self.options: Options = Options(
            format=FORMATS[asked["format"]],
            suffix=asked["suffix"],
            quality=asked["quality"],
            metadata=asked["metadata"],
            profile=asked["profile"],
            frames=asked["frames"],
            limits=Limits(asked["max_pixels"], asked["allow_truncated"]),
            exists=asked["exists"],
            on_error=asked["on_error"],
            jobs=asked["jobs"],
        )
        self.selection: Selection = Selection(
            recursive=asked["recursive"],
            include=asked["include"],
            exclude=asked["exclude"],
            symlinks=asked["symlinks"],
            shard=asked["shard"],
        )
        self._refuse_nonsense()
        self._plan_files = plan_files
        self.plan = self._planned()

    def running(self) -> Running:
        """How the network is to be run."""
        from i2i.inference.ways import Running

        names = ("tile", "overlap", "precision", "max_side", "runtime")
        return Running(**{name: self.asked[name] for name in names if name in self.asked})

    def go(self, translator: Translator | Inpainter, introduction: str) -> int:
        """Translate everything and tell it; the exit code."""
        if self.asked["threads"]:
            import torch

            torch.set_num_threads(self.asked["threads"])
        count = len(self.plan.jobs)
        translator.expect(count)
        parts = [introduction, str(translator.device), f"{grouped(count)} picture{'s' if count != 1 else ''}"]
        self.console.note(printable("  ·  ".join(parts)))
        if self.plan.links:
            self.console.note(f"{grouped(self.plan.links)} links passed over (--symlinks follow takes them)")
        if self.asked["dry_run"]:
            return self._forecast(translator)
        with Interrupt() as interrupt:
            summary = self._translate(translator, interrupt)
        stopped = interrupt.exit_code if summary.not_tried or self.asked["watch"] else None
        self._conclude(summary, stopped or summary.exit_code)
        if stopped:
            hint = f"Go on: {self.console.command}"
            done = "written" if self.verb == "inpaint" else "begun"  # holes are painted piece by piece
            raise StoppedError(f"stopped; what was {done} is finished.", hint=hint, exit_code=stopped)
        return summary.exit_code

    def _planned(self) -> Plan:
        inputs = list(self.asked["inputs"])
        return self._plan_files(
            inputs, self.output, self.options, self.selection, masks=self.masks, may_be_empty=self.asked["watch"]
        )

    def _refuse_nonsense(self) -> None:
        to_stdout = str(self.output) == "-"
        if to_stdout and sys.stdout.isatty():
            raise UsageError(
                "-o - writes a picture to standard output, and that is a terminal.", hint="Such as: > out.png"
            )
        if to_stdout and self.console.json:
            raise UsageError("--json and -o - both need standard output.", hint="Leave one of them out.")
        if self.asked["watch"] and (to_stdout or "-" in self.asked["inputs"]):
            raise UsageError("--watch is for folders.", hint="Leave it out.")
        if self.asked["dry_run"] and "-" in self.asked["inputs"]:
            raise UsageError("--dry-run cannot look at standard input.", hint="Leave it out.")

    def _translate(self, translator: Translator | Inpainter, interrupt: Interrupt) -> Summary:
        from i2i.inference.batch import beside, decoder, translate_files
        from i2i.inference.inpainter import Inpainter
        from i2i.inference.watch import Watch

        progress = BatchProgress(self.verb, len(self.plan.jobs), self.console.progress, translator.place)

        def report(outcome: Outcome) -> None:
            progress.count(failed=outcome.status == "failed", size=outcome.size)
            if self.console.json:
                self.console.document(outcome.as_json())
            elif outcome.notes or outcome.status == "failed":
                with progress.aside():
                    for note in (*outcome.notes, *([outcome.reason] if outcome.reason else [])):
                        self.console.detail(printable(f"{outcome.job.name_in}: {note}"))

        def following() -> Plan:
            more = watch()
            progress.total += len(more.jobs)
            return more

        def note(problem: str) -> None:
            with progress.aside():
                self.console.note(printable(problem))

        translator.tell = note
        if isinstance(translator, Inpainter):
            translator.stop = interrupt.end_asked
        watch = Watch(self.plan, self._planned, interrupt.end_asked, note)
        try:
            return translate_files(
                self.plan,
                translator,
                beside(self.options, translator.device.type),
                decoded=decoder(translator),
                work=translator.name,
                report=report,
                stop=interrupt.end_asked,
                following=following if self.asked["watch"] else None,
            )
        finally:
            progress.close()

    def _forecast(self, translator: Translator | Inpainter) -> int:
        from i2i.inference.batch import decoder
        from i2i.inference.forecast import forecast

        found = forecast(self.plan, translator, self.options, translator.name, decoder(translator))
        if self.console.json:
            self.console.document(found.as_json())
        elif not self.console.quiet:
            self.console.result(printable(forecast_line(found)))
            for name, reason in found.failures[:SHOWN_FAILURES]:
                self.console.result(printable(f"  {name}   {reason}"))
            self.console.result("Nothing was written.")
        return 3 if found.failures else 0

    def _conclude(self, summary: Summary, exit_code: int) -> None:
        console = self.console
        if summary.problem:
            console.error(summary.problem)
        if console.json:
            console.document(summary.as_json(exit_code))
            return
        tell = console.note if str(self.output) == "-" else console.result
        if not console.quiet:
            tell(printable(self._counts(summary)))
        for failure in summary.failures[:SHOWN_FAILURES]:
            if console.quiet:
                console.error(f"{failure.job.name_in}: {failure.reason}")
            else:
                tell(printable(f"  {failure.job.name_in}   {failure.reason}"))
        if len(summary.failures) > SHOWN_FAILURES:
            more = f"and {grouped(len(summary.failures) - SHOWN_FAILURES)} more"
            console.error(more) if console.quiet else tell(f"  {more}")

    def _counts(self, summary: Summary) -> str:
        from i2i.inference.batch import failures_file

        parts = []
        if summary.ok or not (summary.skipped or summary.failures):
            parts.append(f"{grouped(summary.ok)} written to {self.output}")
        if summary.as_png:
            parts.append(f"{grouped(summary.as_png)} of them as PNG, which their own format cannot hold")
        if summary.skipped:
            parts.append(f"{grouped(summary.skipped)} already done")
        if summary.failures:
            path = failures_file(self.plan)
            parts.append(f"{grouped(len(summary.failures))} failed{f' (list: {path})' if path else ''}")
        if summary.not_tried:
            parts.append(f"{grouped(summary.not_tried)} not tried")
        return "  ·  ".join(parts)


def forecast_line(found: Forecast) -> str:
    """What a batch would do, on one line."""
    parts = [f"{grouped(found.todo)} to do, {found.pixels / 1e6:.0f} Mpx"]
    if found.seconds is not None and found.bytes is not None:
        parts.append(f"about {timedelta(seconds=round(found.seconds))}")
        parts.append(f"about {found.bytes / 1e6:.1f} MB, {found.free / 1e9:.1f} GB free")
    if found.done:
        parts.append(f"{grouped(found.done)} already done")
    if found.failures:
        parts.append(f"{grouped(len(found.failures))} cannot be done")
    return "  ·  ".join(parts)
