"""Model files of generators, for the tests of one picture and of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inference.generating import CONDITIONAL, PLAIN, saved


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return saved(tmp_path, "plain", PLAIN)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return saved(tmp_path, "pets", CONDITIONAL)
