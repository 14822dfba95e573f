"""Signals are really sent, to this process."""

from __future__ import annotations

import importlib
import os
import signal
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from i2i.interrupt import Interrupt, imports_end_by

NOTED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in NOTED]


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_asks_for_an_end_and_the_work_goes_on(number: signal.Signals, exit_code: int) -> None:
    with Interrupt() as interrupt:
        assert interrupt.exit_code is None
        os.kill(os.getpid(), number)
        assert interrupt.exit_code == exit_code
        assert not interrupt.save_asked()


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_at_once(first: signal.Signals, second: signal.Signals) -> None:
    before = handlers()
    with Interrupt() as interrupt:
        signal.raise_signal(first)
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(second)
        assert caught.value.args == (128 + second,)
        assert interrupt.exit_code == 128 + first
    assert handlers() == before


def test_sigusr1_asks_for_one_checkpoint_and_for_no_end() -> None:
    with Interrupt() as interrupt:
        assert not interrupt.save_asked()
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        assert interrupt.save_asked()
        assert not interrupt.save_asked()
        assert interrupt.exit_code is None


def test_the_handlers_before_it_come_back() -> None:
    before = handlers()
    with Interrupt():
        assert all(now != earlier for now, earlier in zip(handlers(), before, strict=True))
    assert handlers() == before


def test_the_handlers_come_back_after_an_error_too() -> None:
    before = handlers()
    with pytest.raises(ZeroDivisionError), Interrupt():
        _ = 1 / 0
    assert handlers() == before


def test_outside_the_main_thread_signals_are_left_alone() -> None:
    before, inside = handlers(), []

    def work() -> None:
        with Interrupt() as interrupt:
            inside.append((handlers(), interrupt.exit_code, interrupt.save_asked()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [(before, None, False)]
    assert handlers() == before


class Ended(Exception):
    """Stands for the end of the process."""


def end() -> NoReturn:
    raise Ended


def test_a_sigint_in_an_import_ends_and_elsewhere_interrupts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interrupted.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    monkeypatch.syspath_prepend(tmp_path)
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    before = handlers()
    with imports_end_by(end):
        with pytest.raises(Ended):
            importlib.import_module("interrupted")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert handlers() == before
    signal.signal(signal.SIGINT, outside)


def test_a_sigint_that_the_caller_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with imports_end_by(end):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
