"""A number that changes from layer to layer, as a line."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts import theme

LAYERS = "datum.value === 0 ? 'embeddings' : 'after ' + (datum.value - 1)"  # how an axis names them, see `layer_name`


def lines(frame: pd.DataFrame, *, title: str, value: str, subtitle: str = "") -> alt.LayerChart:
    """Points joined by a line. A column of ranks is drawn on a logarithmic axis with rank 1 at the top.

    Args:
        frame: One row per point: layer and `value`. A row whose `stage` is ``resid_mid`` stands half a layer further
            right.
        title: The finding.
        value: Column of the heights.
        subtitle: A line below the title.
    """
    half = 0.5 * (frame["stage"] == "resid_mid") if "stage" in frame else 0.0
    points = frame.assign(_x=frame["layer"] + half).dropna(subset=[value])
    base = alt.Chart(points).encode(x=across(points["_x"].to_numpy()), y=_up(pd.Series(points[value]), value))
    dots = base.mark_point(size=50, filled=True, opacity=1).encode(tooltip=theme.tooltips(points))
    return alt.layer(base.mark_line(strokeWidth=2), dots).properties(
        height=240,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, points, value=value, label="layer", kind="Line chart"),
    )


def across(x: np.ndarray) -> alt.X:
    """The horizontal axis of layers: the embeddings, and after each block."""
    count = max(1, min(12, int(x.max() - x.min())))
    axis = alt.Axis(title="layer", labelExpr=LAYERS, tickMinStep=1, format="d", grid=False, tickCount=count)
    return alt.X("_x:Q", axis=axis, scale=alt.Scale(domain=[float(x.min()), float(x.max())], nice=False, padding=8))


def layer_name(x: float) -> str:
    """What `LAYERS` calls a place on the axis; half a layer further right is within the block."""
    if x % 1:
        return f"within {int(x)}"
    return f"after {int(x) - 1}" if x else "embeddings"


def _up(values: pd.Series, value: str) -> alt.Y:
    quiet = {"title": theme.axis_title(value), "domain": False, "ticks": False}
    if value.endswith("rank"):
        worst = max(float(values.max()), 10.0)
        axis = alt.Axis(format=",d", values=[10**k for k in range(7) if 10**k <= worst], **quiet)
        return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(type="log", domain=[worst, 1], nice=False, padding=8))
    axis = alt.Axis(format=theme.tick_format(value), tickCount=5, **quiet)
    if theme.number_format(value).endswith("%"):
        return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    return alt.Y(f"{value}:Q", axis=axis, scale=alt.Scale(zero=False, padding=8))
