"""How long words are: the share of each length, for several makers of words."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

SHAPES = ("circle", "diamond", "triangle-up")


def lengths(frame: pd.DataFrame, *, title: str, makers: dict[str, str], subtitle: str = "") -> alt.LayerChart:
    """A line for each maker, told apart by colour and by shape.

    Args:
        frame: One row per length: letters, and a column of shares for each maker.
        title: The finding.
        makers: What each column is called.
        subtitle: A line below the title.
    """
    long = frame.melt("letters", list(makers), "maker", "of_the_words").assign(
        maker=lambda rows: rows["maker"].map(makers.get)
    )
    names = list(makers.values())
    legend = alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=220, columns=1)
    colour = alt.Color("maker:N", scale=alt.Scale(domain=names, range="category"), legend=legend)
    shape = alt.Shape("maker:N", scale=alt.Scale(domain=names, range=list(SHAPES[: len(names)])), legend=legend)
    axis = alt.Axis(title="letters in the word", tickMinStep=1, format="d", grid=False)
    up = alt.Axis(title=theme.axis_title("of_the_words"), format=".0%", tickCount=5, domain=False, ticks=False)
    base = alt.Chart(long).encode(
        x=alt.X("letters:Q", axis=axis, scale=alt.Scale(nice=False, padding=8)),
        y=alt.Y("of_the_words:Q", axis=up, scale=alt.Scale(zero=True)),
        color=colour,
    )
    dots = base.mark_point(size=60, filled=True, opacity=1).encode(shape=shape, tooltip=theme.tooltips(long))
    return alt.LayerChart(layer=[base.mark_line(strokeWidth=2), dots]).properties(
        height=240,
        title=theme.titled(title, subtitle),
        autosize=theme.FILLING,
        description=theme.alt_text(title, long, value="of_the_words", label="maker", kind="Line chart"),
    )
