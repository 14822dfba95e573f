"""Random draws that are a function of their key, so that no generator has a state to save."""

from __future__ import annotations

import hashlib
import random
from functools import lru_cache


def seed_of(*key: int | str) -> int:
    """64 bits that are independent for every key."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, length: int) -> tuple[int, ...]:
    """The numbers below `length` in the order of that epoch."""
    order = list(range(length))
    random.Random(seed_of(seed, epoch, "order")).shuffle(order)
    return tuple(order)


def drawn_index(count: int, *key: int | str) -> int:
    """A number below `count`, each as likely as the other."""
    return random.Random(seed_of(*key)).randrange(count)
