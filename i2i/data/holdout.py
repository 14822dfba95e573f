"""Which pictures are kept from the training to judge it: by content, so that names and folders do not matter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from i2i.data.scan import Scan
from i2i.errors import ConfigError

AUTO_SHARE = 0.05
AUTO_FEWEST = 40  # pictures of a domain from which some are held out unasked


def share_or_folder(val: str) -> float | Path:
    """What the setting asks for, unless it is `auto`: a share in [0, 1) or a folder. Raises ConfigError."""
    try:
        share = float(val)
    except ValueError:
        return Path(val)
    if not 0 <= share < 1:
        raise ConfigError(f"{val} is no share.", where="data.val", hint="Write 0.05, 0 for none, or a folder.")
    return share


def automatic_share(scan: Scan) -> float:
    """The share of a domain that is held out unasked."""
    return AUTO_SHARE if len(scan.pictures) >= AUTO_FEWEST else 0.0


def held_out_contents(contents: Iterable[str], share: float) -> set[str]:
    """Which of the contents, told by their SHA-256, are held out: the first ones, at least one if `share` is not 0."""
    different = sorted(set(contents))
    return set(different[: max(1, round(share * len(different)))]) if share else set()


def held_out_of_classes(contents: Sequence[str], labels: Sequence[int], share: float) -> set[str]:
    """As `held_out_contents`, but of each class, however small, one of the contents stays to train on."""
    chosen = held_out_contents(contents, share)
    by_class = defaultdict[int, set[str]](set)
    for content, label in zip(contents, labels, strict=True):
        by_class[label].add(content)
    return chosen - {max(of_class) for of_class in by_class.values() if of_class <= chosen}


def hold_out(scan: Scan, share: float) -> tuple[Scan, Scan]:
    """(training, held out): at least one picture where `share` is not 0, those whose SHA-256 comes first.

    Files with the same bytes stay together, so that nothing held out is trained on.
    """
    chosen = held_out_contents((picture.sha256 for picture in scan.pictures), share)
    return (
        replace(scan, pictures=tuple(picture for picture in scan.pictures if picture.sha256 not in chosen)),
        Scan(tuple(picture for picture in scan.pictures if picture.sha256 in chosen)),
    )
