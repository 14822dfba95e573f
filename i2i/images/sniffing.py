"""What the bytes of a file say of it that Pillow does not tell."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import tifffile

from i2i.images.tiff import MAGIC

HEADER_OF_AVIF = 65_536  # bytes in which its description stands
DEPTH_OF_AVIF = {0x00: 8, 0x40: 10, 0x60: 12}  # by high_bitdepth and twelve_bit in the third byte of av1C
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
START_OF_CODE_STREAM, END_OF_CODE_STREAM = b"\xff\x4f\xff\x51", b"\xff\xd9"
ROOM_FOR_PADDING = 16  # bytes after the end; the two of the end stand nowhere else in a code stream
CICP_OF_SRGB = bytes((1, 13, 0, 1))  # primaries BT.709, transfer sRGB, RGB, full range
GAMMA_OF_SRGB = 0.45455
GIF_IMAGE, GIF_TRAILER = 0x2C, 0x3B


def is_deep_png(data: bytes) -> bool:
    """Whether IHDR names 16 bit."""
    return len(data) > 24 and data[24] == 16


def depth_of_jpeg2000(data: bytes) -> int:
    """Bits of the first component, by the SIZ segment of the code stream; 8 where it is not found."""
    place = data.find(START_OF_CODE_STREAM)
    return (data[place + 42] & 0x7F) + 1 if 0 <= place < len(data) - 42 else 8


def depth_of_avif(data: bytes) -> int:
    """Bits of each sample, by the av1C box; 8 where it is not found."""
    place = data.find(b"av1C", 0, HEADER_OF_AVIF)
    return DEPTH_OF_AVIF.get(data[place + 6] & 0x60, 8) if 0 <= place < len(data) - 6 else 8


def is_lossless_webp(data: bytes) -> bool:
    """Whether the first bitstream, of the picture or of its first frame, is a lossless one."""
    place = 12  # RIFF, size, WEBP
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name in (b"VP8 ", b"VP8L"):
            return name == b"VP8L"
        place += 24 if name == b"ANMF" else 8 + size + size % 2  # a frame's header, then its chunks
    return False


def is_cut(data: bytes) -> bool:
    """Whether a WebP, AVIF, JPEG 2000 or TIFF file ends before the end that it names itself."""
    if data[:4] == b"RIFF":
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    if data[:4] == START_OF_CODE_STREAM:
        return END_OF_CODE_STREAM not in data[-ROOM_FOR_PADDING:]
    if data[4:8] in (b"ftyp", b"jP  "):
        return _ends_in_a_box(data)
    if data.startswith(MAGIC):
        return _lacks_strips(data)
    return False


def _ends_in_a_box(data: bytes) -> bool:
    place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size < 8:  # 0: to the end
            return data[place + 4 : place + 8] == b"jp2c" and END_OF_CODE_STREAM not in data[-ROOM_FOR_PADDING:]
        place += size
    return place > len(data)


def _lacks_strips(data: bytes) -> bool:
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages.first
        return max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))) > len(data)
    except Exception:  # tifffile raises nearly any type where not even the description is whole
        return int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data)


def is_cut_gif(data: bytes) -> bool:
    """Whether a GIF ends before its trailer, so that frames may be missing of which it says nothing."""
    try:
        place = 13 + _colours_of_gif(data[10])
        while data[place] != GIF_TRAILER:
            if data[place] == GIF_IMAGE:
                place = _after_blocks(data, place + 11 + _colours_of_gif(data[place + 9]))
            else:
                place = _after_blocks(data, place + 2)
    except IndexError:
        return True
    return False


def _colours_of_gif(flags: int) -> int:
    """Bytes of the colour table that the flags of a screen or frame name."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, place: int) -> int:
    """The place behind blocks that each begin with their length, the last of which is empty."""
    while length := data[place]:
        place += 1 + length
    return place + 1


def is_heic(data: bytes) -> bool:
    """Whether it is an HEIC file, which only an addition can read."""
    return data[4:8] == b"ftyp" and data[8:12] in HEIC_BRANDS


def colour_notes_of_png(data: bytes, gamma: object, *, named: bool) -> tuple[str, ...]:
    """What a PNG says about its colours that is not followed; `named` when a profile or sRGB settles them."""
    cicp = next((content for name, content in _before_pixels(data) if name == b"cICP"), CICP_OF_SRGB)
    if len(cicp) == 4 and cicp[:2] != CICP_OF_SRGB[:2]:
        return (f"its cICP colours (primaries {cicp[0]}, transfer {cicp[1]}) were read as sRGB",)
    if not named and isinstance(gamma, float) and abs(gamma - GAMMA_OF_SRGB) > 0.01:
        return (f"its gamma of {gamma:g} was not applied",)
    return ()


def _before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of the chunks of a PNG file that stand before its pixels."""
    place = 8
    while place + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        if name == b"IDAT":
            return
        yield name, data[place + 8 : place + 8 + size]
        place += 12 + size
