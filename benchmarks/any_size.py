"""Whole pictures and blocks: time, memory and difference, each measured in a process of its own, in turn.

python benchmarks/any_size.py [--megapixels 12] [--networks "resnet9 64"] [--ways eager,command] [--rounds 3] [--json]

eager: one call of the network for the whole picture with no_grad, in a fresh process. command: as `i2i translate` does
it. library: the same without the allocator's setting. tiles: with --tile 256. fast: by onnxruntime, as a command.
Pictures below 0.1 megapixels are squares (0.0655: 256x256), others 4:3.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
NETWORKS = {
    "compact 32x8 x4": ("compact", {"filters": 32, "convolutions": 8, "scale": 4}),
    "compact 64x16 x4": ("compact", {"filters": 64, "convolutions": 16, "scale": 4}),
    "span 48x6 x4": ("span", {}),
    "resnet6 32": ("resnet", {"filters": 32, "blocks": 6}),
    "resnet6 64": ("resnet", {"filters": 64, "blocks": 6}),
    "resnet9 64": ("resnet", {"filters": 64, "blocks": 9}),
    "srresnet x4": ("srresnet", {}),
    "rrdb6 x4": ("rrdb", {"blocks": 6}),
    "unet 256": ("unet", {}),
}


@dataclass(frozen=True)
class Measured:
    """Seconds of wall clock and of the processor, and bytes above the warm process."""

    seconds: float
    processor: float
    memory: int


def main() -> None:
    arguments = parsed()
    if arguments.child:
        child(*arguments.child)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            row = compare(name, arguments.megapixels, arguments.rounds, arguments.ways, Path(folder))
            rows.append(row)
            print(json.dumps(row) if arguments.json else table(row), flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=lambda text: text.split(","), default=list(NETWORKS)[:5])
    parser.add_argument("--megapixels", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", type=lambda text: text.split(","), default=["eager", "command", "library", "tiles"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(name: str, megapixels: float, rounds: int, ways: list[str], folder: Path) -> dict[str, object]:
    """One after the other, over and over: what the machine does meanwhile hits all alike."""
    measured: dict[str, list[Measured]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            command = [sys.executable, __file__, "--child", name, str(megapixels), way, str(folder / f"{way}.npy")]
            output = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
            measured[way].append(Measured(**json.loads(output.splitlines()[-1])))
    row: dict[str, object] = {"network": name, "megapixels": megapixels, "rounds": rounds}
    for way, results in measured.items():
        ratios = sorted(a.seconds / b.seconds for a, b in zip(measured[ways[0]], results, strict=True))
        row[way] = {
            "seconds": statistics.median(result.seconds for result in results),
            "processor": statistics.median(result.processor for result in results),
            "faster": statistics.median(ratios),
            "faster_from_to": [ratios[0], ratios[-1]],
            "memory_MiB": round(statistics.median(result.memory for result in results) / 2**20),
        } | differences(folder / f"{ways[0]}.npy", folder / f"{way}.npy")
    return row


def differences(one: Path, other: Path) -> dict[str, float]:
    import numpy as np

    a, b = np.load(one, mmap_mode="r"), np.load(other, mmap_mode="r")
    largest, total = 0, 0.0
    for top in range(0, a.shape[0], 256):
        difference = np.abs(a[top : top + 256].astype(np.int16) - b[top : top + 256])
        largest, total = max(largest, int(difference.max())), total + float(difference.sum())
    return {"largest": largest, "mean": total / a.size}


def table(row: dict[str, object]) -> str:
    lines = [f"{row['network']}, {row['megapixels']} Mpx, {row['rounds']} rounds"]
    for way, found in row.items():
        if isinstance(found, dict):
            low, high = found["faster_from_to"]
            lines.append(
                f"  {way:<10}{found['seconds']:>8.2f} s{found['processor']:>8.2f} s CPU   x{found['faster']:.2f} "
                f"({low:.2f}-{high:.2f}){found['memory_MiB']:>8} MiB   differs {found['largest']} / {found['mean']:.5f}"
            )
    return "\n".join(lines)


def child(name: str, megapixels: str, way: str, output: str) -> None:
    """One picture, once warm: the first call of anything is not what a folder of photos costs."""
    if way in ("command", "fast"):
        from i2i.cli.allocator import keep_memory

        keep_memory()
    import numpy as np

    picture = photograph(float(megapixels))
    small = picture[:256, :256]
    run = runner(name, way)
    run(small)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    result = run(picture)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    np.save(output, result)
    print(json.dumps({"seconds": seconds, "processor": processor, "memory": (after.ru_maxrss - peak) * 1024}))


def runner(name: str, way: str):
    """A function from (H, W, 3) uint8 to uint8."""
    import numpy as np
    import torch
    from pydantic import TypeAdapter

    from i2i.config.networks import Network
    from i2i.inference.translator import Translator
    from i2i.inference.ways import Running
    from i2i.models.info import ModelInfo
    from i2i.networks.build import build

    kind, settings = NETWORKS[name]
    config = TypeAdapter(Network).validate_python({"kind": kind} | settings)
    torch.manual_seed(0)
    network = lively(build(config))
    if way == "eager":

        def eager(pixels: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
                y = (network(x)[0].permute(1, 2, 0) + 1) * 127.5
                return (y + 0.5).clamp(0, 255).to(torch.uint8).numpy()

        return eager
    info = ModelInfo(directions=("a2b",), networks={"a2b": config}, multiple=network.multiple, minimum=network.minimum)
    running = {"tiles": Running(tile=256), "fast": Running(runtime="onnxruntime")}.get(way, Running())
    return Translator(network, info, "a2b", torch.device("cpu"), running=running)


def lively(network):
    """Weights of natural size: everything has an effect and nothing is cut off."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            fan = module.weight[0].numel() / (4 if isinstance(module, nn.ConvTranspose2d) else 1)
            module.weight.data.normal_(0, fan**-0.5, generator=generator)
    return network.eval()


def photograph(megapixels: float):
    """Edges, gradients and grain; sides are multiples of 8. Row by row: its own making must take no memory."""
    import numpy as np

    shape = 1 if megapixels < 0.1 else 3 / 4
    height = round((megapixels * 1e6 * shape) ** 0.5 / 8) * 8
    width = round(megapixels * 1e6 / height / 8) * 8
    columns = np.arange(width, dtype=np.float32)
    picture, random = np.empty((height, width, 3), dtype=np.uint8), np.random.default_rng(1)
    for row in range(height):
        shared = 60 * ((row // 48 + columns // 80) % 2) + random.normal(0, 12, width)
        down, across = row / height, columns / width
        for channel, plane in enumerate((255 * down + 0 * across, 255 * across, 255 - 128 * (down + across))):
            picture[row, :, channel] = (plane + shared).clip(0, 255)
    return picture


if __name__ == "__main__":
    main()
