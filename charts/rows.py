"""A chart of many columns as several below each other, for a picture that is no wider than a page."""

from __future__ import annotations

import math
from typing import Any


def in_rows(spec: dict[str, Any], width: float) -> list[dict[str, Any]]:
    """The chart in as many rows as its columns need in `width` pixels, each of about as many columns.

    Args:
        spec: A chart with rows of plain values for its data, as from `charts.ready.with_rows`; one without columns, or
            whose columns cannot be broken, stays as it is.
        width: Pixels for all, with what stands beside the columns.

    Returns:
        One chart per row, as wide as it has to be: the first keeps the title, the last the legend.
    """
    room = spec.get("usermeta", {}).get("room")
    if room is None:
        return [spec | {"width": width}]
    columns, place = room["columns"], width - room["beside"]
    fitting = max(1, int(place // room["printed"])) if room["field"] else len(columns)
    n_rows = math.ceil(len(columns) / fitting)
    each = math.ceil(len(columns) / n_rows)
    step = max(room["printed"], min(room["most"], place / each))
    rows = [columns[first : first + each] for first in range(0, len(columns), each)]
    return (
        [
            _row(spec, room["field"], kept, step, first=place == 0, last=place == len(rows) - 1)
            for place, kept in enumerate(rows)
        ]
        if len(rows) > 1
        else [spec | {"width": step * len(columns)}]
    )


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
    labels = [label for label in across["axis"]["values"] if label in kept]
    encoding["x"] = across | {"scale": across["scale"] | {"domain": kept}, "axis": across["axis"] | {"values": labels}}
    if not legend and "color" in encoding:
        encoding["color"] = encoding["color"] | {"legend": None}
    return layer | {"encoding": encoding}
