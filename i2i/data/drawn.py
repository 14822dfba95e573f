"""Pictures drawn by our own code: plain and striped fish in a pond, two kinds to translate between without any data.

Both kinds wear the same two colours and swim in the same waters; plain fish have the second, darker one on their fins
alone, striped fish also in bands across the body. No map of colours by themselves turns one kind into the other: it
would have to darken a body in some places and leave it in others.
Positions are in [-1, 1] with y downwards; a fish's own `along` runs from the tail (-1) to the nose, `across` from the
back (negative) to the belly.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from i2i.images.files import write
from i2i.images.picture import Picture, Pixels

Kind = Literal["plain", "striped"]
Canvas = NDArray[np.float32]  # (H, W, 3) in [0, 255]
Field = NDArray[np.float32]  # (H, W): one number for each point of the canvas
Mask = NDArray[np.bool_]  # (H, W)
Colour = tuple[float, float, float]

FINER = 3  # drawn so many times finer than asked for and then averaged: smooth edges

# body, fins and bands
COATS: tuple[tuple[Colour, Colour], ...] = (
    ((246, 142, 40), (66, 32, 36)),
    ((250, 208, 66), (34, 50, 112)),
    ((112, 206, 196), (18, 66, 98)),
    ((230, 226, 222), (44, 48, 74)),
)
# near the surface, in the depth
WATERS: tuple[tuple[Colour, Colour], ...] = (
    ((150, 214, 232), (26, 86, 142)),
    ((160, 222, 216), (24, 100, 118)),
)
PLANTS: tuple[Colour, ...] = ((56, 128, 66), (96, 150, 58), (34, 96, 82))


def fish(kind: Kind, *, side: int, seed: int) -> Pixels:
    """One fish in a pond: (side, side, 3). The same seed draws the same picture, another for each kind."""
    random = np.random.default_rng([seed, 0 if kind == "plain" else 1])
    line = np.linspace(-1, 1, side * FINER, dtype=np.float32)
    x, y = np.meshgrid(line, line)
    canvas = _water(x, y, random)
    _ground(canvas, x, y, random)
    for _ in range(random.integers(1, 4)):
        _plant(canvas, x, y, random)
    _swimmer(canvas, x, y, kind, random)
    for _ in range(random.integers(0, 3)):
        _bubble(canvas, x, y, random)
    finer = canvas.reshape(side, FINER, side, FINER, 3)
    return finer.mean(axis=(1, 3)).round().clip(0, 255).astype(np.uint8)


def draw_set(folder: Path, *, train: int, test: int, side: int, first: int) -> None:
    """Write an unpaired set of PNG files: plain fish in trainA and testA, striped ones in trainB and testB.

    The seeds go from `first` on, those of the test pictures after those of the training pictures.
    """
    kinds: tuple[tuple[str, Kind], ...] = (("A", "plain"), ("B", "striped"))
    for domain, kind in kinds:
        _write(folder / f"train{domain}", school(kind, train, side=side, first=first))
        _write(folder / f"test{domain}", school(kind, test, side=side, first=first + train))


def school(kind: Kind, count: int, *, side: int, first: int) -> list[Pixels]:
    """`count` pictures with the seeds from `first` on, each (side, side, 3)."""
    return [fish(kind, side=side, seed=first + number) for number in range(count)]


def _write(folder: Path, pictures: list[Pixels]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(pictures):
        write(Picture(pixels), folder / f"{number:04d}.png")


def _paint(canvas: Canvas, where: Mask, colour: Colour, opacity: float = 1.0) -> None:
    """Lay a colour over the points of the canvas that `where` marks."""
    canvas[where] += (np.asarray(colour, np.float32) - canvas[where]) * np.float32(opacity)


def _tinted(colour: Colour, random: np.random.Generator, spread: float = 10) -> Colour:
    """A neighbour of a colour: no two leaves are of one green."""
    red, green, blue = np.asarray(colour) + random.uniform(-spread, spread, 3)
    return float(red), float(green), float(blue)


def _water(x: Field, y: Field, random: np.random.Generator) -> Canvas:
    """Light above, deep below, with slanted rays of sun."""
    light, deep = (_tinted(colour, random) for colour in WATERS[random.integers(len(WATERS))])
    depth = ((y + 1) / 2)[..., None]
    canvas = np.asarray(light, np.float32) * (1 - depth) + np.asarray(deep, np.float32) * depth
    slant, phase = random.uniform(-0.6, 0.6), random.uniform(0, 6)
    rays = np.sin(7 * (x + slant * y) + phase) * np.sin(3.1 * (x + slant * y) + 2 * phase)
    return (canvas + 22 * (rays.clip(0, 1) * (1 - y) / 2)[..., None]).astype(np.float32)


def _ground(canvas: Canvas, x: Field, y: Field, random: np.random.Generator) -> None:
    """A rolling bed of sand with pebbles."""
    sand = _tinted((214, 190, 140), random, 24)
    height = random.uniform(0.62, 0.88)
    surface = height + 0.06 * np.sin(random.uniform(1, 4) * x + random.uniform(0, 6))
    bed = y > surface
    _paint(canvas, bed, sand)
    _paint(canvas, bed & (y > surface + 0.12), (60, 40, 20), 0.15)
    for _ in range(random.integers(2, 7)):
        at_x, at_y, radius = random.uniform(-1, 1), random.uniform(height, 1), random.uniform(0.03, 0.08)
        stone = ((x - at_x) / 1.5) ** 2 + (y - at_y) ** 2 < radius**2
        _paint(canvas, stone, _tinted((132, 124, 118), random, 26))


def _plant(canvas: Canvas, x: Field, y: Field, random: np.random.Generator) -> None:
    """A waving blade that rises from the ground and grows thinner."""
    colour = _tinted(PLANTS[random.integers(len(PLANTS))], random)
    foot, top = random.uniform(-1, 1), random.uniform(-0.6, 0.5)
    sway, waves, phase = random.uniform(0.03, 0.12), random.uniform(3, 7), random.uniform(0, 6)
    middle = foot + sway * np.sin(waves * y + phase)
    width = 0.07 * ((y - top) / (1 - top)).clip(0, 1) ** 0.6
    _paint(canvas, np.abs(x - middle) < width, colour)
    _paint(canvas, np.abs(x - middle - width / 2) < width / 4, (255, 255, 220), 0.18)


def _bubble(canvas: Canvas, x: Field, y: Field, random: np.random.Generator) -> None:
    at_x, at_y, radius = random.uniform(-0.95, 0.95), random.uniform(-0.95, 0.3), random.uniform(0.025, 0.07)
    away = np.hypot(x - at_x, y - at_y)
    _paint(canvas, away < radius, (236, 250, 255), 0.35)
    _paint(canvas, (away < radius) & (away > 0.72 * radius), (245, 253, 255), 0.6)


@dataclass(frozen=True)
class _Body:
    """Where the points of the canvas lie on a fish, and how far its outline reaches there."""

    along: Field
    across: Field
    outline: Field  # half the height of the body at `along`; 0 before the nose and behind the trunk

    @property
    def trunk(self) -> Mask:
        return np.abs(self.across) < self.outline


def _body(x: Field, y: Field, random: np.random.Generator) -> _Body:
    """A fish of random place, size, heading, slope, stoutness and bend."""
    length = random.uniform(0.62, 0.86)
    at_x, at_y = random.uniform(-0.16, 0.16), random.uniform(-0.3, 0.2)
    heading, slope = random.choice([-1, 1]), random.uniform(-0.35, 0.35)
    right, down = heading * (x - at_x) / length, (y - at_y) / length
    along = right * np.cos(slope) + down * np.sin(slope)
    across = down * np.cos(slope) - right * np.sin(slope)
    across = across + random.uniform(-0.22, 0.22) * (along - 0.1) ** 2
    stoutness = random.uniform(0.36, 0.52)
    outline = stoutness * np.sqrt((1 - ((along - 0.12) / 0.82) ** 2).clip(0)) * (1 + 0.22 * along)
    return _Body(along, across, outline)


def _swimmer(canvas: Canvas, x: Field, y: Field, kind: Kind, random: np.random.Generator) -> None:
    body = _body(x, y, random)
    coat, second = (_tinted(colour, random) for colour in COATS[random.integers(len(COATS))])
    _fins(canvas, body, second, random)
    _paint(canvas, body.trunk, coat)
    if kind == "striped":
        _paint(canvas, _bands(body, random), second)
    _shade(canvas, body)
    _face(canvas, body, coat)


def _fins(canvas: Canvas, body: _Body, colour: Colour, random: np.random.Generator) -> None:
    """Tail, back fin and belly fin, seen through a little."""
    along, across, outline = body.along, body.across, body.outline
    spread, notch = random.uniform(0.6, 1.0), random.uniform(0.0, 0.22)
    tail = (np.abs(across) < 0.07 + spread * (-0.55 - along)) & (along < -0.55)
    tail &= along > -1.0 + notch * (1 - np.abs(across) / 0.3).clip(0)
    crest = random.uniform(0.14, 0.26) * np.sqrt((1 - ((along + 0.02) / 0.45) ** 2).clip(0))
    keel = random.uniform(0.1, 0.18) * np.sqrt((1 - ((along + 0.22) / 0.24) ** 2).clip(0))
    upper = (across < 0) & (-across < outline + crest) & (crest > 0)
    lower = (across > 0) & (across < outline + keel) & (keel > 0)
    fins = tail | upper | lower
    _paint(canvas, fins, colour, 0.82)
    rays = np.sin(46 * (along + 0.5 * np.abs(across))) > 0.55
    _paint(canvas, fins & rays, (255, 255, 255), 0.16)


def _bands(body: _Body, random: np.random.Generator) -> Mask:
    """Three or four bands across the body, a little bowed."""
    count = random.integers(3, 5)
    place = (body.along + 0.62 + random.uniform(0.1, 0.3) * body.across**2) / 0.98  # 0 tail end, 1 before the gills
    wave = np.cos(2 * np.pi * (count * place - 0.5))
    return body.trunk & (place > 0) & (place < 1) & (wave > random.uniform(-0.1, 0.1))


def _shade(canvas: Canvas, body: _Body) -> None:
    """A round body: light from above, a dark rim below."""
    height = body.across / body.outline.clip(1e-3)  # -1 back, 1 belly
    _paint(canvas, body.trunk & (np.abs(height + 0.45) < 0.16), (255, 255, 255), 0.14)
    for rim in (0.45, 0.65, 0.82):
        _paint(canvas, body.trunk & (height > rim), (20, 30, 50), 0.12)


def _face(canvas: Canvas, body: _Body, coat: Colour) -> None:
    """Gills, a side fin, mouth and eye."""
    along, across = body.along, body.across
    gills = np.hypot(along - 0.62, 1.1 * across)
    _paint(canvas, body.trunk & (np.abs(gills - 0.24) < 0.018) & (along < 0.6), (30, 20, 40), 0.45)
    fin = ((along - 0.12 - 0.5 * (across - 0.1)) / 0.16) ** 2 + ((across - 0.1) / 0.075) ** 2 < 1
    _paint(canvas, fin & body.trunk, coat, 0.6)
    _paint(canvas, fin & body.trunk, (255, 255, 255), 0.3)
    mouth = (np.abs(across - 0.07) < 0.016) & (along > 0.8)
    _paint(canvas, mouth & body.trunk, (50, 20, 30), 0.7)
    eye = np.hypot(along - 0.68, across + 0.07)
    _paint(canvas, eye < 0.088, (250, 250, 246))
    _paint(canvas, eye < 0.056, (16, 18, 26))
