"""A row of prompts with a story, one click away."""

from __future__ import annotations

import streamlit as st

from ui import inputs
from ui.parts.presets import PRESETS
from ui.text import literal


def pick_story(prompt: str) -> None:
    """A button for each story, and what the one whose prompt is on the page is about.

    Args:
        prompt: The prompt on the page.
    """
    with st.container(key="stories", gap="xsmall"):
        told = [preset for preset in PRESETS if preset.prompt == prompt]
        st.caption(literal(told[0].story) if told else "Type your own prompt in the sidebar, or pick a story:")
        with st.container(horizontal=True, gap="xsmall"):
            for preset in PRESETS:
                st.button(
                    literal(preset.title),
                    key=f"preset-{preset.title}",
                    help=literal(preset.story),
                    on_click=inputs.apply_preset,
                    args=(preset,),
                    type="primary" if preset in told else "secondary",
                )
