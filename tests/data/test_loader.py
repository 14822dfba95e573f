from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from i2i.config.data import UnpairedConfig
from i2i.data import loader
from i2i.data.batches import Unpaired
from i2i.data.loader import Batches, chosen_workers
from i2i.data.unpaired import UnpairedPictures
from i2i.errors import DataError, NoRoomError

Draw = Callable[..., Path]


@pytest.fixture
def samples(draw: Draw) -> UnpairedPictures:
    a = [draw(f"A/{number}.jpg", width=40 + number) for number in range(7)]
    b = [draw(f"B/{number}.png", mode="L", height=30 + number) for number in range(5)]
    return UnpairedPictures(a, b, UnpairedConfig(size=24, transform="keep"))


@contextmanager
def batches(samples: UnpairedPictures, batch: int = 2, workers: int = 0, **more: int) -> Iterator[Batches[Unpaired]]:
    with closing(Batches(samples, batch=batch, seed=3, workers=workers, **more)) as opened:
        yield opened


def epochs(samples: UnpairedPictures, workers: int) -> bytes:
    """Three epochs and a bit."""
    with batches(samples, workers=workers) as opened:
        return b"".join(tensor.numpy().tobytes() for batch in islice(opened, 10) for tensor in batch)


@pytest.mark.parametrize("workers", [1, 2, pytest.param(4, marks=pytest.mark.thorough)])
def test_an_epoch_is_byte_identical_for_any_number_of_workers(samples: UnpairedPictures, workers: int) -> None:
    assert epochs(samples, workers) == epochs(samples, 0)


def test_batches_are_contiguous_bytes_with_channels_first(samples: UnpairedPictures) -> None:
    with batches(samples) as opened:
        batch = next(opened)
    assert isinstance(batch, Unpaired)
    for tensor in batch:
        assert (tensor.shape, tensor.dtype) == ((2, 3, 24, 24), torch.uint8)
        assert tensor.is_contiguous()


def test_a_batch_holds_the_samples_of_its_places(samples: UnpairedPictures) -> None:
    with batches(samples) as opened:
        assert opened.steps_per_epoch == 3
        fifth = list(islice(opened, 5))[4]
    a, b = samples.sample(3, 1, 2)  # batch 4 is the second of epoch 1
    np.testing.assert_array_equal(fifth.real_a[0].numpy(), a.transpose(2, 0, 1))
    np.testing.assert_array_equal(fifth.real_b[0].numpy(), b.transpose(2, 0, 1))


def test_going_on_from_taken_batches_gives_the_ones_that_follow(samples: UnpairedPictures) -> None:
    with batches(samples) as opened:
        expected = list(islice(opened, 7))
        assert opened.taken == 7
    with batches(samples, taken=4) as resumed:
        got = list(islice(resumed, 3))
        assert resumed.taken == 7
    for one, other in zip(expected[4:], got, strict=True):
        assert torch.equal(one.real_a, other.real_a)
        assert torch.equal(one.real_b, other.real_b)


def test_the_shares_of_two_processes_put_together_are_the_batch(samples: UnpairedPictures) -> None:
    with (
        batches(samples, 4) as one,
        batches(samples, 4, rank=0, world=2) as r0,
        batches(samples, 4, rank=1, world=2) as r1,
    ):
        for whole, first, second in islice(zip(one, r0, r1, strict=False), 3):
            assert len(first.real_a) == 2
            assert torch.equal(whole.real_a, torch.cat([first.real_a, second.real_a]))
            assert torch.equal(whole.real_b, torch.cat([first.real_b, second.real_b]))


def test_the_global_generators_are_left_alone(samples: UnpairedPictures) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    epochs(samples, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_a_batch_larger_than_the_epoch_is_refused_with_the_count(samples: UnpairedPictures) -> None:
    with pytest.raises(DataError, match=r"a batch of 8 is larger than the epoch: 7 pictures\. Lower --batch\."):
        Batches(samples, batch=8, seed=0)


def test_a_batch_that_cannot_be_shared_is_refused(samples: UnpairedPictures) -> None:
    with pytest.raises(DataError, match=r"a batch of 3 cannot be shared by 2 processes"):
        Batches(samples, batch=3, seed=0, world=2)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_fails_is_reported_once(
    samples: UnpairedPictures, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    samples.a[2].write_bytes(b"")
    with batches(samples, workers=workers) as opened, caplog.at_level(logging.WARNING, "i2i.data"):
        list(islice(opened, 12))
    assert caplog.messages == [f"{samples.a[2]}: the file is empty. The next picture takes its place."]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_a_loader_process_stays_one_line(samples: UnpairedPictures, workers: int) -> None:
    for path in samples.b:
        path.unlink()
    with batches(samples, workers=workers) as opened, pytest.raises(DataError) as caught:
        next(opened)
    assert str(caught.value) == f"{samples.b[0].parent}: none of 5 pictures can be read any more."


class Killed:
    """Samples whose loader process is killed, as by a system without memory."""

    batch = Unpaired
    fits_in_memory = False

    def __init__(self) -> None:
        self.failed: dict[Path, str] = {}

    def __len__(self) -> int:
        return 10

    def sample(self, seed: int, epoch: int, position: int) -> tuple[NDArray[np.uint8], ...]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_killed_loader_process_is_no_room() -> None:
    with closing(Batches(Killed(), batch=1, seed=0, workers=1)) as opened, pytest.raises(NoRoomError) as caught:
        next(opened)
    assert str(caught.value) == "a loader process was killed, most often for want of memory. Try --workers 0."


def test_closed_batches_give_nothing_more(samples: UnpairedPictures) -> None:
    with batches(samples) as opened:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        next(opened)


@pytest.mark.parametrize(
    ("cores", "world", "small", "expected"),
    [(2, 1, False, 0), (4, 1, False, 3), (16, 1, False, 8), (16, 4, False, 3), (16, 1, True, 0)],
)
def test_workers_are_chosen_by_cores_and_cost(
    monkeypatch: pytest.MonkeyPatch, cores: int, world: int, small: bool, expected: int
) -> None:
    monkeypatch.setattr(loader, "_usable_cores", lambda: cores)
    assert chosen_workers(small, world) == expected
