"""The second prompt of a pair: the same words but for the telling one."""

from __future__ import annotations

import streamlit as st

from ui import address, inputs, slots
from ui.fields import counterpart
from ui.parts.presets import PRESETS


def second_prompt(given: inputs.Inputs) -> str:
    """A field for it, filled by the preset or else by what is found for the prompt; empty where nothing is found."""
    address.carry("corrupted")
    known = next((preset.corrupted for preset in PRESETS if preset.prompt == given.prompt), "")
    usual = known or counterpart.second_prompt(given)
    typed = st.text_input(
        "The same prompt with its telling word exchanged",
        placeholder=usual,
        help="As many tokens as the prompt, different in the one word whose trail you want to follow.",
        key="corrupted",
        bind=inputs.in_link("corrupted"),
        persist_state="session",
    )
    inputs.place_in_link("corrupted")
    if typed != typed.rstrip() and given.prompt == given.prompt.rstrip():
        slots.note("corrupted", "It ends in white space and your prompt does not: their last tokens are not the same.")
        slots.offer("corrupted", "Take it away", typed.rstrip())
    if usual and not (known or typed):
        st.caption("Found for your prompt: the exchange of one word that changes its answer most. Type another above.")
    return typed or usual


def ask_for_it() -> None:
    """Say that a second prompt is needed, and end the page's run: once the page's fields stand."""
    st.info(
        "Type your prompt again with one word exchanged, such as another city or another name, and the same number of "
        "tokens. The presets on the first page bring theirs along.",
        icon=":material/edit:",
    )
    st.stop()
