"""A pin on the page Report: its result, computed anew or as it is stored, and what a person writes about it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from charts.ready import with_rows
from mi_core.errors import InputError
from mi_core.result import Result
from mi_core.sharing import here, report
from mi_core.sharing.pin import LONGEST_NOTE, Pin
from ui import pins, show
from ui.compute import Answer, answer
from ui.drawn import drawn
from ui.text import literal

NOTE = "What you see here and why it matters. In a talk, it stands in the notes window only."
SHEET = {
    "claim": ("Claim", "One sentence that could turn out to be false."),
    "evidence": ("Evidence", "What speaks for it: filled in from the result, until you write your own."),
    "control": ("Control", "What you compared with, and what would have shown you wrong."),
    "limits": ("Limits", "For which prompts, models and settings you did not look."),
}


def card(pin: Pin, number: int, of: int) -> dict[str, Any] | None:
    """Draw a pin; return what the report will hold of it, but for what is written about it, None where it has nothing.

    Args:
        pin: What was pinned.
        number: Its place in the report, from 1.
        of: How many there are.
    """
    with st.container(border=True, key=f"pinned-{pin.id}"):
        head = st.container(horizontal=True, vertical_alignment="top", wrap=False, gap="small")
        title = head.empty()
        _buttons(head, pin, number, of)
        body = st.container()
        evidence = _words(pin)
        made = _result(pin, number, title, body)
        _evidence(pin, made, evidence)
    return made


def _buttons(head: Any, pin: Pin, number: int, of: int) -> None:
    page = f"{pin.page or '.'}{'?' if pin.query else ''}{pin.query}"
    with head.container(horizontal=True, width="content", wrap=False, gap=None, key=f"pin-do-{pin.id}"):
        st.link_button(
            f"Open its page: result {number}", page, icon=":material/open_in_new:", type="tertiary",
            help="Opens its page with every field as it was, in another tab.",
        )  # fmt: skip
        for key, label, icon, act, args, off in (
            ("up", "Move up", "arrow_upward", pins.move, (pin.id, -1), number == 1),
            ("down", "Move down", "arrow_downward", pins.move, (pin.id, 1), number == of),
            ("off", "Remove", "close", pins.remove, (pin.id,), False),
        ):
            st.button(
                f"{label}: result {number}", icon=f":material/{icon}:", type="tertiary", key=f"{key}-{pin.id}",
                help=label, on_click=act, args=args, disabled=off,
            )  # fmt: skip


def _result(pin: Pin, number: int, title: Any, body: Any) -> dict[str, Any] | None:
    """The result, computed here where it can be, and else as the report that was opened holds it."""
    kept, why = pins.stored(pin.id), here.obstacle(pin.request)
    with body:
        try:
            found = None if why else answer(pin.request)
            if found is not None and pin.table not in found.result.tables():
                found, why = None, f"It has no table “{pin.table}” in this version of Loupe."
        except InputError as error:
            found, why = None, error.message
        if found is not None:
            return _computed(pin, number, found, kept, title)
        return _stored(pin, number, why, kept, title)


def _computed(pin: Pin, number: int, found: Answer, kept: Any, title: Any) -> dict[str, Any]:
    made = drawn(found.result, _made, pin)
    _finding(title, number, made)
    figure = pins.figure_of(pin)
    if kept is not None:
        said = report.agreement(kept["table"], made["table"])
        st.caption(literal(said), width="content")
    if figure is not None:
        show.chart(found, figure, key=f"pin-{pin.id}", how=pin.how, table=pin.table, **dict(pin.view))
    else:
        st.dataframe(show.tables(found)[pin.table], hide_index=True, height=300, alt=f"{pin.table} table")
        show.footer(found, key=f"pin-{pin.id}", how=pin.how, table=pin.table)
    return made


def _stored(pin: Pin, number: int, why: str, kept: Any, title: Any) -> dict[str, Any] | None:
    if kept is None:
        _finding(title, number, {"finding": pin.request.analysis.replace("_", " ").capitalize(), "sentences": ()})
        st.warning(literal(f"{why} Its numbers are in the file of a report: open it with “Open a report”."))
        return None
    _finding(title, number, kept)
    st.info(literal(f"Stored, not computed here: {why} These are the numbers that the report was written with."))
    if kept["chart"] is not None:
        show.stored(kept["chart"], key=f"pin-{pin.id}")
    with st.expander(f"Table “{literal(kept['table']['name'])}”, as it is stored"):
        st.dataframe(report.frame(kept["table"]), hide_index=True, height=300, alt="The stored table")
    for line in kept["caption"]:
        st.caption(literal(line))
    return dict(kept)


def _finding(title: Any, number: int, made: dict[str, Any]) -> None:
    title.header(f"{number}  {literal(made['finding'])}", anchor=False)
    st.markdown(literal(" ".join(made["sentences"])))


def _made(result: Result, pin: Pin) -> dict[str, Any]:
    figure = pins.figure_of(pin)
    spec = None if figure is None else with_rows(drawn(result, show.specification, figure, **dict(pin.view)))
    return report.made(pin, result, spec)


def _words(pin: Pin) -> Any:
    """The fields of what is written, as the pin has it; returns the place of the evidence, which knows the result."""
    _field("note", pin, "Note", NOTE, height=90)
    with st.expander("Claim sheet", icon=":material/fact_check:"):
        left, right = st.columns(2)
        with left:
            _field("claim", pin, *SHEET["claim"])
            _field("control", pin, *SHEET["control"])
        with right:
            evidence = st.empty()
            _field("limits", pin, *SHEET["limits"])
    return evidence


def _evidence(pin: Pin, made: dict[str, Any] | None, place: Any) -> None:
    """Drawn once the result stands, whose own words it begins with."""
    with place:
        usual = report.evidence(made) if made is not None else ""
        _field("evidence", pin, *SHEET["evidence"], text=pin.evidence if pin.evidence is not None else usual)


def _field(name: str, pin: Pin, label: str, help: str, *, text: str | None = None, height: int = 110) -> None:
    key = f"{name}-{pin.id}"
    st.session_state[key] = getattr(pin, name) if text is None else text
    st.text_area(
        label, key=key, help=help, height=height, max_chars=LONGEST_NOTE, on_change=_write, args=(pin.id, name, key)
    )


def _write(id: str, name: str, key: str) -> None:
    pins.write(id, **{name: st.session_state[key]})
