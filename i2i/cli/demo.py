"""`i2i demo`."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i2i.cli.console import Console, pass_console
from i2i.cli.options import json_option, progress_option, quiet_option, verbose_option
from i2i.errors import UsageError, printable

if TYPE_CHECKING:
    from i2i.demo import Proof

PROOF = """\
Is it more than new colours? Distance to real {kind} fish (sliced Wasserstein distance of patches at three scales):
  untouched {untouched:.2f}   best recolouring {recoloured:.2f}   ours {translated:.2f}   fresh real ones {real:.2f}
  ratio {ratio:.2f}: 0 is as near as real pictures, 1 no nearer than the best recolouring"""
NEXT = """\
Pictures: {sheet}
Figures:  {figures}
Next:
  i2i translate {run} {fish} -o {more}
  i2i resume {run} --steps {steps}
  i2i train cyclegan YOUR_PICTURES -o runs/mine"""


@click.command()
@click.option("-o", "--output", metavar="DIR", type=click.Path(), help="A new folder.  [default: i2i-demo]")
@click.option("--seed", type=click.IntRange(0, 1_000_000), default=0, show_default=True, help="Draw other fish.")
@json_option
@progress_option
@quiet_option
@verbose_option
@pass_console
def demo(console: Console, output: str | None, seed: int) -> None:
    """See it work: no network, no pictures of your own, about five minutes on two cores.

    A shipped model paints bundled photographs. Then plain and striped fish are drawn, a small model learns to turn
    one kind into the other, and a contact sheet shows fish that it has never seen.
    """
    folder = _new_folder(output)

    from i2i.demo import Lesson, first_look, teach

    console.note(f"Painted by the shipped model: {printable(str(first_look(folder)))}")
    lesson = Lesson(seed=seed)
    console.note(f"Drawing {2 * (lesson.train + lesson.test)} fish, then training for {lesson.steps} steps.")
    proof = teach(folder, lesson, command=console.command, progress=console.progress)
    if console.json:
        console.document(json.loads((folder / "demo.json").read_text(encoding="utf-8")))
    else:
        console.result(_in_words(proof))
        console.result(_next_steps(folder, 2 * lesson.steps))


def _new_folder(output: str | None) -> Path:
    """The folder asked for, else i2i-demo, i2i-demo-2 and so on. Raises UsageError for one that is in use."""
    if output is None:
        folders = (Path(f"i2i-demo-{number}" if number > 1 else "i2i-demo") for number in count(1))
        return next(folder for folder in folders if not folder.exists())
    folder = Path(output)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError("is there already.", where=folder, hint="Choose a new folder with -o.")
    return folder


def _in_words(proof: Proof) -> str:
    return PROOF.format(kind="striped", ratio=proof.to_striped.ratio, **asdict(proof.to_striped))


def _next_steps(folder: Path, steps: int) -> str:
    def path(name: str) -> str:
        return printable(shlex.quote(str(folder / name)))

    places = {
        "sheet": path("contact-sheet.png"),
        "figures": path("demo.json"),
        "run": path("run"),
        "fish": path("fish/trainA"),
        "more": path("more"),
    }
    return NEXT.format(steps=steps, **places)
