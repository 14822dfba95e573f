from __future__ import annotations

from pathlib import Path

import numpy as np

from i2i.errors import UsageError
from i2i.images.files import write
from i2i.images.picture import Picture
from i2i.inference.batch import Options, translate_files
from i2i.inference.mask_files import with_masks
from i2i.inference.plan import Plan, plan
from i2i.inference.watch import Watch


def draw(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(Picture(np.full((4, 5, 3), value, dtype=np.uint8)), path)


def watch(tmp_path: Path, looks: int, told: list[str] | None = None) -> Watch:
    """A watch that ends after some looks."""
    left = iter(range(looks))
    done = False

    def again() -> Plan:
        nonlocal done
        done = next(left, None) is None
        return plan([tmp_path / "in"], tmp_path / "out", may_be_empty=True)

    note = (told if told is not None else []).append
    return Watch(plan([tmp_path / "in"], tmp_path / "out", may_be_empty=True), again, lambda: done, note, 0.0)


def test_what_was_there_is_no_news(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    assert watch(tmp_path, 3)().jobs == ()


def test_a_new_file_and_a_changed_one_are(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    look = watch(tmp_path, 9)
    draw(tmp_path / "in" / "b.png")
    assert [job.name_out for job in look().jobs] == ["b.png"]
    draw(tmp_path / "in" / "a.png", value=255)
    (tmp_path / "in" / "a.png").touch()
    assert [job.name_out for job in look().jobs] == ["a.png"]


def test_a_mask_that_comes_or_changes_makes_its_picture_new(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.png")
    draw(tmp_path / "masks" / "a.png")

    def again() -> Plan:
        return with_masks(plan([tmp_path / "in"], tmp_path / "out"), tmp_path / "masks", may_be_empty=True)

    look = Watch(again(), again, lambda: False, seconds=0.0)
    draw(tmp_path / "masks" / "b.png")
    assert [job.name_out for job in look().jobs] == ["b.png"]
    draw(tmp_path / "masks" / "a.png", value=255)
    (tmp_path / "masks" / "a.png").touch()
    assert [job.name_out for job in look().jobs] == ["a.png"]


def test_a_folder_that_is_away_is_waited_for_and_told_once(tmp_path: Path):
    (tmp_path / "in").mkdir()
    told: list[str] = []
    look = watch(tmp_path, 3, told)
    (tmp_path / "in").rename(tmp_path / "away")
    assert look().jobs == ()
    assert told == [f"{tmp_path / 'in'}: this input does not exist. Waiting."]


def test_it_ends_after_a_failure_where_that_was_asked_for(tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").touch()

    def never() -> Plan:
        raise UsageError("looked again")

    first = plan([tmp_path / "in"], tmp_path / "out")
    summary = translate_files(first, lambda picture: picture, Options(on_error="stop"), following=never)
    assert summary.exit_code == 3
