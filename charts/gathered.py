"""In how few parts an effect lies: a curve that climbs as the next strongest part is added."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

SHAPES = ("circle", "diamond")
MARKED = 40  # points of a curve that are marked; between them the line says enough


def gathered(
    frame: pd.DataFrame, *, title: str, series: str, share: str = "share_of_effect", rule: float, subtitle: str = ""
) -> alt.LayerChart:
    """A line per kind of part, over the number of the strongest parts on a logarithmic axis.

    Args:
        frame: One row per point: `series`, rank (from 1), and the share of the effect in the strongest so many.
        title: The finding.
        series: Column that tells the lines apart, by colour and by shape.
        share: Column of the heights.
        rule: The share that is marked with a line.
        subtitle: A line below the title.
    """
    kinds = list(frame[series].unique())
    worst = max(2, *frame["rank"].tolist())
    ticks = [number for power in range(7) for number in (10**power, 3 * 10**power) if number <= worst]
    across = alt.X(
        "rank:Q",
        axis=alt.Axis(title="how many of the strongest", values=ticks, format=",d", grid=False),
        scale=alt.Scale(type="log", domain=[1, worst], nice=False, padding=8),
    )
    up = alt.Y(
        f"{share}:Q",
        axis=alt.Axis(title=theme.axis_title(share), format="~%", tickCount=5, domain=False, ticks=False),
        scale=alt.Scale(domain=[0, 1]),
    )
    legend = alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=220)
    colour = alt.Color(f"{series}:N", scale=alt.Scale(domain=kinds, range="category"), legend=legend)
    shape = alt.Shape(
        f"{series}:N", scale=alt.Scale(domain=kinds, range=list(SHAPES[: max(len(kinds), 1)])), legend=legend
    )
    line = alt.Chart(frame).mark_line(strokeWidth=2).encode(x=across, y=up, color=colour)
    marked = frame.loc[lambda rows: rows["rank"].isin(_marked(worst))]
    dots = alt.Chart(marked).mark_point(size=60, filled=True, opacity=1)
    dots = dots.encode(x=across, y=up, color=colour, shape=shape, tooltip=theme.tooltips(marked))
    return alt.LayerChart(layer=[_rule(rule, share), line, dots]).properties(
        height=240,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, frame, value=share, label=series, kind="Line chart"),
    )


def _marked(worst: int) -> list[int]:
    """Ranks that stand about as far from each other on the axis."""
    return sorted({round(worst ** (step / (MARKED - 1))) for step in range(MARKED)})


def _rule(at: float, share: str) -> alt.Chart:
    return alt.Chart(pd.DataFrame({share: [at]})).mark_rule(color=theme.GREY, strokeDash=[4, 3]).encode(y=f"{share}:Q")
