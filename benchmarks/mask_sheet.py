"""All kinds of masks on one sheet: `python benchmarks/mask_sheet.py docs/pictures/masks.png`.

Each row is a kind, in the order of the settings; `--times` prints how long one takes to draw, `--json` as a document.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from i2i.config.masks import MASK_KINDS, MaskKind
from i2i.images.masks import Mask
from i2i.masks.draw import draw

SIDE, SHOWN, COLUMNS, GAP = 256, 96, 8, 4  # pixels that are drawn and shown, masks a row, pixels between them
TIMED = 200


def main() -> None:
    """Draw the sheet, and measure where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--times", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    Image.fromarray(sheet()).convert("P", palette=Image.Palette.ADAPTIVE, colors=16).save(asked.output, optimize=True)
    if asked.times or asked.json:
        found = {kind: milliseconds(kind) for kind in MASK_KINDS}
        print(json.dumps(found) if asked.json else "\n".join(f"{k:10} {t:.2f} ms" for k, t in found.items()))


def sheet() -> NDArray[np.uint8]:
    """(H, W) gray: the kinds from top to bottom, masks of the seeds 0, 1 ... from left to right."""
    rows = [[_shown(_mask(kind, seed)) for seed in range(COLUMNS)] for kind in MASK_KINDS]
    return np.vstack([np.hstack(row) for row in rows])


def milliseconds(kind: MaskKind) -> float:
    """Mean time for a mask of 256 x 256."""
    began = time.perf_counter()
    for seed in range(TIMED):
        _mask(kind, seed)
    return round((time.perf_counter() - began) / TIMED * 1000, 3)


def _mask(kind: MaskKind, seed: int) -> Mask:
    return draw(kind, SIDE, SIDE, np.random.default_rng(seed))


def _shown(mask: Mask) -> NDArray[np.uint8]:
    small = Image.fromarray(mask).convert("L").resize((SHOWN, SHOWN), Image.Resampling.BOX)
    return np.pad(np.asarray(small), GAP // 2, constant_values=110)


if __name__ == "__main__":
    main()
