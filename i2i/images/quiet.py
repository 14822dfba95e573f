"""Pillow under our own rules: no warnings on the terminal, our limit on pixels, our word on truncated files."""

from __future__ import annotations

import threading
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from PIL import Image, ImageFile

_changed = threading.Condition()
_limits: list[int | None] = []  # of everybody inside
_readers: Counter[bool] = Counter()  # how many take truncated files, how many do not
_undo = ExitStack()


@contextmanager
def quiet_pillow(max_pixels: int | None = None, truncated: bool | None = None) -> Iterator[None]:
    """While anybody is inside: Pillow does not warn, refuses more than twice `max_pixels`, and reads truncated files as
    told; who reads nothing gives neither.

    All of these are settings of the whole process, so threads share one change: the first that enters makes it, the
    last that leaves undoes it, and one that wants truncated files waits for those that do not.
    (`warnings.catch_warnings` in each thread would let one thread restore what another still needs.)
    """
    with _changed:
        if truncated is not None:
            _changed.wait_for(lambda: _readers[not truncated] == 0)
            _readers[truncated] += 1
        if not _limits:
            _save()
        _limits.append(max_pixels)
        _apply()
    try:
        yield
    finally:
        with _changed:
            _limits.remove(max_pixels)
            if truncated is not None:
                _readers[truncated] -= 1
            if _limits:
                _apply()
            else:
                _undo.close()
            _changed.notify_all()


def _save() -> None:
    _undo.callback(setattr, Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    _undo.callback(setattr, ImageFile, "LOAD_TRUNCATED_IMAGES", ImageFile.LOAD_TRUNCATED_IMAGES)
    _undo.enter_context(warnings.catch_warnings())
    warnings.simplefilter("ignore")


def _apply() -> None:
    Image.MAX_IMAGE_PIXELS = max((limit for limit in _limits if limit is not None), default=None)
    ImageFile.LOAD_TRUNCATED_IMAGES = _readers[True] > 0
