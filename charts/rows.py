"""A chart of many columns as several below each other, for a picture that is no wider than a page."""

from __future__ import annotations

import math
from typing import Any

from charts.labelled import without_words

BARE = 3  # pixels of a column that holds no words
LOWEST = 160  # pixels of all rows of a chart whose columns are narrower than they like to be


def in_rows(spec: dict[str, Any], width: float, *, bare: bool = False, fit: bool = False) -> list[dict[str, Any]]:
    """The chart in as many rows as its columns need in `width` pixels, each of about as many columns.

    Args:
        spec: A chart with rows of plain values for its data, as from `charts.ready.with_rows`; one without columns, or
            whose columns cannot be broken, stays as it is.
        width: Pixels for all, with what stands beside the columns.
        bare: Cells hold no words, so columns may be narrow.
        fit: Columns that cannot be broken are made as narrow as they have to be, without their words.

    Returns:
        One chart per row, as wide as it has to be: the first keeps the title, the last the legend.
    """
    room = spec.get("usermeta", {}).get("room")
    if room is None:
        return [spec | {"width": width}]
    columns, place = room["columns"], width - room["beside"]
    least = min(room["printed"], BARE) if bare else room["printed"]
    fitting = max(1, int(place // least)) if room["field"] else len(columns)
    n_rows = math.ceil(len(columns) / fitting)
    each = math.ceil(len(columns) / n_rows)
    step = min(room["most"], max(place, 1) / each)
    if step < least:
        if fit and not room["field"]:
            return [_narrow(spec, step, len(columns))]
        step = least
    spec = spec | {"height": _height(spec, step)}
    rows = [columns[first : first + each] for first in range(0, len(columns), each)]
    return (
        [
            _row(spec, room["field"], kept, step, first=place == 0, last=place == len(rows) - 1)
            for place, kept in enumerate(rows)
        ]
        if len(rows) > 1
        else [spec | {"width": step * len(columns)}]
    )


def _height(spec: dict[str, Any], step: float) -> float:
    """That of squares goes with the width of their columns."""
    above = spec["usermeta"]["room"]["above"]
    return spec["height"] if above is None else (step + above) * len(_names(spec))


def _names(spec: dict[str, Any]) -> list[Any]:
    """The rows of cells; none where what runs downwards are numbers."""
    names = spec["layer"][0]["encoding"].get("y", {}).get("scale", {}).get("domain", [])
    return names if isinstance(names, list) else []


def _narrow(spec: dict[str, Any], step: float, n_columns: int) -> dict[str, Any]:
    """Columns too narrow for words; cells are no higher than wide, but for a chart of few rows."""
    low = max(step * len(_names(spec)), LOWEST)
    return without_words(spec) | {"width": step * n_columns, "height": min(spec["height"], low)}


def _row(spec: dict[str, Any], field: str, kept: list[str], step: float, *, first: bool, last: bool) -> dict[str, Any]:
    names = set(kept)
    datasets = {
        name: [row for row in rows if row.get(field) in names or field not in row]
        for name, rows in spec["datasets"].items()
    }
    layers = [_layer(layer, kept, legend=last) for layer in spec["layer"]]
    title = {} if first else {"title": ""}
    return spec | {"datasets": datasets, "layer": layers, "width": step * len(kept)} | title


def _layer(layer: dict[str, Any], kept: list[str], *, legend: bool) -> dict[str, Any]:
    encoding = dict(layer["encoding"])
    across = encoding["x"]
    encoding["x"] = across | {"scale": across["scale"] | {"domain": kept}}
    if across["axis"]:
        labels = [label for label in across["axis"]["values"] if label in kept]
        encoding["x"] |= {"axis": across["axis"] | {"values": labels}}
    if not legend and "color" in encoding:
        encoding["color"] = encoding["color"] | {"legend": None}
    return layer | {"encoding": encoding}
