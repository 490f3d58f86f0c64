"""What a circuit is searched with: more pairs of prompts, what it is made of, and what stands outside."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ui import address, inputs, slots, words

HOLDER = (
    "When {A} and {B} went home, {B} spoke to | When {A} and {B} went home, {A} spoke to | {A} | {B}\n"
    "A = Mary, John, Tom\nB = John, Tom, Mary"
)
HELP = (
    "What is found on one pair may hold for that pair alone. Each line is a pair: clean | exchanged | answer | "
    "compared with. Words in braces are slots; a line “A = Mary, John” fills them, the first words for the first pair, "
    "and so on. A table with the columns clean, corrupted, target, foil does as well. "
)


def family(what: str, then: str) -> str:
    """More pairs of the same kind; empty for the page's own pair alone.

    Args:
        what: What is to hold on them: ``"the circuit"``.
        then: A sentence about what becomes of them.
    """
    with st.expander(f"More pairs of the same kind, to see whether {what} holds on others", icon=":material/list:"):
        typed = st.text_area(
            "Pairs, one per line",
            key="family",
            bind=inputs.in_link("family"),
            persist_state="session",
            placeholder=HOLDER,
            height=120,
            help=HELP + then,
        )
        inputs.place_in_link("family")
    return typed


def circuit_fields() -> dict[str, Any]:
    """Fields for what a circuit is made of, what stands outside, and how much it is to keep."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        unit = address.choose(
            words.MADE_OF, st.segmented_control, "Keep", required=True,
            help="Whole parts: each is in or out. Edges: what one part reads of another is in or out, so that circuits "
            "are told apart more finely.",
        )  # fmt: skip
        parts = "head_mlp"
        if unit == "node":
            parts = address.choose(words.CIRCUIT_PARTS, st.selectbox, "Among", width=180)
        outside = address.choose(
            words.OUTSIDE, st.selectbox, "Outside stands", width=240,
            help="What takes the place of all that is not kept, at every position: its mean over the prompts, so that "
            "what these have in common stays; what it is on the exchanged prompt; or nothing, which later layers never "
            "met.",
        )  # fmt: skip
        level = st.slider(
            "Share of the answer to keep", 0.05, 0.99, 0.8, 0.01, key="level", bind="query-params", format="percent",
            width=240, help="The smallest circuit found that keeps this much is shown. One that keeps as much more "
            "than the whole model does is no better than one that keeps as much less.",
        )  # fmt: skip
    for field in ("unit", "parts", "ablation", "level"):
        slots.place(field)
    return {"unit": unit, "parts": parts, "ablation": outside, "level": level}
