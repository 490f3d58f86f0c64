"""What the charts of cells share: coloured rectangles that a click selects, and an axis of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from charts import theme


def cells(
    base: alt.Chart,
    values: pd.Series,
    column: str,
    *,
    name: str,
    fields: Sequence[str],
    unit: str | None = None,
    share: bool = False,
) -> alt.Chart:
    """Rectangles coloured by `column`, from pale to full where it cannot be negative, else centred at zero.

    Args:
        base: The chart with its frame and both axes.
        values: The numbers that the colours have to reach.
        column: Their column in the frame.
        name: Name of the selection.
        fields: What a click selects.
        unit: Title of the colour scale; None for the column's own.
        share: Whether the scale ends at 1.
    """
    chosen = alt.selection_point(name=name, fields=list(fields), on="click", clear="dblclick")
    legend = theme.gradient(
        theme.axis_title(column, unit), *((_form(column), theme.HALVES) if share else (theme.tick_format(column), None))
    )
    return (
        base.mark_rect(cursor="pointer")
        .encode(
            color=alt.Color(f"{column}:Q", scale=_scale(values, column, share), legend=legend),
            stroke=alt.when(chosen, empty=False).then(alt.value(theme.MARKED)).otherwise(alt.value(None)),
            strokeWidth=alt.value(2.5),
        )
        .add_params(chosen)
    )


def _scale(values: pd.Series, column: str, share: bool) -> alt.Scale:
    if column not in theme.AT_LEAST_ZERO:
        return alt.Scale(domain=theme.symmetric(values), range="diverging")
    top = max(theme.extent(values)[1], 1.0 if share else 1e-9)
    return alt.Scale(domain=[0, top], range="ramp")


def _form(column: str) -> str:
    return ".0%" if theme.number_format(column).endswith("%") else ",.2~f"


def token_columns(field: str, labels: Sequence[str], least: int, title: str = "token (position · text)") -> alt.X:
    """The horizontal axis of tokens, above the cells; labels lean where they have no room, to the left, where some is.

    Args:
        field: The column of the labels.
        labels: They, in order.
        least: Pixels of the narrowest column that is drawn.
        title: The axis' title.
    """
    straight = max(map(theme.breadth, labels), default=0) * 7
    axis = theme.band_axis(
        title, titleAnchor="start", orient="top", labelPadding=6, titlePadding=2,
        labelAngle=theme.wide(straight, "0", "40"), labelAlign=theme.wide(straight, "'center'", "'right'"),
        labelLimit=140, values=theme.readable(labels, least),
    )  # fmt: skip
    return alt.X(f"{field}:O", axis=axis, scale=alt.Scale(domain=list(labels), padding=0))
