"""What a person is told to type after a training."""

from __future__ import annotations

from pathlib import Path

import pytest

from i2i.cli.next_steps import next_steps
from i2i.config.methods import METHODS

USES = {
    "translate": "i2i translate ",
    "upscale": "i2i upscale ",
    "inpaint": "i2i inpaint ",
    "generate": "i2i generate ",
}


@pytest.mark.parametrize("method", METHODS)
def test_each_method_s_run_is_used_by_the_command_of_its_task(method: str):
    assert next_steps(method, Path("run")).splitlines()[1].strip().startswith(USES[METHODS[method].task])


def test_a_run_that_makes_pictures_of_noise_makes_a_hundred():
    assert "  i2i generate 'my run' -o OUT -n 100\n" in next_steps("wgan-gp", Path("my run"))
