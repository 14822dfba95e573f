from __future__ import annotations

import numpy as np
import pytest
import torch

from i2i.engine.sheet import CAPTION, sheet


def plain(value: float, *, samples: int = 1, channels: int = 3, height: int = 4, width: int = 40) -> torch.Tensor:
    return torch.full((samples, channels, height, width), value)


def test_columns_stand_side_by_side_and_samples_below_each_other() -> None:
    left = torch.stack([plain(-1.0)[0], plain(0.2)[0]])
    drawn = sheet({"real_a": left, "fake_b": plain(1.0, samples=2)}, (-1.0, 1.0))
    assert (drawn.shape, drawn.dtype) == ((CAPTION + 8, 80, 3), np.uint8)
    assert (drawn[CAPTION : CAPTION + 4, :40] == 0).all()
    assert (drawn[CAPTION + 4 :, :40] == 153).all()  # 0.6 of 255
    assert (drawn[CAPTION:, 40:] == 255).all()


def test_each_pixel_keeps_its_place_and_colour() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 50, 3), dtype=np.uint8)
    picture = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1
    assert (sheet({"real_a": picture}, (-1.0, 1.0))[CAPTION:] == pixels).all()


@pytest.mark.parametrize(
    ("value_range", "value", "byte"),
    [
        ((-1.0, 1.0), 0.0, 128),  # 127.5 rounds to the even one
        ((0.0, 1.0), 0.2, 51),
        ((-1.0, 1.0), -1.5, 0),
        ((-1.0, 1.0), 1.5, 255),
        ((0.0, 1.0), 254.4 / 255, 254),
        ((0.0, 1.0), 254.6 / 255, 255),
    ],
)
def test_values_are_rounded_and_kept_within_a_byte(value_range: tuple[float, float], value: float, byte: int) -> None:
    assert set(sheet({"x": plain(value)}, value_range)[CAPTION:].flat) == {byte}


def test_gray_and_colour_share_a_sheet() -> None:
    drawn = sheet({"real_a": plain(-0.6, channels=1), "fake_b": plain(1.0)}, (-1.0, 1.0))
    assert (drawn[CAPTION:, :40] == 51).all()
    assert (drawn[CAPTION:, 40:] == 255).all()


def test_half_precision_is_taken() -> None:
    assert (sheet({"x": plain(1.0).bfloat16()}, (-1.0, 1.0))[CAPTION:] == 255).all()


def test_every_column_has_its_name_above_it() -> None:
    columns = {name: plain(1.0) for name in ("real_a", "fake_b")}
    captions = sheet(columns, (-1.0, 1.0))[:CAPTION]
    swapped = sheet(dict(reversed(columns.items())), (-1.0, 1.0))[:CAPTION]
    assert captions[:, :40].min() < 20
    assert captions[:, 40:].min() < 20
    assert (captions[:, :40] != captions[:, 40:]).any()
    assert (captions[:, :40] == swapped[:, 40:]).all()
