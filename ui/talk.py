"""A talk in the app: a series of pages for an audience, each computed beforehand, in large type, no sidebar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from ui import projector
from ui.components.warm_up import warm_up
from ui.text import literal

KEYS = (
    "No sidebar, letters half as large again, the chart first. Step with the arrow keys or a presenter’s remote; B "
    "makes the screen black, Esc leaves."
)


def offer(title: str, links: Sequence[Mapping[str, Any]], key: str) -> None:
    """The button that gets a talk ready.

    Args:
        title: What the talk is called.
        links: What `st.page_link` opens each of its pages with.
        key: Of the button; unique on its page.
    """
    if st.button("Present", key=key, icon=":material/present_to_all:", type="tertiary", help=KEYS):
        _ready(title, links)


def _ready(title: str, links: Sequence[Mapping[str, Any]]) -> None:
    @st.dialog(f"Present: {literal(title)}")
    def show() -> None:
        st.markdown(KEYS)
        warm_up([_address(**link) for link in links])
        if st.button("Begin", key="talk-begin", type="primary", icon=":material/play_arrow:"):
            projector.turn_on()
            st.switch_page(**links[0])

    show()


def _address(page: str, query_params: Mapping[str, Any]) -> str:
    """Of a page, as a link of the browser."""
    name = Path(page).stem
    return f"{'' if name == 'start' else name}?{urlencode(query_params, doseq=True)}"
