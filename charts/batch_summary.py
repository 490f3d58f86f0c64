"""One number of every prompt of a batch: a bar each where they are few, else how many there are of each size."""

from __future__ import annotations

from typing import Any

import altair as alt

from charts.bars import bars
from charts.histogram import histogram
from mi_core.models.tokens import readable

MOST_BARS = 20


def batch_summary(result: Any, *, title: str = "") -> alt.LayerChart:
    """Bars in the order of the list, or a histogram."""
    tables, column = result.tables(), result.column
    if len(result.values) <= MOST_BARS:
        values = tables["values"]
        label = [f"{row} {readable(prompt)}" for row, prompt in zip(values["row"], values["prompt"], strict=True)]
        title = title or f"{result.what}, in the order of the list"
        return bars(values.assign(_label=label), title=title, label="_label", value=column, sort=False, names=320)
    bins = tables["bins"]
    counted = str(bins.columns[-1])
    return histogram(bins, title=title or f"{result.what}: how many {counted}", value=column, count=counted)
