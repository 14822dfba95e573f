from __future__ import annotations

from io import StringIO
from types import SimpleNamespace

import pytest

from i2i.engine import progress
from i2i.engine.progress import Progress, ProgressKind


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=clock.monotonic))
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return clock


def test_a_line_has_step_losses_rate_time_left_and_the_last_save(clock: Clock) -> None:
    stream = StringIO()
    with Progress("plain", stream) as shown:
        shown.show(1000, 25_000, {"gan_a": 0.333, "cycle_a": 12.0})
        clock.now += 20
        shown.saved()
        clock.now += 30
        shown.show(1250, 25_000, {"gan_a": 0.256})
    assert stream.getvalue() == (
        "step 1 000/25 000 4 %  gan_a 0.33  cycle_a 12.00\n"
        "step 1 250/25 000 5 %  gan_a 0.26  5.0 it/s  left 1:19:10  saved 30 s ago\n"
    )


def test_steps_slower_than_ten_seconds_are_told_in_seconds(clock: Clock) -> None:
    stream = StringIO()
    shown = Progress("plain", stream)
    shown.show(0, 4, {})
    clock.now += 40
    shown.show(2, 4, {})
    assert stream.getvalue().splitlines()[1] == "step 2/4 50 %  20 s/it  left 0:00:40"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min")])
def test_a_save_is_told_in_seconds_and_then_in_minutes(clock: Clock, seconds: int, text: str) -> None:
    stream = StringIO()
    shown = Progress("plain", stream)
    shown.saved()
    clock.now += seconds
    shown.show(1, 2, {})
    assert stream.getvalue() == f"step 1/2 50 %  saved {text} ago\n"


def test_the_rate_counts_from_the_first_step_shown(clock: Clock) -> None:
    stream = StringIO()
    shown = Progress("plain", stream)
    clock.now += 500  # a slow start: data are opened, a checkpoint is read
    shown.show(100, 200, {})
    clock.now += 10
    shown.show(120, 200, {})
    assert "2.0 it/s  left 0:00:40" in stream.getvalue()


def test_plain_lines_are_due_every_30_seconds(clock: Clock) -> None:
    shown = Progress("plain", StringIO())
    dues = []
    for second in range(0, 100, 10):
        clock.now = 1000.0 + second
        if shown.due():
            dues.append(second)
            shown.show(second, 100, {})
    assert dues == [30, 60, 90]


def test_none_shows_nothing_and_is_never_due(clock: Clock) -> None:
    stream = StringIO()
    with Progress("none", stream) as shown:
        clock.now += 1000
        assert not shown.due()
        shown.note("warning: disk full")
        shown.counted("reading")(1, 2)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("kind", ["auto", "plain"])
def test_notes_are_one_line_with_control_characters_escaped(clock: Clock, kind: ProgressKind) -> None:
    stream = StringIO()
    with Progress(kind, stream) as shown:
        shown.note("warning: a\x1b[2Jb\nc\r\u202ed.jpg [bold]é 猫[/bold]")
    assert stream.getvalue() == "warning: a\\x1b[2Jb\\nc\\r\\u202ed.jpg [bold]é 猫[/bold]\n"


def test_a_long_note_stays_one_line(clock: Clock) -> None:
    stream = StringIO()
    Progress("plain", stream).note("word " * 100)
    assert stream.getvalue().count("\n") == 1


def test_other_work_is_counted_when_a_line_is_due(clock: Clock) -> None:
    stream = StringIO()
    count = Progress("plain", stream).counted("reading pictures")
    count(1, 3000)
    clock.now += 31
    count(1500, 3000)
    count(1501, 3000)
    assert stream.getvalue() == "reading pictures 1 500/3 000 50 %\n"


def test_a_terminal_gets_a_live_line_that_is_gone_at_the_end_and_notes_that_stay(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with Progress("auto", stream) as shown:
        clock.now += 0.5
        assert shown.due()
        shown.show(3, 10, {"gan_a": 1.0})
        shown.note("a note")
    assert "step 3/10 30 %  gan_a 1.00" in stream.getvalue()
    assert "a note\n" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")  # the live line is erased


@pytest.mark.parametrize(("kind", "term"), [("plain", "xterm-256color"), ("auto", "dumb")])
def test_plain_and_dumb_terminals_get_no_escape_codes(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, kind: ProgressKind, term: str
) -> None:
    monkeypatch.setenv("TERM", term)
    stream = Terminal()
    with Progress(kind, stream) as shown:
        shown.show(3, 10, {"gan_a": 1.0})
    assert stream.getvalue() == "step 3/10 30 %  gan_a 1.00\n"
