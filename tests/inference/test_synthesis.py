"""A folder of generated pictures: names, a line for each in the manifest, and going on where a run was cut off."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
import torch
from PIL import Image

import i2i
from i2i.errors import LockedError, ModelError, NoRoomError
from i2i.images.files import read, write
from i2i.images.formats import FORMAT_OF_SUFFIX
from i2i.images.synthetic import MARKED
from i2i.inference.manifest import Manifest
from i2i.inference.samples import Sample, Sampling, file_name, folder_names
from i2i.inference.synthesis import Synthesis
from i2i.models.modelfile import sha256
from tests.inference.generating import PETS, contents, generator, lines, pixels, refusal


def test_a_folder_has_its_pictures_and_a_line_for_each(pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    summary = i2i.generate(pets, out, count=4, seed=3, device="cpu")
    assert (summary.ok, summary.skipped, summary.exit_code) == (4, 0, 0)
    assert sorted(contents(out)) == ["000001.png", "000002.png", "000003.png", "000004.png"]
    made = generator(pets)(4, seed=3)
    assert pixels([read(out / f"00000{n}.png") for n in (1, 2, 3, 4)]) == pixels(made)
    assert lines(out)[1] == {
        "file": "000002.png",
        "synthetic": True,
        "class": "dog",
        "number": 2,
        "seed": 3,
        "model": "pets",
        "model_sha256": sha256(pets),
        "sha256": sha256(out / "000002.png"),
    }


def test_with_so_many_of_each_class_they_lie_in_folders_of_their_names(pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(pets, out, per_class=2, classes=["bird", "cat"], device="cpu")
    assert sorted(contents(out)) == ["bird/000001.png", "bird/000002.png", "cat/000001.png", "cat/000002.png"]
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"bird", "cat"}  # what reads classes finds these
    assert [line["class"] for line in lines(out)] == ["bird", "bird", "cat", "cat"]
    assert [line["number"] for line in lines(out)] == [1, 2, 1, 2]


def test_folders_have_names_that_every_system_takes():
    expected = {
        "cat": "cat",
        "Cat": "Cat-2",
        "a/b": "a_b",
        "a:b": "a_b-2",
        "a\nb": "a_b-3",
        "CON": "_CON",
        "nul.txt": "_nul.txt",
        "..": "_",
        "": "_-2",
        " x. ": "x",
        "é": "é",
        "e\u0301": "e\u0301-2",
        "manifest.jsonl": "_manifest.jsonl",
        "MANIFEST.JSONL": "_MANIFEST.JSONL-2",
        "COM¹": "_COM¹",
        "lpt³.old": "_lpt³.old",
        "CONIN$": "_CONIN$",
        "conout$": "_conout$",
        "aux .txt": "_aux .txt",
        "COM10": "COM10",
    }
    assert dict(zip(expected, folder_names([*expected]), strict=True)) == expected
    assert len(folder_names(("n" * 300,))[0]) == 100


def test_more_pictures_change_no_name():
    assert file_name(Sample(3), (), ".png") == "000003.png"
    assert file_name(Sample(999_999, 1), ("cat", "dog"), ".png") == "dog/999999.png"


def test_there_are_as_many_as_names_of_six_digits():
    hint = "Make more with another --seed, in another folder."
    told = f"1,000,000 pictures are too many: 999,999 at most. {hint}"
    assert refusal(lambda: Sampling(count=1_000_000)) == told
    assert refusal(lambda: Sampling(per_class=1_000_000)) == told
    told = f"1,200,000 pictures are too many: 999,999 at most. {hint}"
    assert refusal(lambda: Sampling(per_class=400_000).samples(PETS, "m")) == told
    assert Sampling(count=999_999).count == 999_999


def test_what_is_there_is_left_and_what_is_missing_is_made_to_the_byte(pets: Path, tmp_path: Path):
    i2i.generate(pets, tmp_path / "once", per_class=20, device="cpu")
    out = tmp_path / "out"
    i2i.generate(pets, out, per_class=7, classes=["dog"], device="cpu")
    (out / "dog" / "000003.png").unlink()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    summary = i2i.generate(pets, out, per_class=20, device="cpu", batch=None)
    assert (summary.ok, summary.skipped) == (54, 6)
    assert contents(out) == contents(tmp_path / "once")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    listed = [line["file"] for line in lines(out)]
    assert sorted(listed) == sorted(contents(out))


def test_a_copied_folder_is_known_by_its_content(plain: Path, tmp_path: Path):
    i2i.generate(plain, tmp_path / "a", count=2, device="cpu")
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a").iterdir():
        (tmp_path / "b" / path.name).write_bytes(path.read_bytes())
    assert i2i.generate(plain, tmp_path / "b", count=2, device="cpu").skipped == 2


HINT = "Choose another folder, or --overwrite."


def test_files_in_the_way_are_refused_before_anything_is_made(plain: Path, pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(plain, out, count=2, device="cpu")
    before = contents(out)
    other = "this picture was made by another model, or with another seed or class."
    for again in (
        lambda: i2i.generate(pets, out, count=3, device="cpu"),
        lambda: i2i.generate(plain, out, count=3, seed=1, device="cpu"),
    ):
        assert refusal(again) == f"{out / '000001.png'}: {other} {HINT}"
    Image.new("L", (8, 8)).save(out / "000003.png")
    told = f"{out / '000003.png'}: i2i did not make this file. {HINT}"
    assert refusal(lambda: i2i.generate(plain, out, count=3, device="cpu")) == told
    (out / "000003.png").unlink()
    Image.new("L", (8, 8)).save(out / "000002.png")
    told = f"{out / '000002.png'}: this picture was changed since i2i made it. {HINT}"
    assert refusal(lambda: i2i.generate(plain, out, count=3, device="cpu")) == told
    assert contents(out)["000001.png"] == before["000001.png"]
    assert not (out / "000003.png").exists()


def test_they_are_replaced_where_that_is_asked_for(plain: Path, pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(plain, out, count=3, device="cpu")
    summary = i2i.generate(pets, out, count=2, device="cpu", overwrite=True)
    assert (summary.ok, summary.skipped) == (2, 0)
    assert [(line["file"], line["model"]) for line in lines(out)] == [
        ("000001.png", "pets"), ("000002.png", "pets"), ("000003.png", "plain"),
    ]  # fmt: skip


def test_a_manifest_of_somebody_else_is_left_alone(plain: Path, tmp_path: Path):
    for content in ('{"audio": "a.wav"}\n', "words\n", '["file"]\n'):
        (tmp_path / "manifest.jsonl").write_text(content)
        told = f"{tmp_path / 'manifest.jsonl'}: this is no manifest by i2i. Choose another folder with -o."
        assert refusal(lambda: i2i.generate(plain, tmp_path, count=1, device="cpu")) == told
        assert (tmp_path / "manifest.jsonl").read_text() == content


def test_a_line_that_a_crash_cut_off_is_as_if_it_were_not(plain: Path, tmp_path: Path):
    out = tmp_path / "out"
    i2i.generate(plain, out, count=2, device="cpu")
    whole = (out / "manifest.jsonl").read_bytes()
    (out / "manifest.jsonl").write_bytes(whole[:-20])
    (out / "000002.png").unlink()  # its line is written first
    (out / ".manifest.abc.part").write_bytes(b"half")
    assert i2i.generate(plain, out, count=2, device="cpu").ok == 1
    assert (out / "manifest.jsonl").read_bytes() == whole
    assert not list(out.glob("*.part"))


def test_killed_at_any_call_of_the_system_the_next_run_finishes(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    i2i.generate(plain, tmp_path / "clean", count=3, device="cpu")
    clean = contents(tmp_path / "clean")

    class Killed(BaseException):
        pass

    for call in range(1, 40):
        out, counted = tmp_path / f"out-{call}", []
        with monkeypatch.context() as patch:
            for name in ("fsync", "replace", "write"):
                _die_at(patch, name, call, counted, Killed)
            try:
                i2i.generate(plain, out, count=3, device="cpu", batch=1)
            except Killed:
                pass
            else:
                break
        assert all(clean[place] == content for place, content in contents(out).items())
        listed = [line["file"] for line in lines(out)] if (out / "manifest.jsonl").exists() else []
        assert set(contents(out)) <= set(listed)
        i2i.generate(plain, out, count=3, device="cpu")
        assert contents(out) == clean
        assert [line["file"] for line in lines(out)] == sorted(clean)
    assert call > 10


def _die_at(patch: pytest.MonkeyPatch, name: str, call: int, counted: list[str], kind: type[BaseException]) -> None:
    import os

    real = getattr(os, name)

    def dying(*arguments: object, **named: object) -> object:
        counted.append(name)
        if len(counted) == call:
            raise kind
        return real(*arguments, **named)

    patch.setattr(os, name, dying)


def test_a_full_disk_ends_with_a_line_and_what_is_done_stays(plain: Path, tmp_path: Path):
    import errno
    import os

    out, replace, calls = tmp_path / "out", os.replace, []

    def full(*paths: Path) -> None:
        calls.append(paths)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(*paths)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", full)
        told = refusal(lambda: i2i.generate(plain, out, count=5, device="cpu", batch=2), NoRoomError)
    assert told == f"{out / '000003.png'}: disk full. Free space and run the same command again."
    assert sorted(contents(out)) == ["000001.png", "000002.png"]
    assert i2i.generate(plain, out, count=5, device="cpu").skipped == 2
    assert len(lines(out)) == 5


def test_two_cannot_work_on_one_folder(plain: Path, tmp_path: Path):
    with Manifest(tmp_path / "out"):
        told = refusal(lambda: i2i.generate(plain, tmp_path / "out", count=1, device="cpu"), LockedError)
    assert told == f"{tmp_path / 'out'}: another process works on this folder. Wait, or end it."


def test_a_file_cannot_be_the_folder(plain: Path, tmp_path: Path):
    (tmp_path / "out").touch()
    told = refusal(lambda: i2i.generate(plain, tmp_path / "out", count=1, device="cpu"))
    assert told == f"{tmp_path / 'out'}: is a file, not a folder. Choose another folder with -o."
    told = refusal(lambda: i2i.generate(plain, tmp_path / "out" / "inside", count=1, device="cpu"))
    assert told.startswith(f"{tmp_path / 'out' / 'inside'}: nothing can be written here: Not a directory.")


def test_a_folder_in_a_pictures_place_is_refused_before_anything_is_made(plain: Path, tmp_path: Path):
    out = tmp_path / "out"
    (out / "000002.png").mkdir(parents=True)
    told = f"{out / '000002.png'}: this folder is where a picture is to be. Choose another folder with -o."
    for overwrite in (False, True):
        again = refusal(lambda: i2i.generate(plain, out, count=3, device="cpu", batch=1, overwrite=overwrite))  # noqa: B023
        assert again == told
    assert [path.name for path in out.iterdir()] == ["000002.png"]


def test_a_file_in_the_place_of_a_classs_folder_is_refused_before_anything_is_made(pets: Path, tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "dog").touch()
    told = refusal(lambda: i2i.generate(pets, out, per_class=1, device="cpu", overwrite=True))
    assert told == f"{out / 'dog'}: is a file, not a folder. Choose another folder with -o."
    assert [path.name for path in out.iterdir()] == ["dog"]
    i2i.generate(pets, out, per_class=1, classes=["cat"], device="cpu")  # which has a place
    assert sorted(contents(out)) == ["cat/000001.png"]


def test_work_that_made_nothing_leaves_nothing_in_the_folder(plain: Path, tmp_path: Path):
    make = generator(plain)
    for parameter in make.network.parameters():
        parameter.data.fill_(math.nan)
    with pytest.raises(ModelError):
        Synthesis(make, Sampling(count=2), tmp_path / "out").write()
    assert not list((tmp_path / "out").iterdir())
    Synthesis(generator(plain), Sampling(count=1), tmp_path / "out").write()
    with pytest.raises(ModelError):
        Synthesis(make, Sampling(count=2), tmp_path / "out").write()
    assert [line["file"] for line in lines(tmp_path / "out")] == ["000001.png"]


def test_a_forecast_measures_and_writes_nothing(pets: Path, tmp_path: Path):
    i2i.generate(pets, tmp_path / "out", count=2, device="cpu")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    found = Synthesis(generator(pets), Sampling(count=10), tmp_path / "out").forecast()
    assert (found.todo, found.done, found.pixels) == (8, 2, 8 * 64)
    assert found.bytes == pytest.approx(8 * (tmp_path / "out" / "000001.png").stat().st_size, rel=0.1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert Synthesis(generator(pets), Sampling(count=2), tmp_path / "new" / "out").forecast().todo == 2
    assert not (tmp_path / "new").exists()


def test_a_forecast_is_not_measured_by_the_first_time_that_the_network_runs(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make, calls = generator(plain), []
    forward = make.network.forward

    def slow_at_first(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.5)
        return forward(*arguments)

    monkeypatch.setattr(make.network, "forward", slow_at_first)
    found = Synthesis(make, Sampling(count=16), tmp_path / "out").forecast()
    assert found.seconds is not None
    assert found.seconds < 0.4


def test_every_suffix_that_can_be_asked_for_carries_the_mark(plain: Path, tmp_path: Path):
    assert {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".avif"} <= set(MARKED)
    for suffix in MARKED:
        i2i.generate(plain, tmp_path / suffix[1:], count=1, device="cpu", suffix=suffix)
        carried = read(tmp_path / suffix[1:] / f"000001{suffix}").carried
        assert b"trainedAlgorithmicMedia" in (carried.xmp or b"")


@pytest.mark.parametrize("suffix", [".gif", ".bmp", ".jp2", ".ppm", ".tga", ".txt", ""])
def test_a_file_that_could_not_say_what_it_is_is_not_made(suffix: str, plain: Path, tmp_path: Path):
    told = refusal(lambda: i2i.generate(plain, tmp_path / "no", count=1, device="cpu", suffix=suffix))
    assert told == (
        f"no picture that says that it is synthetic can be written with the suffix '{suffix}'. "
        "Known: .apng .avif .jfif .jpe .jpeg .jpg .png .tif .tiff .webp"
    )
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("suffix", sorted(set(FORMAT_OF_SUFFIX) - set(MARKED)))
def test_no_suffix_is_refused_that_could_carry_the_mark(suffix: str, pets: Path, tmp_path: Path):
    write(generator(pets)(1)[0], tmp_path / f"a{suffix}")
    assert b"trainedAlgorithmicMedia" not in (tmp_path / f"a{suffix}").read_bytes()
