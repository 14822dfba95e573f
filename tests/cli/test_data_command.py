from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from i2i.cli.data import data
from i2i.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(("A/1.png", "B/1.png")):
        (tmp_path / name).parent.mkdir()
        noise = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / name)
    return tmp_path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data, ["check", *map(str, arguments)])


def test_a_clean_set_ends_with_0(folder: Path) -> None:
    result = call(folder, "--size", "32")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "no problems found"


def test_problems_end_with_10(folder: Path) -> None:
    result = call(folder)
    assert result.exit_code == 10
    assert "smaller than the crop of 256: 1 in A, such as A/1.png" in result.stdout


def test_json_is_one_document(folder: Path) -> None:
    result = call(folder, "--json", "--size", "32")
    assert result.exit_code == 0
    assert [found["folder"] for found in json.loads(result.stdout)["folders"]] == ["A", "B"]


def test_domains_may_be_named(folder: Path) -> None:
    result = call("--a", folder / "A", "--b", folder / "B", "--size", "32")
    assert result.exit_code == 0
    assert f"{folder / 'A'}: 1 picture" in result.stdout


def test_what_is_no_data_set_is_an_error_of_code_2(tmp_path: Path) -> None:
    result = call(tmp_path)
    assert isinstance(result.exception, DataError)
    assert result.exception.exit_code == 2


def test_a_line_end_in_a_name_cannot_forge_a_line(folder: Path) -> None:
    (folder / "A" / "x\nno problems found.jpg").write_bytes(b"")
    assert "unreadable: A/x\\nno problems found.jpg: the file is empty." in call(folder, "--size", "32").stdout
