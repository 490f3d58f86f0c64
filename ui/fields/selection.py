"""Choosing a layer and a head: from fields, from a click on a chart, from the URL."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui import address

MEANING = {
    "all": "all of them",
    "auto": "the one with the clearest story at the chosen token",
    "strongest": "the one that matters most",
    "clearest": "the one with the clearest role",
}


def head_choice(empty: str) -> tuple[int | None, int | None]:
    """Fields for layer and head, None where they are empty, which means `empty`. A head needs its layer."""
    address.carry("layer", "head")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        layer = st.number_input(
            "Layer", 0, value=None, step=1, key="layer", bind="query-params", placeholder=empty, width=140,
            help=f"A block of the model, counted from 0. Empty means {MEANING[empty]}.",
        )  # fmt: skip
        head = st.number_input(
            "Head", 0, value=None, step=1, key="head", bind="query-params", placeholder=empty, width=140,
            help=f"One attention head of that layer, counted from 0. Empty means {MEANING[empty]}.",
        )  # fmt: skip
        if layer is not None or head is not None:
            st.button(f"Back to {empty}", on_click=choose_head, args=(None, None), type="tertiary")
    return layer, head if layer is not None else None


def choose_head(layer: int | None, head: int | None) -> None:
    """Fill the fields: for callbacks."""
    st.session_state["layer"], st.session_state["head"] = layer, head


def pick_head(key: str) -> Callable[[], None]:
    """What a chart of heads calls when a cell is clicked."""

    def pick() -> None:
        for point in st.session_state[key].selection.get("head", []):
            choose_head(int(point["layer"]), int(point["head"]))

    return pick


def pick_position(key: str, selection: str, field: str = "pos") -> Callable[[], None]:
    """What a chart with positions calls when a mark is clicked: `selection` and `field` are the chart's names."""

    def pick() -> None:
        for point in st.session_state[key].selection.get(selection, []):
            st.session_state["pos"] = int(point[field])

    return pick


def pick_cell(key: str, selection: str) -> Callable[[], None]:
    """What a map of patches calls when a cell is clicked: its name, `L2@4` or `L2H3`, goes into the field ``cell``."""

    def pick() -> None:
        for point in st.session_state[key].selection.get(selection, []):
            head, pos = (point.get(name) for name in ("head", "pos"))
            parts = [f"L{int(point['layer'])}", "" if head is None else f"H{int(head)}"]
            st.session_state["cell"] = "".join(parts) + ("" if pos is None else f"@{int(pos)}")

    return pick


def pick_pair(key: str) -> Callable[[], None]:
    """What a chart of pairs of heads calls when a cell is clicked: their names go into the field ``pair``."""

    def pick() -> None:
        for point in st.session_state[key].selection.get("pair", []):
            names = (f"L{int(point[f'{end}_layer'])}H{int(point[f'{end}_head'])}" for end in ("from", "to"))
            st.session_state["pair"] = " → ".join(names)

    return pick


def pick_feature(key: str) -> Callable[[], None]:
    """What a chart of features calls when a bar is clicked."""
    return pick_fields(key, "bar", ("feature",))


def pick_fields(key: str, selection: str, fields: tuple[str, ...], into: tuple[str, ...] = ()) -> Callable[[], None]:
    """What a chart calls when a mark is clicked: its `fields` fill the page's, which are called `into`."""

    def pick() -> None:
        for point in st.session_state[key].selection.get(selection, []):
            for name, field in zip(into or fields, fields, strict=True):
                st.session_state[name] = int(point[field])

    return pick
