from __future__ import annotations

import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from i2i.config.methods import METHODS
from i2i.data.recipes import Recipe, all_recipes, find_recipe, recipes_folder
from i2i.errors import UsageError

RECIPES = list(all_recipes().values())


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_says_all_that_a_person_has_to_know(recipe: Recipe):
    assert recipe.method in METHODS
    assert all((recipe.description, recipe.pictures, recipe.licence, recipe.layout))
    assert urlsplit(recipe.page).scheme == "https"
    assert recipe.checked == "never" or re.fullmatch(r"\d{4}-\d\d-\d\d", recipe.checked)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_an_address_is_that_of_an_archive_named_like_the_set(recipe: Recipe):
    if recipe.address is None:
        assert recipe.bytes is recipe.sha256 is None
    else:
        assert recipe.address.endswith(f"/{recipe.name}.{recipe.kind}")
        assert recipe.sha256 is None or re.fullmatch("[0-9a-f]{64}", recipe.sha256)


def test_no_two_sets_have_the_same_checksum():
    sums = [recipe.sha256 for recipe in RECIPES if recipe.sha256]
    assert len(sums) == len(set(sums))


def test_the_well_known_sets_are_there():
    known = {"facades", "maps", "edges2shoes", "cityscapes", "horse2zebra", "apple2orange", "monet2photo"}
    assert known <= set(all_recipes())


def test_files_are_read_as_they_stand():
    recipe = find_recipe("horse2zebra")
    stands = tomllib.loads((recipes_folder() / "horse2zebra.toml").read_text())
    told = {"name": "horse2zebra", "direction": None} | {key: stands[key] for key in stands if key != "layout"}
    assert recipe.to_json() == told
    assert recipe.layout == ("trainA", "trainB", "testA", "testB")


def test_pairs_of_photographs_and_what_they_are_made_of_have_their_usual_direction():
    usual = {recipe.name: recipe.direction for recipe in RECIPES if recipe.direction}
    assert usual == {
        "facades": "b2a", "cityscapes": "b2a", "maps": "a2b", "edges2shoes": "a2b", "edges2handbags": "a2b"
    }  # fmt: skip


def test_an_installed_package_has_its_recipes_inside(tmp_path: Path):
    assert recipes_folder(tmp_path / "i2i") == tmp_path / "i2i/datasets/public"
    (tmp_path / "pyproject.toml").touch()
    assert recipes_folder(tmp_path / "i2i") == tmp_path / "datasets/public"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("horse2zebr", "Did you mean 'horse2zebra'?"),
        ("summer2winter", "Did you mean 'summer2winter_yosemite'?"),
        ("imagenet21k", "See: i2i data fetch --list"),
        ("", "See: i2i data fetch --list"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, hint: str):
    with pytest.raises(UsageError) as caught:
        find_recipe(name)
    assert str(caught.value) == f"no data set '{name}' is known. {hint}"
