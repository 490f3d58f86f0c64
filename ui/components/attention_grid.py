"""All attention heads as small pictures, layers below each other; a click chooses a head."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from jaxtyping import Float

from charts.head_pictures import quantised

Pictures = dict[str, Any]
MOST_BYTES = 3_000_000  # sent to the browser; longer prompts are drawn coarser

_HERE = Path(__file__)
_component = st.components.v2.component(
    "loupe_attention_grid",
    html='<div class="grid"><div class="scroll"><canvas role="img" aria-label="All heads"></canvas></div>'
    '<div class="tip" hidden></div>'
    '<span class="theme"></span><span class="speech" aria-live="polite"></span></div>',
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def attention_grid(
    pictures: Pictures,
    *,
    selected: tuple[int, int],
    key: str,
    on_pick: Callable[[int, int], None] | None = None,
) -> dict[str, int] | None:
    """Draw every head's pattern; return the head picked in this run as ``{"layer", "head"}``, or None.

    Click or arrow keys choose a head. Every picture has its own place in one grid and the same scale: from 0 to 1, or
    to the largest weight where that is not a share.

    Args:
        pictures: The patterns, as from `pictures`.
        selected: Layer and head that are outlined.
        key: Name of this part on its page.
        on_pick: Called with layer and head before the page runs again.
    """

    def picked() -> None:
        choice = st.session_state[key].get("picked")
        if choice is not None and on_pick is not None:
            on_pick(int(choice["layer"]), int(choice["head"]))

    data = pictures | {"selected": {"layer": int(selected[0]), "head": int(selected[1])}}
    result = _component(data=data, key=key, on_picked_change=picked)
    return None if result.picked is None else {name: int(result.picked[name]) for name in ("layer", "head")}


def pictures(
    pattern: Float[np.ndarray, "layer head query_pos key_pos"],
    labels: Sequence[str],
    layers: Sequence[int] | None = None,
) -> Pictures:
    """Every head's pattern as the browser takes it.

    Args:
        pattern: Weights, at least 0; what stands above the diagonal is not drawn.
        labels: Visible text of every token.
        layers: Layer number of every row of `pattern`; None counts from 0.
    """
    cells, top, block = quantised(pattern, MOST_BYTES)
    return {
        "pattern": base64.b64encode(cells.tobytes()).decode(),
        "size": list(cells.shape),
        "top": top,
        "block": block,
        "labels": [str(label) for label in labels],
        "layers": [int(layer) for layer in (range(len(pattern)) if layers is None else layers)],
    }
