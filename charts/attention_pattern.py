"""Where one attention head looks: the token that reads against the token that is read."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

NUMBERS_UP_TO = 14  # tokens


def attention_pattern(
    frame: pd.DataFrame,
    *,
    title: str,
    subtitle: str = "",
    pos: int | None = None,
    value: str = "weight",
    unit: str | None = None,
) -> alt.LayerChart:
    """Rows are the tokens that read, from the top; columns the tokens that are read; a head sees no later token.

    A click selects a row: selection ``query`` with field ``query_pos``.

    Args:
        frame: One head (or an average): query_pos, query_token, key_pos, key_token (visible text) and `value`.
        title: The finding.
        subtitle: A line below it.
        pos: Query position whose row is outlined.
        value: Column that colours the cells.
        unit: Title of the colour scale; None for the column's own. A unit that begins with "share" ends at 1.
    """
    cells = frame[frame["key_pos"] <= frame["query_pos"]]
    cells = cells.assign(
        _query=theme.token_labels(cells["query_pos"], cells["query_token"]),
        _key=theme.token_labels(cells["key_pos"], cells["key_token"]),
    )
    labels = list(cells.sort_values("query_pos")["_query"].unique())
    step = theme.step(len(labels), room=620, smallest=18, largest=44)
    base = alt.Chart(cells).encode(x=_keys(labels, step), y=_queries(labels, step), tooltip=theme.tooltips(cells))
    layers = [_cells(base, cells, value, unit)]
    if len(labels) <= NUMBERS_UP_TO:
        layers.append(_numbers(base, value))
    if pos is not None:
        layers.append(base.transform_filter(alt.datum.query_pos == pos).mark_rect(**theme.OUTLINE))
    size = step * len(labels)
    return alt.layer(*layers).properties(
        width=size,
        height=min(step, 32) * len(labels),
        title=theme.titled(title, subtitle, width=size),
        autosize=theme.NATURAL,
        description=theme.alt_text(title, cells, value=value, label="_key", unit=unit, kind="Heat map"),
    )


def _keys(labels: list[str], step: int) -> alt.X:
    axis = theme.band_axis(
        "token read (key)", titleAnchor="start", orient="top",
        labelAngle=-40, labelAlign="left", labelLimit=200, values=theme.readable(labels, step),
    )  # fmt: skip
    return alt.X("_key:O", axis=axis, scale=alt.Scale(domain=labels, padding=0))


def _queries(labels: list[str], step: int) -> alt.Y:
    axis = theme.band_axis(
        "token that reads (query)", labelLimit=200, labelPadding=6, values=theme.readable(labels, step)
    )
    return alt.Y("_query:O", axis=axis, scale=alt.Scale(domain=labels, padding=0))


def _cells(base: alt.Chart, cells: pd.DataFrame, value: str, unit: str | None) -> alt.Chart:
    chosen = alt.selection_point(name="query", fields=["query_pos"], on="click", clear="dblclick")
    name = theme.axis_title(value, unit)
    share = name.startswith("share")
    legend = theme.gradient(name, ",.2~f" if share else ",~f", theme.HALVES if share else None)
    scale = alt.Scale(domain=[0, max(float(cells[value].max()), 1.0 if share else 1e-9)], range="ramp")
    return (
        base.mark_rect(cursor="pointer")
        .encode(
            color=alt.Color(f"{value}:Q", scale=scale, legend=legend),
            stroke=alt.when(chosen, empty=False).then(alt.value(theme.MARKED)).otherwise(alt.value(None)),
            strokeWidth=alt.value(1.5),
        )
        .add_params(chosen)
    )


def _numbers(base: alt.Chart, value: str) -> alt.Chart:
    """Zeros would only be noise: a cell without a number holds less than 0.005."""
    return (
        base.transform_filter(alt.datum[value] >= 0.005)
        .mark_text(fontSize=theme.SMALL, color=theme.ink(value), cursor="pointer")
        .encode(text=alt.Text(f"{value}:Q", format=".2f"))
    )
