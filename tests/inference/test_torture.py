"""Hundreds of files through real model files, then thousands of damaged ones."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.config.networks import CompactConfig
from i2i.errors import ImageError
from i2i.images.decoding import decode
from i2i.images.encoding import encode
from i2i.images.formats import BY_NAME, PNG, CannotHoldError
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.inference.translator import Translator, load
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build
from tests.inference.torture import Case, Samples, cases, cubic, exchanged, stored_in, twice

LIMITS = Limits()
CASES = list(cases())
SAMPLE = CASES[::3]
MUTATIONS_EACH = 12
NEAR = 1e-9  # of floating point, in the comparison itself


def model_file(path: Path, scale: int, last: dict[tuple[int, int], float]) -> Path:
    """A compact network of delta kernels: its filters are two copies of its input, `last` joins them to details."""
    config = CompactConfig(filters=6, convolutions=0, scale=scale)
    network = build(config)
    first, slope, final = network.body[0], network.body[1], network.body[2]
    with torch.no_grad():
        for part in (first, final):
            part.weight.zero_()
            part.bias.zero_()
        slope.weight.fill_(0.25)
        for channel in range(6):
            first.weight[channel, channel % 3, 1, 1] = 1
        for (output, source), weight in last.items():
            final.weight[output, source, 1, 1] = weight
    info = ModelInfo(directions=("a2b",), networks={"a2b": config}, value_range=(0.0, 1.0), multiple=4, minimum=8)
    save_model(path, {"a2b": network}, info, half=False)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Translator]:
    folder = tmp_path_factory.mktemp("models")
    nothing = {(c, c): 1.0 for c in range(3)} | {(c, c + 3): -1.0 for c in range(3)}
    exchange = {(0, 2): 1.0, (0, 3): -1.0, (2, 0): 1.0, (2, 5): -1.0}
    files = {
        "identity": model_file(folder / "identity.safetensors", 1, nothing),
        "exchange": model_file(folder / "exchange.safetensors", 1, exchange),
        "nearest": model_file(folder / "nearest.safetensors", 2, {}),
    }
    return {name: load(file, device="cpu") for name, file in files.items()}


def expected(case: Case, model: str) -> tuple[Samples, Samples, Samples]:
    """Colours, alpha, and where the colours are promised."""
    alpha = np.ones(case.samples.shape[:2]) if case.alpha is None else case.alpha
    match model:
        case "exchange":
            return exchanged(case), alpha, alpha > 0
        case "nearest":
            return twice(case.samples), cubic(alpha), twice(alpha) > 0
    return case.samples, alpha, alpha > 0


def written(picture: Picture) -> tuple[bytes, str]:
    """The file in its own format, or as PNG where that cannot hold it, as the batch does it."""
    try:
        return encode(picture, BY_NAME[picture.carried.format]), picture.carried.format
    except CannotHoldError:
        return encode(picture, PNG), "PNG"


def check(case: Case, model: str, translator: Translator) -> None:
    picture = decode(case.data, LIMITS)
    assert picture.is_gray == (case.samples.shape[2] == 1)
    result = translator(picture)
    data, format = written(result)
    found, cover, kind = stored_in(data, format)
    colours, alpha, visible = expected(case, model)
    if format == case.format:
        assert kind == case.kind
    assert found.shape[:2] == colours.shape[:2]
    step = 1 / {"uint8": 255, "uint16": 65535}.get(kind, 1e6)
    assert np.abs(cover - alpha).max() <= (NEAR if model != "nearest" or case.alpha is None else 1.01 * step)
    error = np.abs(found - colours)[visible]
    assert error.size == 0 or error.max() <= case.tolerance + NEAR
    if case.icc is not None:
        with Image.open(io.BytesIO(data)) as image:
            assert image.info["icc_profile"] == case.icc
    again = decode(data, LIMITS)
    assert again.carried.notes == ()
    assert (again.height, again.width) == found.shape[:2]


@pytest.mark.parametrize("model", ["identity", "exchange", "nearest"])
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_a_file_comes_out_right(case: Case, model: str, models: dict[str, Translator]):
    check(case, model, models[model])


@pytest.mark.thorough
@pytest.mark.parametrize("model", ["identity", "exchange", "nearest"])
def test_every_file_comes_out_right(model: str, models: dict[str, Translator]):
    wrong = []
    for case in CASES:
        try:
            check(case, model, models[model])
        except AssertionError as error:
            wrong.append((case.name, str(error)[:200]))
    assert not wrong
    assert len(CASES) > 300


def test_the_tolerances_are_those_of_the_guide():
    for case in CASES:
        exact = case.tolerance == 0
        lossy = case.format in ("JPEG", "AVIF") or "lossy" in case.name
        fractions = "of float32" in case.name or "of float64" in case.name or "premultiplied" in case.name
        other_colours = "Adobe" in case.name or "gamma" in case.name
        assert exact != (lossy or fractions or other_colours), case.name
        assert lossy or other_colours or case.tolerance <= 2 / 65535
        assert lossy or case.tolerance <= 2 / 255 or case.format == "WEBP"


def damaged(case: Case, draw: np.random.Generator) -> tuple[bytes, bool]:
    """The file with a few bits turned over or cut off somewhere, and whether it was cut."""
    data = bytearray(case.data)
    if draw.random() < 0.4:
        return bytes(data[: draw.integers(0, len(data))]), True
    # half of them near the beginning, where the sizes and offsets are
    reach = len(data) if draw.random() < 0.5 else min(len(data), 400)
    for place in draw.integers(0, reach, draw.integers(1, 9)):
        data[place] ^= 1 << draw.integers(0, 8)
    return bytes(data), False


def survives(case: Case, seed: int, translator: Translator) -> None:
    """A damaged file gives a picture or one line, soon; a cut one that gives a picture gives the whole of it."""
    data, cut = damaged(case, np.random.default_rng(seed))
    start = time.monotonic()
    try:
        picture = decode(data, Limits(max_pixels=4_000_000))
    except ImageError as error:
        assert str(error).isprintable(), f"{case.name} {seed}: {str(error)!r}"  # noqa: PT017
        picture = None
    assert time.monotonic() - start < 10, f"{case.name} {seed}"
    if picture is None:
        return
    if cut:
        whole = decode(case.data, LIMITS)
        assert np.array_equal(picture.pixels, whole.pixels), f"{case.name} {seed}: half a picture"
    if picture.pixels.size < 1_000_000:
        small = replace(picture, carried=replace(picture.carried, notes=()))
        written(translator(small))


def test_damaged_files_give_a_picture_or_one_line(models: dict[str, Translator], capsys: pytest.CaptureFixture[str]):
    for number, case in enumerate(CASES):
        survives(case, number, models["identity"])
    assert capsys.readouterr() == ("", "")


@pytest.mark.thorough
@pytest.mark.parametrize("turn", range(MUTATIONS_EACH))
def test_thousands_of_damaged_files_do_so(turn: int, models: dict[str, Translator], capsys: pytest.CaptureFixture[str]):
    for number, case in enumerate(CASES):
        survives(case, 100_000 * (turn + 1) + number, models["identity"])
    assert capsys.readouterr() == ("", "")
