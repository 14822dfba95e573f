from __future__ import annotations

from pathlib import Path

import pytest

from i2i.errors import UsageError
from i2i.models import shipped


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for folder in (tmp_path / "pretrained", tmp_path / "i2i" / "pretrained"):
        folder.mkdir(parents=True)
    (tmp_path / "pretrained" / "outside.safetensors").touch()
    (tmp_path / "i2i" / "pretrained" / "inside.safetensors").touch()
    return tmp_path / "i2i"


def test_a_checkout_has_its_models_beside_the_package(package: Path):
    (package.parent / "pyproject.toml").touch()
    assert list(shipped.shipped_models(package)) == ["outside"]


def test_an_installation_has_its_models_inside_the_package(package: Path):
    assert list(shipped.shipped_models(package)) == ["inside"]


def test_a_file_and_a_run_folder_are_models(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    path.touch()
    assert shipped.resolve(path) == path
    assert shipped.resolve(str(tmp_path)) == path


def test_a_shipped_name_is_a_model_and_a_near_one_is_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    known = {"monet2photo": tmp_path / "monet2photo.safetensors"}
    monkeypatch.setattr(shipped, "shipped_models", lambda: known)
    assert shipped.resolve("monet2photo") == known["monet2photo"]
    with pytest.raises(UsageError) as caught:
        shipped.resolve("mone2photo")
    assert str(caught.value) == "no model 'mone2photo'. Did you mean 'monet2photo'?"
    with pytest.raises(UsageError, match="Give a file, a run folder or a name of: i2i models list"):
        shipped.resolve("zzz")


def test_a_folder_without_a_model_says_what_it_is(tmp_path: Path):
    with pytest.raises(UsageError, match=r"this folder has no model\.safetensors\. Give a run folder"):
        shipped.resolve(tmp_path)
    (tmp_path / "config.toml").touch()
    with pytest.raises(UsageError, match=r"It is a run that has not saved one yet\. Go on: i2i resume "):
        shipped.resolve(tmp_path)
