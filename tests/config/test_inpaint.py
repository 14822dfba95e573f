from __future__ import annotations

import pytest

from i2i.config.data import MaskedConfig
from i2i.config.layers import assignment_layer, resolve
from i2i.config.masks import MaskConfig
from i2i.errors import ConfigError


def test_the_published_training_neither_turns_nor_mirrors_and_draws_strokes_of_any_area() -> None:
    """random_flip is False in inpaint.yml of the authors' release."""
    strokes = MaskConfig(kinds={"strokes": 1.0}, smallest=0.0, largest=1.0)
    assert resolve("inpaint", "paper", []).config.data == MaskedConfig(turn=False, masks=strokes)


def test_a_folder_of_masks_goes_with_any_preset() -> None:
    given = assignment_layer(["data.masks.folder=holes"])
    for preset in ("default", "paper"):
        data = resolve("inpaint", preset, [given]).config.data
        assert isinstance(data, MaskedConfig)
        assert data.masks.folder == "holes"


def test_a_weight_of_a_coarse_picture_that_is_not_made_is_refused() -> None:
    without = "method.generator.coarse=false"
    with pytest.raises(ConfigError) as caught:
        resolve("inpaint", "default", [assignment_layer([without, "method.coarse_weight=2"])])
    assert "coarse_weight=2.0 has no effect without a coarse stage: leave it out" in str(caught.value)
    for weight in (0, 1):
        resolve("inpaint", "default", [assignment_layer([without, f"method.coarse_weight={weight}"])])
