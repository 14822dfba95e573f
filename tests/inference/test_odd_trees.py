"""Trees as they are found on disks: every file is named once with its reason, and no input is ever changed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from i2i.cli.main import main
from i2i.errors import UsageError
from i2i.images.files import read, write
from i2i.images.picture import Picture
from i2i.inference import batch as batch_module
from i2i.inference.batch import Options, plan_files, translate_files
from i2i.inference.forecast import forecast
from i2i.inference.inputs import Selection
from i2i.inference.outcome import Summary
from i2i.inference.plan import Plan

CHOICES = "Choose --exists overwrite or --exists number, or another folder."
needs_root = pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="becomes another user")


def draw(*paths: Path, seed: int = 0) -> None:
    for number, path in enumerate(paths, seed):
        path.parent.mkdir(parents=True, exist_ok=True)
        write(Picture(np.full((4, 5, 3), number, dtype=np.uint8)), path)


def inverted(picture: Picture) -> Picture:
    return picture.with_pixels(255 - picture.pixels)


DEFAULT, ALL = Options(), Selection()


def batch(
    inputs: list[Path | str] | Path,
    out: Path,
    options: Options = DEFAULT,
    selection: Selection = ALL,
    work: str = "inverted",
) -> Summary:
    todo = planned(inputs, out, options, selection)
    return translate_files(todo, inverted, options, work=work)


def planned(inputs: list[Path | str] | Path, out: Path, options: Options = DEFAULT, selection: Selection = ALL) -> Plan:
    given = inputs if isinstance(inputs, list) else [inputs]
    return plan_files([str(path) for path in given], out, options, selection)


def reasons(summary: Summary) -> dict[str, str]:
    return {failure.job.name_in: failure.reason for failure in summary.failures}


def names(out: Path) -> list[str]:
    return sorted(os.path.relpath(path, out) for path in out.rglob("[!.]*.*") if ".i2i" not in path.parts)


def i2i(*arguments: str | Path) -> int:
    return main(["translate", *map(str, arguments), "--device", "cpu"])


def as_nobody(work: Callable[[], object]) -> None:
    """Do it in a process of a user that owns nothing; an assertion that fails there fails here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the parent may have threads; the child needs none of them
        child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            work()
            os._exit(0)
        except BaseException as error:
            sys.__stderr__.write(f"{type(error).__name__}: {error}\n")
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.fixture
def open_path(tmp_path: Path) -> Path:
    """A folder that another user can enter and write into."""
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    tmp_path.chmod(0o777)
    return tmp_path


# Links


def test_links_are_passed_over_and_counted(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = tmp_path / "in"
    draw(source / "a.png", tmp_path / "other" / "b.png")
    (source / "loop").symlink_to(source)
    (source / "b.png").symlink_to(tmp_path / "other" / "b.png")
    (source / "self.png").symlink_to("self.png")
    assert i2i(tiny_model, source, "-o", tmp_path / "out") == 0
    assert names(tmp_path / "out") == ["a.png"]
    assert "3 links passed over (--symlinks follow takes them)" in capsys.readouterr().err


def test_links_are_followed_when_asked_and_a_loop_ends(tmp_path: Path):
    source = tmp_path / "in"
    draw(source / "a.png", tmp_path / "other" / "b.png")
    (source / "loop").symlink_to(source)
    (source / "up").symlink_to(tmp_path)
    (source / "b.png").symlink_to(tmp_path / "other" / "b.png")
    (source / "self.png").symlink_to("self.png")
    summary = batch(source, tmp_path / "elsewhere" / "out", selection=Selection(symlinks="follow"))
    assert reasons(summary) == {str(source / "self.png"): "cannot be read: Too many levels of symbolic links."}
    assert names(tmp_path / "elsewhere" / "out") == ["a.png", "b.png", "i2i-errors.jsonl", "up/other/b.png"]


def test_a_link_in_the_output_that_points_to_an_input_never_changes_it(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png")
    before = (source / "a.png").read_bytes()
    out.mkdir()
    (out / "a.png").symlink_to(source / "a.png")
    summary = batch(source, out)
    text = f"a file that i2i did not write stands at {out / 'a.png'}. {CHOICES}"
    assert (summary.exit_code, reasons(summary)) == (3, {str(source / "a.png"): text})
    assert batch(source, out, Options(exists="overwrite")).ok == 1
    assert not (out / "a.png").is_symlink()
    assert (source / "a.png").read_bytes() == before


def test_a_folder_in_the_output_that_is_a_link_to_the_input_is_refused(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "sub" / "a.png")
    out.mkdir()
    (out / "sub").symlink_to(source / "sub")
    with pytest.raises(UsageError, match="the output would replace an input"):
        batch(source, out)


# Things that are no files


def test_a_pipe_and_a_folder_with_the_name_of_a_picture(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = tmp_path / "in"
    draw(source / "a.png", source / "x.jpg" / "b.png")
    os.mkfifo(source / "pipe.jpg")
    assert i2i(tiny_model, source, "-o", tmp_path / "out") == 3
    told = capsys.readouterr().out
    assert f"  {source / 'pipe.jpg'}   cannot be read: it is no regular file.\n" in told
    assert names(tmp_path / "out") == ["a.png", "i2i-errors.jsonl", "x.jpg", "x.jpg/b.png"]


def test_a_folder_where_an_output_should_stand(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png", source / "b.png")
    (out / "a.png").mkdir(parents=True)
    assert list(reasons(batch(source, out))) == [str(source / "a.png")]
    found = reasons(batch(source, out, Options(exists="overwrite")))
    assert found == {str(source / "a.png"): "cannot be written: Is a directory."}
    assert batch(source, out, Options(exists="number")).exit_code == 0
    assert names(out) == ["a-2.png", "a.png", "b.png"]


def test_a_file_where_a_folder_of_the_output_should_stand(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "sub" / "a.png", source / "b.png")
    out.mkdir()
    (out / "sub").write_text("mine")
    summary = batch(source, out)
    assert (summary.ok, summary.exit_code) == (1, 3)
    assert reasons(summary)[str(source / "sub" / "a.png")].startswith("cannot be written: ")
    assert (out / "sub").read_text() == "mine"


def test_the_list_of_failures_cannot_be_written(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png")
    (source / "b.png").write_bytes(b"")
    (out / "i2i-errors.jsonl").mkdir(parents=True)
    assert i2i(tiny_model, source, "-o", out) == 3
    assert capsys.readouterr().err.endswith(f"i2i: {out / 'i2i-errors.jsonl'}: cannot be written: Is a directory.\n")
    (source / "b.png").unlink()
    assert i2i(tiny_model, source, "-o", out) == 3
    assert capsys.readouterr().err.endswith(f"i2i: {out / 'i2i-errors.jsonl'}: cannot be removed: Is a directory.\n")


# What this user may not


@needs_root
def test_what_cannot_be_read_is_named_once(open_path: Path):
    source, out = open_path / "in", open_path / "out"
    draw(source / "a.png", source / "b.png", source / "shut" / "c.png")
    (source / "b.png").chmod(0)
    (source / "shut").chmod(0)

    def check() -> None:
        summary = batch(source, out)
        assert (summary.ok, summary.exit_code) == (1, 3)
        assert reasons(summary) == {
            str(source / "b.png"): "cannot be read: Permission denied.",
            str(source / "shut"): "this folder cannot be listed: Permission denied.",
        }

    as_nobody(check)


@needs_root
def test_a_list_that_cannot_be_read(open_path: Path):
    (open_path / "list").write_text("a.png")
    (open_path / "list").chmod(0)

    def check() -> None:
        with pytest.raises(UsageError, match=r"list: this list cannot be read: Permission denied\."):
            planned([f"@{open_path / 'list'}"], open_path / "out")

    as_nobody(check)


# Names


ODD = [
    pytest.param("two\nlines.png", "two\\nlines.png", id="newline"),
    pytest.param("-rf.png", "-rf.png", id="dash"),
    pytest.param("--json.png", "--json.png", id="option"),
    pytest.param("@list.png", "@list.png", id="at"),
    pytest.param("a[1]*?.png", "a[1]*?.png", id="pattern"),
    pytest.param(" .png", " .png", id="space"),
    pytest.param(os.fsdecode(b"caf\xe9.png"), "caf\\udce9.png", id="no utf-8"),
    pytest.param("\x1b[31mred.png", "\\x1b[31mred.png", id="escape"),
    pytest.param("\u202egnp.png", "\\u202egnp.png", id="right to left"),
    pytest.param("x" * 251 + ".png", "x" * 251 + ".png", id="255 bytes"),
]


@pytest.mark.parametrize(("name", "shown"), ODD)
def test_odd_names_are_kept_and_printed_on_one_line(
    name: str,
    shown: str,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "good" / "a.png")
    (source / "good" / "a.png").rename(source / "good" / name)
    (source / "bad").mkdir()
    (source / "bad" / name).write_bytes(b"")
    assert i2i(tiny_model, source, "-o", out) == 3
    assert (out / "good" / name).stat().st_size
    assert capsys.readouterr().out == (
        f"1 written to {out}  ·  1 failed (list: {out}/i2i-errors.jsonl)\n  {source}/bad/{shown}   the file is empty.\n"
    )
    assert json.loads((out / "i2i-errors.jsonl").read_text())["in"] == str(source / "bad" / name)
    assert i2i(tiny_model, source, "-o", out, "--json", "-q") == 3
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event.get("status") for event in events] == ["failed", "skipped", None]
    assert events[1]["in"] == str(source / "good" / name)
    monkeypatch.chdir(source / "good")
    given = f"./{name}" if name.startswith("-") else name
    assert i2i(tiny_model, given, "-o", tmp_path / "one.png") == 0


def test_a_suffix_that_makes_a_name_too_long(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    draw(tmp_path / "in" / f"{'x' * 251}.png", tmp_path / "in" / "a.png")
    assert i2i(tiny_model, tmp_path / "in", "-o", tmp_path / "out", "--suffix", "_t") == 3
    assert "   cannot be written: File name too long.\n" in capsys.readouterr().out
    assert names(tmp_path / "out") == ["a_t.png", "i2i-errors.jsonl"]


def test_an_output_folder_with_a_name_too_long(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    draw(tmp_path / "in" / "a.png")
    assert i2i(tiny_model, tmp_path / "in", "-o", tmp_path / ("x" * 256)) == 2
    assert capsys.readouterr().err.endswith(
        ": nothing can be written here: File name too long. Choose another folder with -o.\n"
    )


def test_names_that_a_disk_may_not_tell_apart_become_two_files_and_again(tmp_path: Path):
    draw(*(tmp_path / "in" / name for name in ("A.png", "a.png", "caf\u00e9.png", "cafe\u0301.png")))
    assert batch(tmp_path / "in", tmp_path / "out").ok == 4
    found = {name: read(tmp_path / "out" / name).pixels[0, 0, 0] for name in names(tmp_path / "out")}
    assert found == {"A.png": 255, "a-2.png": 254, "cafe\u0301.png": 252, "caf\u00e9-2.png": 253}
    assert batch(tmp_path / "in", tmp_path / "out").skipped == 4


# Files that change


def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    draw(tmp_path / "in" / "a.png", tmp_path / "in" / "b.png")
    fstat, asked = os.fstat, []

    def grows_between(handle: int) -> os.stat_result:
        status = fstat(handle)
        if os.readlink(f"/proc/self/fd/{handle}") == str(tmp_path / "in" / "a.png") and not asked:
            asked.append(handle)
            with (tmp_path / "in" / "a.png").open("ab") as stream:
                stream.write(b"more")
        return status

    monkeypatch.setattr(os, "fstat", grows_between)
    summary = batch(tmp_path / "in", tmp_path / "out")
    text = "was changed while it was read. Run the same command again."
    assert reasons(summary) == {str(tmp_path / "in" / "a.png"): text}
    assert summary.ok == 1


def test_a_file_that_vanishes_after_the_plan(tmp_path: Path):
    draw(tmp_path / "in" / "a.png", tmp_path / "in" / "b.png")
    todo = planned(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a.png").unlink()
    summary = translate_files(todo, inverted)
    assert reasons(summary) == {str(tmp_path / "in" / "a.png"): "cannot be read: No such file or directory."}
    found = forecast(todo, inverted, Options(), "")
    assert (found.todo, found.done, len(found.failures)) == (0, 1, 1)


# The output inside the input


@pytest.mark.parametrize("place", ["in", "in/out"])
def test_with_a_suffix_own_outputs_are_no_inputs(place: str, tmp_path: Path):
    source, out, options = tmp_path / "in", tmp_path / place, Options(suffix="_t")
    draw(source / "a.png", source / "sub" / "b.jpg")
    assert batch(source, out, options).ok == 2
    again = batch(source, out, options)
    assert (again.ok, again.skipped) == (0, 2)
    draw(source / "c.png")
    assert batch(source, out, options).ok == 1
    assert batch(source, out, Options(suffix="_u")).ok == 3


def test_own_outputs_are_no_inputs_either_where_the_input_is_given_by_a_link(tmp_path: Path):
    options = Options(suffix="_t")
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert batch(tmp_path / "in", tmp_path / "in", options).ok == 1
    assert batch(tmp_path / "link", tmp_path / "in", options).skipped == 1
    assert batch(tmp_path / "in", tmp_path / "link", options).skipped == 1
    assert names(tmp_path / "in") == ["a.png", "a_t.png"]


# What stands in the way


def test_one_output_for_two_inputs_on_two_days(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    draw(tmp_path / "x" / "a.png", tmp_path / "y" / "a.png")
    out = tmp_path / "out"
    assert i2i(tiny_model, tmp_path / "x", "-o", out) == 0
    before = (out / "a.png").read_bytes()
    capsys.readouterr()
    assert i2i(tiny_model, tmp_path / "y", "-o", out) == 3
    assert capsys.readouterr().out.splitlines()[1] == (
        f"  {tmp_path}/y/a.png   the output of {tmp_path}/x/a.png stands at {out}/a.png. {CHOICES}"
    )
    assert (out / "a.png").read_bytes() == before
    assert i2i(tiny_model, tmp_path / "x", "-o", out) == 0


def test_a_file_of_somebody_else_is_named_and_not_touched(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png", source / "b.png")
    out.mkdir()
    (out / "a.png").write_text("mine")
    before = (out / "a.png").stat()
    assert i2i(tiny_model, source, "-o", out) == 3
    assert capsys.readouterr().out.splitlines() == [
        f"1 written to {out}  ·  1 failed (list: {out}/i2i-errors.jsonl)",
        f"  {source}/a.png   a file that i2i did not write stands at {out}/a.png. {CHOICES}",
    ]
    assert i2i(tiny_model, source, "-o", out, "--exists", "error") == 3
    told = capsys.readouterr().out
    assert f"  {source}/a.png   the output is there already. {CHOICES}\n" in told
    assert f"  {source}/b.png   the output is there already. {CHOICES}\n" in told
    after = (out / "a.png").stat()
    assert (after.st_ino, after.st_mtime_ns, (out / "a.png").read_text()) == (before.st_ino, before.st_mtime_ns, "mine")
    for _ in range(2):
        assert i2i(tiny_model, source, "-o", out, "--exists", "number") == 0
        assert names(out) == ["a-2.png", "a.png", "b.png"]
    assert (out / "a.png").read_text() == "mine"
    assert i2i(tiny_model, source, "-o", out, "--exists", "overwrite") == 0
    assert (out / "a.png").read_bytes() == (out / "a-2.png").read_bytes()


def test_an_output_that_somebody_changed_is_theirs(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png")
    batch(source, out)
    (out / "a.png").write_bytes((out / "a.png").read_bytes() + b"retouched")
    text = f"a file that i2i did not write stands at {out / 'a.png'}. {CHOICES}"
    assert reasons(batch(source, out)) == {str(source / "a.png"): text}
    assert (out / "a.png").read_bytes().endswith(b"retouched")


def test_a_single_output_is_not_replaced_unasked(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    draw(tmp_path / "a.png", tmp_path / "out.png")
    before = (tmp_path / "out.png").read_bytes()
    assert i2i(tiny_model, tmp_path / "a.png", "-o", tmp_path / "out.png") == 3
    assert "the output is there already. Choose --exists overwrite or --exists number." in capsys.readouterr().out
    assert (tmp_path / "out.png").read_bytes() == before
    assert i2i(tiny_model, tmp_path / "a.png", "-o", tmp_path / "out.png", "--exists", "overwrite") == 0
    assert i2i(tiny_model, tmp_path / "a.png", "-o", tmp_path / "a.png", "--exists", "overwrite") == 2


# What is done already, and what is not


def test_only_what_is_missing_or_made_of_something_else_is_made(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png", source / "b.png", source / "c.png")
    assert batch(source, out).ok == 3
    before = {path.name: path.stat().st_ino for path in out.glob("*.png")}
    (out / "a.png").unlink()
    os.utime(source / "b.png", (1, 1))
    draw(source / "c.png", seed=77)
    summary = batch(source, out)
    assert (summary.ok, summary.skipped) == (2, 1)
    assert read(out / "c.png").pixels[0, 0, 0] == 255 - 77
    assert (out / "b.png").stat().st_ino == before["b.png"]
    assert batch(source, out).skipped == 3


def test_a_changed_input_of_the_same_size_and_another_time_is_made_anew(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.bmp")
    size = (source / "a.bmp").stat().st_size
    batch(source, out)
    draw(source / "a.bmp", seed=9)
    assert (source / "a.bmp").stat().st_size == size
    assert batch(source, out).ok == 1
    assert read(out / "a.bmp").pixels[0, 0, 0] == 255 - 9


def test_a_copy_without_times_is_known_by_its_content(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png", source / "sub" / "b.png")
    batch(source, out)
    shutil.copytree(out, tmp_path / "copy", copy_function=shutil.copyfile)
    assert batch(source, tmp_path / "copy").skipped == 2
    shutil.copytree(source, tmp_path / "moved", copy_function=shutil.copyfile)
    assert batch(tmp_path / "moved", tmp_path / "copy").skipped == 2


@pytest.mark.parametrize("options", [Options(quality=50), Options(metadata="none"), Options(frames="all")])
def test_other_options_are_other_work(options: Options, tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    batch(tmp_path / "in", tmp_path / "out")
    assert batch(tmp_path / "in", tmp_path / "out", options).ok == 1
    assert batch(tmp_path / "in", tmp_path / "out", options).skipped == 1
    assert batch(tmp_path / "in", tmp_path / "out", options, work="another model").ok == 1


def test_threads_and_errors_are_no_other_work(tmp_path: Path):
    draw(tmp_path / "in" / "a.png")
    batch(tmp_path / "in", tmp_path / "out")
    assert batch(tmp_path / "in", tmp_path / "out", Options(jobs=1, on_error="stop")).skipped == 1


def test_a_journal_that_somebody_damaged_is_as_if_its_lines_were_not(tmp_path: Path):
    source, out = tmp_path / "in", tmp_path / "out"
    draw(source / "a.png", source / "b.png")
    batch(source, out, Options(jobs=1))
    journal = out / ".i2i" / "journal-1-of-1.jsonl"
    first, second = journal.read_bytes().splitlines()
    journal.write_bytes(b'\xff\xfe\n[]\n{"source": 3}\n' + first + b"\n" + second[:40])
    (out / "b.png").unlink()
    summary = batch(source, out)
    assert (summary.ok, summary.skipped) == (1, 1)
    assert batch(source, out).skipped == 2


# Which are taken


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_a_list_of_inputs(separator: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    odd = os.fsdecode(b"caf\xe9.png")
    draw(tmp_path / "in" / "x.png", tmp_path / "in" / "sub" / "b.png")
    (tmp_path / "in" / "x.png").rename(tmp_path / "in" / odd)
    entries = [str(tmp_path / "in" / odd), str(tmp_path / "in" / "sub"), ""]
    (tmp_path / "list").write_bytes(os.fsencode(separator.join(entries)))
    assert i2i(tiny_model, f"@{tmp_path / 'list'}", "-o", tmp_path / "out") == 0
    assert names(tmp_path / "out") == sorted([odd, "b.png"])
    (tmp_path / "list").write_bytes(os.fsencode(separator.join([*entries, "gone.png"])))
    assert i2i(tiny_model, f"@{tmp_path / 'list'}", "-o", tmp_path / "new") == 2
    assert f"i2i: gone.png: this input does not exist. It is listed in {tmp_path / 'list'}." in capsys.readouterr().err


def test_a_list_between_zero_bytes_may_hold_a_newline(tmp_path: Path):
    draw(tmp_path / "a\nb.png", tmp_path / "c.png")
    (tmp_path / "list").write_text(f"{tmp_path}/a\nb.png\0{tmp_path}/c.png\0")
    assert batch([f"@{tmp_path / 'list'}"], tmp_path / "out").ok == 2


def test_patterns_keep_the_folders_below_them(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    draw(*(tmp_path / "in" / place for place in ("x/a.png", "y/b.jpg", "y/deep/c.png", "d.png")))
    assert i2i(tiny_model, tmp_path / "in" / "*" / "*.png", "-o", tmp_path / "one") == 0
    assert names(tmp_path / "one") == ["x/a.png"]
    assert i2i(tiny_model, tmp_path / "in" / "**" / "*.png", "-o", tmp_path / "all") == 0
    assert names(tmp_path / "all") == ["d.png", "x/a.png", "y/deep/c.png"]
    assert i2i(tiny_model, tmp_path / "in" / "*.bmp", "-o", tmp_path / "none") == 2
    assert f"i2i: {tmp_path}/in/*.bmp: nothing matches this pattern.\n" in capsys.readouterr().err


def test_include_exclude_and_only_the_first_folder(tiny_model: Path, tmp_path: Path):
    draw(*(tmp_path / "in" / place for place in ("x/a.png", "x/b.jpg", "y/a.png", "d.png")))
    chosen = ["--include", "*.png", "--include", "x/*", "--exclude", "y/*"]
    assert i2i(tiny_model, tmp_path / "in", "-o", tmp_path / "out", *chosen) == 0
    assert names(tmp_path / "out") == ["d.png", "x/a.png", "x/b.jpg"]
    assert i2i(tiny_model, tmp_path / "in", "-o", tmp_path / "flat", "--no-recursive") == 0
    assert names(tmp_path / "flat") == ["d.png"]


def test_three_parts_do_everything_once_and_other_parts_find_nothing_to_do(tiny_model: Path, tmp_path: Path):
    draw(*(tmp_path / "in" / f"{number}.png" for number in range(12)))
    out = tmp_path / "out"
    for part in ("1/3", "2/3", "3/3"):
        assert i2i(tiny_model, tmp_path / "in", "-o", out, "--shard", part) == 0
    lines = [line for path in (out / ".i2i").glob("journal-*") for line in path.read_text().splitlines()]
    assert sorted(json.loads(line)["out"] for line in lines) == sorted(f"{number}.png" for number in range(12))
    for part in ((1, 1), (1, 2), (2, 2), (4, 5)):
        todo = planned(tmp_path / "in", out, selection=Selection(shard=part))
        assert todo.jobs
    assert i2i(tiny_model, tmp_path / "in", "-o", out) == 0
    assert i2i(tiny_model, tmp_path / "in", "-o", out, "--shard", "1/2") == 0
    lines = [line for path in (out / ".i2i").glob("journal-*") for line in path.read_text().splitlines()]
    assert len(lines) == 12


def test_each_part_has_its_own_list_of_failures(tmp_path: Path):
    (tmp_path / "in").mkdir()
    for number in range(8):
        (tmp_path / "in" / f"{number}.png").write_bytes(b"")
    for part in ((1, 2), (2, 2)):
        assert batch(tmp_path / "in", tmp_path / "out", selection=Selection(shard=part)).exit_code == 3
    lists = [tmp_path / "out" / f"i2i-errors-{part}-of-2.jsonl" for part in (1, 2)]
    assert sum(len(path.read_text().splitlines()) for path in lists) == 8


def test_a_failure_that_is_no_failure_of_a_picture_ends_the_batch_and_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    draw(*(tmp_path / "in" / f"{number}.png" for number in range(6)))
    encode, calls = batch_module.encode, []

    def breaks(*arguments: object, **more: object) -> bytes:
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("a bug")
        return encode(*arguments, **more)

    monkeypatch.setattr(batch_module, "encode", breaks)
    with pytest.raises(RuntimeError, match="a bug"):
        batch(tmp_path / "in", tmp_path / "out", Options(jobs=1))
    summary = batch(tmp_path / "in", tmp_path / "out")
    assert (summary.ok + summary.skipped, summary.skipped >= 3) == (6, True)
