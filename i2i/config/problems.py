"""What is wrong with a configuration, in our words: one line with the origin, the dotted key and what to write."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeGuard, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from i2i.errors import ConfigError

BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
TYPES = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "dict": "a table",
    "tuple": "a list",
}


def explain(
    error: ValidationError, run: type[BaseModel], tables: dict[str, Any], origins: Mapping[str, str], method: str
) -> ConfigError:
    """The first problem as a ConfigError; further ones are counted.

    `tables` is what was checked, `origins` says where each dotted key was set.
    """
    problems = error.errors(include_url=False)
    first = problems[0]
    keys = _keys(first, tables)
    if first["type"] == "extra_forbidden":
        keys = _first_inside(keys, origins)
        what, hint = _unknown(keys, run, tables), f"See: i2i train {method} --print-config"
    else:
        what, hint = _wrong(".".join(keys), first), None
    if len(problems) > 1:
        what += f" ({len(problems) - 1} more wrong.)"
    return ConfigError(what, where=_origin(".".join(keys), origins), hint=hint)


def _first_inside(keys: list[str], origins: Mapping[str, str]) -> list[str]:
    """Of an unknown table the first key that was set: its name may tell which table was meant."""
    inside = (name for name in origins if name.startswith(".".join([*keys, ""])))
    return next(inside, ".".join(keys)).split(".")


def _keys(problem: ErrorDetails, tables: Any) -> list[str]:
    """The dotted key as a list: pydantic puts the `kind` of a table into the path, which is no key."""
    keys: list[str] = []
    for part in map(str, problem["loc"]):
        is_kind = isinstance(tables, dict) and part not in tables and part == tables.get("kind")
        if not is_kind:
            keys.append(part)
            tables = tables.get(part) if isinstance(tables, dict) else None
    if problem["type"].startswith("union_tag"):
        keys.append("kind")
    return keys


def _origin(key: str, origins: Mapping[str, str]) -> str | None:
    """Where the key, or the first key of the table, was set; None for a table whose parts disagree."""
    if key in origins:
        return origins[key]
    inside = {origin for name, origin in origins.items() if name.startswith(f"{key}.")}
    return inside.pop() if len(inside) == 1 else None


def _unknown(keys: list[str], run: type[BaseModel], tables: dict[str, Any]) -> str:
    key, known = ".".join(keys), known_keys(run, tables)
    table = tables
    for name in keys[:-1]:
        table = table[name]
    whose = f" to {keys[-2]} of kind {table['kind']}" if "kind" in table else ""
    nearest = _nearest(keys, known)
    return f"{key} is unknown{whose}." + (f" Did you mean {nearest}?" if nearest else "")


def _nearest(keys: list[str], known: list[str]) -> str | None:
    """The key of the same name in another table, else a similar one of this table, else a similar one anywhere."""
    *table, name = keys
    anywhere = {key.rpartition(".")[2]: key for key in reversed(known)}
    siblings = {key.rpartition(".")[2]: key for key in known if key.split(".")[:-1] == table}
    for choices, likeness in [(anywhere, 1.0), (siblings, 0.5), (anywhere, 0.7)]:
        matches = get_close_matches(name, choices, n=1, cutoff=likeness)
        if matches:
            return choices[matches[0]]
    return None


def known_keys(settings: type[BaseModel], tables: Any) -> list[str]:
    """Every dotted key of the settings and their tables; of several kinds of table, the one that `tables` has."""
    known = []
    for name, field in settings.model_fields.items():
        known.append(name)
        inner = tables.get(name) if isinstance(tables, dict) else None
        table = _table_class(field.annotation, inner)
        if table:
            known += [f"{name}.{key}" for key in known_keys(table, inner)]
    return known


def _table_class(annotation: Any, table: Any) -> type[BaseModel] | None:
    classes = [kind for kind in (annotation, *get_args(annotation)) if _is_table(kind)]
    named = [kind for kind in classes if isinstance(table, dict) and _kind(kind) == table.get("kind")]
    return next(iter(named or classes), None)


def _is_table(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _kind(table: type[BaseModel]) -> Any:
    return table.model_fields["kind"].default if "kind" in table.model_fields else None


def _wrong(key: str, problem: ErrorDetails) -> str:
    """What the value must be, and what it is."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    if kind in BOUNDS:
        words, bound = BOUNDS[kind]
        return f"{key} must be {words} {_shown(context[bound])}, not {_shown(value)}."
    if kind == "literal_error":
        return f"{key} must be {_plain(context['expected'])}, not {_shown(value)}."
    if kind == "union_tag_invalid":
        return f"{key} must be one of {_plain(context['expected_tags'])}, not '{context['tag']}'."
    if kind in ("union_tag_not_found", "missing"):
        return f"{key} is missing."
    if kind == "too_long":
        return f"{key} must have at most {context['max_length']} values, not {_shown(value)}."
    if kind == "value_error":
        return f"{key}: {context['error']}." if key else f"{context['error']}."
    if kind == "string_type":
        return f'{key} must be text, not {_shown(value)}: write it in quotes, {key}="{value}".'
    return f"{key} must be {_type_words(kind)}, not {_shown(value)}."


def _type_words(kind: str) -> str:
    return next((words for start, words in TYPES.items() if kind.startswith(start)), f"something else ({kind})")


def _plain(expected: str) -> str:
    return expected.replace("'", "")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
