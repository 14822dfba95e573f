from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i.errors import ImageError, UsageError
from i2i.images.files import write
from i2i.images.limits import Limits
from i2i.images.picture import Picture
from i2i.inference import mask_files
from i2i.inference.inputs import Search, Selection
from i2i.inference.mask_files import MaskReader, with_masks
from i2i.inference.plan import Plan, plan

LIMITS = Limits()


def draw(path: Path) -> Path:
    """A picture file that is a mask as well: its right half is white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((4, 6, 1), dtype=np.uint8)
    pixels[:, 3:] = 255
    write(Picture(pixels), path)
    return path


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    """The plan of photos and masks of these names."""

    def call(photos: list[str], masks: list[str], selection: Selection = Selection()) -> Plan:  # noqa: B008  frozen
        for folder, names in (("photos", photos), ("masks", masks)):
            for name in names:
                draw(tmp_path / folder / name)
        return with_masks(
            plan([tmp_path / "photos"], tmp_path / "out", selection=selection), tmp_path / "masks", limits=LIMITS
        )

    return call


def masks_of(plan: Plan, folder: Path) -> dict[str, str]:
    """Place of each picture -> that of its mask, or why it has none."""
    return {job.place: str(job.mask.relative_to(folder)) if job.mask else job.refusal for job in plan.jobs}


# Names


def test_one_mask_is_not_for_two_pictures_that_differ_in_their_formats(planned: Callable[..., Plan], tmp_path: Path):
    masks = tmp_path / "masks"
    found = masks_of(planned(["trip/a.jpg", "trip/a.png", "b.png"], ["trip/a.png", "b.png"]), masks)
    told = (
        f"its mask may be {masks}/trip/a.png, but 2 pictures are named trip/a: put theirs at {masks}/trip/%s and so on."
    )
    assert found == {"b.png": "b.png", "trip/a.jpg": told % "a.jpg.png", "trip/a.png": told % "a.png.png"}


@pytest.mark.parametrize("masks", [["trip/a.jpg.png", "trip/a.png.png"], ["trip/a.jpg.png", "trip/a.png"]], ids=str)
def test_a_mask_with_the_whole_name_of_its_picture_is_its_alone(
    masks: list[str], planned: Callable[..., Plan], tmp_path: Path
):
    found = masks_of(planned(["trip/a.jpg", "trip/a.png"], masks), tmp_path / "masks")
    assert found == {"trip/a.jpg": masks[0], "trip/a.png": masks[1]}


def test_a_whole_name_is_enough_in_one_folder_of_masks_too(planned: Callable[..., Plan], tmp_path: Path):
    found = masks_of(planned(["x/a.jpg", "y/a.png"], ["a.jpg.png", "a.png.png"]), tmp_path / "masks")
    assert found == {"x/a.jpg": "a.jpg.png", "y/a.png": "a.png.png"}


def test_a_mask_at_the_place_of_one_picture_is_not_for_another_of_that_name(
    planned: Callable[..., Plan], tmp_path: Path
):
    masks = tmp_path / "masks"
    found = masks_of(planned(["a.png", "trip/a.png"], ["a.png"]), masks)
    assert found == {"a.png": "a.png", "trip/a.png": f"has no mask: there is no {masks}/trip/a of any format."}


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(
    ("photo", "mask"),
    [
        ("A.JPG", "a.png"),
        ("Trip/a.jpg", "trip/A.png"),
        ("trip/IMG_1.JPG", "img_1.jpg.png"),
        (f"{COMPOSED}.jpg", f"{DECOMPOSED}.png"),
        (f"{DECOMPOSED}/a.jpg", f"{COMPOSED}/a.png"),
    ],
    ids=ascii,
)
def test_names_meet_that_some_file_systems_do_not_tell_apart(
    photo: str, mask: str, planned: Callable[..., Plan], tmp_path: Path
):
    assert masks_of(planned([photo, "b.jpg"], [mask, "b.png"]), tmp_path / "masks")[photo] == mask


def test_the_very_name_comes_first_and_one_that_two_masks_nearly_have_is_refused(
    planned: Callable[..., Plan], tmp_path: Path
):
    masks = tmp_path / "masks"
    found = masks_of(planned(["b.jpg", "c.JPG", "x/dD.jpg"], ["b.png", "B.png", "x/dd.png", "x/DD.png"]), masks)
    assert found["b.jpg"] == "b.png"
    assert found["c.JPG"] == f"has no mask: there is no {masks}/c of any format."
    told = f"its mask may be {masks}/x/DD.png or {masks}/x/dd.png: put it at {masks}/x/dD.png."
    assert found["x/dD.jpg"] == told


# Links and folders that cannot be read


def test_links_in_the_folder_of_masks_are_passed_over_and_counted_or_followed(
    planned: Callable[..., Plan], tmp_path: Path
):
    elsewhere = draw(tmp_path / "elsewhere" / "b.png")
    (tmp_path / "masks").mkdir()
    os.symlink(elsewhere, tmp_path / "masks" / "b.png")
    made = planned(["a.jpg", "b.jpg"], ["a.png"])
    assert made.links == 1
    assert masks_of(made, tmp_path / "masks")["b.jpg"].startswith("has no mask")
    (tmp_path / "masks" / "a.png").unlink()
    with pytest.raises(UsageError, match=r"no picture has a mask here\. 1 links were passed over: --symlinks follow"):
        planned(["a.jpg", "b.jpg"], [])
    followed = planned(["a.jpg", "b.jpg"], ["a.png"], Selection(symlinks="follow"))
    assert masks_of(followed, tmp_path / "masks") == {"a.jpg": "a.png", "b.jpg": "b.png"}


def test_a_folder_of_masks_that_cannot_be_listed_is_a_failure_of_the_batch(
    planned: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A folder vanishes between the listing of the one above and its own: a person's rights make the same of it."""
    shut = draw(tmp_path / "masks" / "shut" / "b.png").parent
    walk = Search._walk

    def late(self: Search, top: str):  # type: ignore[no-untyped-def]
        for path in walk(self, top):
            if Path(top).name == "masks":
                shutil.rmtree(shut, ignore_errors=True)
            yield path

    monkeypatch.setattr(Search, "_walk", late)
    made = planned(["a.jpg", "shut/b.jpg"], ["a.png"])
    assert made.unlisted == ((str(shut), "this folder cannot be listed: No such file or directory."),)


# Contents


def test_a_mask_for_all_is_read_and_decoded_once_while_it_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for number in range(5):
        draw(tmp_path / "photos" / f"{number}.png")
    mask = draw(tmp_path / "mask.png")
    jobs = with_masks(plan([tmp_path / "photos"], tmp_path / "out"), mask).jobs
    calls: list[str] = []
    for name in ("read_content", "decode_mask"):
        whole = getattr(mask_files, name)
        monkeypatch.setattr(mask_files, name, lambda *given, n=name, f=whole: calls.append(n) or f(*given))
    reader = MaskReader(LIMITS)
    for job in jobs:
        known, file = reader(job)
        assert file is not None
        assert known.mask_sha256 == file.content.sha256
        assert file.hole.sum() == 12
    assert calls == ["read_content", "decode_mask"]
    os.utime(mask, ns=(1, 1))
    reader(jobs[0])
    assert calls == ["read_content", "decode_mask", "read_content"]


def test_a_mask_that_went_away_is_named(tmp_path: Path):
    draw(tmp_path / "photos" / "a.png")
    mask = draw(tmp_path / "mask.png")
    (job,) = with_masks(plan([tmp_path / "photos"], tmp_path / "out"), mask).jobs
    mask.unlink()
    with pytest.raises(ImageError) as caught:
        MaskReader(LIMITS)(job)
    assert str(caught.value) == f"its mask {mask}: cannot be read: No such file or directory."


def test_a_mask_for_all_over_the_limits_is_refused_before_anything_begins(tmp_path: Path):
    draw(tmp_path / "photos" / "a.png")
    mask = draw(tmp_path / "mask.png")
    planned = plan([tmp_path / "photos"], tmp_path / "out")
    with pytest.raises(
        UsageError, match=r"mask\.png: 6x4, 0 Mpx: over the limit of 0 Mpx\. --max-pixels allows more\."
    ):
        with_masks(planned, mask, limits=Limits(max_pixels=23))
    assert with_masks(planned, mask, limits=Limits(max_pixels=23), may_be_empty=True).jobs, "it is waited for"
