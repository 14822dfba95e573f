"""What every group of settings is: frozen, strict about unknown keys, documented field by field."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Settings(BaseModel):
    """A group of settings. Frozen; an unknown key is an error; every field has its help text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=False)


def setting(default: Any, help: str, *, option: str | None = None, **bounds: Any) -> Any:
    """A field with help text (unit included), bounds (`ge=`, `gt=`, `le=`, `lt=`) and, if given, an option of its own.

    `option` is the name on the command line, such as "--lr"; without one, `--set table.key=value` reaches the field.
    A field that may be None has None as default, since TOML cannot say None.
    """
    return Field(default, description=help, json_schema_extra={"option": option} if option else None, **bounds)


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


# TOML takes `save_every = 500` and `val = 0.05` for numbers; the option of the same name gets them as text.
TextOrNumber = Annotated[str, BeforeValidator(_number_as_text)]
