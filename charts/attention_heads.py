"""Every head's attention pattern at once: layers below each other, heads beside each other."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from jaxtyping import Float

from charts import theme
from charts.head_pictures import FIELD, picture, quantised

NARROW, WIDE = 50, 132  # pixels of a column: with room for “L11H11”, and beyond which nothing is gained
NAME, GAP = 15, 6  # pixels of a head's name, and between heads
ROOM = 960
MOST_BYTES = 20_000_000  # of all pictures; longer prompts are drawn coarser


def attention_heads(
    pattern: Float[np.ndarray, "layer head query_pos key_pos"],
    layers: Sequence[int],
    *,
    title: str,
    subtitle: str = "",
    unit: str = "share of attention",
) -> alt.LayerChart:
    """A picture of each head, named above it; rows read, columns are read, and all have the same colour scale.

    Args:
        pattern: Weights, at least 0; what stands above the diagonal is not drawn.
        layers: Layer number of every row of `pattern`.
        title: The finding.
        subtitle: A line below it.
        unit: Title of the colour scale.
    """
    cells, top, block = quantised(pattern, MOST_BYTES)
    frame = pd.DataFrame(
        [
            {
                "layer": layer,
                "head": head,
                "name": f"L{layer}H{head}",
                "weight": float(np.nan_to_num(np.tril(pattern[i, head])).max()),
                FIELD: picture(cells[i, head]),
            }
            for i, layer in enumerate(layers)
            for head in range(pattern.shape[1])
        ]
    )
    heads = list(range(pattern.shape[1]))
    width = theme.step(len(heads), room=ROOM, smallest=NARROW, largest=WIDE) * len(heads)
    how = f"{subtitle} {_how(pattern.shape[-1], block)}".strip()
    x, y = _place(alt.X, "head", heads), _place(alt.Y, "layer", list(layers))
    base = alt.Chart(frame).encode(x=x, y=y)
    return alt.LayerChart(layer=[_scale(base, top, unit), _pictures(base), _frames(base), _names(base)]).properties(
        width=width,
        height=(width / len(heads) + NAME) * len(layers),
        title=theme.titled(title, how, width=width),
        autosize=theme.NATURAL,
        usermeta=theme.room(heads, least=NARROW, most=WIDE, beside=0, field="head", above=NAME),
        description=theme.alt_text(title, frame, value="weight", label="name", unit=unit, kind="Patterns"),
    )


def _how(n_tokens: int, block: int) -> str:
    coarser = f", {block} tokens to a cell" if block > 1 else ""
    return f"Rows read, columns are read, {n_tokens} tokens each{coarser}; one scale for all heads."


def _place(channel: type, field: str, values: list[int]):
    return channel(f"{field}:O", axis=None, scale=alt.Scale(type="band", domain=values, padding=0))


# A square below the name, as large as its band allows.
_SIDE = f"(min(bandwidth('x'), bandwidth('y') - {NAME}) - {GAP})"
_DOWN = NAME / 2


def _scale(base: alt.Chart, top: float, unit: str) -> alt.Chart:
    """What only brings the colour scale: mixed in even steps, as in the pictures."""
    scale = alt.Scale(domain=[0, top], range="ramp", interpolate="rgb")
    legend = theme.gradient(unit, ",.2~f", theme.HALVES if top == 1 else None)
    colour = alt.Color("weight:Q", scale=scale, legend=legend)
    return base.mark_point(size=0, opacity=1, aria=False).encode(color=colour)


def _pictures(base: alt.Chart) -> alt.Chart:
    side = alt.ExprRef(_SIDE)
    drawn = base.mark_image(width=side, height=side, yOffset=_DOWN, smooth=False, aria=False)
    return drawn.encode(url=f"{FIELD}:N")


def _frames(base: alt.Chart) -> alt.Chart:
    area = alt.ExprRef(f"pow({_SIDE} + 1, 2)")
    drawn = base.mark_point(
        shape="square", size=area, filled=False, opacity=1, yOffset=_DOWN, strokeWidth=1, color=theme.GREY
    )
    return drawn.encode(tooltip=[alt.Tooltip("name:N"), alt.Tooltip("weight:Q", title="largest weight", format=".2f")])


def _names(base: alt.Chart) -> alt.Chart:
    above = alt.ExprRef(f"-{_SIDE} / 2 + {_DOWN} - 4")
    return base.mark_text(fontSize=theme.LABEL, dy=above, baseline="bottom", aria=False).encode(text="name:N")
