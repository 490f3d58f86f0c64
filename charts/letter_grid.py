"""Which letter follows which, as a grid."""

from __future__ import annotations

import altair as alt
import pandas as pd

from charts import theme

ROW, NARROW, WIDE = 15, 10, 26  # pixels of a row, and of a column
LABEL = 10  # pixels of type: every letter is named


def letter_grid(
    frame: pd.DataFrame, *, title: str, value: str, top: float, subtitle: str = "", letter: str | None = None
) -> alt.LayerChart:
    """A letter's row holds the chances of what follows it; the edge of a word is the first row and the last column.

    A click selects a row: selection ``cell`` with field ``letter``.

    Args:
        frame: One row per pair: letter, next and `value`, a probability.
        title: The finding.
        value: Column that colours the cells.
        top: Where the colour scale ends.
        subtitle: A line below the title.
        letter: The row that is outlined.
    """
    rows = list(dict.fromkeys(frame["letter"]))
    columns = [*rows[1:], next(name for name in frame["next"] if name not in rows)]
    named = {"labelPadding": 3, "labelFontSize": LABEL}
    across = theme.band_axis("comes next", orient="top", labelAngle=0, titleAnchor="start", **named)
    base = alt.Chart(frame).encode(
        x=alt.X("next:O", axis=across, scale=alt.Scale(domain=columns, padding=0)),
        y=alt.Y("letter:O", axis=theme.band_axis(None, **named), scale=alt.Scale(domain=rows, padding=0)),
        tooltip=theme.tooltips(frame),
    )
    layers = [_cells(base, top, value)]
    if letter is not None:
        here = frame.loc[lambda pairs: pairs["letter"] == letter].head(1)
        layers.append(_outline(here, rows))
    step = theme.step(len(columns), room=420, smallest=NARROW, largest=WIDE)
    width = step * len(columns)
    return alt.LayerChart(layer=layers).properties(
        width=width,
        height=ROW * len(rows),
        title=theme.titled(title, subtitle, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(columns, least=NARROW, most=WIDE, beside=62),
        description=theme.alt_text(title, _named(frame), value=value, label="pair", kind="Grid of letters"),
    )


def _cells(base: alt.Chart, top: float, value: str) -> alt.Chart:
    """Rectangles; the scale is stretched at its pale end, where most chances are."""
    scale = alt.Scale(type="pow", exponent=0.5, domain=[0, max(top, 1e-9)], range="ramp")
    legend = theme.gradient("probability", ".0%", [at for at in (0, 0.05, 0.2, 0.5, 1) if at <= top + 0.01])
    chosen = alt.selection_point(name="cell", fields=["letter"], on="click", clear="dblclick")
    return (
        base.mark_rect(cursor="pointer")
        .encode(color=alt.Color(f"{value}:Q", scale=scale, legend=legend))
        .add_params(chosen)
    )


def _outline(here: pd.DataFrame, rows: list[str]) -> alt.Chart:
    """A frame around the whole row."""
    y = alt.Y("letter:O", axis=theme.band_axis(None), scale=alt.Scale(domain=rows, padding=0))
    return alt.Chart(here).mark_rect(**theme.OUTLINE).encode(x=alt.value(0), x2=alt.value("width"), y=y)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(pair=frame["letter"] + " → " + frame["next"])
