"""Contact sheets: pictures side by side under headings, for a person to judge. H x W pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from i2i.images.picture import Picture, Pixels

GAP = 8  # pixels around every picture
HEADING = 17  # height of the letters in pixels
PAPER, INK = (250, 250, 248), (30, 30, 34)


def contact_sheet(columns: Mapping[str, Sequence[Pixels]], *, enlarge: int = 1) -> Picture:
    """One picture of columns of (H, W, 3) pictures, each under its heading; rows go together.

    `enlarge` repeats every pixel so many times in both directions. Raises ValueError for columns of unequal length.
    """
    rows = list(zip(*columns.values(), strict=True))
    cells = [picture.shape[:2] for row in rows for picture in row]
    height = enlarge * max(height for height, _ in cells)
    width = max(enlarge * max(width for _, width in cells), *(round(_length(heading)) for heading in columns))
    top = HEADING + 2 * GAP
    size = (GAP + len(columns) * (width + GAP), top + len(rows) * (height + GAP))
    sheet = Image.new("RGB", size, PAPER)
    for across, heading in enumerate(columns):
        middle = GAP + across * (width + GAP) + width / 2
        ImageDraw.Draw(sheet).text((middle, top / 2), heading, INK, _font(), anchor="mm")
        for down, row in enumerate(rows):
            corner = GAP + across * (width + GAP), top + down * (height + GAP)
            _place(sheet, row[across], corner, (width, height), enlarge)
    return Picture(np.array(sheet))


def _place(sheet: Image.Image, picture: Pixels, corner: tuple[int, int], cell: tuple[int, int], enlarge: int) -> None:
    """Paste an enlarged picture into the middle of its cell."""
    height, width = picture.shape[:2]
    image = Image.fromarray(picture).resize((enlarge * width, enlarge * height), Image.Resampling.NEAREST)
    sheet.paste(image, (corner[0] + (cell[0] - image.width) // 2, corner[1] + (cell[1] - image.height) // 2))


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(HEADING)


def _length(heading: str) -> float:
    return _font().getlength(heading)
