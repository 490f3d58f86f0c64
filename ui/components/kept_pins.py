"""What is pinned, kept by the browser between visits: it holds recipes and notes, and no numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st
from streamlit.components import v2

_HERE = Path(__file__)
_KEY = "kept-pins"
_component = v2.component("loupe_kept_pins", js=_HERE.with_suffix(".js").read_text(encoding="utf-8"))


def kept_pins(text: str | None, visit: str, heard: bool, on_arrive: Callable[[str, bool], None]) -> None:
    """Let the browser keep a text, and hear of what it kept before, also from another tab.

    Args:
        text: What it is to keep, "" for nothing; None leaves what it has.
        visit: A name of this session.
        heard: This session has been told what was kept before.
        on_arrive: Called with what was kept, and whether that is all there is now (another tab changed it), before the
            page runs again.
    """

    def arrived() -> None:
        if (kept := st.session_state[_KEY].get("arrived")) is not None:
            on_arrive(str(kept["text"]), bool(kept["whole"]))

    _component(data={"text": text, "visit": visit, "heard": heard}, key=_KEY, on_arrived_change=arrived)
