"""Pictures through standard input and output, and what reaches a terminal, a pipe, a full disk or nobody."""

from __future__ import annotations

import io
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i.images.files import write
from i2i.images.picture import Picture

Start = Callable[..., Any]

LIBTIFF = "Using code not yet in table"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    write(Picture(np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)), tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def translated(i2i_process: Start, tiny_model: Path, photo: Path, tmp_path: Path) -> bytes:
    """The photo's translation as a file."""
    assert i2i_process("translate", tiny_model, photo, "-o", tmp_path / "whole.png").wait() == 0
    return (tmp_path / "whole.png").read_bytes()


def damaged_tiff() -> bytes:
    """A sound header, and LZW codes that refer to what was never said."""
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "TIFF", compression="tiff_lzw")
    data = bytearray(file.getvalue())
    data[200:1000] = b"\xa5\x5a\xff" * 266 + b"\xa5\x5a"
    return bytes(data)


# A picture in, a picture out


def test_a_picture_from_standard_input(
    i2i_process: Start, tiny_model: Path, photo: Path, translated: bytes, tmp_path: Path
):
    with photo.open("rb") as stdin:
        process = i2i_process("translate", tiny_model, "-", "-o", tmp_path / "out.png", stdin=stdin)
        assert process.wait() == 0
    assert (tmp_path / "out.png").read_bytes() == translated
    assert process.out == f"1 written to {tmp_path / 'out.png'}\n"


def test_a_picture_to_standard_output_and_words_to_stderr(
    i2i_process: Start, tiny_model: Path, photo: Path, translated: bytes, tmp_path: Path
):
    with (tmp_path / "out").open("wb") as stdout:
        process = i2i_process("translate", tiny_model, photo, "-o", "-", stdout=stdout)
        assert process.wait() == 0
    assert (tmp_path / "out").read_bytes() == translated
    assert process.err == f"model {tiny_model}  ·  a2b  ·  cpu  ·  1 picture\n1 written to -\n"


@pytest.mark.parametrize(("format", "wanted"), [("same", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("tiff", "TIFF")])
def test_through_a_pipe_in_the_format_that_was_asked_for(
    format: str, wanted: str, i2i_process: Start, tiny_model: Path, photo: Path
):
    reading, writing = os.pipe()
    with photo.open("rb") as stdin, os.fdopen(writing, "wb") as stdout:
        process = i2i_process("translate", tiny_model, "-", "-o", "-", "--format", format, stdin=stdin, stdout=stdout)
    with os.fdopen(reading, "rb") as stream:
        image = Image.open(io.BytesIO(stream.read()))
    assert process.wait() == 0
    assert (image.format, image.size) == (wanted, (50, 40))


def test_a_terminal_is_no_place_for_a_picture(i2i_process: Start, tiny_model: Path, photo: Path, tmp_path: Path):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "r+b", buffering=0), os.fdopen(theirs, "r+b", buffering=0) as terminal:
        out = i2i_process("translate", tiny_model, photo, "-o", "-", stdout=terminal)
        assert out.wait() == 2
        assert out.err == (
            "i2i: -o - writes a picture to standard output, and that is a terminal. Such as: > out.png\n"
        )
        into = i2i_process("translate", tiny_model, "-", "-o", tmp_path / "out.png", stdin=terminal)
        assert into.wait() == 2
        assert into.err.splitlines()[-1] == (
            "i2i: - reads a picture from standard input, and that is a terminal. Such as: < in.jpg"
        )
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("length", "reason"), [(0, "the file is empty."), (5, "no picture in a known format"), (3000, "truncated")]
)
def test_a_picture_that_does_not_come_whole(
    length: int, reason: str, i2i_process: Start, tiny_model: Path, photo: Path, tmp_path: Path
):
    (tmp_path / "cut").write_bytes(photo.read_bytes()[:length])
    for output in ("-", tmp_path / "out.png"):
        with (tmp_path / "cut").open("rb") as stdin:
            process = i2i_process("translate", tiny_model, "-", "-o", output, stdin=stdin)
            assert process.wait() == 3
        told = process.err if output == "-" else process.out
        assert told.splitlines()[-1].startswith(f"  -   {reason}")
        if output == "-":
            assert process.out == ""
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("inputs", [["-", "{photo}"], ["{photo}", "{photo}"], ["{folder}"]])
@pytest.mark.parametrize("output", ["-", "{folder}/out"])
def test_a_stream_is_for_one_picture(
    inputs: list[str], output: str, i2i_process: Start, tiny_model: Path, photo: Path, tmp_path: Path
):
    if "-" not in (output, *inputs):
        return
    places = {"photo": photo, "folder": tmp_path}
    given = [text.format(**places) for text in inputs]
    process = i2i_process("translate", tiny_model, *given, "-o", output.format(**places))
    assert process.wait() == 2
    assert process.err == "i2i: - stands for one picture, and goes with one picture. Leave out the other inputs.\n"


# What libraries say


def test_nothing_that_a_library_prints_reaches_stderr_raw(
    i2i_process: Start, tiny_model: Path, photo: Path, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "damaged.tif").write_bytes(damaged_tiff())
    photo.rename(tmp_path / "in" / "good.png")

    def loud() -> None:
        from i2i.inference import batch

        decode = batch.decode

        def decode_loudly(data: bytes, limits: Any) -> Picture:
            os.write(2, b"\x1b[31mraw \xff\n")
            return decode(data, limits)

        batch.decode = decode_loudly

    call = ["translate", tiny_model, tmp_path / "in", "-o", tmp_path / "out"]
    process = i2i_process(*call, before=loud)
    assert process.wait() == 3
    assert process.err == f"model {tiny_model}  ·  a2b  ·  cpu  ·  2 pictures\n"
    process = i2i_process(*call, "-v", "--exists", "overwrite", before=loud)
    assert process.wait() == 3
    said = [line for line in process.err.splitlines() if line.startswith("a library said: ")]
    assert said.count("a library said: \\x1b[31mraw \ufffd") == 2
    assert any(LIBTIFF in line for line in said), said
    assert "\x1b" not in process.err


def test_the_damaged_file_makes_libtiff_print_where_nobody_keeps_it_quiet(tmp_path: Path):
    with (tmp_path / "said").open("wb") as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            with pytest.raises(OSError, match="decoder error"):
                Image.open(io.BytesIO(damaged_tiff())).load()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    assert LIBTIFF in (tmp_path / "said").read_text()


def test_a_dry_run_is_quiet_too(i2i_process: Start, tiny_model: Path, tmp_path: Path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "damaged.tif").write_bytes(damaged_tiff())
    process = i2i_process("translate", tiny_model, tmp_path / "in", "-o", tmp_path / "out", "--dry-run")
    assert process.wait() == 0
    assert process.err == f"model {tiny_model}  ·  a2b  ·  cpu  ·  1 picture\n"


# Streams that take nothing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
@pytest.mark.parametrize("how", ["picture", "text", "json", "small picture"])
def test_standard_output_on_a_full_disk(how: str, i2i_process: Start, tiny_model: Path, photo: Path, tmp_path: Path):
    write(Picture(np.zeros((4, 4, 3), dtype=np.uint8)), tmp_path / "small.png")
    calls = {
        "text": [photo, "-o", tmp_path / "out"],
        "json": [photo, "-o", tmp_path / "out", "--json"],
        "picture": [photo, "-o", "-"],
        "small picture": [tmp_path / "small.png", "-o", "-"],
    }
    with open("/dev/full", "wb") as full:
        process = i2i_process("translate", tiny_model, *calls[how], stdout=full)
        assert process.wait() == 5, process.err
    assert process.err.splitlines()[-1].startswith("i2i: disk full writing to standard output.")


@pytest.mark.parametrize("closed", [(0,), (2,), (0, 2), (0, 1, 2)])
def test_streams_that_were_closed_do_no_harm(
    closed: tuple[int, ...], i2i_process: Start, tiny_model: Path, photo: Path, translated: bytes, tmp_path: Path
):
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / f"{name}.png").write_bytes(photo.read_bytes())

    def close() -> None:
        from i2i.inference import batch

        for number in closed:
            setattr(sys, ("stdin", "stdout", "stderr")[number], None)
            os.close(number)
        encode = batch.encode

        def encode_loudly(*arguments: Any, **more: Any) -> bytes:
            os.write(2, b"a library")  # into whatever file has this number now
            return encode(*arguments, **more)

        batch.encode = encode_loudly

    process = i2i_process("translate", tiny_model, tmp_path / "in", "-o", tmp_path / "out", "--jobs", "3", before=close)
    assert process.wait() == 0, process.err
    for name in ("a", "b", "c"):
        assert (tmp_path / "out" / f"{name}.png").read_bytes() == translated
    assert "a library" not in (tmp_path / "out" / ".i2i" / "journal-1-of-1.jsonl").read_text()
