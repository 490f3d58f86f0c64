"""What surrounds every page: the name, the inputs, and the styles of Loupe's own elements."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import address, inputs, slots
from ui.fields import edits

HERE = Path(__file__).parent
STYLE = "".join((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "charts.css"))


def draw(page: str) -> None:
    """Read the address of a page, and draw the sidebar. The inputs stand before any computation starts."""
    address.read(page)
    st.logo(HERE / "logo.svg", size="large", icon_image=HERE / "icon.png")
    st.html(f"<style>{STYLE}</style>")
    slots.clear()
    inputs.sidebar()
    edits.sidebar()
