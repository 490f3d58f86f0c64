"""Attention patterns as small pictures: bytes on one scale for all heads, and PNGs in the colours of a theme."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageColor

FIELD = "_picture"
SHARPEST = 256  # pixels of a side: enough for no reader to smooth the cells into each other
UNSEEN = 0  # the colour of what no head can read: none


def quantised(
    pattern: Float[np.ndarray, "layer head query_pos key_pos"], most: int
) -> tuple[UInt8[np.ndarray, "layer head cell_query cell_key"], float, int]:
    """(bytes, the weight that 255 stands for, tokens per cell); blocks of tokens keep their largest weight.

    Args:
        pattern: Weights, at least 0; what stands above the diagonal is left out.
        most: Bytes of all heads together.
    """
    n_layers, n_heads, n, _ = pattern.shape
    block = 1
    while n_layers * n_heads * -((-n // block) ** 2) > most:
        block += 1
    top = float(np.nanmax(pattern, initial=0.0))
    top = 1.0 if 0.5 < top <= 1.0 or top <= 0 else top
    lower = np.nan_to_num(np.tril(pattern))
    pad = -n % block
    padded = np.pad(lower, ((0, 0), (0, 0), (0, pad), (0, pad))) if pad else lower
    cells = padded.reshape(n_layers, n_heads, (n + pad) // block, block, (n + pad) // block, block).max((3, 5))
    return np.clip(cells / top * 255 + 0.5, 0, 255).astype(np.uint8), top, block


def picture(cells: UInt8[np.ndarray, "cell_query cell_key"]) -> str:
    """One head as a PNG without colours of its own, as a data address; what it cannot read is transparent.

    The colour of a pixel is its place in the palette, from 1 for no attention to 255 for the most: `in_colours` says
    which colours these are.
    """
    places = np.maximum(cells, 1)
    places[np.triu_indices(len(cells), 1)] = UNSEEN
    times = max(1, SHARPEST // len(cells))
    return _address(Image.fromarray(places.repeat(times, 0).repeat(times, 1), "L"))


def in_colours(spec: dict[str, Any], ramp: Sequence[str]) -> dict[str, Any]:
    """The chart, with rows of plain values for its data, and its pictures in the colours of a theme's ramp."""
    palette = _palette(ramp)
    return spec | {"datasets": {name: _coloured(rows, palette) for name, rows in spec["datasets"].items()}}


def _coloured(rows: list[dict[str, Any]], palette: list[int]) -> list[dict[str, Any]]:
    return [row | {FIELD: _with_palette(row[FIELD], palette)} if FIELD in row else row for row in rows]


def _palette(ramp: Sequence[str]) -> list[int]:
    """256 colours, each three numbers; between those of the ramp they are mixed in even steps."""
    stops = np.array([ImageColor.getrgb(colour) for colour in ramp])
    at = np.linspace(0, len(stops) - 1, 255)
    mixed = np.stack([np.interp(at, range(len(stops)), stops[:, channel]) for channel in range(3)], 1)
    return [0, 0, 0, *mixed.round().astype(int).ravel().tolist()]


def _with_palette(address: str, palette: list[int]) -> str:
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as places:
        drawn = Image.frombytes("P", places.size, places.tobytes())
    drawn.putpalette(palette)
    return _address(drawn, transparency=UNSEEN)


def _address(drawn: Image.Image, **options: Any) -> str:
    file = io.BytesIO()
    drawn.save(file, "PNG", **options)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
