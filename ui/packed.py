"""A text as a short value for an address: packed, behind the number of the packing's version."""

from __future__ import annotations

import base64
import zlib

VERSION = "1."
LONGEST = 1_000_000  # bytes of a text; a small value could unpack to gigabytes


def pack(text: str) -> str:
    """Letters, digits, ``-``, ``_`` and a dot."""
    packed = zlib.compress(text.encode("utf-8"), 9)
    return VERSION + base64.urlsafe_b64encode(packed).decode("ascii").rstrip("=")


def unpack(value: str) -> str:
    """The text.

    Raises:
        ValueError: It was not packed here, or is damaged.
    """
    if not value.startswith(VERSION):
        raise ValueError("another version")
    packed = value.removeprefix(VERSION)
    reader = zlib.decompressobj()
    try:
        unpacked = reader.decompress(base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True), LONGEST)
    except zlib.error as error:
        raise ValueError("damaged") from error
    if not reader.eof:
        raise ValueError("broken off, or too long")
    return unpacked.decode("utf-8")
