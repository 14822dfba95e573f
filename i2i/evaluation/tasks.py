"""What is measured, enlarged pictures or filled holes: told from the call alone, before torch is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Literal

from i2i.errors import UsageError
from i2i.evaluation.mask_pairs import BASELINES
from i2i.evaluation.pairs import BICUBIC, is_finished, is_name
from i2i.models.info import read_info
from i2i.models.shipped import resolve

Task = Literal["upscale", "inpaint"]
DONE: dict[Task, str] = {"upscale": "pictures are enlarged", "inpaint": "holes are filled"}


def task_of(who: str | PathLike[str], *, has_masks: bool) -> Task:
    """The task of a baseline or a model; that of a folder of finished pictures is inpainting where there are masks.

    Raises UsageError for a model that does neither or is not there, ModelError for a damaged one.
    """
    if is_name(who, (BICUBIC,)):
        return "upscale"
    if is_name(who, BASELINES):
        return "inpaint"
    if is_finished(who):
        return "inpaint" if has_masks else "upscale"
    task = read_info(resolve(who)).task
    if task == "translate" or task == "generate":
        hint = "Only models that enlarge pictures or fill holes have true ones to be measured against."
        raise UsageError(f"this model {task}s.", where=who, hint=hint)
    return task


def refuse_options(task: Task, given: Mapping[str, object], who: str | PathLike[str]) -> None:
    """Raises UsageError for the first option that is given (not None) and belongs to the other task."""
    for option, value in given.items():
        if value is not None:
            other: Task = "inpaint" if task == "upscale" else "upscale"
            what = f"{option} is for where {DONE[other]}, and here {DONE[task]}."
            raise UsageError(what, where=who, hint="Leave it out.")
