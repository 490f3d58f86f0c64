"""The card of a tour's step: above every page, with the number to expect beside the one that the page has found."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import streamlit as st

from mi_core.models import catalogue
from ui import inputs
from ui.components.lit_element import lit_element
from ui.drawn import drawn
from ui.fields import edits
from ui.text import literal
from ui.tours import place
from ui.tours.place import Place
from ui.tours.plan import Live

if TYPE_CHECKING:
    from ui.compute import Answer

_LIVE = "_tour_live"  # where the number will stand, once the page has it
ROOM = 0.35  # of the expected range, beside it, on the line that shows both


def draw(page: str) -> None:
    """The step that is on show, above the page; or the way back to one's own prompt after a tour."""
    st.session_state[_LIVE] = None
    at = place.current()
    with st.container(key="tour-card" if at else "tour-over", gap="small"):
        if at:
            _step(at, is_here=at.step.url == page)
        elif own := place.own_prompt():
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.caption(literal(f"Your prompt before the tour: {_short(own)}"), width="content")
                _back_to_own("Back to your prompt")


def hear(answer: Answer) -> None:
    """Show the step's number, if it is one of this result's: the page has just computed it."""
    spot, at = st.session_state.get(_LIVE), place.current()
    if spot is None or at is None or answer.request.analysis != at.step.live.analysis:
        return
    value = drawn(answer.result, _value, tour=at.name, step=at.number)
    if value is not None:
        spot.html(_measured(at.step.live, value))


def _value(result: Any, *, tour: str, step: int) -> float | None:
    return Place(tour, step).step.live.of(result)


def _step(at: Place, *, is_here: bool) -> None:
    step = at.step
    st.html(_heading(at))
    if is_here:
        st.markdown(step.say)
        st.markdown(f":material/touch_app: {step.do}")
    else:
        st.markdown("This step is on another page. Look around; the tour waits.")
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="tour-foot"):
        if is_here:
            spot = st.empty()
            spot.html(_waiting(step.live))
            st.session_state[_LIVE] = spot
            _prompts(at)
        else:
            _link(at, at.number, "here", "Go to this step", "my_location")
        _buttons(at)
    note = f"Step {at.number} of {len(at.tour.steps)}: {step.title}. {step.do}"
    lit_element(step.lit if is_here else "", f"{at.name} {at.number}", note)


def _heading(at: Place) -> str:
    """Where one is: the tour, the step, and a dot for each."""
    n = len(at.tour.steps)
    dots = "".join(f'<i class="{"on" if number <= at.number else ""}"></i>' for number in range(1, n + 1))
    return (
        f'<p class="loupe-tour"><span>{html.escape(at.tour.title)}</span> '
        f"<b>{html.escape(at.step.title)}</b> "
        f'<small>step {at.number} of {n} <span class="dots" aria-hidden="true">{dots}</span></small></p>'
    )


def _buttons(at: Place) -> None:
    if at.number > 1:
        _link(at, at.number - 1, "back", "Back", "arrow_back", "The left arrow key does it too.")
    if at.number < len(at.tour.steps):
        _link(at, at.number + 1, "next", "Next", "arrow_forward", "The right arrow key does it too.")
    st.button(
        "Try it yourself", key="tour-leave", icon=":material/close:", type="tertiary", on_click=place.leave,
        help="Close the tour and go on from here. The Esc key does it too; the page Tours leads back to this step.",
    )  # fmt: skip


def _link(at: Place, number: int, key: str, label: str, icon: str, help: str | None = None) -> None:
    """A link to a step, named for the keys that press it (ui/components/lit_element.js)."""
    with st.container(key=f"tour-{key}", width="content"):
        st.page_link(**at.tour.link(number), label=label, icon=f":material/{icon}:", help=help)


def _prompts(at: Place) -> None:
    """From the tour's prompt to one's own and back."""
    if not at.step.prompt:
        return
    if place.is_own():
        st.button("Back to the tour’s prompt", key="tour-prompt", type="tertiary", on_click=place.show_step)
    elif place.own_prompt():
        _back_to_own("Do it with your prompt")


def _back_to_own(label: str) -> None:
    st.button(
        label, key="own-prompt", type="tertiary", icon=":material/undo:", on_click=place.back_to_own,
        help=literal(place.own_prompt() or ""),
    )  # fmt: skip


def _waiting(live: Live) -> str:
    return f'<p class="loupe-live">{html.escape(live.says)}: <small>not there yet</small></p>'


def _measured(live: Live, value: float) -> str:
    """The number, whether it is as expected in a sign and a word, and both on a line."""
    holds = live.holds(value)
    sign, word = ("✓", "as expected") if holds else ("◇", "outside")
    why = "" if holds else f" {_why_outside()}"
    return (
        f'<p class="loupe-live {"holds" if holds else "outside"}"><span>{html.escape(live.says)}:</span> '
        f"<b>{live.written(value)}</b> <span class=verdict>{sign} {word}</span> "
        f"{_line(live, value)}"
        f"<small>expected {live.expected()}.{html.escape(why)}</small></p>"
    )


def _why_outside() -> str:
    """What is different from the tour, as far as it can be seen."""
    given = inputs.current()
    changed = [
        said
        for said, so in (
            ("another prompt", place.is_own()),
            ("another model", given.model != catalogue.DEFAULT),
            ("an edit that is on", bool(edits.current())),
        )
        if so
    ]
    return f"The range is the tour’s; here is {' and '.join(changed)}." if changed else "A setting is another one."


def _line(live: Live, value: float) -> str:
    """A small line: the range on it, and a mark where the number is; nothing where the range is open."""
    if math.isinf(live.low) or math.isinf(live.high):
        return ""
    room = ROOM * (live.high - live.low)
    low, whole = live.low - room, live.high - live.low + 2 * room
    left = min(max((value - low) / whole, 0.0), 1.0)
    band = room / whole
    return (
        f'<span class="line" aria-hidden="true"><i style="left:{band:.1%};right:{band:.1%}"></i>'
        f'<b style="left:{left:.1%}"></b></span>'
    )


def _short(text: str) -> str:
    return f"“{text}”" if len(text) <= 60 else f"“{text[:60]}…”"
