"""The pinned results as a talk in the app: each on its own page, as it was pinned, one after the other."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import streamlit as st

from mi_core.sharing.pin import Pin
from ui import address, pins, words
from ui.components.lit_element import lit_element
from ui.text import literal
from ui.tours.plan import SCRIPTS

_AT = "_slide"
_NOT_ITS = {words.TOUR.key, words.TOUR_STEP.key, words.SLIDE.key}


def links(held: Sequence[Pin]) -> list[dict[str, Any]]:
    """What `st.page_link` opens each pinned result's page with, every field as it was."""
    return [_link(pin, number) for number, pin in enumerate(held, 1)]


def arrive(*, whole: bool) -> None:
    """Follow the address onto a slide, and off them where it names none: before the first field is drawn.

    Args:
        whole: The address stands for all there is: a new visit, a slide's own link, or back and forward.
    """
    given = st.query_params.get(words.SLIDE.key)
    if whole:
        st.session_state[_AT] = int(float(given)) if given else None
    at = st.session_state.get(_AT)
    address.write(words.SLIDE.key, at and str(at))


def draw() -> None:
    """The slide that is on show, with the way to the next: on stage a bar below the page."""
    at, held = st.session_state.get(_AT), pins.current()
    if at is None or at > len(held):
        return
    pin = held[at - 1]
    with st.container(key="tour-card", gap="small"):
        st.html(
            f'<p class="loupe-tour"><span>{html.escape(pins.title() or "Report")}</span> '
            f"<b>{html.escape(pin.claim)}</b> <small>result {at} of {len(held)}</small></p>"
        )
        if pin.note.strip():
            st.markdown(literal(pin.note))
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="tour-foot"):
            if at > 1:
                _step(held, at - 1, "back", "Back", "arrow_back", "The left arrow key does it too.")
            if at < len(held):
                _step(held, at + 1, "next", "Next", "arrow_forward", "The right arrow key does it too.")
            st.button(
                "Leave the talk", key="tour-leave", icon=":material/close:", type="tertiary", on_click=_leave,
                help="Stay on this page, and go on from here. The Esc key does it too.",
            )  # fmt: skip
        lit_element("", f"slide {at}", f"Result {at} of {len(held)}. {pin.claim}")


def _step(held: Sequence[Pin], number: int, key: str, label: str, icon: str, help: str) -> None:
    with st.container(key=f"tour-{key}", width="content"):
        st.page_link(**_link(held[number - 1], number), label=label, icon=f":material/{icon}:", help=help)


def _link(pin: Pin, number: int) -> dict[str, Any]:
    given = {key: tuple(texts) for key, texts in parse_qs(pin.query).items() if key not in _NOT_ITS}
    query = address.link_to(**given, **{words.SLIDE.key: number})
    return {"page": SCRIPTS[pin.page or "start"], "query_params": query}


def _leave() -> None:
    st.session_state[_AT] = None
