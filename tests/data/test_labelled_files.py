"""Files that hold whole sets: MNIST's IDX, CIFAR's binaries, npz."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from numpy.typing import NDArray

from i2i.data.cifar import is_cifar_pickle, read_cifar
from i2i.data.idx import read_idx
from i2i.data.labelled_layouts import find_labelled
from i2i.data.labelled_sets import read_set
from i2i.data.npz import read_npz
from i2i.errors import DataError, NoRoomError

Draw = Callable[..., Path]
PIXELS = np.arange(3 * 5 * 4, dtype=np.uint8).reshape(3, 5, 4)
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(values: NDArray[np.uint8]) -> bytes:
    """The format as it is published: zeros, type 8, dimensions, big-endian sizes, values."""
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()


def written(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def error(path: Path) -> str:
    """What a person reads when these pictures are read, without the folder of the test."""
    with pytest.raises(DataError) as raised:
        find_labelled(path).read()  # type: ignore[union-attr]
    assert "\n" not in str(raised.value)
    return str(raised.value).replace(f"{path.parent}/", "")


# IDX


def test_mnist_as_it_is_published(test_data: Path):
    arrays = read_idx(test_data / "mnist" / "t10k-images-idx3-ubyte.gz")
    assert arrays.pixels.shape == (10_000, 28, 28, 1)
    assert arrays.classes == tuple("0123456789")
    assert arrays.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]  # the first test digits, as everybody knows
    assert np.bincount(arrays.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_packed_or_not(packed: bool, tmp_path: Path):
    files = {IMAGES: idx(PIXELS), LABELS: idx(np.array([7, 3, 7], np.uint8))}
    if packed:
        files = {f"{name}.gz": gzip.compress(content) for name, content in files.items()}
    arrays = find_labelled(written(tmp_path, files)).read()  # type: ignore[union-attr]
    assert np.array_equal(arrays.pixels[..., 0], PIXELS)
    assert arrays.classes == ("3", "7")  # numbers without a picture are no classes
    assert arrays.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("images-idx3-ubyte", "labels-idx1-ubyte"),
    ],
)
def test_labels_are_found_by_the_name_of_the_pictures(images: str, labels: str, tmp_path: Path):
    written(tmp_path, {images: idx(PIXELS), labels: idx(np.zeros(3, np.uint8))})
    assert read_idx(tmp_path / images).classes == ("0",)


def test_without_labels_there_are_no_classes(tmp_path: Path):
    written(tmp_path, {IMAGES: idx(PIXELS)})
    arrays = read_idx(tmp_path / IMAGES)
    assert (arrays.classes, arrays.labels.tolist()) == ((), [0, 0, 0])


def test_of_training_and_test_set_the_training_set_is_taken(tmp_path: Path):
    files = {name: idx(PIXELS) for name in ("t10k-images-idx3-ubyte", IMAGES)}
    assert find_labelled(written(tmp_path, files)).paths == (tmp_path / IMAGES,)  # type: ignore[union-attr]


GOOD, CUT = idx(PIXELS), idx(PIXELS)[:-9]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {IMAGES: CUT},
            "train-images-idx3-ubyte: its header says 3x5x4, which is 60 bytes, and 51 are there. The file is damaged: "
            "get it again.",
        ),
        (
            {IMAGES: GOOD + b"x"},
            "train-images-idx3-ubyte: its header says 3x5x4, which is 60 bytes, and 61 are there. The file is damaged: "
            "get it again.",
        ),
        ({IMAGES: GOOD[:9]}, "train-images-idx3-ubyte: ends within its header. The file is damaged: get it again."),
        (
            {IMAGES: b"\x89PNG\r\n"},
            "train-images-idx3-ubyte: is no IDX file of pictures: it begins with 89 50 4e 47, not 00 00 08 03. The "
            "file is damaged: get it again.",
        ),
        (
            {IMAGES: b""},
            "train-images-idx3-ubyte: is no IDX file of pictures: it begins with nothing, not 00 00 08 03. The file is "
            "damaged: get it again.",
        ),
        (
            {f"{IMAGES}.gz": gzip.compress(GOOD)[:-9]},
            "train-images-idx3-ubyte.gz: ends too early: it is no whole gzip file. The file is damaged: get it again.",
        ),
        (
            {f"{IMAGES}.gz": b"\x1f\x8b" + b"damage" * 4},
            "train-images-idx3-ubyte.gz: cannot be unpacked: it is no whole gzip file. The file is damaged: get it "
            "again.",
        ),
        (
            {IMAGES: idx(np.zeros((0, 28, 28), np.uint8))},
            "train-images-idx3-ubyte: holds no pictures. Get the file again.",
        ),
        (
            {IMAGES: GOOD, LABELS: idx(np.zeros(2, np.uint8))},
            "train-images-idx3-ubyte: there are 3 pictures and 2 labels. Both must be of the same set: get them again.",
        ),
        (
            {IMAGES: GOOD, LABELS: GOOD},
            "train-labels-idx1-ubyte: is no IDX file of labels: it begins with 00 00 08 03, not 00 00 08 01. The file "
            "is damaged: get it again.",
        ),
        (
            {"a-train-images-idx3-ubyte": GOOD, "b-train-images-idx3-ubyte": GOOD},
            "set: holds 2 sets: a-train-images-idx3-ubyte, b-train-images-idx3-ubyte. Name the file of images of one "
            "of them.",
        ),
    ],
)
def test_what_is_wrong_with_idx_files_is_told(files: dict[str, bytes], told: str, tmp_path: Path):
    assert error(written(tmp_path / "set", files)).replace("set/", "") == told


def test_a_file_of_labels_alone_is_no_set(tmp_path: Path):
    written(tmp_path, {LABELS: idx(np.zeros(3, np.uint8))})
    assert error(tmp_path / LABELS) == (
        "train-labels-idx1-ubyte: holds labels alone. Name the file of images; its labels are found by name."
    )


# CIFAR


def records(labels: list[list[int]]) -> tuple[bytes, NDArray[np.uint8]]:
    """The binary version as it is published: labels, then three planes; and the pictures (N, 32, 32, 3)."""
    pictures = np.random.default_rng(0).integers(0, 256, (len(labels), 32, 32, 3), dtype=np.uint8)
    content = b"".join(
        bytes(numbers) + b"".join(picture[:, :, plane].tobytes() for plane in range(3))
        for numbers, picture in zip(labels, pictures, strict=True)
    )
    return content, pictures


def test_cifar_10_has_batches_and_the_names_of_its_classes(tmp_path: Path):
    one, pictures = records([[2], [0]])
    files = {f"data_batch_{number}.bin": one for number in (2, 1)} | {"test_batch.bin": records([[1]])[0]}
    written(tmp_path, files | {"batches.meta.txt": b"airplane\nautomobile\nbird\n\n"})
    arrays = find_labelled(tmp_path).read()  # type: ignore[union-attr]
    assert np.array_equal(arrays.pixels, np.concatenate([pictures, pictures]))
    assert arrays.classes == ("airplane", "automobile", "bird")
    assert arrays.labels.tolist() == [2, 0, 2, 0]


def test_cifar_100_has_fine_names(tmp_path: Path):
    content, pictures = records([[9, 1], [9, 0]])
    written(tmp_path, {"train.bin": content, "fine_label_names.txt": b"apple\naquarium_fish\n"})
    arrays = read_cifar((tmp_path / "train.bin",))
    assert np.array_equal(arrays.pixels, pictures)
    assert (arrays.classes, arrays.labels.tolist()) == (("apple", "aquarium_fish"), [1, 0])


def test_without_the_file_of_names_the_numbers_are_the_names(tmp_path: Path):
    written(tmp_path, {"data_batch_1.bin": records([[6], [3]])[0]})
    assert read_cifar((tmp_path / "data_batch_1.bin",)).classes == ("3", "6")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"data_batch_1.bin": records([[1]])[0][:-1]},
            "data_batch_1.bin: has 3072 bytes, which are no whole records of 3073. The file is damaged: get it again.",
        ),
        (
            {"train.bin": b""},
            "train.bin: has 0 bytes, which are no whole records of 3074. The file is damaged: get it again.",
        ),
        (
            {"data_batch_1.bin": records([[5]])[0], "batches.meta.txt": b"cat\ndog\n"},
            "data_batch_1.bin: has the class 5, and there are names for 0 to 1. The file is damaged, or the names are "
            "of another set.",
        ),
        (
            {"data_batch_1.bin": records([[0]])[0], "batches.meta.txt": b"\xff\xfe"},
            "batches.meta.txt: is no text. The file is damaged: get it again.",
        ),
        (
            {"data_batch_1": pickle.dumps({}), "batches.meta": pickle.dumps({})},
            "set: holds CIFAR's Python pickles, which can run programs when they are opened. Take the binary version: "
            "cifar-10-binary.tar.gz or cifar-100-binary.tar.gz.",
        ),
        (
            {"train": pickle.dumps({}), "meta": pickle.dumps({})},
            "set: holds CIFAR's Python pickles, which can run programs when they are opened. Take the binary version: "
            "cifar-10-binary.tar.gz or cifar-100-binary.tar.gz.",
        ),
    ],
)
def test_what_is_wrong_with_cifar_is_told(files: dict[str, bytes], told: str, tmp_path: Path):
    assert error(written(tmp_path / "set", files)).replace("set/", "") == told


def test_a_pickle_is_refused_by_its_file_too(tmp_path: Path):
    written(tmp_path, {"data_batch_1": pickle.dumps({})})
    assert error(tmp_path / "data_batch_1").startswith("data_batch_1: holds CIFAR's Python pickles")


# npz


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "set.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("images", "labels"),
    [("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels"), ("arr_0", "arr_1")],
)
def test_npz_is_known_by_the_names_of_public_sets(images: str, labels: str, tmp_path: Path):
    other = {"x_test": PIXELS, "y_test": [1, 2, 3]}
    path = saved(tmp_path, **{images: PIXELS, labels: np.array([[4], [2], [4]], np.uint8)} | other)
    arrays = read_npz(path)
    assert np.array_equal(arrays.pixels[..., 0], PIXELS)
    assert (arrays.classes, arrays.labels.tolist(), arrays.notes) == (("2", "4"), [1, 0, 1], ())


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_labels_may_be_the_names_of_the_classes(shape: tuple[int, ...], tmp_path: Path):
    arrays = read_npz(saved(tmp_path, images=PIXELS, labels=np.array(["dog", "cat", "dog"]).reshape(shape)))
    assert (arrays.classes, arrays.labels.tolist()) == (("cat", "dog"), [1, 0, 1])


def test_channels_may_stand_first_or_last(tmp_path: Path):
    colour = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)
    assert np.array_equal(read_npz(saved(tmp_path, images=colour)).pixels, colour)
    assert np.array_equal(read_npz(saved(tmp_path, images=colour.transpose(0, 3, 1, 2))).pixels, colour)
    gray = colour[..., :1]
    assert np.array_equal(read_npz(saved(tmp_path, images=gray.transpose(0, 3, 1, 2))).pixels, gray)


@pytest.mark.parametrize(
    ("stored", "levels", "taken"),
    [
        (np.array([0.0, 0.5, 1.0], np.float32), [0, 128, 255], "0 to 1"),
        (np.array([-1.0, 0.0, 1.0], np.float32), [0, 128, 255], "-1 to 1"),
        (np.array([-1.0, -0.2, 0.6], np.float32), [0, 102, 204], "-1 to 1"),
    ],
)
def test_fractions_become_8_bit_and_that_is_told(stored: Any, levels: list[int], taken: str, tmp_path: Path):
    arrays = read_npz(saved(tmp_path, images=stored.reshape(3, 1, 1)))
    assert arrays.pixels.ravel().tolist() == levels
    assert arrays.notes == (f"set.npz: float32 taken as {taken}, and made 8 bit",)


def test_whole_numbers_of_another_type_are_taken_as_they_are(tmp_path: Path):
    assert np.array_equal(read_npz(saved(tmp_path, images=PIXELS.astype(np.int64))).pixels[..., 0], PIXELS)


SAVE = "Save them as uint8 from 0 to 255, or as fractions from 0 to 1 or from -1 to 1."
SHAPES = "Pictures are (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels."


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"images": PIXELS.astype(np.float64)}, f"its pictures are float64 from 0 to 59. {SAVE}"),
        ({"images": PIXELS.astype(np.uint16) + 500}, f"its pictures are uint16 from 500 to 559. {SAVE}"),
        ({"images": PIXELS // 30}, f"its pictures are uint8 from 0 to 1. {SAVE}"),
        ({"images": np.full((1, 2, 2), np.nan)}, f"its pictures are float64 from nan to nan. {SAVE}"),
        ({"images": PIXELS > 3}, f"its pictures are of type bool. {SAVE}"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, f"holds no pictures. {SAVE}"),
        ({"images": PIXELS.reshape(3, 20)}, f"its pictures have the shape (3, 20). {SHAPES}"),
        ({"images": np.zeros((2, 4, 5, 4), np.uint8)}, f"its pictures have the shape (2, 4, 5, 4). {SHAPES}"),
        (
            {"pictures": PIXELS, "names": PIXELS},
            "has no pictures by a name that is known. It has names, pictures. Known: train_images + train_labels, "
            "x_train + y_train, images + labels, arr_0 + arr_1",
        ),
        (
            {"images": PIXELS, "labels": np.zeros((3, 14))},
            "its labels have the shape (3, 14). One number or name for each picture is needed.",
        ),
        (
            {"images": PIXELS, "labels": np.array([0, 1, 0.5])},
            "its labels are neither whole numbers nor text (float64). Give each class a number or a name.",
        ),
        (
            {"images": PIXELS, "labels": np.array([True, False, True])},
            "its labels are neither whole numbers nor text (bool). Give each class a number or a name.",
        ),
        (
            {"images": PIXELS, "labels": np.eye(5)[:3]},
            "its labels have the shape (3, 5). Save labels.argmax(1) in their place.",
        ),
        (
            {"images": PIXELS, "labels": np.array([0, 1, 1e300])},
            "its labels are from 0 to 1e+300. Number the classes from 0 on.",
        ),
        (
            {"images": PIXELS, "labels": np.array([0, np.inf, 1])},
            "its labels are from 0 to inf. Number the classes from 0 on.",
        ),
        (
            {"images": PIXELS, "labels": np.array([0, 1, 2**64 - 1], np.uint64)},
            "its labels are from 0 to 1.84467e+19. Number the classes from 0 on.",
        ),
        (
            {"images": PIXELS, "labels": np.array([0, -1, 3])},
            "its labels are from -1 to 3. Number the classes from 0 on.",
        ),
        (
            {"images": PIXELS, "labels": np.array(["cat", "a\nb", "cat"])},
            "the name 'a\\nb' of a class is no plain text. Rename that class.",
        ),
        (
            {"images": PIXELS, "labels": np.array(["cat", "", "cat"])},
            "the name '' of a class is no plain text. Rename that class.",
        ),
        (
            {"images": PIXELS, "labels": np.zeros(4)},
            "there are 3 pictures and 4 labels. Both must be of the same set: get them again.",
        ),
        (
            {"images": np.array([{}, 1], dtype=object)},
            "holds Python objects, which can run programs. Save plain arrays of numbers.",
        ),
    ],
)
def test_what_is_wrong_with_an_npz_is_told(arrays: dict[str, Any], told: str, tmp_path: Path):
    assert error(saved(tmp_path, **arrays)) == f"set.npz: {told}"


def test_what_does_not_fit_into_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path, images=PIXELS)
    monkeypatch.setattr("numpy.lib.format.read_array", MagicMock(side_effect=MemoryError))
    with pytest.raises(NoRoomError) as raised:
        read_set(find_labelled(path))
    told = "its pictures need more memory than there is. Make a folder of picture files of it."
    assert str(raised.value) == f"{path}: {told}"


def test_a_file_is_told_from_others_by_its_size_and_sha_256(tmp_path: Path):
    path = saved(tmp_path, images=PIXELS)
    (file,) = read_set(find_labelled(path)).scan.files  # type: ignore[union-attr]
    content = path.read_bytes()
    assert (file.name, file.bytes, file.sha256) == ("set.npz", len(content), hashlib.sha256(content).hexdigest())


def test_no_file_is_read_whole_for_how_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("i2i.data.arrays.file_bytes", lambda path: pytest.fail(f"{path} was read"))
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail(f"{path} was read"))
    (tmp_path / "train").write_text("no pickle")
    assert not is_cifar_pickle(tmp_path / "train")
    assert len(read_npz(saved(tmp_path, images=PIXELS)).labels) == 3


@pytest.mark.parametrize("damage", [b"", b"no zip at all", None])
def test_a_damaged_npz_is_told(damage: bytes | None, tmp_path: Path):
    path = saved(tmp_path, images=PIXELS)
    path.write_bytes(path.read_bytes()[:150] if damage is None else damage)
    assert error(path) == "set.npz: cannot be read as npz. The file is damaged: get it again."


def test_changed_bytes_inside_an_npz_are_told(tmp_path: Path):
    path = saved(tmp_path, images=PIXELS)
    content = path.read_bytes()
    path.write_bytes(content.replace(PIXELS.tobytes(), bytes(60)))
    assert error(path) == "set.npz: cannot be read as npz. The file is damaged: get it again."


def test_a_single_array_is_no_set(tmp_path: Path):
    with (tmp_path / "set.npz").open("wb") as file:
        np.save(file, PIXELS)
    told = "set.npz: is a single array. Save pictures and labels with numpy.savez."
    assert error(tmp_path / "set.npz") == told


def test_of_several_npz_files_one_is_to_be_named(tmp_path: Path):
    for name in ("a.npz", "b.npz"):
        saved(tmp_path, images=PIXELS).rename(tmp_path / name)
    assert error(tmp_path) == f"{tmp_path.name}: holds 2 npz files: a.npz, b.npz. Name one of them."
