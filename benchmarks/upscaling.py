"""Models that enlarge: how long a megapixel takes on a CPU, and how near the result is to the truth.

python benchmarks/upscaling.py MODEL... --truth HR [--low LR] [--rounds 5] [--threads 1] [--json]
python benchmarks/upscaling.py MODEL... --large PHOTO [--megapixels 12] [--json]

Without --large all models enlarge the same crop in turn in one process; given are the medians of the rounds, in
seconds for each megapixel of input, and the mean PSNR and SSIM of Y. With --large each model enlarges a photo of that
many megapixels by `i2i upscale`, in a process of its own; given are its time and the most memory that it took.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image

from i2i.evaluation.pairs import pair_up
from i2i.evaluation.restoration import measure
from i2i.images.files import read, read_size
from i2i.images.limits import Limits
from i2i.inference.translator import Translator, load

ROOT = Path(__file__).resolve().parents[1]
SIDE = 256  # of the crop that is timed, pixels
GIGABYTE = 2**30


def seconds_for_a_megapixel(translators: list[Translator], photo: Path, rounds: int) -> list[float]:
    """Medians over the rounds; each round times every model once, after one to warm up."""
    crop = read(photo).in_eight_bits().rgb()[:SIDE, :SIDE]
    times: list[list[float]] = [[] for _ in translators]
    for _ in range(rounds + 1):
        for number, translator in enumerate(translators):
            start = time.process_time()
            translator(crop)
            times[number].append(time.process_time() - start)
    megapixels = crop.shape[0] * crop.shape[1] / 1e6
    return [statistics.median(one[1:]) / megapixels for one in times]


def compare(models: tuple[str, ...], truth: Path, low: Path | None, rounds: int) -> list[dict[str, Any]]:
    """A row for each model."""
    translators = [load(model, device="cpu") for model in models]
    photo = max(truth.glob("*.png"), key=lambda path: path.stat().st_size)
    times = seconds_for_a_megapixel(translators, photo, rounds)
    rows = []
    for model, translator, seconds in zip(models, translators, times, strict=True):
        mean = measure(pair_up(model, truth, low=low), device="cpu").rows[-1].mean
        values = sum(parameter.numel() for parameter in translator.network.parameters())
        row = {"model": model, "parameters": values, "seconds_per_megapixel": round(seconds, 2)}
        rows.append(row | {"psnr_y": round(mean.psnr_y, 2), "ssim_y": round(mean.ssim_y, 4)})
    return rows


def enlarge_large(model: str, photo: Path, megapixels: float) -> dict[str, Any]:
    """The photo, resized to so many megapixels, by the command in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Image.open(photo) as image:
            ratio = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
            image.resize((round(image.width * ratio), round(image.height * ratio))).save(folder / "in.jpg", quality=92)
        command = [sys.executable, "-c", "from i2i.cli.main import run; run()", "upscale", str(folder / "in.jpg")]
        start = time.perf_counter()
        subprocess.run([*command, "-o", str(folder / "out.jpg"), "-m", model, "-q"], check=True, cwd=ROOT)
        seconds = time.perf_counter() - start
        width, height = read_size(folder / "out.jpg", Limits(max_pixels=10**9))
    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes, but bytes on macOS
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    row = {"model": model, "megapixels": megapixels, "result": f"{width}x{height}"}
    return row | {"seconds": round(seconds), "peak_bytes": peak}


def table(rows: list[dict[str, Any]]) -> str:
    """A line for each row."""
    if "peak_bytes" in rows[0]:
        lines = ["model  result  seconds  peak GiB"]
        lines += [f"{r['model']}  {r['result']}  {r['seconds']}  {r['peak_bytes'] / GIGABYTE:.2f}" for r in rows]
        return "\n".join(lines)
    lines = ["model  parameters  s/megapixel  PSNR Y  SSIM Y"]
    lines += ["  ".join(str(value) for value in row.values()) for row in rows]
    return "\n".join(lines)


@click.command(help=__doc__)
@click.argument("models", nargs=-1, required=True)
@click.option("--truth", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--low", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--large", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--megapixels", type=float, default=12.0, show_default=True)
@click.option("--rounds", type=int, default=5, show_default=True)
@click.option("--threads", type=int, default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    models: tuple[str, ...],
    truth: Path | None,
    low: Path | None,
    large: Path | None,
    megapixels: float,
    rounds: int,
    threads: int,
    as_json: bool,
) -> None:
    """See above."""
    if large:
        rows = [enlarge_large(model, large, megapixels) for model in models]
    elif truth:
        torch.set_num_threads(threads)
        rows = compare(models, truth, low, rounds)
    else:
        raise click.UsageError("Give --truth or --large.")
    click.echo(json.dumps(rows) if as_json else table(rows))


if __name__ == "__main__":
    main()
