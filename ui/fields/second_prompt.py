"""The second prompt of a pair: the same words but for the telling one."""

from __future__ import annotations

import streamlit as st

from ui import address, inputs, slots
from ui.parts.presets import PRESETS


def second_prompt(prompt: str) -> str:
    """A field for it; a preset brings its own. Empty where there is none."""
    address.carry("corrupted")
    known = {preset.prompt: preset.corrupted for preset in PRESETS}
    typed = st.text_input(
        "The same prompt with its telling word exchanged",
        placeholder=known.get(prompt, ""),
        help="As many tokens as the prompt, different in the one word whose trail you want to follow.",
        key="corrupted",
        bind=inputs.in_link("corrupted"),
        persist_state="session",
    )
    inputs.place_in_link("corrupted")
    if typed != typed.rstrip() and prompt == prompt.rstrip():
        slots.note("corrupted", "It ends in white space and your prompt does not: their last tokens are not the same.")
        slots.offer("corrupted", "Take it away", typed.rstrip())
    return typed or known.get(prompt, "")


def ask_for_it() -> None:
    """Say that a second prompt is needed, and end the page's run: once the page's fields stand."""
    st.info(
        "Type your prompt again with one word exchanged, such as another city or another name, and the same number of "
        "tokens. The presets on the first page bring theirs along.",
        icon=":material/edit:",
    )
    st.stop()
