"""What surrounds every page: the name, the inputs, and the styles of Loupe's own elements."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from ui import address, belonging, compare, inputs, pins, projector, slides, slots, words
from ui.fields import edits
from ui.glossary import mentions
from ui.tours import card
from ui.tours import place as tours

HERE = Path(__file__).parent
STYLE = "".join((HERE / name).read_text(encoding="utf-8") for name in ("style.css", "charts.css", "tours/card.css"))
# What the browser must know to link the words of the glossary, and to keep the sidebar's values on the way there.
GLOSSARY = {
    "page": mentions.PAGE,
    "kept": [field.key for field in (*words.SIDEBAR, words.EDITS, *words.COMPARED)],
    "pattern": mentions.pattern(),
    "names": mentions.names(),
}
DATA = json.dumps(GLOSSARY).replace("<", "\\u003c")  # a script with a “<!” in it is taken for an attack, and dropped
# In this order: that an act is one is to be known before Enter is one. Each runs once for a tab.
SCRIPTS = f"<script>window.loupe_glossary ??= {DATA}</script>" + "".join(
    f"<script>window.loupe_{name} ??= (() => {{ {(HERE / 'browser' / f'{name}.js').read_text('utf-8')}; return 1 }})()"
    "</script>"
    for name in ("one_entry", "enter_applies", "names", "scheme", "glossary_links", "stage")
)


def draw(page: str) -> None:
    """Read the address of a page, and draw the sidebar. The inputs stand before any computation starts."""
    arrived = address.read(page)
    if arrived:
        edits.arrive(arrived)
        compare.arrive(arrived)
    st.logo(HERE / "logo.svg", size="large", icon_image=HERE / "icon.png")
    st.html(f"<style>{STYLE} {projector.style()} {pins.badge()}</style>")
    st.html(SCRIPTS, unsafe_allow_javascript=True)
    slots.clear()
    belonging.settle(address.fields())
    tours.arrive(page, whole=arrived is not None)
    slides.arrive(whole=arrived is not None)
    inputs.sidebar()
    edits.sidebar()
    compare.carry(page)
    card.draw(page)
    slides.draw()
    pins.keep()
