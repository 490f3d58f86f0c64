"""What a direction does, beside what random directions of the same length do."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROW = 44  # pixels


def placebo(
    frame: pd.DataFrame, *, title: str, value: str, unit: str, subtitle: str = "", others: str = "random directions"
) -> alt.LayerChart:
    """A row per operation: a large diamond for the direction, a hollow circle for each random one.

    Args:
        frame: One row per operation and direction: `operation`, `direction` (the first named is the one in question)
            and `value`.
        title: The finding.
        value: Column of the positions.
        unit: Title of the axis.
        subtitle: A line below the title.
        others: What the others are called.
    """
    own = str(frame["direction"].iloc[0])
    names = [own, others]
    drawn = frame.assign(which=frame["direction"].where(frame["direction"] == own, names[1]))
    drawn = drawn.sort_values("which", key=lambda each: each == own, kind="stable")  # its own above the others
    rows = list(dict.fromkeys(frame["operation"]))
    axis = alt.Axis(title=unit, format=theme.tick_format(value), tickCount=6, domain=False, ticks=False)
    legend = alt.Legend(title=None, orient="top", direction="horizontal", symbolFillColor="transparent")
    base = alt.Chart(drawn).encode(
        y=alt.Y(
            "operation:N",
            scale=alt.Scale(domain=rows),
            axis=theme.band_axis(None, grid=True, labelLimit=200, labelPadding=14),
        ),
        x=alt.X(f"{value}:Q", axis=axis, scale=alt.Scale(zero=True, nice=True)),
        shape=alt.Shape("which:N", scale=alt.Scale(domain=names, range=["diamond", "circle"]), legend=legend),
        color=alt.Color("which:N", scale=alt.Scale(domain=names, range="category"), legend=legend),
        size=alt.Size("which:N", scale=alt.Scale(domain=names, range=[170, 60]), legend=None),
        fillOpacity=alt.FillOpacity("which:N", scale=alt.Scale(domain=names, range=[1, 0]), legend=None),
        tooltip=theme.tooltips(frame),
    )
    points = base.mark_point(opacity=1, strokeWidth=1.5, filled=False).encode(
        fill=alt.Fill("which:N", scale=alt.Scale(domain=names, range="category"), legend=None)
    )
    return alt.LayerChart(layer=[points]).properties(
        height=ROW * len(rows),
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value=value, label="direction", unit=unit, kind="Dots in rows"),
    )
