"""What of a chart of cells is labelled, so that no two names touch, however narrow its columns are drawn."""

from __future__ import annotations

import math
from typing import Any

from charts import theme

LEANING, BESIDE = 18, 14  # pixels between names that lean, and between lines of text
PER_LETTER, BETWEEN = 7, 5  # pixels of a straight name's letter, and from one name to the next


def labelled(spec: dict[str, Any], columns: int = 1, rows: int = 1) -> dict[str, Any]:
    """The chart with every so manieth column and row named, or fewer where there is no room.

    Args:
        spec: A chart with a size in pixels.
        columns: 1 names every column, 5 every fifth, 0 none.
        rows: The same of rows.
    """
    drawn = dict(spec)
    drawn["layer"] = [_layer(layer, spec, {"x": columns, "y": rows}) for layer in spec["layer"]]
    return drawn


def without_words(spec: dict[str, Any]) -> dict[str, Any]:
    """The chart without the words and numbers that stand in its marks; single signs stay: they carry meaning."""
    return spec | {"layer": [layer for layer in spec["layer"] if not _has_words(layer)]}


def _has_words(layer: dict[str, Any]) -> bool:
    return layer["mark"]["type"] == "text" and "text" in layer["encoding"]


def _layer(layer: dict[str, Any], spec: dict[str, Any], every: dict[str, int]) -> dict[str, Any]:
    encoding = dict(layer["encoding"])
    for channel, size in (("x", spec["width"]), ("y", spec["height"])):
        names = encoding.get(channel, {}).get("scale", {}).get("domain") if channel in encoding else None
        axis = encoding[channel].get("axis") if channel in encoding else None
        if axis and isinstance(names, list) and encoding[channel].get("type") == "ordinal":
            kept = _kept(names, every[channel], size / max(len(names), 1), _needed(names, axis, channel))
            encoding[channel] = encoding[channel] | {"axis": axis | {"values": kept}}
    return layer | {"encoding": encoding}


def _kept(names: list[Any], every: int, step: float, needed: float) -> list[Any]:
    return names[:: every * math.ceil(needed / (every * step))] if every else []


def _needed(names: list[Any], axis: dict[str, Any], channel: str) -> float:
    """Pixels from one name to the next."""
    if channel == "y":
        return BESIDE
    straight = max((theme.breadth(str(name)) for name in names), default=0) * PER_LETTER + BETWEEN
    return straight if axis.get("labelAngle") == 0 else min(LEANING, straight)
