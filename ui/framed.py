"""A chart in its frame: as wide as its place, in the page's own ink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from charts import theme
from ui.components.opening_place import opening_place

FILLING = theme.FILLING.to_dict()
# Words in the page's own ink, whichever theme is on by now: Streamlit's chart theme is paler, and leaves numbers beside
# marks black. Its sizes grow with the page's.
INK, QUIET = (f"light-dark({theme.LIGHT[role]}, {theme.DARK[role]})" for role in ("text", "quiet"))
WORDS = {"labelFontSize": theme.LABEL, "titleFontSize": theme.LABEL + 2, "labelColor": INK, "titleColor": QUIET}
TITLE = {"color": INK, "subtitleColor": QUIET}
LEGIBLE = {"text": {"color": INK}, "title": TITLE, "axis": WORDS, "legend": WORDS}


def framed(spec: dict[str, Any], key: str, on_select: Callable[[], None] | None = None, *, widest: float = 1.0) -> None:
    """The chart as wide as its place, within what suits its columns; scrolled to its finding where it is wider."""
    room, frame = spec.get("usermeta", {}).get("room"), f"{key}-frame"
    with st.container(key=frame):
        if room is not None:
            columns = len(room["columns"])
            least, most = (round(room["beside"] + columns * x) for x in (room["least"], room["most"] * widest))
            st.html(f"<style>.st-key-{frame} {{ --least: {least}px; --most: {most}px; }}</style>")
            opening_place(frame, room, f"{key}-opening")
        st.vega_lite_chart(
            spec | {"autosize": FILLING, "config": LEGIBLE},
            width="stretch",
            key=key,
            on_select=on_select or "ignore",
        )
