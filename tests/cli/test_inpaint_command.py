from __future__ import annotations

import io
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

import i2i
from i2i.cli.main import main
from i2i.config.networks import GatedConfig
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.inference.inpainter import Inpainter
from i2i.models.modelfile import ModelInfo, save_model
from i2i.networks.build import build

Start = Callable[..., Any]
HOLE = (slice(3, 8), slice(5, 12))
ORIENTATION = 0x0112


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gated generator that has learned nothing. It has run once, as `tiny_model`."""
    torch.manual_seed(0)
    config = GatedConfig(filters=4)
    info = ModelInfo(task="inpaint", directions=("fill",), networks={"fill": config}, multiple=8, minimum=8)
    path = tmp_path_factory.mktemp("model") / "fills.safetensors"
    save_model(path, {"fill": build(config)}, info, half=False)
    Inpainter(build(config), info, torch.device("cpu"))(noise(), mask())
    return path


def noise(seed: int = 0, height: int = 18, width: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mask(height: int = 18, width: int = 24) -> np.ndarray:
    hole = np.zeros((height, width), dtype=bool)
    hole[HOLE] = True
    return hole


def put(path: Path, pixels: np.ndarray) -> Path:
    """A picture file; of a mask in black and white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = (pixels * 255).astype(np.uint8) if pixels.dtype == np.bool_ else pixels
    write(Picture(values[:, :, None] if values.ndim == 2 else values), path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(("a.png", "trip/b.png", "trip/c.png")):
        put(tmp_path / "photos" / name, noise(seed))
    return tmp_path / "photos"


@pytest.fixture
def white(tmp_path: Path) -> Path:
    """One mask for all."""
    return put(tmp_path / "white.png", mask())


@pytest.fixture
def inpaint(model: Path) -> Callable[..., int]:
    def call(*arguments: object, model: Path = model) -> int:
        return main(["inpaint", *map(str, arguments), "--device", "cpu", "--model", str(model)])

    return call


Inpaint = Callable[..., int]
Told = pytest.CaptureFixture[str]


def is_repaired(path: Path, pixels: np.ndarray, hole: np.ndarray) -> bool:
    made = read(path).pixels
    return np.array_equal(made[~hole], pixels[~hole]) and not np.array_equal(made[hole], pixels[hole])


# Masks


def test_one_mask_is_for_all_pictures(inpaint: Inpaint, photos: Path, white: Path, tmp_path: Path, capsys: Told):
    assert inpaint(photos, "--mask", white, "-o", tmp_path / "out") == 0
    told = capsys.readouterr()
    assert told.out == f"3 written to {tmp_path / 'out'}\n"
    assert told.err.endswith("fills.safetensors  ·  cpu  ·  3 pictures\n")
    for seed, name in enumerate(("a.png", "trip/b.png", "trip/c.png")):
        assert is_repaired(tmp_path / "out" / name, noise(seed), mask())


@pytest.mark.parametrize(
    "places",
    [("a.png", "trip/b.webp", "trip/c.tif"), ("a.png", "b.bmp", "c.png"), ("a.gif", "trip/b.png", "c.png")],
    ids=str,
)
def test_a_folder_has_a_mask_for_each_picture_by_its_place_or_by_its_name_in_any_format(
    places: tuple[str, ...], inpaint: Inpaint, photos: Path, tmp_path: Path
):
    holes = [np.roll(mask(), number, axis=0) for number in range(3)]
    for place, hole in zip(places, holes, strict=True):
        put(tmp_path / "masks" / place, hole)
    assert inpaint(photos, "--mask", tmp_path / "masks", "-o", tmp_path / "out") == 0
    for seed, (name, hole) in enumerate(zip(("a.png", "trip/b.png", "trip/c.png"), holes, strict=True)):
        assert is_repaired(tmp_path / "out" / name, noise(seed), hole)


def test_a_picture_without_a_mask_fails_and_the_others_are_done(
    inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    masks = tmp_path / "masks"
    for place in ("a.png", "trip/b.png"):
        put(masks / place, mask())
    assert inpaint(photos, "--mask", masks, "-o", tmp_path / "out") == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 written to ")
    assert lines[1:] == [f"  {photos}/trip/c.png   has no mask: there is no {masks}/trip/c of any format."]


def test_a_name_that_two_pictures_have_says_nothing_about_which_one_a_flat_mask_is_for(
    inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    put(photos / "home" / "b.jpg", noise(7))
    masks = put(tmp_path / "masks" / "b.png", mask()).parent
    put(masks / "a.png", mask())
    assert inpaint(photos, "--mask", masks, "-o", tmp_path / "out", "--exclude", "c.png") == 3
    lines = capsys.readouterr().out.splitlines()
    told = f"its mask may be {masks}/b.png, but 2 pictures are named b: put theirs at {masks}/%s/b.png and so on."
    assert lines[1:] == [f"  {photos}/{place}   {told % place.split('/')[0]}" for place in ("home/b.jpg", "trip/b.png")]


def test_masks_that_lie_among_the_pictures_are_no_pictures(inpaint: Inpaint, tmp_path: Path, capsys: Told):
    put(tmp_path / "photos" / "a.png", noise())
    put(tmp_path / "photos" / "masks" / "a.png", mask())
    assert inpaint(tmp_path / "photos", "--mask", tmp_path / "photos" / "masks", "-o", tmp_path / "out") == 0
    assert capsys.readouterr().out.startswith("1 written")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "nothing says where the holes are. Give one of --mask, --mask-color and --mask-alpha."),
        (["--mask-alpha", "--mask-color", "#ff00ff"], "the holes are marked in more than one way. Give one of"),
        (["--mask-color", "pink"], "'pink' is no colour such as '#ff00ff'."),
        (["--mask-alpha", "--tolerance", "3"], "--tolerance goes with --mask-color. Leave it out."),
        (["--mask-alpha", "--model", "inpaint-phot"], "no model 'inpaint-phot'."),
        (["--mask", "none.png"], "none.png: this mask does not exist. Give a mask file, or a folder with a mask for"),
        (["--mask", ""], "--mask names no file. Give a mask file, or a folder of them."),
        (["--mask", "text.png"], "text.png: no picture in a known format"),
        (["--mask", "empty"], "empty: no picture has a mask here. Masks are named as their pictures: a.png for a.jpg."),
        (["--mask", "twice"], "twice: two masks are named a: a.jpg and a.png. Leave one of them."),
        (
            ["--mask", "twice", "-o", "twice/out"],
            "twice/out: the output lies in the folder of the masks. Give a folder",
        ),
        (["--mask", "photos", "-o", "out"], "photos: all of the pictures are masks. Masks are named as their pictures"),
        (
            ["--mask-alpha", "--feather", "9", "--max-side", "64"],
            "a feather of 9 px is too wide where the network sees",
        ),
        (["--mask-alpha", "--tile", "64"], "no such option '--tile'."),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_in_one_line_before_anything_is_written(
    options: list[str],
    told: str,
    model: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Told,
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.png").write_bytes(b"hello")
    for name in ("a.png", "a.jpg"):
        put(tmp_path / "twice" / name, mask())
    assert main(["inpaint", "photos", "-m", str(model), "-o", "out", "--device", "cpu", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"i2i: {told}")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_mask_is_never_written_over(inpaint: Inpaint, photos: Path, white: Path, capsys: Told):
    before = white.read_bytes()
    assert inpaint(photos / "a.png", "--mask", white, "-o", white, "--exists", "overwrite") == 2
    assert capsys.readouterr().err == (f"i2i: {white}: the output would replace a mask. Give another name or folder.\n")
    assert white.read_bytes() == before


@pytest.mark.parametrize(
    ("hole", "options", "told"),
    [
        (~mask()[:10], [], "is 24x10, the picture 24x18. Make it as large as the picture, or of the same shape."),
        (mask() & False, [], "marks nothing. White is repaired and black is kept; --invert turns it round."),
        (mask() & False, ["--invert"], "marks nothing. With --invert white is kept and black is repaired."),
        (mask().astype(np.uint8), [], "marks nothing: its brightest is 1 of 255. White is repaired and black is kept"),
        (mask() | True, [], "marks the whole picture: nothing is known of it. White is repaired and black is kept"),
        (mask() | True, ["--invert"], "marks nothing. Leave --invert out."),
        (mask(), ["--grow", "30"], "marks the whole picture: nothing is known of it. Use a smaller --grow."),
    ],
    ids=["size", "empty", "empty and inverted", "zeros and ones", "full", "full and inverted", "grown"],
)
def test_a_mask_that_cannot_be_fails_its_picture_in_one_line(
    hole: np.ndarray, options: list[str], told: str, inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    put(tmp_path / "mask.png", hole)
    assert inpaint(photos / "a.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png", *options) == 3
    told = f"its mask {tmp_path / 'mask.png'} {told}"
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"  {photos / 'a.png'}   {told}")
    assert not (tmp_path / "out.png").exists()


def test_a_mask_in_a_folder_that_is_no_picture_fails_its_picture(
    inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    masks = put(tmp_path / "masks" / "b.png", mask()).parent
    put(masks / "c.png", mask())
    (masks / "a.png").write_bytes(b"hello")
    assert inpaint(photos, "--mask", masks, "-o", tmp_path / "out") == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 written")
    assert lines[1].startswith(f"  {photos / 'a.png'}   its mask {masks / 'a.png'}: no picture in a known format")


def test_a_mask_that_is_cut_off_is_never_taken(inpaint: Inpaint, photos: Path, white: Path, capsys: Told):
    """What it lacks would be left unrepaired without a word."""
    out = white.parent / "out.png"
    white.write_bytes(white.read_bytes()[: white.stat().st_size // 2])
    assert inpaint(photos / "a.png", "--mask", white, "--allow-truncated", "-o", out) == 2
    told = "truncated: the file ends before its picture does. A mask has to be whole: save it again."
    assert capsys.readouterr().err == f"i2i: {white}: {told}\n"


def test_a_mask_that_looks_inverted_is_followed_and_told(inpaint: Inpaint, photos: Path, white: Path, capsys: Told):
    out = white.parent / "out.png"
    assert inpaint(photos / "a.png", "--mask", white, "--invert", "-o", out) == 0
    assert is_repaired(out, noise(), ~mask())
    told = "a mask covers 91 % of the picture: probably inverted, leave --invert out."
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("drawn_over", "turn"), [*(("upright", turn) for turn in range(1, 9)), *(("stored", turn) for turn in range(5, 9))]
)
def test_a_mask_follows_the_orientation_of_its_picture(drawn_over: str, turn: int, inpaint: Inpaint, tmp_path: Path):
    """Pillow's own way of turning is the reference. Below 5 both have the same size: it is the upright one then."""
    image, exif = Image.fromarray(noise()), Image.Exif()
    exif[ORIENTATION] = turn
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    image.save(path, exif=exif)
    upright = read(path).pixels
    hole = np.zeros(upright.shape[:2], bool)
    hole[2:5, 3:9] = True
    shown = hole
    if drawn_over == "stored":
        back = {5: 5, 6: 8, 7: 7, 8: 6}[turn]
        tagged = Image.fromarray((hole * 255).astype(np.uint8))
        exif[ORIENTATION] = back
        buffer = io.BytesIO()
        tagged.save(buffer, "PNG", exif=exif)
        shown = np.asarray(ImageOps.exif_transpose(Image.open(buffer))) > 127
        assert shown.shape == noise().shape[:2]
    put(tmp_path / "mask.png", shown)
    assert inpaint(path, "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png") == 0
    assert is_repaired(tmp_path / "out.png", upright, hole)


@pytest.mark.parametrize("size", [(9, 12), (36, 48), (5, 7)])
def test_a_mask_of_the_same_aspect_is_resized_and_that_is_noted(
    size: tuple[int, int], inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    hole = np.zeros(size, bool)
    hole[: size[0] // 2] = True
    put(tmp_path / "mask.png", hole)
    assert inpaint(photos / "a.png", "--mask", tmp_path / "mask.png", "-o", tmp_path / "out.png", "-v") == 0
    assert f"a.png: its mask of {size[1]}x{size[0]} was resized" in capsys.readouterr().err
    rows = round(18 * (size[0] // 2) / size[0])
    expected = np.zeros((18, 24), bool)
    expected[:rows] = True
    assert is_repaired(tmp_path / "out.png", noise(), expected)


def test_a_colour_marks_the_hole_within_its_tolerance(inpaint: Inpaint, tmp_path: Path, capsys: Told):
    pixels = noise() // 2
    pixels[HOLE] = (255, 0, 255)
    pixels[3, 5] = (252, 3, 255)
    put(tmp_path / "a.png", pixels)
    almost = mask()
    almost[3, 5] = False
    assert inpaint(tmp_path / "a.png", "--mask-color", "#ff00ff", "-o", tmp_path / "exact.png") == 0
    assert is_repaired(tmp_path / "exact.png", pixels, almost)
    more = ["--tolerance", "3"]
    assert inpaint(tmp_path / "a.png", "--mask-color", "FF00FF", *more, "-o", tmp_path / "near.png") == 0
    assert is_repaired(tmp_path / "near.png", pixels, mask())


def test_a_colour_that_is_not_there_is_told_with_the_nearest(inpaint: Inpaint, tmp_path: Path, capsys: Told):
    pixels = noise() // 2
    pixels[4, 4] = (250, 2, 255)
    put(tmp_path / "a.png", pixels)
    assert inpaint(tmp_path / "a.png", "--mask-color", "#ff00ff", "-o", tmp_path / "out.png") == 3
    told = "no pixel has the colour #ff00ff; the nearest is #fa02ff. --tolerance 5 takes it."
    assert told in capsys.readouterr().out
    assert inpaint(tmp_path / "a.png", "--mask-color", "#ff00ff", "--invert", "-o", tmp_path / "out.png") == 3
    assert told in capsys.readouterr().out, "turned round the whole picture would be the hole"


def test_transparency_marks_the_hole_and_one_without_is_told(inpaint: Inpaint, tmp_path: Path, capsys: Told):
    pixels, alpha = noise(), np.where(mask(), 100, 255).astype(np.uint8)
    write(Picture(pixels, alpha), tmp_path / "a.png")
    assert inpaint(tmp_path / "a.png", "--mask-alpha", "-o", tmp_path / "out.png") == 0
    assert is_repaired(tmp_path / "out.png", pixels, mask())
    made = read(tmp_path / "out.png")
    assert made.alpha is not None
    assert made.is_opaque
    put(tmp_path / "b.png", pixels)
    assert inpaint(tmp_path / "b.png", "--mask-alpha", "-o", tmp_path / "out2.png") == 3
    assert "nothing of it is transparent. Mark the hole by --mask." in capsys.readouterr().out


def test_a_hole_grows_by_a_disc(inpaint: Inpaint, tmp_path: Path):
    hole = np.zeros((18, 24), bool)
    hole[9, 12] = True
    put(tmp_path / "a.png", noise())
    put(tmp_path / "mask.png", hole)
    assert inpaint(tmp_path / "a.png", "--mask", tmp_path / "mask.png", "--grow", 4, "-o", tmp_path / "b.png") == 0
    y, x = np.mgrid[0:18, 0:24]
    disc = (y - 9) ** 2 + (x - 12) ** 2 <= 16
    assert is_repaired(tmp_path / "b.png", noise(), disc)


def test_a_feather_changes_so_many_pixels_around(inpaint: Inpaint, photos: Path, white: Path, tmp_path: Path):
    out = tmp_path / "out.png"
    assert inpaint(photos / "a.png", "--mask", white, "--feather", 3, "-o", out) == 0
    changed = (read(out).pixels != noise()).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (0, 10, 2, 14)


# Folders


def test_a_second_call_does_only_what_has_another_mask_or_is_marked_otherwise(
    inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    masks, out = tmp_path / "masks", tmp_path / "out"
    for name in ("a", "b", "c"):
        put(masks / f"{name}.png", mask())
    for change, options, told in [
        (lambda: None, [], "3 written"),
        (lambda: None, [], "3 already done"),
        (lambda: os.utime(masks / "a.png"), [], "3 already done"),
        (lambda: put(masks / "b.png", np.roll(mask(), 2, axis=1)), [], "1 written"),
        (lambda: None, ["--grow", "1"], "3 written"),
        (lambda: None, ["--feather", "1"], "3 written"),
        (lambda: None, ["--invert"], "3 written"),
        (lambda: None, [], "3 written"),
    ]:
        change()
        assert inpaint(photos, "--mask", masks, "-o", out, *options) == 0
        assert capsys.readouterr().out.startswith(told)
    assert is_repaired(out / "trip" / "b.png", noise(1), np.roll(mask(), 2, axis=1))


def test_a_dry_run_counts_pictures_without_a_mask_and_writes_nothing(
    inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told
):
    put(tmp_path / "masks" / "a.png", mask())
    put(tmp_path / "masks" / "b.png", mask())
    assert inpaint(photos, "--mask", tmp_path / "masks", "-o", tmp_path / "out", "--dry-run") == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 to do, 0 Mpx  ·  about 0:00:0")
    assert lines[0].endswith("1 cannot be done")
    assert lines[1].startswith(f"  {photos}/trip/c.png   has no mask: there is no ")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tells_masks_of_another_size(inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told):
    put(tmp_path / "mask.png", ~mask()[:10])
    assert inpaint(photos, "--mask", tmp_path / "mask.png", "-o", tmp_path / "out", "--dry-run") == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("0 to do")
    assert lines[1] == f"  {photos / 'a.png'}   its mask {tmp_path / 'mask.png'} is 24x10, the picture 24x18."


def test_what_is_told_as_json_names_notes_and_failures(inpaint: Inpaint, photos: Path, tmp_path: Path, capsys: Told):
    put(tmp_path / "masks" / "a.png", ~mask())
    put(tmp_path / "masks" / "b.png", mask()[:5])
    put(tmp_path / "masks" / "c.png", mask())
    assert inpaint(photos, "--mask", tmp_path / "masks", "-o", tmp_path / "out", "--json") == 3
    a, b, c, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (a["status"], a["notes"]) == ("ok", ["its mask covers 91 % of the picture: probably inverted, see --invert"])
    assert b["status"] == "failed"
    assert b["error"].startswith(f"its mask {tmp_path / 'masks' / 'b.png'} is 24x5, the picture 24x18.")
    assert (c["status"], c["size"]) == ("ok", [24, 18])
    assert (summary["ok"], summary["failed"], summary["exit"]) == (2, 1, 3)


def test_a_picture_goes_through_standard_input_and_output(
    i2i_process: Start, model: Path, photos: Path, white: Path, tmp_path: Path
):
    with open(photos / "a.png", "rb") as source, open(tmp_path / "out.png", "wb") as result:
        process = i2i_process("inpaint", "-", "--mask", white, "-o", "-", "-m", model, stdin=source, stdout=result)
        assert process.wait() == 0, process.err
    assert is_repaired(tmp_path / "out.png", noise(), mask())


def test_ctrl_c_finishes_what_was_begun_and_the_same_command_goes_on(
    i2i_process: Start, until: Callable[..., None], model: Path, white: Path, tmp_path: Path
):
    for number in range(8):
        put(tmp_path / "in" / f"{number}.png", noise(number))

    def hold() -> None:
        repair, calls = Inpainter.__call__, []

        def held(self: Inpainter, picture: Picture) -> Picture:
            calls.append(1)
            if len(calls) > 3:
                (tmp_path / "waits").touch()
                while not (tmp_path / "go").exists():
                    time.sleep(0.005)
            return repair(self, picture)

        Inpainter.__call__ = held  # type: ignore[method-assign,assignment]

    call = ("inpaint", tmp_path / "in", "--mask", white, "-o", tmp_path / "out", "-m", model)
    process = i2i_process(*call, before=hold)
    until((tmp_path / "waits").exists)
    process.send(signal.SIGINT)
    time.sleep(0.05)
    (tmp_path / "go").touch()
    assert process.wait() == 130
    assert process.out == f"4 written to {tmp_path / 'out'}  ·  4 not tried\n"
    again = i2i_process(*call)
    assert again.wait() == 0, again.err
    assert again.out == f"4 written to {tmp_path / 'out'}  ·  4 already done\n"


def test_a_folder_of_masks_has_none_for_standard_input(inpaint: Inpaint, white: Path, tmp_path: Path, capsys: Told):
    masks = put(tmp_path / "masks" / "a.png", mask()).parent
    assert inpaint("-", "--mask", masks, "-o", tmp_path / "out.png") == 2
    told = "a picture from standard input has no name that a mask in a folder could share. Give a mask file."
    assert capsys.readouterr().err == f"i2i: {masks}: {told}\n"


def test_the_help_begins_with_what_this_command_alone_has(capsys: Told):
    assert main(["inpaint", "--help"]) == 0
    told = capsys.readouterr().out
    places = [told.index(f"  {option} ") for option in ("--mask", "--feather", "-o,", "--recursive")]
    assert places == sorted(places)
    assert "at most an eighth of --max-side" in " ".join(told.replace("-\n", "-").split())


# Python, models


def test_python_users_call_the_same(model: Path, photos: Path, white: Path, tmp_path: Path):
    summary = i2i.inpaint([photos], tmp_path / "out", marking=i2i.Marking(mask=white), model=model, device="cpu")
    assert summary.ok == 3
    assert is_repaired(tmp_path / "out" / "a.png", noise(), mask())
    made = i2i.load_inpainter(model, device="cpu")(photos / "a.png", white)
    assert np.array_equal(made.pixels, read(tmp_path / "out" / "a.png").pixels)


def test_a_model_for_something_else_is_refused_and_so_is_ours_elsewhere(
    inpaint: Inpaint, model: Path, tiny_model: Path, photos: Path, white: Path, tmp_path: Path, capsys: Told
):
    assert inpaint(photos, "--mask", white, "-o", tmp_path / "out", model=tiny_model) == 2
    told = capsys.readouterr().err
    hint = f"Use: i2i translate {tiny_model} INPUT... -o OUT"
    assert told == f"i2i: {tiny_model} is a model to translate pictures. {hint}\n"
    assert main(["translate", str(model), str(photos), "-o", str(tmp_path / "out")]) == 2
    hint = f"Use: i2i inpaint INPUT... -o OUT --model {model}"
    assert capsys.readouterr().err == f"i2i: {model} is a model to inpaint pictures. {hint}\n"


# Being stopped


def test_ctrl_c_within_a_large_picture_leaves_it_and_the_same_command_makes_it_whole(
    i2i_process: Start, until: Callable[..., None], model: Path, tmp_path: Path
):
    hole = np.zeros((100, 700), bool)
    hole[50:52, 10:690] = True
    put(tmp_path / "in" / "a.png", noise(0, 100, 700))
    put(tmp_path / "mask.png", hole)

    def hold() -> None:
        run, calls = Inpainter._run, []

        def held(self: Inpainter, *arguments: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                (tmp_path / "waits").touch()
                while not (tmp_path / "go").exists():
                    time.sleep(0.005)
            assert len(calls) < 3, "it goes on"
            return run(self, *arguments)

        Inpainter._run = held  # type: ignore[method-assign,assignment]

    call = ("inpaint", tmp_path / "in", "--mask", tmp_path / "mask.png", "-o", tmp_path / "out", "-m", model)
    process = i2i_process(*call, "--max-side", 64, before=hold)
    until((tmp_path / "waits").exists)
    process.send(signal.SIGINT)
    time.sleep(0.05)
    (tmp_path / "go").touch()
    assert process.wait() == 130
    assert process.out == f"0 written to {tmp_path / 'out'}  ·  1 not tried\n"
    assert "i2i: stopped; what was written is finished. Go on: i2i inpaint " in process.err
    again = i2i_process(*call, "--max-side", 64)
    assert again.wait() == 0, again.err
    assert is_repaired(tmp_path / "out" / "a.png", noise(0, 100, 700), hole)
