"""Which two of a set of directions are looked at side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st


def direction_pair(n: int) -> tuple[int, int | None]:
    """The direction that is looked at, of `n`, and the one beside it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = st.number_input(
            "Look closer at direction", 0, value=0, step=1, key="nearest_to", bind="query-params", width=220,
            help="Counted from 0, from the top of the grid.",
        )  # fmt: skip
        other = st.number_input(
            "Beside direction", 0, value=None, step=1, key="beside", bind="query-params", width=220,
            placeholder="click a cell", help="Counted in the same way. Empty: none.",
        )  # fmt: skip
    one = min(one, n - 1)
    return one, None if other is None or min(other, n - 1) == one else min(other, n - 1)


def pick_pair(names: Sequence[str]) -> Callable[[], None]:
    """What the grid calls when a cell is clicked: its two directions fill the fields."""

    def pick() -> None:
        for cell in st.session_state["cosines"].selection.get("pair", []):
            one, other = names.index(cell["first"]), names.index(cell["second"])
            st.session_state["nearest_to"], st.session_state["beside"] = one, None if one == other else other

    return pick
