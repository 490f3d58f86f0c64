"""All heads at once: the grid, and which head a page starts from."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mi_core.models.tokens import visible
from ui.components.attention_grid import Pictures, attention_grid, pictures
from ui.drawn import drawn
from ui.fields import selection

SIDE_BY_SIDE, SHORT = 5, 18  # heads, and tokens; more need the whole width


def default(attention, layer: int | None, head: int | None) -> tuple[int, int]:
    """The chosen head, or the one with the clearest story at the chosen position."""
    return (layer, head if head is not None else 0) if layer is not None else attention.clearest


def layout(attention) -> tuple[DeltaGenerator, DeltaGenerator]:
    """Where the grid and the single pattern stand: side by side, or below each other where the grid is wide."""
    if attention.pattern.shape[1] <= SIDE_BY_SIDE and len(attention.tokens) <= SHORT:
        left, right = st.columns(2, gap="medium")
        return left, right
    return st.container(), st.container()


def grid(attention, layer: int, head: int) -> None:
    """Every head's pattern as a small picture; a click chooses the head."""
    attention_grid(
        drawn(attention, _pictures),
        selected=(layer, head),
        key="grid",
        on_pick=selection.choose_head,
    )
    st.caption("Each square is one head: rows read, columns are read. Click one to see it large.")


def _pictures(attention) -> Pictures:
    return pictures(attention.weight, [visible(text) for text in attention.tokens.texts], attention.layers)
