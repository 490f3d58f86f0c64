"""One element of the page, lit: an outline around it, brought into sight; and the keys of a tour."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.components import v2

_HERE = Path(__file__)
_component = v2.component(
    "loupe_lit_element",
    html='<p role="status"></p>',
    css=_HERE.with_suffix(".css").read_text(encoding="utf-8"),
    js=_HERE.with_suffix(".js").read_text(encoding="utf-8"),
)


def lit_element(name: str, told: str, note: str) -> None:
    """Light what has this key on the page, and let arrow keys and Esc press the buttons of the tour's card.

    Args:
        name: Key of a field, a container or a chart; "" for none.
        told: What is lit for: what is new is brought into sight once.
        note: What is read aloud to whom the screen is read.
    """
    st.html(  # a rule, because what draws the page takes off again what is added to its elements
        f"<style>.st-key-{name}-frame, .st-key-{name} {{ outline: 3px solid var(--loupe-accent); outline-offset: 6px;"
        " border-radius: 2px; scroll-margin: 30vh 0 2rem; }</style>"
    )
    _component(data={"name": name, "told": told, "note": note}, key="tour-lit")
