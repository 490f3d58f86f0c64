"""Numbers that change over the steps of a training, with one step marked."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

STRAIGHT = 46  # pixels of a column that a step number needs
ROOM = 560  # pixels of half a page


def step_lines(
    frame: pd.DataFrame,
    *,
    title: str,
    value: str,
    of: str,
    unit: str,
    step: int | None = None,
    subtitle: str = "",
) -> alt.LayerChart:
    """A line for each series over the checkpoints, which stand evenly spaced.

    A click selects a checkpoint, wherever in its column: selection ``step`` with the field ``step``.

    Args:
        frame: One row per point: step, `value` and `of`.
        title: The finding.
        value: Column of the heights.
        of: Column that names the series.
        unit: Title of the vertical axis.
        step: The checkpoint that is marked.
        subtitle: A line below the title.
    """
    drawn = frame.dropna(subset=[value]).reset_index(drop=True)
    steps, names = sorted(drawn["step"].unique().tolist()), list(drawn[of].unique())
    chosen = alt.selection_point(name="step", fields=["step"], on="click", clear="dblclick")
    x = steps_across(steps)
    columns = pd.DataFrame({"step": steps})
    places = alt.Chart(columns).mark_rect(fill="transparent", cursor="pointer").encode(x=x).add_params(chosen)
    share = theme.number_format(value).endswith("%")
    height = alt.Axis(title=unit, format=theme.tick_format(value), tickCount=5, domain=False, ticks=False)
    base = alt.Chart(drawn).encode(
        x=x,
        y=alt.Y(f"{value}:Q", axis=height, scale=alt.Scale(domain=[0, 1]) if share else alt.Scale(zero=True)),
    )
    if len(names) > 1:
        legend = alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=260, columns=2)
        colour = alt.Color(f"{of}:N", scale=alt.Scale(domain=names, range="category"), legend=legend)
        shape = alt.Shape(f"{of}:N", scale=alt.Scale(domain=names), legend=legend)
        base = base.encode(color=colour)
        dots = base.mark_point(size=50, filled=True, opacity=1).encode(shape=shape, tooltip=theme.tooltips(drawn))
    else:
        dots = base.mark_point(size=50, filled=True, opacity=1).encode(tooltip=theme.tooltips(drawn))
    marked = [cursor(columns, step, x)] if step in steps else []
    # what is clicked lies below the points, so that these show their tooltip, and a click on one goes to its column
    return alt.LayerChart(layer=[*marked, places, base.mark_line(strokeWidth=2), dots]).properties(
        height=230,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, drawn, value=value, label="step", unit=unit, kind="Line chart"),
    )


def steps_across(steps: list[int], title: str = "step of training (evenly spaced)") -> alt.X:
    """The horizontal axis of checkpoints; numbers lean where they have no room."""
    least = max(ROOM // max(len(steps), 1), 1)
    axis = theme.band_axis(
        title, labelExpr="format(datum.value, ',d')", grid=False, values=theme.readable(steps, least),
        labelAngle=theme.wide(STRAIGHT, "0", "-40"), labelAlign=theme.wide(STRAIGHT, "'center'", "'right'"),
    )  # fmt: skip
    return alt.X("step:O", axis=axis, scale=alt.Scale(domain=steps, padding=0))


def cursor(columns: pd.DataFrame, step: int | None, x: alt.X) -> alt.Chart:
    """The column of the marked checkpoint."""
    return alt.Chart(columns.loc[columns["step"] == step]).mark_rect(fill=theme.MARKED, opacity=0.22).encode(x=x)
