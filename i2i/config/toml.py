"""TOML files: read with the line of each key, written with a header and, if wanted, the origin of each value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import tomli_w

from i2i.config.run import RunConfig
from i2i.errors import ConfigError, printable

COMMENT_COLUMN = 40


def read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The tables of a TOML file, and the line of each dotted key.

    Raises ConfigError with file and line when it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise ConfigError("there is no such file.", where=path) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}.", where=path) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text. Save it as UTF-8.", where=path) from error
    try:
        return tomllib.loads(text), lines_of_keys(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, text, str(error)) from error


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", message)
    line = found[1] if found and found[1] else str(text.rstrip("\n").count("\n") + 1)
    what = message[: found.start()] if found else message
    return ConfigError(
        f"{what[:1].lower()}{what[1:]}.", where=f"{path}:{line}", hint='TOML is written: key = 1 or key = "text".'
    )


def lines_of_keys(text: str) -> dict[str, int]:
    """The line, counted from 1, where each dotted key and table of a valid TOML text begins."""
    lines: dict[str, int] = {}
    table, statement, begin = "", "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += line + "\n"
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:  # the statement goes on in the next line
            continue
        names = list(flatten(content))
        if statement.lstrip().startswith("["):
            table = names[0]
            names = [""]
        for name in names:
            lines.setdefault(".".join(part for part in (table, name) if part), begin)
        statement, begin = "", number + 1
    return lines


def flatten(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`. An empty table stays: it may be one that nobody knows."""
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`: the reverse of `flatten`."""
    tables: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, name = key.split(".")
        table = tables
        for parent in parents:
            table = table.setdefault(parent, {})
        table[name] = value
    return tables


def header(path: Path) -> str:
    """The comment lines at the head of a file that `dump` or `annotate` wrote."""
    lines = takewhile(lambda line: line.startswith("# "), path.read_text("utf-8").splitlines())
    return "\n".join(line.removeprefix("# ") for line in lines)


def dump(config: RunConfig, header: str) -> str:
    """The configuration as TOML, below the lines of `header` as comments.

    Every default is written out; what follows from other settings is not.
    """
    comments = "".join(f"# {printable(line)}\n" for line in header.splitlines())
    return f"{comments}\n{tomli_w.dumps(config.model_dump(exclude_none=True, exclude=config.following))}"


def annotate(config: RunConfig, origins: Mapping[str, str], header: str) -> str:
    """What `dump` writes, with the origin of each value as a comment behind it. It can be read again."""
    text = dump(config, header)
    lines = text.split("\n")
    for key, number in lines_of_keys(text).items():
        if key in origins:
            lines[number - 1] = f"{lines[number - 1]:<{COMMENT_COLUMN}}  # {printable(origins[key])}"
    return "\n".join(lines)
