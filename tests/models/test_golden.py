"""Files of earlier formats stay readable: see tests/golden/README.md."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from i2i import api
from i2i.engine.checkpoint import newest_checkpoint
from i2i.images.files import read
from i2i.inference.translator import load
from i2i.models.modelfile import check_model, read_info

FORMATS = sorted((Path(__file__).parents[1] / "golden").glob("format-*"))


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_a_model_file_translates_as_on_the_day_it_was_made(golden: Path):
    made = load(golden / "model.safetensors", device="cpu")(golden / "pond/testA/0000.png").pixels
    difference = made.astype(int) - read(golden / "striped.png").pixels
    assert np.abs(difference).max() <= 1  # other processors round otherwise


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_a_run_folder_is_taken_for_a_model(golden: Path):
    check_model(golden / "run/model.safetensors")
    assert load(golden / "run", direction="b2a", device="cpu").direction == "b2a"
    assert sorted(read_info(golden / "run/discriminators.safetensors").networks) == [
        "discriminator_a",
        "discriminator_b",
    ]


@pytest.mark.parametrize("golden", FORMATS, ids=lambda path: path.name)
def test_a_run_goes_on(golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(golden, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    api.resume("run", {"train.steps": 6, "train.schedule": "constant"}, progress="none")
    checkpoint, warnings = newest_checkpoint(Path("run/checkpoints"))
    assert checkpoint is not None
    assert (checkpoint.step, warnings) == (6, [])
