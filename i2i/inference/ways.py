"""How a picture goes through a network: whole or in blocks, in which precision; and what to try when memory is short.

It is decided by the network, the picture's size and the machine's total memory, never by what happens to be free: the
same command on the same machine gives the same bytes.
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import nn

from i2i.errors import ImageError, UsageError
from i2i.inference.quick import require
from i2i.inference.tiling import FLOAT_BYTES, sees_all
from i2i.networks.base import Network, Residual
from i2i.networks.extent import Extent, extent

Precision = Literal["fp32", "bf16", "fp16"]
Asked = Literal["auto", "fp32", "bf16", "fp16"]
Runtime = Literal["auto", "torch", "onnxruntime"]

MAPS_AT_ONCE = 4.5  # of the largest size, that a whole picture has in memory at the same time (benchmarks/any_size.py)
BLOCK_BYTES = {"cpu": 16_000_000}  # of its largest map: what the allocator gives back to the next block
BLOCK_BYTES_ELSEWHERE = 1_000_000_000
WHOLE_BYTES_ON_CPU = 3_000_000_000  # above, blocks take less memory and hardly more time
KEPT_BYTES = 2_000_000_000  # for maps between layers, where there is so much
SMALLEST_TILE = 64
SHORT_OF_MEMORY = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "bad_alloc",
    "could not create a primitive",
    "could not create a memory",
)
SHARE = 0.5  # of all memory, for one picture in the network


@dataclass(frozen=True)
class Running:
    """What a person may ask for; the names are those of the command line.

    `tile` is the side of a block in input pixels, 0 for whole pictures; `overlap` what blocks see of their neighbours,
    for networks without norms of the whole picture; `max_side` shrinks what the network sees. None: decided here.
    `runtime` auto takes onnxruntime on a CPU where many pictures are expected (`Translator.expect`), and it is
    installed and proves quicker. `stochastic` keeps dropout on, drawn from this seed anew for each picture, which stays
    whole. Raises UsageError for numbers and words that cannot be.
    """

    tile: int | None = None
    overlap: int | None = None
    precision: Asked = "auto"
    max_side: int | None = None
    runtime: Runtime = "auto"
    stochastic: int | None = None

    def __post_init__(self) -> None:
        numbers = {"tile": 0, "overlap": 0, "max_side": 1, "stochastic": 0}
        for name, least in numbers.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise UsageError(f"{name} is {value!r} and should be a number from {least} on.")
        for name, words in (("precision", get_args(Asked)), ("runtime", get_args(Runtime))):
            if getattr(self, name) not in words:
                raise UsageError(f"{name} is {getattr(self, name)!r} and should be one of {', '.join(words)}.")
        if self.stochastic is not None and (self.tile or self.runtime == "onnxruntime"):
            what = f"dropout cannot be kept on {'in tiles' if self.tile else 'in onnxruntime'}."
            raise UsageError(what, hint="Leave --stochastic out, or the other option.")

    def what_matters(self) -> str:
        """What a journal knows of it: nothing where all is decided here."""
        given = {name: value for name, value in vars(self).items() if value not in (None, "auto")}
        return " ".join(f"{name}={value}" for name, value in given.items())


@dataclass(frozen=True)
class Way:
    """One picture's way: the side of a block in input pixels (0: whole; None: what suits each layer), statistics of
    samples instead of all pixels, precision. As text it stands in the journal.
    """

    tile: int | None = 0
    sampled: bool = False
    precision: Precision = "fp32"
    quick: bool = False  # by the optional runtime

    def __str__(self) -> str:
        tile = "whole" if self.tile == 0 else f"tiles {self.tile or 'auto'}"
        return " ".join(
            [tile, *(["sampled"] if self.sampled else []), self.precision, *(["quick"] if self.quick else [])]
        )

    @classmethod
    def parse(cls, text: str) -> Way | None:
        """The way of a text; None for anything else."""
        found = re.fullmatch(r"(?:(whole)|tiles (auto|\d+))( sampled)? (fp32|bf16|fp16)( quick)?", text)
        if not found:
            return None
        tile = 0 if found[1] else None if found[2] == "auto" else int(found[2])
        match found[4]:
            case "fp32" | "bf16" | "fp16" as precision:
                return cls(tile, bool(found[3]), precision, bool(found[5]))
        return None


class Ways:
    """The ways of a network on a device; it takes pictures of `channels_in` channels.

    `memory` is all that the device has, in bytes. Raises UsageError for what the network or the device cannot do.
    """

    def __init__(
        self, network: nn.Module, channels_in: int, device: torch.device, running: Running, memory: int
    ) -> None:
        self.channels_in = channels_in
        self.network, self.device, self.running, self.memory = network, device, running, memory
        self.stages = network.stages() if isinstance(network, Network) else None
        self.precision = choose_precision(device, running.precision)
        self._refuse_nonsense()

    @cached_property
    def extent(self) -> Extent:
        """Of all layers."""
        return extent(self.stages if self.stages is not None else [self.network])

    @cached_property
    def has_statistics(self) -> bool:
        """Whether it looks at the whole picture, by norms."""
        return any(sees_all(layer) for layer in self.stages or ())

    def first(self, height: int, width: int) -> Way:
        """The way to begin with. Raises ImageError for a picture that cannot be whole and must be."""
        whole = Way(0, precision=self.precision)
        if self.running.stochastic is not None:
            self._refuse_too_large(height, width)
            return whole
        if self.running.tile is not None:
            return replace(whole, tile=self.running.tile)
        if not isinstance(self.network, Network):  # nothing is known of it
            return whole
        pixels = height * width
        if self.stages is None:
            self._refuse_too_large(height, width)
            return whole
        if self._whole_bytes(pixels) <= self._whole_limit():
            return whole
        return replace(whole, tile=None, sampled=self._streamed_bytes(pixels) > SHARE * self.memory)

    def takes(self, way: Way) -> bool:
        """Whether a way that was written down may be taken again: nothing that was asked for is changed by it."""
        tile = self.running.tile
        fits = way.tile == 0 if self.stages is None else tile is None or way.tile == tile
        is_asked = way.precision in (self.precision, "fp32")
        return fits and is_asked and (self.has_statistics or not way.sampled) and (way.tile is None or way.tile >= 0)

    def after(self, way: Way) -> Iterator[Way]:
        """What to try when memory was short, in this order; nothing where a tile was asked for."""
        if self.running.tile is not None or self.running.stochastic is not None or self.stages is None:
            return
        for sampled in (False, True) if self.has_statistics else (False,):
            for side in (None, 256, 128, SMALLEST_TILE):
                following = replace(way, tile=side, sampled=sampled, quick=False)
                if _rank(following) > _rank(way):
                    yield following

    def may_be_quick(self, way: Way) -> bool:
        """Whether onnxruntime can take this way: one call for a picture or for a block, in fp32, on the CPU."""
        streamed = self.has_statistics and way.tile != 0
        asked = self.running.runtime != "torch"
        return asked and self.device.type == "cpu" and way.precision == "fp32" and not streamed

    @property
    def block_bytes(self) -> int:
        """That the largest map of a block may take where the way does not give its side."""
        return BLOCK_BYTES.get(self.device.type, BLOCK_BYTES_ELSEWHERE)

    def keep(self, way: Way) -> int:
        """Bytes for maps between layers: nothing more than must be once memory was short."""
        return 0 if way.tile else int(min(KEPT_BYTES, self.memory / 6))

    def _whole_bytes(self, pixels: int) -> float:
        return MAPS_AT_ONCE * FLOAT_BYTES * float(self.extent.values) * pixels

    def _whole_limit(self) -> float:
        if self.device.type != "cpu":
            return SHARE * self.memory
        if not self.has_statistics:  # blocks lose nothing and gain: their memory is used again
            return MAPS_AT_ONCE * BLOCK_BYTES["cpu"]
        return min(WHOLE_BYTES_ON_CPU, SHARE * self.memory)

    def _streamed_bytes(self, pixels: int) -> float:
        """Three maps at each residual block: its input, and what is between and behind its convolutions."""
        values = Fraction(0)
        for count, layer in enumerate(self.stages or ()):
            if isinstance(layer, Residual) and sees_all(layer):
                values = max(values, 3 * extent((self.stages or ())[:count]).last)
        return FLOAT_BYTES * float(values) * pixels

    def _refuse_too_large(self, height: int, width: int) -> None:
        most = SHARE * self.memory / self._whole_bytes(1)
        if self._padded(height, width) <= most:
            return
        multiple = self._multiple
        side = max(multiple, max(height, width) // multiple * multiple)
        ratio = side / max(height, width)
        while side > multiple and self._padded(ceil(height * ratio), ceil(width * ratio)) > most:
            side -= multiple
            ratio = side / max(height, width)
        what = f"{width}x{height} pixels are too many for this network, which must see the whole picture."
        raise ImageError(what, hint=f"Use --max-side {side}.")

    def _padded(self, height: int, width: int) -> int:
        """Pixels that the network gets of a picture."""
        multiple = self._multiple
        return ceil(height / multiple) * ceil(width / multiple) * multiple**2

    @property
    def _multiple(self) -> int:
        return self.network.multiple if isinstance(self.network, Network) else 1

    def _refuse_nonsense(self) -> None:
        tile, overlap = self.running.tile, self.running.overlap
        if tile and self.stages is None:
            what = "this network must see the whole picture: --tile cannot be."
            raise UsageError(what, hint="Leave it out; --max-side N shows the network a smaller picture.")
        if self.running.runtime == "onnxruntime":
            require()
            if self.device.type != "cpu" or self.precision != "fp32":
                raise UsageError("onnxruntime computes on the CPU in fp32.", hint="Use --device cpu --precision fp32.")
        if overlap is not None and (self.stages is None or self.has_statistics):
            what = "this network needs no --overlap: its blocks see what they need."
            raise UsageError(what, hint="Leave it out.")


def choose_precision(device: torch.device, wanted: str) -> Precision:
    """The precision of a name; auto is fp32. Raises UsageError for one that the device cannot compute."""
    match wanted:
        case "auto" | "fp32":
            return "fp32"
        case "bf16" if device.type != "cpu" or _has_bf16():
            return "bf16"
        case "bf16":
            raise UsageError("this processor has no bf16: it would take many times as long.", hint="Leave it out.")
        case "fp16" if device.type != "cpu":
            return "fp16"
    raise UsageError(f"{wanted} does not go with {device.type}.", hint="Use --precision fp32.")


def total_memory(device: torch.device) -> int:
    """All the bytes of a device; of the CPU what this process may take at most."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [physical, resource.getrlimit(resource.RLIMIT_AS)[0], resource.getrlimit(resource.RLIMIT_DATA)[0]]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(path).read_text()))
        except (OSError, ValueError):
            continue
    return min(limit for limit in limits if limit > 0)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short: on the CPU torch, oneDNN and onnxruntime say so in words alone."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in SHORT_OF_MEMORY)


def _rank(way: Way) -> tuple[bool, float]:
    """Later ways need less memory."""
    size = float("inf") if way.tile == 0 else 1e9 if way.tile is None else way.tile
    return way.sampled, -size


def _has_bf16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
