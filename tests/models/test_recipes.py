"""Shipped models are made of pictures that anybody may use for anything, and of nothing else."""

from __future__ import annotations

import csv
import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from i2i.config.layers import file_layer, resolve
from i2i.models.info import read_info
from i2i.models.shipped import shipped_folder

ROOT = shipped_folder().parent
RECIPES = sorted(shipped_folder().glob("*.toml"))
OPEN = ("CC0", "public domain")


def data_set(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / "datasets" / f"{name}.toml").read_text())


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_every_shipped_model_has_its_recipe_and_its_card():
    shipped = {path.stem for path in shipped_folder().glob("*.safetensors")}
    assert shipped
    assert shipped <= {path.stem for path in RECIPES}
    assert shipped <= {path.stem for path in shipped_folder().glob("*.md")}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_a_training_that_can_be_run_again(recipe: Path):
    method = read_info(recipe.with_suffix(".safetensors")).method
    config = resolve(method, "default", [file_layer(recipe)]).config
    assert config.train.init in (None, *(path.stem for path in RECIPES))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_open_data_sets_and_nothing_else(recipe: Path):
    data = tomllib.loads(recipe.read_text())["data"]
    names = [data[key] for key in ("path", "a", "b") if key in data]
    assert names
    for name in names:
        found = data_set(name)
        assert found["licence"].startswith(OPEN)
        if isinstance(found["files"], list):
            assert all(file["licence"].startswith(OPEN) for file in found["files"])


def test_a_shipped_model_was_made_by_the_command_of_its_recipe():
    for path in shipped_folder().glob("*.safetensors"):
        assert f"--config {path.stem}.toml" in read_info(path).card.command


def test_the_paintings_are_those_of_the_training_folder(test_data: Path):
    assert data_set("monet")["files"] == digests(test_data / "monet2photo/trainA")


def test_the_photographs_are_those_with_open_terms(test_data: Path):
    listed = {file["name"]: file["sha256"] for file in data_set("open-photographs")["files"]}
    assert listed == digests(test_data / "photos/train-open")
    with (test_data / "photos/ORIGINS.csv").open() as stream:
        tiers = {row["file"]: row["tier"] for row in csv.DictReader(stream)}
    assert {tiers[f"train-open/{name}"] for name in listed} == {"A"}
