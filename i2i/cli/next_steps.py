"""What to type after a training has ended."""

from __future__ import annotations

import shlex
from pathlib import Path

from i2i.config.methods import METHODS
from i2i.errors import printable


def next_steps(method: str, run: Path) -> str:
    """Lines for a person: how to use, describe and prolong what the run made."""
    model = printable(shlex.quote(str(run)))
    use = {
        "translate": f"translate {model} FOLDER -o OUT",
        "upscale": f"upscale FOLDER -o OUT --model {model}",
        "inpaint": f"inpaint FOLDER --mask MASKS -o OUT --model {model}",
        "generate": f"generate {model} -o OUT -n 100",
    }
    return (
        f"Done. Next:\n  i2i {use[METHODS[method].task]}\n  i2i models info {model}\n  i2i resume {model} --steps MORE"
    )
