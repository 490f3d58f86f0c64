"""The loss of several trainings, step by step."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme


def loss_curves(frame: pd.DataFrame, *, title: str, subtitle: str = "") -> alt.LayerChart:
    """A line per start, named in a legend.

    Args:
        frame: One row per point: step, loss and start.
        title: The finding.
        subtitle: A line below it.
    """
    drawn = frame.assign(_start="start " + frame["start"].astype(str))
    names = list(drawn["_start"].unique())
    legend = alt.Legend(title=None, orient="top", direction="horizontal")
    height = alt.Axis(title=theme.axis_title("loss"), format=",~f", tickCount=5, domain=False, ticks=False)
    base = alt.Chart(drawn).encode(
        x=alt.X("step:Q", axis=alt.Axis(title="step of training", format=",d", grid=False, tickCount=6)),
        y=alt.Y("loss:Q", axis=height),
        color=alt.Color("_start:N", scale=alt.Scale(domain=names, range="category"), legend=legend),
    )
    dots = base.mark_point(size=30, filled=True, opacity=1).encode(tooltip=theme.tooltips(drawn))
    return alt.LayerChart(layer=[base.mark_line(strokeWidth=2), dots]).properties(
        height=220,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, drawn, value="loss", label="_start", kind="Line chart"),
    )
