"""The − and + of number fields that are empty: they start from the number that the page shows in their place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import streamlit as st
from streamlit.components import v2

_component = v2.component(
    "loupe_number_steps", html="<span></span>", js=Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
)
FARTHEST = 2**53 - 1


def number_steps(
    key: str,
    shown: Mapping[str, float | None],
    *,
    low: int = 0,
    high: int = FARTHEST,
    also: Mapping[str, int] | None = None,
) -> None:
    """Let the buttons and arrow keys of empty fields step from what is shown; nothing is drawn.

    Call it once the page knows what that is. Fields of one call belong together: a step in one fills the others that
    are empty.

    Args:
        key: Name of this part on its page; ui/charts.css hides those that begin with ``steps``.
        shown: Field by field, by its key: the number that the page shows while it is empty, a whole one for a field of
            whole numbers; None leaves it alone.
        low: The least that may be stepped to.
        high: The most.
        also: Further fields that a step fills where they are empty, but that have no steps here.
    """
    name = f"steps-{key}"

    def stepped() -> None:
        step = st.session_state[name].get("stepped")
        if step is None or step["name"] not in numbers:
            return
        for field, number in (dict(also or {}) | numbers).items():
            if field == step["name"]:
                st.session_state[field] = min(max(type(number)(step["to"]), low), high)
            elif st.session_state.get(field) is None:
                st.session_state[field] = number

    numbers = {field: _plain(number) for field, number in shown.items() if number is not None}
    steps = {field: 1 if isinstance(number, int) else 0.01 for field, number in numbers.items()}
    data = {"shown": numbers, "steps": steps, "low": low, "high": high}
    _component(data=data, key=name, on_stepped_change=stepped)


def _plain(number: float) -> float:
    """Without numpy's types; fractions as far as a field shows them."""
    return int(number) if isinstance(number, int | np.integer) else round(float(number), 2)
