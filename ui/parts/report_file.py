"""The report as a whole: its title, the files it can be taken away as, and a file that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from charts.report.html import page
from charts.report.pdf import pdf
from charts.report.vega import vega
from mi_core.errors import InputError
from mi_core.sharing import report
from mi_core.sharing.caption import file_name_of
from ui import pins, slides, talk
from ui.decks.deck import DECKS, Deck
from ui.last_words import after_them
from ui.text import literal

HTML = (
    "One file that needs nothing else: charts that answer the pointer, tables, notes, self-checks. It is a talk too: "
    "the key D, then the arrow keys; S opens a window with your notes. Loupe opens it again."
)
PDF = "A4 pages, each result from the top of a page on."
_OPENED, _TURN = "report_opened", "report_turn"


def empty() -> None:
    """What to do where nothing is pinned."""
    st.header("Nothing is pinned yet", anchor=False)
    st.markdown(
        "Below every chart stands **Pin**: it takes the result into a report, with a note of yours. Pins stay in this "
        "browser; their numbers are computed anew when they are shown."
    )
    _say_opened()
    with st.container(border=True):
        st.markdown("**Start from a deck**")
        st.caption("A finding that is known, slide by slide, computed here: to show as it is, or to make your own.")
        with st.container(horizontal=True, gap="small"):
            _deck_buttons()
    with st.container(border=True):
        _opener()


def head() -> Any:
    """The title and the buttons above the pins; returns the place for the downloads."""
    _warm()
    st.session_state["report_title"] = pins.title()
    st.text_input(
        "Title", key="report_title", placeholder="What this report shows", max_chars=300,
        on_change=lambda: pins.entitle(st.session_state["report_title"]),
    )  # fmt: skip
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="report-head"):
        place = st.container(horizontal=True, gap="small", width="content")
        with st.popover("Open a report", icon=":material/upload:", type="tertiary"):
            _opener()
        with st.popover("Start from a deck", icon=":material/slideshow:", type="tertiary"):
            st.caption("Its slides are put after the pins that there are.")
            _deck_buttons()
        st.button("Remove all", icon=":material/delete:", type="tertiary", on_click=pins.clear, key="report-clear")
    _say_opened()
    return place


def downloads(place: Any, made: Mapping[str, dict[str, Any] | None]) -> None:
    """The files, once all results stand; what is written about them is read when a file is asked for."""
    held = {id: each for id, each in made.items() if each is not None}
    if not held:
        return
    title, find = pins.title() or "Report", pins.finder()

    def document() -> dict[str, Any]:
        return report.document(title, [report.entry(find(id), each) for id, each in held.items()])

    name = file_name_of(title) or "report"
    with place:
        _download("Report as HTML", lambda: page(document()).encode(), f"{name}.html", "text/html", HTML, "primary")
        _download("Report as PDF", lambda: pdf(document()), f"{name}.pdf", "application/pdf", PDF, "secondary")
        talk.offer(title, slides.links(pins.current()), "present-pins")
    if missing := len(made) - len(held):
        st.caption(f"{missing} of the {len(made)} results cannot be shown here, and are not in the files.")


def _download(label: str, data: Callable[[], bytes], name: str, mime: str, help: str, type: Any) -> None:
    st.download_button(
        label,
        after_them(data),
        name,
        mime,
        key=label,
        on_click="ignore",
        help=help,
        type=type,
        icon=":material/download:",
    )


def _deck_buttons() -> None:
    for deck in DECKS.values():
        st.button(
            literal(deck.tour.title), key=f"deck-{deck.tour.name}", icon=":material/slideshow:",
            help=deck.tour.sentence, on_click=_start, args=(deck,),
        )  # fmt: skip


def _opener() -> None:
    st.file_uploader(
        "Open a report", ["html", "json"], key=_uploader(), on_change=_open, max_upload_size=60,
        help="An HTML report that Loupe wrote, or the JSON within it. Its results follow those that are pinned here.",
    )  # fmt: skip


def _uploader() -> str:
    """A new field for every file: one that was read is done with."""
    return f"{_OPENED}-{st.session_state.get(_TURN, 0)}"


def _open() -> None:
    file = st.session_state.get(_uploader())
    if file is None:
        return
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    try:
        opened = report.read(file.getvalue())
        left_out = [*opened.left_out, *pins.bring(opened)]
        st.session_state[_OPENED] = ("", left_out)
    except InputError as error:
        st.session_state[_OPENED] = (error.message, [])


def _say_opened() -> None:
    """What was wrong with the file, once."""
    problem, left_out = st.session_state.pop(_OPENED, ("", []))
    if problem:
        st.error(literal(problem))
    if left_out:
        st.warning(literal(" ".join(left_out)))


def _start(deck: Deck) -> None:
    pins.begin(deck.tour.title, deck.pins)


def _warm() -> None:
    """Put the script of the file together while the results are computed: it takes seconds, once."""
    threading.Thread(target=vega, name="vega", daemon=True).start()
