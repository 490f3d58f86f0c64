"""What surrounds every page: the name, the inputs, and the styles of Loupe's own elements."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui import address, inputs, projector, slots
from ui.fields import edits

HERE = Path(__file__).parent
STYLE = (HERE / "style.css").read_text(encoding="utf-8")
# Each script runs once for a tab, however often the page is drawn.
SCRIPTS = "".join(
    f"<script>window.loupe_{path.stem} ??= (() => {{ {path.read_text(encoding='utf-8')}; return true }})()</script>"
    for path in sorted((HERE / "browser").glob("*.js"))
)


def draw(page: str) -> None:
    """Read the address of a page, and draw the sidebar. The inputs stand before any computation starts."""
    address.read(page)
    st.logo(HERE / "logo.svg", size="large", icon_image=HERE / "icon.png")
    scheme = st.context.theme.type or "light dark"  # for what stands outside the page too, such as open boxes
    st.html(f"<style>{STYLE} {projector.style()} :root {{ color-scheme: {scheme} }}</style>")
    st.html(SCRIPTS, unsafe_allow_javascript=True)
    slots.clear()
    inputs.sidebar()
    edits.sidebar()
