from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from i2i.data.cache import PictureCache

TEN_BYTES = np.zeros((10, 1, 1), np.uint8)


def test_the_least_recently_used_picture_makes_room() -> None:
    cache = PictureCache(limit=25)
    cache.put(Path("1"), 1, TEN_BYTES)
    cache.put(Path("2"), 1, TEN_BYTES)
    assert cache.get(Path("1"), 1) is TEN_BYTES
    cache.put(Path("3"), 1, TEN_BYTES)
    assert cache.get(Path("2"), 1) is None
    assert cache.get(Path("1"), 1) is TEN_BYTES
    assert cache.held == 20


def test_a_picture_larger_than_the_cache_is_not_kept() -> None:
    cache = PictureCache(limit=5)
    cache.put(Path("1"), 1, TEN_BYTES)
    assert cache.get(Path("1"), 1) is None


def test_another_process_gets_it_empty() -> None:
    cache = PictureCache(limit=25)
    cache.put(Path("1"), 1, TEN_BYTES)
    copy = pickle.loads(pickle.dumps(cache))
    assert (copy.held, copy.limit, copy.get(Path("1"), 1)) == (0, 25, None)
