"""The demonstration: the shipped model on bundled photographs, then a training on pictures drawn here, with a proof.

Above `api`, as a person would be: it draws a folder, trains, translates a held-out folder and measures the outcome.
"""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from i2i import __version__, api
from i2i.config.data import UnpairedConfig
from i2i.config.engine import EngineConfig, TrainConfig
from i2i.config.methods.cyclegan import CycleGANConfig, CycleGANRun
from i2i.config.networks import PatchGANConfig, ResNetConfig
from i2i.data.drawn import Kind, draw_set, school
from i2i.evaluation.contact_sheet import contact_sheet
from i2i.evaluation.recolouring import histogram_matched
from i2i.evaluation.wasserstein import patch_distance
from i2i.images.atomic import replace_file
from i2i.images.files import read, write
from i2i.images.picture import Pixels
from i2i.inference.translator import load
from i2i.models.info import Direction
from i2i.models.shipped import shipped_folder

MODEL = "monet2photo"
ROWS = 6  # of the contact sheet
SEEDS = 1_000_000  # pictures that one seed of the demo may draw without meeting the next one's
MOST_THREADS = 4  # more only wait for each other on pictures so small


@dataclass(frozen=True)
class Lesson:
    """How much is drawn and for how long is trained. `side` is that of the pictures in pixels."""

    seed: int = 0
    side: int = 64
    train: int = 400
    test: int = 100
    steps: int = 2000


@dataclass(frozen=True)
class Distances:
    """How far sets of pictures are from held-out pictures of the other kind; see `patch_distance`."""

    translated: float
    recoloured: float  # the untouched ones with the best map of each colour channel
    untouched: float
    real: float  # fresh pictures of the other kind

    @property
    def ratio(self) -> float:
        """0: as near as real pictures; 1: no nearer than recoloured ones."""
        return (self.translated - self.real) / (self.recoloured - self.real)


@dataclass(frozen=True)
class Proof:
    """What the training achieved in both directions, and how long it took in seconds."""

    to_striped: Distances
    to_plain: Distances
    training_seconds: float


def first_look(folder: Path) -> Path:
    """Let the shipped model paint the bundled photographs; the sheet of both. Takes seconds.

    Raises UsageError where the shipped model is missing.
    """
    translator = load(MODEL, direction="b2a", device="cpu")
    photographs = [read(path).in_eight_bits().rgb() for path in sorted((shipped_folder() / "demo").glob("*.jpg"))]
    paintings = [translator(photograph) for photograph in photographs]
    sheet = folder / "first-look.png"
    folder.mkdir(parents=True, exist_ok=True)
    write(contact_sheet({"photograph": photographs, "painted by the shipped model": paintings}), sheet)
    return sheet


def teach(folder: Path, lesson: Lesson, *, command: str, progress: Literal["auto", "plain", "none"] = "auto") -> Proof:
    """Draw fish, train on them, translate held-out ones both ways, and write contact-sheet.png and demo.json.

    Everything lies in `folder` afterwards: the set in fish/, the run in run/, translations in striped/ and plain/.
    """
    began = time.monotonic()
    first = SEEDS * lesson.seed
    draw_set(folder / "fish", train=lesson.train, test=lesson.test, side=lesson.side, first=first)
    start = time.monotonic()
    api.train(recipe(folder / "fish", lesson), folder / "run", command=command, progress=progress)
    training_seconds = time.monotonic() - start
    _translate_folder(folder, "testA", "striped", "a2b")
    _translate_folder(folder, "testB", "plain", "b2a")
    plain, striped = _pictures(folder / "fish/testA"), _pictures(folder / "fish/testB")
    made_striped, made_plain = _pictures(folder / "striped"), _pictures(folder / "plain")
    _write_sheet(folder / "contact-sheet.png", plain, made_striped, striped, made_plain)
    fresh = first + lesson.train + lesson.test
    proof = Proof(
        to_striped=_distances(plain, made_striped, striped, "striped", fresh),
        to_plain=_distances(striped, made_plain, plain, "plain", fresh),
        training_seconds=training_seconds,
    )
    summary = summarise(proof, lesson, seconds=time.monotonic() - began)
    replace_file(folder / "demo.json", (json.dumps(summary, indent=2) + "\n").encode())
    return proof


def recipe(data: Path, lesson: Lesson) -> CycleGANRun:
    """Small networks and few steps, so that two cores learn stripes in minutes.

    No identity loss: both kinds wear the same colours, and a third of the generators' work goes with it. 16 filters
    fill the vectors of a processor.
    """
    return CycleGANRun(
        method=CycleGANConfig(
            generator=ResNetConfig(filters=16, blocks=3, upsampling="resize"),
            discriminator=PatchGANConfig(filters=32, layers=2),
            identity=0,
        ),
        data=UnpairedConfig(path=str(data), size=lesson.side, load=lesson.side, val=0, workers=0),
        train=TrainConfig(steps=lesson.steps, ema=200, seed=lesson.seed),
        engine=EngineConfig(device="cpu", precision=_precision(), threads=min(MOST_THREADS, os.cpu_count() or 1)),
    )


def summarise(proof: Proof, lesson: Lesson, *, seconds: float) -> dict[str, Any]:
    """What demo.json holds."""
    return {
        "schema": 1,
        "ratio": proof.to_striped.ratio,
        "ratio_back": proof.to_plain.ratio,
        "distances": {"to_striped": asdict(proof.to_striped), "to_plain": asdict(proof.to_plain)},
        "seconds": round(seconds, 1),
        "training_seconds": round(proof.training_seconds, 1),
        "lesson": asdict(lesson),
        "versions": {"i2i": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }


def _precision() -> Literal["auto", "bf16"]:
    """bfloat16 is the faster one where the processor has wide vectors, and far slower where it has not."""
    return "bf16" if torch.backends.cpu.get_cpu_capability() == "AVX512" else "auto"


def _translate_folder(folder: Path, name: str, target: str, direction: Direction) -> None:
    api.translate(folder / "run", [folder / "fish" / name], folder / target, direction=direction, device="cpu")


def _pictures(folder: Path) -> list[Pixels]:
    return [read(path).in_eight_bits().rgb() for path in sorted(folder.glob("*.png"))]


def _write_sheet(
    sheet: Path, plain: list[Pixels], made_striped: list[Pixels], striped: list[Pixels], made_plain: list[Pixels]
) -> None:
    columns = {
        "plain fish": plain,
        "only recoloured": histogram_matched(plain, striped),
        "made striped": made_striped,
        "striped fish": striped,
        "made plain": made_plain,
    }
    write(contact_sheet({heading: pictures[:ROWS] for heading, pictures in columns.items()}, enlarge=3), sheet)


def _distances(
    untouched: list[Pixels], translated: list[Pixels], reference: list[Pixels], kind: Kind, fresh: int
) -> Distances:
    """All four distances to the held-out `reference` of a kind; `fresh` is the first seed that nobody has drawn."""
    real = school(kind, len(reference), side=reference[0].shape[0], first=fresh)
    return Distances(
        translated=patch_distance(translated, reference),
        recoloured=patch_distance(histogram_matched(untouched, reference), reference),
        untouched=patch_distance(untouched, reference),
        real=patch_distance(real, reference),
    )
