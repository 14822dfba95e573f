"""CPU seconds from the shell's prompt back to it: what i2i's quick commands cost beside a bare Python.

    python benchmarks/startup.py
    python benchmarks/startup.py --runs 21 --json

Each command runs in a process of its own; measured are its user and system seconds as the kernel counts them for
finished children. All commands are run in turn, after one round that is not counted: it fills the file cache and
compiles all modules, into a temporary folder, so that a source tree that has never been run is measured as an
installed program. Medians and quartiles over the rounds. `python -c pass` is what nothing could be quicker than. Every
command's exit code is checked: one that fails early must not pass for a quick one.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import asdict, dataclass
from tempfile import TemporaryDirectory

import click
import numpy as np

BUDGET = 0.25  # CPU seconds of every command
BARE = "python -c pass"
COMMANDS = {  # arguments -> exit code
    "--help": 0,
    "--version": 0,
    "train --help": 0,
    "train cyclegan --help": 0,
    "translate --help": 0,
    "models list": 0,
    "translate --no-such-option": 2,
    "completion bash": 0,
}


@dataclass(frozen=True)
class Row:
    """One command: quartiles in CPU seconds."""

    command: str
    low: float
    median: float
    high: float

    @property
    def within(self) -> bool:
        """Whether the median keeps to the budget."""
        return self.median <= BUDGET


def program() -> str:
    """The `i2i` of the Python that runs this."""
    found = shutil.which("i2i", path=sysconfig.get_path("scripts"))
    if not found:
        raise click.ClickException("no `i2i` beside this Python; install the project: pip install -e .")
    return found


def calls() -> dict[str, tuple[list[str], int]]:
    """Label -> what is run, and the exit code that it must have."""
    i2i = program()
    ours = {f"i2i {arguments}": ([i2i, *arguments.split()], code) for arguments, code in COMMANDS.items()}
    return {BARE: ([sys.executable, "-c", "pass"], 0), **ours}


def cpu_seconds(arguments: list[str], code: int, compiled: str) -> float:
    """User and system seconds of one run; `compiled` is the folder of its compiled modules."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != code:
        raise click.ClickException(f"{arguments} ended with {done.returncode} instead of {code}: {done.stderr.strip()}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(runs: int) -> list[Row]:
    """Every command `runs` times, in turn."""
    called = calls()
    with TemporaryDirectory() as compiled:
        rounds = [{label: cpu_seconds(*call, compiled) for label, call in called.items()} for _ in range(runs + 1)][1:]
    return [Row(label, *np.percentile([one[label] for one in rounds], [25, 50, 75]).tolist()) for label in called]


def table(rows: list[Row]) -> str:
    """For a person."""
    lines = [f"{'CPU seconds':<32}{'median':>8}{'quartiles':>16}"]
    for row in rows:
        verdict = "" if row.command == BARE or row.within else f"  over {BUDGET} s"
        lines.append(f"{row.command:<32}{row.median:>8.3f}{f'{row.low:.3f}–{row.high:.3f}':>16}{verdict}")
    return "\n".join(lines)


@click.command()
@click.option("--runs", type=click.IntRange(1), default=11, show_default=True, help="Runs of each command.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(runs: int, as_json: bool) -> None:
    """CPU seconds of i2i's quick commands; exit code 1 when one is over the budget."""
    rows = measure(runs)
    if as_json:
        measured = [asdict(row) | {"within": row.within} for row in rows]
        document = {"python": platform.python_version(), "runs": runs, "budget": BUDGET, "commands": measured}
        click.echo(json.dumps(document))
    else:
        click.echo(table(rows))
    sys.exit(0 if all(row.within for row in rows) else 1)


if __name__ == "__main__":
    main()
