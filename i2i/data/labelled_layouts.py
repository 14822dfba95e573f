"""What is in this folder or file? Pictures by class: files that hold a whole set, or a sub-folder for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2i.data.arrays import LabelledArrays
from i2i.data.cifar import BINARY_VERSION, REFUSED_PICKLES, cifar_batches, is_cifar, is_cifar_pickle, read_cifar
from i2i.data.idx import IMAGES, LABELS, idx_sets, labels_beside, read_idx
from i2i.data.layouts import Domain, contents, counted, folder_domain, folders_in, some_of
from i2i.data.npz import read_npz
from i2i.errors import DataError
from i2i.images.formats import SUFFIXES

TRAINING = ("train", "training", "train_set", "training_set")  # names of a folder that holds the classes
VALIDATION = ("val", "valid", "validation")
EXPECTED = "pictures, a sub-folder of pictures for each class, MNIST's idx files, CIFAR's .bin files or one .npz"
NAMED_CLASSES = 5  # that a line names


@dataclass(frozen=True)
class ArrayFiles:
    """Files that hold the pictures of a whole set; `label` is what a person reads."""

    kind: Literal["idx", "cifar", "npz"]
    paths: tuple[Path, ...]
    label: str
    notes: tuple[str, ...] = ()

    def read(self) -> LabelledArrays:
        """The pictures to train on. Raises DataError."""
        match self.kind:
            case "idx":
                return read_idx(self.paths[0])
            case "cifar":
                return read_cifar(self.paths)
            case "npz":
                return read_npz(self.paths[0])

    @property
    def files(self) -> tuple[Path, ...]:
        """All files whose content matters: those of labels too."""
        labels = labels_beside(self.paths[0]) if self.kind == "idx" else None
        return (*self.paths, labels) if labels else self.paths


@dataclass(frozen=True)
class ClassFolders:
    """Pictures of a folder; `classes` are its sub-folders that hold some, sorted, or none."""

    domain: Domain
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_labelled(path: Path) -> ArrayFiles | ClassFolders:
    """The pictures to train on in a folder, or in a file that holds a whole set. Raises DataError."""
    if path.is_file():
        return _of_file(path)
    if not path.exists():
        raise DataError("no such folder or file.", where=path)
    folders_in(path)  # it can be listed
    kinds = [kind for kind in _array_files(path) if kind]
    if not kinds:
        return _class_folders(path)
    if beside := sum(entry.suffix.lower() in SUFFIXES for entry in path.iterdir()):
        kinds[0] = ArrayFiles(kinds[0].kind, kinds[0].paths, kinds[0].label, (f"{counted(beside)} beside passed over",))
    return kinds[0]


def without_classes(found: ArrayFiles | ClassFolders) -> str:
    """Why there are no classes, and what to do: for a training that needs some."""
    if isinstance(found, ArrayFiles):
        return (
            f"{found.label} has no labels." if found.kind != "idx" else f"{found.label} has no file of labels beside."
        )
    if any("/" in name for name in found.domain.names):
        return "pictures lie beside its folders, so that folders are no classes."
    return "its pictures lie in no sub-folders, which classes are."


def _of_file(path: Path) -> ArrayFiles:
    if IMAGES.fullmatch(path.name):
        return ArrayFiles("idx", (path,), path.name)
    if path.suffix.lower() == ".npz":
        return ArrayFiles("npz", (path,), path.name)
    if is_cifar(path):
        return ArrayFiles("cifar", (path,), path.name)
    if is_cifar_pickle(path):
        raise DataError(REFUSED_PICKLES, where=path, hint=BINARY_VERSION)
    if LABELS.fullmatch(path.name):
        raise DataError(
            "holds labels alone.", where=path, hint="Name the file of images; its labels are found by name."
        )
    if path.suffix.lower() in SUFFIXES:
        raise DataError("is one picture.", where=path, hint="Name the folder that it lies in.")
    raise DataError("is no file of pictures that is known.", where=path, hint=f"Give a folder with {EXPECTED}.")


def _array_files(folder: Path) -> tuple[ArrayFiles | None, ...]:
    """Each kind of file that holds a whole set, where it is there. Raises DataError where one cannot be chosen."""
    if any(is_cifar_pickle(path) for path in folder.iterdir()):
        raise DataError(REFUSED_PICKLES, where=folder, hint=BINARY_VERSION)
    return _idx(folder), _cifar(folder), _npz(folder)


def _idx(folder: Path) -> ArrayFiles | None:
    sets = idx_sets(folder)
    training = [path for name, path in sets.items() if name.lower().endswith("train")] or list(sets.values())
    if len(training) > 1:
        what = f"holds {len(training)} sets: {some_of([path.name for path in training])}."
        raise DataError(what, where=folder, hint="Name the file of images of one of them.")
    return ArrayFiles("idx", (training[0],), training[0].name) if training else None


def _cifar(folder: Path) -> ArrayFiles | None:
    batches = cifar_batches(folder)
    return ArrayFiles("cifar", batches, some_of([path.name for path in batches])) if batches else None


def _npz(folder: Path) -> ArrayFiles | None:
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".npz")
    if len(found) > 1:
        what = f"holds {len(found)} npz files: {some_of([path.name for path in found])}."
        raise DataError(what, where=folder, hint="Name one of them.")
    return ArrayFiles("npz", (found[0],), found[0].name) if found else None


def _class_folders(path: Path) -> ClassFolders:
    root, names = _training_names(path)
    apart = sorted({_first(name) for name in names if _is_of_another_role(_first(name))}) if root == path else []
    kept = tuple(name for name in names if _first(name) not in apart)
    if not kept:
        raise DataError("holds pictures for validation and test alone.", where=path, hint="Name one of its folders.")
    loose = [name for name in kept if "/" not in name]
    classes = () if loose else tuple(sorted({_first(name) for name in kept}))
    for name in classes:
        if not name.isprintable():
            raise DataError("the name of a class is no plain text.", where=root / name, hint="Rename that folder.")
    notes = [f"passed over, by {'its name' if len(apart) == 1 else 'their names'}: {', '.join(apart)}"] if apart else []
    if loose and len(loose) < len(kept):
        notes.append(f"{counted(len(loose))} beside the folders ({some_of(loose)}): all are taken as without classes")
    return ClassFolders(Domain("" if root == path else root.name, root, kept), classes, tuple(notes))


def _training_names(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The folder of the classes and its pictures: `train`, where those beside it are of other roles, or all of it."""
    inner = [folder for folder in folders_in(path) if folder.name.lower() in TRAINING]
    others = [folder for folder in folders_in(path) if folder not in inner]
    if len(inner) == 1 and all(_is_of_another_role(folder.name) for folder in others):
        return inner[0], folder_domain(inner[0], inner[0].name).names
    try:
        return path, folder_domain(path, "").names
    except DataError as error:
        raise _nothing(path) from error


def _nothing(path: Path) -> DataError:
    for folder in folders_in(path):
        if any(_array_files(folder)):
            return DataError(f"holds nothing but {folder.name}/.", where=path, hint=f"Name {folder}.")
    return DataError(f"has no pictures. Found: {contents(path)}.", where=path, hint=f"Wanted: {EXPECTED}.")


def _is_of_another_role(folder: str) -> bool:
    """Whether the pictures of a folder are not trained on, by its name: validation, or test..."""
    return folder.lower() in VALIDATION or folder.lower().startswith("test")


def _first(name: str) -> str:
    """The folder that a picture lies in, counted from the root; empty where it lies there."""
    folder, slash, _ = name.partition("/")
    return folder if slash else ""
