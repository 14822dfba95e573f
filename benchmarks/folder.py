"""A folder of pictures: i2i's pipeline against a plain loop, and the share of time outside the network.

    python benchmarks/folder.py PHOTO
    python benchmarks/folder.py PHOTO --model monet2photo --direction b2a --kinds 256
    python benchmarks/folder.py PHOTO --network-ms 50

PHOTO is a large photograph; folders of JPEGs (quality 92) are made of it: pieces of 256x256 and pictures of 12
megapixels. The plain loop reads, translates and writes one picture after the other with the same functions as the
pipeline, keeps no journal and does not wait for the disk. With --network-ms the network is a wait of so many
milliseconds in which the processor is free: a stand-in for a device of its own, and no more than that. Both sides take
turns in one process, into fresh folders; their outputs must be the same bytes. Wall-clock seconds, medians and
quartiles; the share outside the network is 1 - network / all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np
from PIL import Image

from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.formats import JPEG
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.inference.batch import Options, beside, translate_files
from i2i.inference.plan import Plan, plan
from i2i.inference.translator import Translator, load

SIDES = {"256": (256, 256), "12M": (3000, 4000)}

Translate = Callable[[Picture], Picture]


@dataclass(frozen=True)
class Row:
    """One folder: seconds of both sides, seconds in the network, and what follows; quartiles of plain / ours."""

    kind: str
    count: int
    plain: float
    ours: float
    network: float
    outside_plain: float
    outside_ours: float
    low: float
    gain: float
    high: float


class Timed:
    """A translation that counts its seconds."""

    def __init__(self, translate: Translate) -> None:
        self.translate, self.seconds = translate, 0.0

    def __call__(self, picture: Picture) -> Picture:
        start = time.perf_counter()
        made = self.translate(picture)
        self.seconds += time.perf_counter() - start
        return made


def waiting(milliseconds: float) -> Translate:
    """A network that is elsewhere."""

    def translate(picture: Picture) -> Picture:
        time.sleep(milliseconds / 1000)
        return picture.with_pixels(255 - picture.pixels)

    return translate


def make_folder(photo: np.ndarray, folder: Path, side: tuple[int, int], count: int) -> None:
    """Pieces of the photograph, each at another place."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(count):
        top, left = (int(draw.integers(0, all_ - part)) for all_, part in zip(photo.shape, side, strict=False))
        piece = photo[top : top + side[0], left : left + side[1]]
        Image.fromarray(piece).save(folder / f"{number:04}.jpg", quality=92)


def plain_loop(todo: Plan, translate: Translate) -> None:
    """One after the other."""
    for job in todo.jobs:
        made = translate(decode(job.source.read_bytes(), Limits()))
        job.target.parent.mkdir(parents=True, exist_ok=True)
        job.target.write_bytes(encode(made, JPEG))


def measure(kind: str, source: Path, translate: Translate, rounds: int, jobs: int | None, device: str) -> Row:
    """Both sides in turn; the first round is not counted."""
    plain, ours, networks = [], [], []
    for _ in range(rounds + 1):
        with TemporaryDirectory() as place:
            timed = Timed(translate)
            start = time.perf_counter()
            plain_loop(plan([source], Path(place, "plain")), timed)
            plain.append(time.perf_counter() - start)
            networks.append(timed.seconds)
            start = time.perf_counter()
            translate_files(plan([source], Path(place, "ours")), translate, beside(Options(jobs=jobs), device))
            ours.append(time.perf_counter() - start)
            for path in Path(place, "plain").iterdir():
                if path.read_bytes() != Path(place, "ours", path.name).read_bytes():
                    raise click.ClickException(f"{path.name} differs between the two sides")
    gains = np.array(plain[1:]) / np.array(ours[1:])
    medians = [float(np.median(values[1:])) for values in (plain, ours, networks)]
    outside = [1 - medians[2] / medians[0], 1 - medians[2] / medians[1]]
    return Row(kind, len(list(source.iterdir())), *medians, *outside, *np.percentile(gains, [25, 50, 75]).tolist())


def table(rows: list[Row]) -> str:
    """For a person."""
    lines = [
        f"{'folder':<14}{'plain, s':>10}{'ours, s':>10}{'network, s':>12}"
        f"{'plain / ours (quartiles)':>28}{'outside: plain':>16}{'ours':>8}"
    ]
    for row in rows:
        gain = f"{row.gain:.2f} ({row.low:.2f}–{row.high:.2f})"
        outside = f"{row.outside_plain:>16.0%}{row.outside_ours:>8.0%}"
        name = f"{row.count} x {row.kind}"
        lines.append(f"{name:<14}{row.plain:>10.2f}{row.ours:>10.2f}{row.network:>12.2f}{gain:>28}{outside}")
    return "\n".join(lines)


@click.command()
@click.argument("photo", type=click.Path(exists=True, path_type=Path))
@click.option("--model", help="A model for `i2i translate`; without it the network is a wait.")
@click.option("--direction", help="Of the model.")
@click.option("--network-ms", type=float, default=20.0, show_default=True, help="Length of the wait.")
@click.option("--kinds", default="256,12M", show_default=True, help="Which folders.")
@click.option("--counts", default="200,12", show_default=True, help="Pictures in each.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Measurements of each side.")
@click.option("--jobs", type=click.IntRange(1), help="Threads that read, and that write.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    photo: Path,
    model: str | None,
    direction: str | None,
    network_ms: float,
    kinds: str,
    counts: str,
    rounds: int,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Seconds for folders of pictures, ours against a plain loop."""
    translate = load(model, direction=direction) if model else waiting(network_ms)  # type: ignore[arg-type]
    device = translate.device.type if isinstance(translate, Translator) else "elsewhere"
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    large = np.tile(pixels, (3, 3, 1))
    rows = []
    with TemporaryDirectory() as place:
        for kind, count in zip(kinds.split(","), map(int, counts.split(",")), strict=False):
            make_folder(large, Path(place, kind), SIDES[kind], count)
            rows.append(measure(kind, Path(place, kind), translate, rounds, jobs, device))
    click.echo(json.dumps({"rounds": rounds, "rows": [asdict(row) for row in rows]}) if as_json else table(rows))


if __name__ == "__main__":
    main()
