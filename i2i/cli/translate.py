"""`i2i translate MODEL INPUT... -o OUT`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.batch_progress import BatchProgress, grouped
from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import printable

if TYPE_CHECKING:
    from i2i.inference.batch import Outcome, Plan, Summary
    from i2i.inference.translator import Translator

FORMATS = {"same": None, "png": ".png", "jpg": ".jpg", "webp": ".webp", "avif": ".avif", "tiff": ".tiff"}
SHOWN_FAILURES = 20


def _check_device(_: click.Context, __: click.Parameter, device: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise click.BadParameter(f"'{device}' is none of auto, cpu, cuda, cuda:N, mps.")
    return device


@click.command()
@click.argument("model")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="OUT",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the translations; a picture file where one file goes in.",
)
@click.option("--direction", type=click.Choice(["a2b", "b2a"]), help="[default: a2b, or the only one of the model]")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    envvar="I2I_DEVICE",
    callback=_check_device,
    help="auto, cpu, cuda, cuda:N or mps.",
)
@click.option(
    "--format", type=click.Choice(list(FORMATS)), default="same", show_default=True, help="Format of the translations."
)
@click.option(
    "--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of lossy formats: JPEG, WebP, AVIF."
)
@click.option("--suffix", default="", help="Put at the end of each name, before the format.")
@click.option(
    "--exists",
    type=click.Choice(["error", "skip", "overwrite"]),
    default="error",
    show_default=True,
    help="What to do where a translation's file is there already.",
)
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
@click.pass_context
def translate(context: click.Context, console: Console, /, **asked: Any) -> None:
    """Translate pictures with MODEL: a run folder, a model file, or a name of `i2i models list`.

    An INPUT is a picture or a folder, which is searched to the bottom and mirrored in OUT. Size, format, alpha and
    metadata are kept; inputs are never changed. A file that cannot be read is passed over and named at the end: exit
    code 3, and the list is OUT/i2i-errors.jsonl.
    """
    from i2i.inference.batch import plan
    from i2i.models.info import choose_direction, read_info
    from i2i.models.shipped import resolve

    planned = plan(asked["inputs"], asked["output"], format=FORMATS[asked["format"]], suffix=asked["suffix"])
    path = resolve(asked["model"])
    direction = choose_direction(read_info(path), asked["direction"])

    from i2i.inference.translator import load

    translator = load(path, device=asked["device"], direction=direction)
    count = f"{grouped(len(planned.jobs))} picture{'s' if len(planned.jobs) > 1 else ''}"
    console.note(printable(f"model {asked['model']}  ·  {direction}  ·  {translator.device}  ·  {count}"))
    summary = _translate(console, planned, translator, asked)
    _conclude(console, planned, summary, asked["output"])
    context.exit(summary.exit_code)


def _translate(console: Console, planned: Plan, translator: Translator, asked: dict[str, Any]) -> Summary:
    from i2i.inference.batch import translate_files

    progress = BatchProgress("translate", len(planned.jobs), console.progress, translator.place)

    def report(outcome: Outcome) -> None:
        if console.json:
            console.document(outcome.as_json())
        progress.count(failed=outcome.status == "failed", size=outcome.size)

    try:
        return translate_files(planned, translator, exists=asked["exists"], quality=asked["quality"], report=report)
    finally:
        progress.close()


def _conclude(console: Console, planned: Plan, summary: Summary, output: Path) -> None:
    if console.json:
        console.document(summary.as_json())
        return
    if not console.quiet:
        console.result(printable(_counts(planned, summary, output)))
    for failure in summary.failures[:SHOWN_FAILURES]:
        if console.quiet:
            console.error(f"{failure.job.name_in}: {failure.reason}")
        else:
            console.result(printable(f"  {failure.job.name_in}   {failure.reason}"))
    if len(summary.failures) > SHOWN_FAILURES and not console.quiet:
        console.result(f"  and {grouped(len(summary.failures) - SHOWN_FAILURES)} more")


def _counts(planned: Plan, summary: Summary, output: Path) -> str:
    from i2i.inference.batch import FAILURES

    parts = []
    if summary.ok or not (summary.skipped or summary.failures):
        parts.append(f"{grouped(summary.ok)} written to {output}")
    if summary.skipped:
        parts.append(f"{grouped(summary.skipped)} there already")
    if summary.failures:
        where = f" (list: {planned.folder / FAILURES})" if planned.folder else ""
        parts.append(f"{grouped(len(summary.failures))} failed{where}")
    return "  ·  ".join(parts)
