"""What a training of pictures of noise leaves open, and the data says: size, channels, names of the classes."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from i2i.config.methods.noise import FOLLOWS_FROM, NoiseRun
from i2i.config.problems import explain
from i2i.data.labelled_layouts import without_classes
from i2i.data.labelled_opening import Facts, LabelledScans, facts
from i2i.data.labelled_sets import LabelledSet
from i2i.data.scan import Progress
from i2i.errors import DataError

RunT = TypeVar("RunT", bound=NoiseRun)


def completed(
    config: RunT, *, previous: LabelledScans | None = None, progress: Progress | None = None
) -> tuple[RunT, LabelledSet | None]:
    """The settings with nothing left open, and the pictures where they had to be read for it.

    Raises DataError where classes are to be told and the pictures have none, or one alone.
    """
    method, data = config.method, config.data
    needs_classes = method.conditional and not method.classes
    if data.size and method.channels and not needs_classes:
        return config, None
    said = facts(data, previous=previous, progress=progress)
    if needs_classes:
        _refuse_without_classes(said)
    tables = config.model_dump()
    for key in FOLLOWS_FROM:  # the discriminator's follow from the generator's, which may become others
        del tables["method"]["discriminator"][key]
    tables["data"]["size"] = data.size or said.size
    tables["method"]["channels"] = method.channels or said.channels
    tables["method"]["classes"] = said.classes if needs_classes else method.classes
    try:
        return type(config).model_validate(tables), said.read
    except ValidationError as error:
        raise explain(error, type(config), tables, {}, method.kind) from error


def _refuse_without_classes(said: Facts) -> None:
    hint = "Make a sub-folder for each class, or leave --conditional out."
    if not said.classes:
        raise DataError(without_classes(said.read.found), where=said.read.place, hint=hint)
    if len(said.classes) == 1:
        what = f"has one class alone, {said.classes[0]}, which tells nothing."
        raise DataError(what, where=said.read.place, hint=hint)
