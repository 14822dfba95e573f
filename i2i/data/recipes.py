"""Recipes of public data sets: where each comes from, what is known of its archive, and on whose terms."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from i2i.errors import UsageError

PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Recipe:
    """A public set. `bytes` and `sha256` are those of its archive, None where nobody publishes them.

    Without an `address` there is no open download: `page` says where to ask. `layout` names the folders that the
    archive has inside a folder of the set's own name; `checked` is the day of the last fetch that went well, or never.
    `direction` is the usual task of a set of pairs.
    """

    name: str
    description: str
    method: str
    page: str
    licence: str
    pictures: str
    layout: tuple[str, ...]
    checked: str
    address: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    direction: Literal["a2b", "b2a"] | None = None

    @property
    def kind(self) -> Literal["zip", "tar.gz"]:
        """What the archive is, by its address."""
        return "zip" if self.address and self.address.endswith(".zip") else "tar.gz"

    def to_json(self) -> dict[str, Any]:
        """What `--list --json` tells."""
        known = (
            "name",
            "description",
            "method",
            "direction",
            "pictures",
            "bytes",
            "sha256",
            "licence",
            "page",
            "address",
            "checked",
        )
        return {key: getattr(self, key) for key in known}


def recipes_folder(package: Path = PACKAGE) -> Path:
    """The folder of the recipes: beside the package in a checkout, inside it when installed."""
    root = package.parent if (package.parent / "pyproject.toml").is_file() else package
    return root / "datasets" / "public"


def all_recipes() -> dict[str, Recipe]:
    """Name -> recipe, by name."""
    return {path.stem: _read(path) for path in sorted(recipes_folder().glob("*.toml"))}


def find_recipe(name: str) -> Recipe:
    """The recipe of a set. Raises UsageError with the nearest name."""
    recipes = all_recipes()
    if name in recipes:
        return recipes[name]
    near = [known for known in recipes if name and known.startswith(name)]
    near = near or difflib.get_close_matches(name, recipes, n=1)
    hint = f"Did you mean '{near[0]}'?" if near else "See: i2i data fetch --list"
    raise UsageError(f"no data set '{name}' is known.", hint=hint)


def _read(path: Path) -> Recipe:
    tables = tomllib.loads(path.read_text("utf-8"))
    return Recipe(name=path.stem, **{**tables, "layout": tuple(tables["layout"])})
