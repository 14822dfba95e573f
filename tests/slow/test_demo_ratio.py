"""The claim of `i2i demo`: translated fish are less than half as far from striped ones as the best recolouring."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ours_is_less_than_half_as_far_as_the_best_recolouring(seed: int, tmp_path: Path):
    from i2i.demo import Lesson, teach

    proof = teach(tmp_path, Lesson(seed=seed), command="slow test", progress="none")
    assert proof.to_striped.ratio < 0.5
