"""How a reader takes a chart away as a picture: its size, its look, and what is written on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from charts.export import FORMS, image, require_fitting
from charts.picture_style import GROUNDS, LETTERS, PRINT_PPI, SCREEN_PPI, SIZES, THEMES, WIDTHS, Style
from mi_core.errors import InputError
from ui.downloads import download
from ui.text import literal

TYPES = {"png": "image/png", "svg": "image/svg+xml", "pdf": "application/pdf", "vega-lite": "application/json"}
ENDINGS = {form: f".{form}" for form in FORMS} | {"vega-lite": ".vl.json"}
NAMES = {form: form.upper() for form in FORMS} | {"vega-lite": "Vega-Lite"}
OWN = "own"
STARTS = {"mm": (120.0, PRINT_PPI), "px": (1600.0, SCREEN_PPI)}
THEME_HELP = "On white, they are the light ones."
PPI_HELP = "Pixels per inch of the PNG: journals want 300."
CAPTION_HELP = "Prompt, model, answer, settings and Loupe's version stand below the chart."
LETTERS_HELP = (
    "As text, words can be searched and changed; a PDF holds their fonts, an SVG needs them. As outlines they are "
    "shapes: they look the same everywhere, without any font."
)
EVERY_HELP = "1 names all that have room, 5 every fifth, 0 none."
CELLS_HELP = "Without its words and numbers, a chart of many tokens stays in one row."
VEGA_HELP = "The chart as Vega-Lite JSON with its data, to be changed with Altair, Vega or Observable."


def pictures(about: Sequence[str], spec: dict[str, Any], name: str, key: str) -> None:
    """The fields, and a button for every kind of picture; a sentence where a number is none that can be.

    Args:
        about: The lines of its caption.
        spec: Its chart, ready.
        name: Of the files, without an ending.
        key: Name of the chart on its page.
    """
    try:
        look = _size(key)
        left, right = st.columns(2, gap="small")
        look["ground"] = left.selectbox("Ground", GROUNDS, format_func=GROUNDS.__getitem__, key=f"{key}-ground")
        look["theme"] = right.selectbox("Colours", THEMES, key=f"{key}-theme", help=THEME_HELP)
        look["title"] = left.toggle("With its title", value=True, key=f"{key}-title")
        captioned = right.toggle("With a caption", value=True, key=f"{key}-caption", help=CAPTION_HELP)
        with st.expander("Letters and labels"):
            look |= _words(spec, key)
        lines = about if captioned else ()
        style = Style(**look)
        if style.width is not None:
            require_fitting(spec, lines, style)
    except InputError as error:
        st.error(literal(error.message))
        return
    _files(spec, lines, style, name, key)


def _size(key: str) -> dict[str, Any]:
    """A size of `SIZES`, or a width and a resolution of one's own."""
    size = st.selectbox("Size", [*SIZES, OWN], format_func=_named, key=f"{key}-size")
    if size != OWN:
        return {"size": size}
    unit = st.segmented_control("Unit", WIDTHS, default="mm", required=True, key=f"{key}-unit")
    number, ppi = STARTS[unit]
    left, right = st.columns(2, gap="small")
    width = left.number_input("Width", value=number, step=1.0, format="%g", key=f"{key}-width-{unit}")
    ppi = right.number_input("Resolution", value=ppi, step=1, key=f"{key}-ppi-{unit}", help=PPI_HELP)
    style = {"width": f"{width}{unit}", "ppi": ppi}
    Style(**style)  # says at once what is wrong
    return style


def _named(size: str) -> str:
    return "a width of my own" if size == OWN else SIZES[size].label


def _words(spec: dict[str, Any], key: str) -> dict[str, Any]:
    letters = st.segmented_control(
        "Letters as", LETTERS, default="text", required=True, key=f"{key}-letters", help=LETTERS_HELP
    )
    room = spec.get("usermeta", {}).get("room")
    if room is None:
        return {"letters": letters}
    left, right = st.columns(2, gap="small")
    return {
        "letters": letters,
        "label_columns": left.number_input("Name every … column", 0, value=1, key=f"{key}-columns", help=EVERY_HELP),
        "label_rows": right.number_input("Name every … row", 0, value=1, key=f"{key}-rows", help=EVERY_HELP),
        "cell_text": st.toggle("Words in cells", value=True, key=f"{key}-cells", help=CELLS_HELP),
    }


def _files(spec: dict[str, Any], lines: Sequence[str], style: Style, name: str, key: str) -> None:
    for form in FORMS:
        download(
            f"Chart as {NAMES[form]}",
            lambda form=form: image(spec, form, lines, style),
            f"{name}{ENDINGS[form]}",
            TYPES[form],
            key,
            VEGA_HELP if form == "vega-lite" else None,
        )
