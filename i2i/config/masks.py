"""Settings of the masks that an inpainting training draws."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from i2i.config.base import Settings, setting

MaskKind = Literal["strokes", "boxes", "half", "lines", "scribbles", "thin", "medium", "thick", "blobs", "outpaint"]
MASK_KINDS: tuple[MaskKind, ...] = get_args(MaskKind)


class MaskConfig(Settings):
    """Holes of many shapes, each kind as often as its weight says, or masks from a folder, which wins over the rest."""

    kinds: dict[MaskKind, Annotated[float, Field(ge=0)]] = setting(
        {},
        "how often each kind is drawn: strokes (free-form, Yu et al. 2019), boxes, half, lines, scribbles, thin, "
        "medium, thick (Suvorov et al. 2022), blobs, outpaint; none given: all of them alike; no effect beside folder",
    )
    smallest: float = setting(
        0.01, "least share of a crop that a drawn mask covers; no effect beside folder", ge=0, lt=1
    )
    largest: float = setting(
        0.6, "largest share of a crop that a drawn mask covers; no effect beside folder", gt=0, le=1
    )
    folder: str | None = setting(
        None, "folder of mask pictures to use instead of drawn ones; white is the hole", option="--masks"
    )

    @model_validator(mode="after")
    def _some_mask_is_possible(self) -> MaskConfig:
        if self.smallest >= self.largest:
            raise ValueError(f"smallest={self.smallest} is not below largest={self.largest}: set smallest=0")
        if self.kinds and not self.weights:
            raise ValueError("every kind of mask weighs 0: give one a weight, such as kinds.strokes=1")
        return self

    @property
    def idle(self) -> tuple[str, ...]:
        """Names of the settings for drawn masks that differ from their defaults beside a folder, where they do nothing.

        They are no error, since a preset may have set them.
        """
        return tuple(self.model_dump(exclude={"folder"}, exclude_defaults=True)) if self.folder is not None else ()

    @property
    def weights(self) -> dict[MaskKind, float]:
        """The kinds that are drawn, with their weights."""
        given = self.kinds or dict.fromkeys(MASK_KINDS, 1.0)
        return {kind: weight for kind, weight in given.items() if weight}
