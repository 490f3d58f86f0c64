"""Two charts of one figure on the same scales: what is as long, as high or as dark is as much."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd

from charts import theme
from charts.drawn_values import frame_of

CHANNELS = ("x", "y", "color", "size", "opacity", "fillOpacity")


def shared_scale(first: dict[str, Any], second: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both charts with scales that reach over the numbers of both; those centred at zero stay so.

    Args:
        first: A chart as from `charts.ready.ready`.
        second: Another one of the same figure.

    Returns:
        New specifications; charts of which one has no such scale stay as they are in it.
    """
    pair = tuple({name: one for name, one in spec.items() if name != "datasets"} for spec in (first, second))
    pair = tuple(
        copy.deepcopy(light) | {"datasets": spec["datasets"]} for light, spec in zip(pair, (first, second), strict=True)
    )
    for channel in CHANNELS:
        found = [_encodings(spec, channel, spec) for spec in pair]
        domains = [domain for each in found if (domain := _domain(each))]
        if len(domains) < len(found):
            continue
        low, high = min(low for low, _ in domains), max(high for _, high in domains)
        for encodings in found:
            for encoding, _, _ in encodings:
                scale = encoding.get("scale") or {}
                encoding["scale"] = scale | {"domain": _over(scale, low, high)}
    return pair[0], pair[1]


def _over(scale: dict[str, Any], low: float, high: float) -> list[float]:
    """The domain from `low` to `high`, with as many steps as the scale has."""
    if scale.get("range") == "diverging":
        return theme.symmetric(pd.Series([low, high]))
    return [high, low] if _is_falling(scale) else [low, high]


def _is_falling(scale: dict[str, Any]) -> bool:
    domain = scale.get("domain")
    return isinstance(domain, list) and len(domain) == 2 and domain[0] > domain[1]


def _encodings(spec: dict[str, Any], channel: str, whole: dict[str, Any], data: str = "") -> list[Any]:
    """(encoding, whole chart, name of its data) wherever the channel shows a number."""
    data = spec.get("data", {}).get("name", data)
    here = spec.get("encoding", {}).get(channel)
    found: list[Any] = []
    measures = isinstance(here, dict) and here.get("type") == "quantitative" and "field" in here
    if measures and here.get("scale", {}) is not None:  # without a scale it is drawn by its number as it is
        found.append((here, whole, data))
    for layer in spec.get("layer", ()):
        found += _encodings(layer, channel, whole, data)
    return found


def _domain(encodings: list[Any]) -> tuple[float, float] | None:
    """From the smallest to the largest of what all of them reach over; None where there are none."""
    said = [domain for encoding, _, _ in encodings if (domain := _given(encoding))]
    reach = said or [domain for each in encodings if (domain := _measured(*each))]
    return (min(low for low, _ in reach), max(high for _, high in reach)) if reach else None


def _given(encoding: dict[str, Any]) -> tuple[float, float] | None:
    domain = (encoding.get("scale") or {}).get("domain")
    if not isinstance(domain, list) or not all(isinstance(each, int | float) for each in domain):
        return None
    return min(domain), max(domain)


def _measured(encoding: dict[str, Any], whole: dict[str, Any], data: str) -> tuple[float, float] | None:
    """Over the numbers themselves, and zero where the scale begins there."""
    if not data:
        return None
    rows = frame_of(whole, data)
    if encoding["field"] not in rows:
        return None
    numbers = pd.Series(pd.to_numeric(rows[encoding["field"]], errors="coerce")).to_numpy(float, na_value=np.nan)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return None
    low, high = float(numbers.min()), float(numbers.max())
    is_free = (encoding.get("scale") or {}).get("zero") is False
    return (low, high) if is_free else (min(low, 0.0), max(high, 0.0))
