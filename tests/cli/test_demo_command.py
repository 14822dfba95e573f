"""`i2i demo` at its smallest: a few fish, two steps."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from i2i.cli.main import main
from i2i.images.files import read


@pytest.fixture
def tiny_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo with four fish of 32 px, two steps, and an untrained model in place of the shipped one."""
    from i2i import demo
    from i2i.config.networks import ResNetConfig
    from i2i.models.info import ModelInfo
    from i2i.models.modelfile import save_model
    from i2i.networks.build import build

    config = ResNetConfig(filters=4, blocks=1)
    info = ModelInfo(directions=("b2a",), networks={"b2a": config}, multiple=4, minimum=8)
    save_model(tmp_path / "untrained.safetensors", {"b2a": build(config)}, info, half=True)
    monkeypatch.setattr(demo, "MODEL", str(tmp_path / "untrained.safetensors"))
    monkeypatch.setattr(demo, "Lesson", partial(demo.Lesson, side=32, train=4, test=2, steps=2))
    return tmp_path / "demo"


def test_it_leaves_a_proof_and_pictures_and_says_where(tiny_demo: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "-o", str(tiny_demo), "--progress", "none"]) == 0
    out = capsys.readouterr().out
    assert "1 no nearer than the best recolouring" in out
    assert f"i2i translate {tiny_demo}/run {tiny_demo}/fish/trainA -o {tiny_demo}/more" in out
    proof = json.loads((tiny_demo / "demo.json").read_text())
    distances = proof["distances"]["to_striped"]
    gained = distances["translated"] - distances["real"]
    assert proof["ratio"] == pytest.approx(gained / (distances["recoloured"] - distances["real"]))
    assert read(tiny_demo / "contact-sheet.png").width > 5 * 3 * 32  # five columns, enlarged three times
    assert read(tiny_demo / "first-look.png").width > 2 * 384
    assert len(list((tiny_demo / "striped").glob("*.png"))) == 2


def test_json_is_the_only_thing_on_stdout(tiny_demo: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["demo", "-o", str(tiny_demo), "--json", "--seed", "3", "--progress", "none"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["lesson"] == {"seed": 3, "side": 32, "train": 4, "test": 2, "steps": 2}
    assert document["schema"] == 1


def test_a_folder_in_use_is_refused_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["demo", "-o", str(tmp_path)]) == 2
    assert f"{tmp_path}: is there already. Choose a new folder with -o." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_a_folder_the_next_free_one_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from i2i.cli.demo import _new_folder

    monkeypatch.chdir(tmp_path)
    (tmp_path / "i2i-demo").mkdir()
    assert _new_folder(None) == Path("i2i-demo-2")


def test_the_bundled_photographs_are_small_and_have_their_origins():
    from i2i.models.shipped import shipped_folder

    origins = (shipped_folder() / "demo/ORIGINS.md").read_text()
    photographs = sorted((shipped_folder() / "demo").glob("*.jpg"))
    assert len(photographs) == 4
    for path in photographs:
        assert path.name in origins
        assert path.stat().st_size <= 60_000
        assert read(path).pixels.shape == (256, 384, 3)
