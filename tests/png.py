"""Makes a PNG small: at most 256 colours, which is enough for a page of text. Pure."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from functools import cache

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
RGB, PALETTE = 2, 3


def small(picture: bytes) -> bytes:
    """The same picture; `picture` is 8 bits a channel and not interlaced, as Chromium makes it."""
    chunks = list(_chunks(picture))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind) == (8, RGB)
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    pixels = [
        tuple(row[i : i + 3] for i in range(0, len(row), 3)) for row in _rows(data, width * 3)
    ]
    seen = Counter(pixel for row in pixels for pixel in row)
    colours = [colour for colour, _ in seen.most_common(COLOURS)]
    places = {colour: place for place, colour in enumerate(colours)}

    @cache
    def nearest(pixel: bytes) -> int:
        if pixel in places:
            return places[pixel]
        return min(range(len(colours)), key=lambda place: _distance(colours[place], pixel))

    lines = b"".join(b"\0" + bytes(nearest(pixel) for pixel in row) for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, PALETTE, 0, 0, 0)
    body = zlib.compress(lines, 9)
    parts = [(b"IHDR", head), (b"PLTE", b"".join(colours)), (b"IDAT", body), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(*part) for part in parts)


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        size, name = struct.unpack(">I4s", picture[at : at + 8])
        yield name, picture[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def _rows(data: bytes, size: int) -> Iterator[bytes]:
    """With the filters of the PNG specification, section 9, undone."""
    above = bytes(size)
    for begin in range(0, len(data), size + 1):
        kind, row = data[begin], bytearray(data[begin + 1 : begin + 1 + size])
        for i in range(size if kind else 0):
            left, corner = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            guesses = (0, left, above[i], (left + above[i]) // 2)
            guess = guesses[kind] if kind < 4 else _paeth(left, above[i], corner)
            row[i] = (row[i] + guess) & 255
        above = bytes(row)
        yield above


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
