"""What a chart draws, read back from it: the place of every mark, and its number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

MARKS = ("rect", "bar", "line", "point", "area", "trail")  # which show numbers; words and rules stand beside them
NAMING = ("x", "y", "color", "shape", "detail", "fillOpacity", "row", "column")  # channels that may name a mark
SIGN = "_sign"  # follows from the number, and names nothing
NUMBERED = re.compile(r"(\d+)(?: |$)")


@dataclass(frozen=True)
class DrawnValues:
    """The numbers of a chart, a row per mark."""

    frame: pd.DataFrame
    """The columns `keys`, as the chart labels them, and `value`."""
    keys: tuple[str, ...]
    """The fields that name a mark: of the horizontal axis, the vertical one, and of colours or shapes."""
    axes: tuple[tuple[str, dict[str, Any]], ...]
    """The channel of each, and how the chart encodes it."""
    field: str
    """The column of the numbers."""
    title: str
    """What they are, with the unit."""
    is_grid: bool
    """Whether marks are cells of a grid, coloured by their number."""


def drawn_values(spec: dict[str, Any]) -> DrawnValues | None:
    """The numbers of the first layer that shows one per place; None where there is none, as in a map of points.

    Args:
        spec: A chart as from `charts.ready.ready`.
    """
    for data, encoding in layers(spec):
        found = _values(spec, data, encoding)
        if found is not None:
            return found
    return None


def layers(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name of the data, encoding) of every layer that shows numbers as they are."""
    for data, mark, encoding, is_filtered in _all_layers(spec):
        if mark in MARKS and not is_filtered:
            yield data, encoding


def _all_layers(
    spec: dict[str, Any], data: str = "", encoding: dict[str, Any] | None = None, filtered: bool = False
) -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    data = spec.get("data", {}).get("name", data)
    channels = (encoding or {}) | spec.get("encoding", {})
    filtered = filtered or bool(spec.get("transform"))
    for layer in spec.get("layer", ()):
        yield from _all_layers(layer, data, channels, filtered)
    if "mark" in spec:
        mark = spec["mark"]
        yield data, mark if isinstance(mark, str) else mark["type"], channels, filtered


def frame_of(spec: dict[str, Any], data: str) -> pd.DataFrame:
    """The rows of a chart's data."""
    with pa.ipc.open_stream(spec["datasets"][data]) as stream:
        return stream.read_all().to_pandas()


def matching(first: DrawnValues, second: DrawnValues) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both frames with names by which their marks match.

    Labels that begin with a number of their own, as those of tokens do with their position, go by that number: other
    prompts have other tokens at the same places.
    """
    frames = [first.frame.copy(), second.frame.copy()]
    for key in first.keys:
        if all(_is_numbered(pd.Series(frame[key])) for frame in frames):
            for frame in frames:
                frame[key] = [int(NUMBERED.match(str(label))[1]) for label in frame[key]]  # pyright: ignore
        else:
            for frame in frames:
                frame[key] = [label.removesuffix(" · output") for label in frame[key].astype(str)]
    return frames[0], frames[1]


def _is_numbered(labels: pd.Series) -> bool:
    distinct = labels.astype(str).unique()
    numbers = [match[1] for label in distinct if (match := NUMBERED.match(label))]
    return len(distinct) == len(numbers) == len(set(numbers))


def _values(spec: dict[str, Any], data: str, encoding: dict[str, Any]) -> DrawnValues | None:
    channels = {name: one for name, one in encoding.items() if isinstance(one, dict) and "field" in one}
    if "x2" in channels or "y2" in channels or not data or _is_map(channels):
        return None
    numbers = [name for name in ("color", "y", "x") if channels.get(name, {}).get("type") == "quantitative"]
    if not numbers:
        return None
    is_grid = numbers[0] == "color"
    if is_grid and len(numbers) > 1:
        return None
    value = numbers[-1] if len(numbers) == 1 else numbers[0]
    names = [name for name in NAMING if name in channels and name != value and channels[name]["field"] != SIGN]
    fields = list(dict.fromkeys(channels[name]["field"] for name in names))
    if not fields:
        return None
    by_field = {channels[name]["field"]: (name, channels[name]) for name in reversed(names)}
    rows, field = frame_of(spec, data), channels[value]["field"]
    measured = pd.Series(pd.to_numeric(rows[field], errors="coerce"))
    frame = rows[fields].assign(value=measured.astype(float))
    return DrawnValues(
        frame,
        tuple(fields),
        tuple(by_field[name] for name in fields),
        field,
        title_of(channels[value]),
        is_grid and len(fields) == 2,
    )


def _is_map(channels: dict[str, Any]) -> bool:
    """Whether points lie where they do in a plane that has no axes."""
    return all(channels.get(name, {}).get("axis", {}) is None for name in ("x", "y"))


def title_of(channel: dict[str, Any]) -> str:
    """What an encoding's axis or legend is called; "" where it has no name."""
    for part in (channel.get("axis"), channel.get("legend"), channel):
        if isinstance(part, dict) and part.get("title"):
            return str(part["title"])
    return ""
