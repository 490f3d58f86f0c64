"""What parts of a picture pass on to each other: curves from below to above, their width the size, colour and dashes
the sign.
"""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from charts import theme

STEPS = 14  # points of a curve
THICK = [1.0, 7.0]  # pixels
SIDES = {"q": -0.016, "v": 0.016}  # of a head, as shares of the width: where these inputs arrive
SIGN = "effect on the answer"


def amount(frame: pd.DataFrame) -> pd.Series:
    """The measured effect, and the estimate where nothing was measured."""
    return pd.Series(frame["effect"].fillna(frame["score"]))


def sign_legend() -> alt.Legend:
    """One legend for nodes and lines: every layer that has the scale must ask for the same one, or none is drawn."""
    return alt.Legend(title=SIGN, orient="top", direction="horizontal", symbolType="stroke", symbolStrokeWidth=3)


def curves(edges: pd.DataFrame, placed: pd.DataFrame) -> pd.DataFrame:
    """A curve of `STEPS` points for each edge between two nodes that are drawn.

    Args:
        edges: One row per edge: `from`, `to`, `score`, `effect`, and `via` where a node has several inputs.
        placed: One row per node: `component`, `x`, `y`.
    """
    at = placed.set_index("component")[["x", "y"]]
    known = at.index.tolist()
    shown = pd.DataFrame(edges[edges["from"].isin(known) & edges["to"].isin(known)])
    if "via" not in shown:
        shown = shown.assign(via="in")
    start, end = (at.loc[shown[column]].to_numpy() for column in ("from", "to"))
    t = np.linspace(0, 1, STEPS)
    rise = (end[:, 1] - start[:, 1])[:, None]
    # Bézier curves that leave and arrive upright; of three inputs of one head each arrives at its own side
    side = np.array([SIDES.get(via, 0.0) for via in shown["via"]])
    near, far = start[:, :1], end[:, :1] + side[:, None]
    weights = [(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3]
    x = weights[0] * near + weights[1] * near + weights[2] * far + weights[3] * far
    low = start[:, 1:2]
    y = (
        low * weights[0]
        + (low + 0.45 * rise) * weights[1]
        + (low + 0.55 * rise) * weights[2]
        + (low + rise) * weights[3]
    )
    size = amount(shown)
    each = shown.assign(
        edge=[named(*ends) for ends in zip(shown["from"], shown["to"], shown["via"], strict=True)],
        size=size.abs(),
        sign=theme.signs(size),
    )
    points = each.loc[each.index.repeat(STEPS)].reset_index(drop=True)
    return points.assign(x=x.ravel(), y=y.ravel(), step=np.tile(np.arange(STEPS), len(each)))


def named(start: str, end: str, via: str = "in") -> str:
    """An edge's name: `L0H3 → L1H2 q`."""
    return f"{start} → {end}" + ("" if via == "in" else f" {via}")


def across(right: float) -> alt.X:
    """Places within a row, from 0 to 1, with room for names at the `right`."""
    return alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.02, right], nice=False))


def up(rows: list[str], margin: float) -> alt.Y:
    """Rows from below, by their names, with a `margin` of rows below and above."""
    names = "[" + ",".join(theme.literal(name) for name in rows) + "][datum.value]"
    axis = alt.Axis(title=None, values=list(range(len(rows))), labelExpr=names, grid=False, domain=False, ticks=False)
    return alt.Y("y:Q", axis=axis, scale=alt.Scale(domain=[-margin, len(rows) - 1 + margin], nice=False))


def flow(lines: pd.DataFrame, picked: str, x: alt.X, y: alt.Y, tooltips: list[alt.Tooltip]) -> list[alt.Chart]:
    """The layers of some `curves`; a click is the selection ``edge`` with ``from``, ``to`` and ``via``.

    Args:
        lines: From `curves`.
        picked: The name of the edge that is marked.
        x: Across.
        y: Up.
        tooltips: Of an edge.
    """
    if lines.empty:
        return []
    chosen = alt.selection_point(name="edge", fields=["from", "to", "via"], on="click", clear="dblclick")
    base = alt.Chart(lines).encode(x=x, y=y, detail="edge:N", order="step:O")
    most = float(lines["size"].to_numpy().max()) or 1.0
    width = alt.StrokeWidth("size:Q", scale=alt.Scale(domain=[0, most], range=THICK), legend=None)
    dashes = alt.Scale(domain=theme.SIGNS.domain, range=[[1, 0], [6, 4]])
    shown = base.mark_line(opacity=0.72, cursor="pointer", strokeCap="butt").encode(
        color=alt.Color("sign:N", scale=theme.SIGNS, legend=sign_legend()),
        strokeWidth=width,
        strokeDash=alt.StrokeDash("sign:N", scale=dashes, legend=sign_legend()),
        tooltip=tooltips,
    )
    marked = lines[lines["edge"] == picked]
    under = (
        alt.Chart(marked)
        .mark_line(color=theme.MARKED, strokeWidth=THICK[1] + 5, opacity=0.45)
        .encode(x=x, y=y, detail="edge:N", order="step:O")
    )
    return [*([under] if len(marked) else []), shown.add_params(chosen)]
