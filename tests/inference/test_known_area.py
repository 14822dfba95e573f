"""What is known of a picture is the same in the file that comes out as in the one that went in: bit for bit.

Files are written and read back by other libraries than ours, or by ours only where these are what is used inside.
"""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.config.networks import GatedConfig
from i2i.images.picture import WHITE
from i2i.inference.batch import Options, plan_files, translate_files
from i2i.inference.inpainter import Inpainter
from i2i.inference.inputs import Selection
from i2i.inference.marking import Marking
from i2i.inference.outcome import Summary
from i2i.inference.ways import Running
from i2i.models.modelfile import ModelInfo

ADOBE_RGB = imagecodecs.cms_profile("adobergb")
GRAY_18 = imagecodecs.cms_profile("gray", whitepoint=(0.3127, 0.3290, 1.0), gamma=1.8)
DEFAULT, THOROUGH = 48, 600


class Paints(nn.Module):
    """A slope of colours, whatever it sees."""

    def forward(self, x: Tensor) -> Tensor:
        slope = torch.linspace(-0.9, 0.9, x.shape[3])
        return torch.stack([slope, -slope, slope**2])[None, :, None].expand(1, 3, *x.shape[2:])


def repaired(source: Path, out: Path, marking: Marking, options: Options = Options()) -> Summary:  # noqa: B008  frozen
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": GatedConfig(filters=4)}, multiple=8)
    tool = Inpainter(Paints(), info, torch.device("cpu"), marking=marking, running=Running(max_side=64))
    masks = None if marking.mask is None else Path(marking.mask)
    plan = plan_files([str(source)], out, options, Selection(), masks=masks)
    return translate_files(plan, tool, options, work=tool.name, decoded=marking.decoded)


def samples_of(path: Path) -> np.ndarray:
    """(H, W, C) as the file stores them, by other libraries."""
    data = path.read_bytes()
    match path.suffix:
        case ".png":
            values = imagecodecs.png_decode(data)
        case ".tif":
            values = tifffile.imread(io.BytesIO(data))
        case ".jp2":
            values = imagecodecs.jpeg2k_decode(data)
        case _:
            with Image.open(io.BytesIO(data)) as image:
                values = np.asarray(image if image.mode in ("L", "RGB", "RGBA") else image.convert("RGBA"))
    return values[:, :, None] if values.ndim == 2 else values


def stored(values: np.ndarray, suffix: str, icc: bytes | None) -> bytes:
    """A file with these samples (H, W, C), by other libraries."""
    planes = values[:, :, 0] if values.shape[2] == 1 else values
    stream = io.BytesIO()
    match suffix:
        case ".tif":
            extra = ["unassalpha"] if values.shape[2] in (2, 4) else None
            photometric = "minisblack" if values.shape[2] < 3 else "rgb"
            planar = "contig" if values.shape[2] > 1 else None
            tifffile.imwrite(
                stream, planes, photometric=photometric, planarconfig=planar, extrasamples=extra, iccprofile=icc
            )
        case ".png" if values.dtype == np.uint16:
            return bytes(imagecodecs.png_encode(planes))
        case ".jp2":
            return bytes(imagecodecs.jpeg2k_encode(planes, level=0, reversible=True, codecformat="jp2"))
        case _:
            options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
            format = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".ppm": "PPM", ".tga": "TGA"}[suffix]
            Image.fromarray(planes).save(stream, format, icc_profile=icc, **options)
    return stream.getvalue()


def drawn(random: np.random.Generator) -> tuple[np.ndarray, str, bytes | None]:
    """Samples of any size, type and channels, a format that holds them, and a profile."""
    suffix = str(random.choice([".png", ".png", ".tif", ".tif", ".webp", ".bmp", ".ppm", ".tga", ".jp2"]))
    kinds = {".tif": ["uint8", "uint16", "float32"], ".png": ["uint8", "uint16"], ".jp2": ["uint8", "uint16"]}
    counts = {".webp": [3, 4], ".bmp": [1, 3], ".ppm": [1, 3], ".tga": [1, 3, 4], ".jp2": [1, 3]}
    kind = str(random.choice(kinds.get(suffix, ["uint8"])))
    count = int(random.choice(counts.get(suffix, [1, 2, 3, 4])))
    if suffix in (".png", ".tif", ".webp") and random.random() < 0.5 and (suffix, kind) != (".png", "uint16"):
        icc = ADOBE_RGB if count > 2 else GRAY_18
    else:
        icc = None
    longest = 200 if random.random() < 0.2 else 40
    height, width = (int(side) for side in random.integers(1, longest, 2))
    if suffix == ".jp2":  # its wavelet needs some
        height, width = height + 32, width + 32
    if height * width == 1:
        width = 2
    unit = random.random((height, width, count))
    samples = unit.astype(np.float32) if kind == "float32" else np.rint(unit * WHITE[kind]).astype(kind)
    if kind == "float32":
        samples.flat[:2] = [0, 1]
    return samples, suffix, icc


def drawn_mask(height: int, width: int, random: np.random.Generator) -> np.ndarray:
    """Noise, or boxes; neither empty nor full."""
    mask = random.random((height, width)) < random.random() * 0.5
    if random.random() < 0.5:
        mask[:] = False
        for _ in range(3):
            (top, bottom), (left, right) = (np.sort(random.integers(0, side + 1, 2)) for side in (height, width))
            mask[top:bottom, left:right] = True
    mask.ravel()[random.choice(mask.size, 2, replace=False)] = [True, False]
    return mask


@pytest.mark.parametrize(
    "seed",
    [
        *range(DEFAULT),
        *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(DEFAULT, THOROUGH)),
    ],
)
def test_of_any_picture_and_any_mask_the_known_area_is_the_same_in_the_file(seed: int, tmp_path: Path):
    random = np.random.default_rng(seed)
    samples, suffix, icc = drawn(random)
    mask = drawn_mask(*samples.shape[:2], random)
    source, out = tmp_path / "in" / f"a{suffix}", tmp_path / "out"
    source.parent.mkdir()
    source.write_bytes(stored(samples, suffix, icc))
    Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    before = samples_of(source)
    summary = repaired(source.parent, out, Marking(mask=tmp_path / "mask.png"))
    assert (summary.ok, summary.failures, summary.as_png) == (1, (), 0), summary.failures[0].reason
    after = samples_of(out / f"a{suffix}")
    assert (after.dtype, after.shape) == (before.dtype, before.shape)
    assert np.array_equal(after[~mask], before[~mask])
    colours = 1 if samples.shape[2] < 3 else 3
    assert samples.size < 300 or not np.array_equal(after[mask][:, :colours], before[mask][:, :colours])
    if samples.shape[2] in (2, 4):
        assert np.array_equal(after[:, :, -1], before[:, :, -1])


def test_a_palette_comes_back_in_the_colours_that_it_had(tmp_path: Path):
    """As PNG in true colour, since what is painted has more colours than a palette."""
    random = np.random.default_rng(0)
    palette = random.integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.frombytes("P", (40, 30), random.integers(0, 256, (30, 40), dtype=np.uint8).tobytes())
    image.putpalette(palette.tobytes())
    mask = drawn_mask(30, 40, random)
    Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.gif"):
        image.save(tmp_path / "in" / name)
    assert repaired(tmp_path / "in", tmp_path / "out", Marking(mask=tmp_path / "mask.png")).ok == 2
    for name in ("a.png", "b.png"):
        assert np.array_equal(samples_of(tmp_path / "out" / name)[~mask], palette[np.asarray(image)][~mask])


def test_one_bit_comes_back_black_and_white(tmp_path: Path):
    random = np.random.default_rng(0)
    bits, mask = random.random((30, 40)) < 0.5, drawn_mask(30, 40, random)
    Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    (tmp_path / "in").mkdir()
    Image.fromarray(bits).save(tmp_path / "in" / "a.png")
    assert repaired(tmp_path / "in", tmp_path / "out", Marking(mask=tmp_path / "mask.png")).ok == 1
    after = samples_of(tmp_path / "out" / "a.png")[:, :, 0]
    assert np.array_equal(after[~mask], bits[~mask] * 255)


@pytest.mark.parametrize("save", ["PNG", "WEBP"])
def test_each_frame_of_an_animation_has_the_same_hole_and_keeps_the_rest(save: str, tmp_path: Path):
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (20, 30, 3), dtype=np.uint8) for _ in range(3)]
    mask = drawn_mask(20, 30, random)
    Image.fromarray((mask * 255).astype(np.uint8)).save(tmp_path / "mask.png")
    (tmp_path / "in").mkdir()
    name, images = f"a.{save.lower()}", [Image.fromarray(frame) for frame in frames]
    options = {"lossless": True} if save == "WEBP" else {}
    images[0].save(
        tmp_path / "in" / name, save, save_all=True, append_images=images[1:], icc_profile=ADOBE_RGB, **options
    )
    marking = Marking(mask=tmp_path / "mask.png")
    assert repaired(tmp_path / "in", tmp_path / "out", marking, Options(frames="all")).ok == 1
    with Image.open(tmp_path / "out" / name) as image:
        for number, frame in enumerate(frames):
            image.seek(number)
            after = np.asarray(image.convert("RGB"))
            assert np.array_equal(after[~mask], frame[~mask])
            assert not np.array_equal(after[mask], frame[mask])


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
@pytest.mark.parametrize("icc", [None, ADOBE_RGB], ids=["sRGB", "Adobe RGB"])
def test_what_a_colour_marks_is_painted_and_all_else_stays(icc: bytes | None, kind: str, tmp_path: Path):
    random = np.random.default_rng(0)
    samples = (random.integers(0, 200, (20, 30, 3)) * (WHITE[kind] / 255)).astype(kind)
    mask = drawn_mask(20, 30, random)
    samples[mask] = np.array([1, 0, 1]) * int(WHITE[kind])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tif").write_bytes(stored(samples, ".tif", icc))
    assert repaired(tmp_path / "in", tmp_path / "out", Marking(color="#ff00ff", tolerance=2)).ok == 1
    after = samples_of(tmp_path / "out" / "a.tif")
    assert np.array_equal(after[~mask], samples[~mask])
    assert (after[mask] != samples[mask]).any(axis=1).all()


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
def test_what_is_transparent_is_painted_and_opaque_then(kind: str, tmp_path: Path):
    random = np.random.default_rng(0)
    unit, mask = random.random((20, 30, 4)), drawn_mask(20, 30, random)
    unit[:, :, 3] = 1
    unit[mask, 3] = random.random(mask.sum()) * 0.99
    samples = unit.astype(np.float32) if kind == "float32" else (unit * WHITE[kind]).astype(kind)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tif").write_bytes(stored(samples, ".tif", None))
    assert repaired(tmp_path / "in", tmp_path / "out", Marking(alpha=True)).ok == 1
    after = samples_of(tmp_path / "out" / "a.tif")
    assert after.shape == samples.shape
    assert (after[:, :, 3] == WHITE[kind]).all()
    assert np.array_equal(after[~mask], samples[~mask])
