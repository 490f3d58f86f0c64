"""A loss that falls as a model is trained, above the least that it can be."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts import theme

TICKS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000)
MOST_POINTS = 150


def learning_curve(
    frame: pd.DataFrame, *, title: str, unit: str, floor_name: str, subtitle: str = ""
) -> alt.LayerChart:
    """The loss over the steps, which stand closer together the later they come, and its floor as a line.

    Args:
        frame: One row per step: step, loss and floor.
        title: The finding.
        unit: Title of the vertical axis.
        floor_name: What the floor is.
        subtitle: A line below the title.
    """
    drawn = _thinned(frame)
    last = max(frame["step"].tolist())
    across = alt.X(
        "step:Q",
        axis=alt.Axis(title="steps of training", values=[t for t in TICKS if t <= last], format=",d", grid=False),
        scale=alt.Scale(type="symlog", constant=3, domain=[0, max(last, 1)], nice=False, padding=8),
    )
    up = alt.Y(
        "loss:Q",
        axis=alt.Axis(title=unit, format=",~f", tickCount=5, domain=False, ticks=False),
        scale=alt.Scale(zero=False, padding=10),
    )
    base = alt.Chart(drawn).encode(x=across, y=up)
    dots = base.mark_point(size=200 if len(drawn) == 1 else 40, filled=True, opacity=1)
    return alt.LayerChart(
        layer=[*_floor(drawn, floor_name), base.mark_line(strokeWidth=2), dots.encode(tooltip=theme.tooltips(drawn))]
    ).properties(
        height=220,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value="loss", label="step", unit=unit, kind="Line chart"),
    )


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    """Steps that stand apart on the axis."""
    last = max(frame["step"].tolist())
    kept = [round(step) for step in np.geomspace(1, last + 1, MOST_POINTS) - 1]
    return frame.loc[lambda rows: rows["step"].isin(kept)]


def _floor(frame: pd.DataFrame, name: str) -> list[alt.Chart]:
    base = alt.Chart(frame.head(1).assign(_name=name)).encode(y="floor:Q")
    text = base.mark_text(align="left", baseline="bottom", dx=4, dy=-4, fontSize=theme.SMALL, color=theme.GREY)
    return [
        base.mark_rule(color=theme.GREY, strokeDash=[4, 3]),
        text.encode(x=alt.value(0), text="_name:N"),
    ]
