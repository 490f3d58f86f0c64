"""The page for a projector: letters half as large again, the chart first, no sidebar; on and off by one key."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_KEY = "P"
_ON = "_projector"
_HERE = Path(__file__).parent
_CHART_FIRST = (_HERE / "chart_first.css").read_text(encoding="utf-8")
_LARGE = (_HERE / "projector.css").read_text(encoding="utf-8")


def is_on() -> bool:
    """Whether this session's pages are for a projector."""
    return st.session_state.get(_ON, False)


def style() -> str:
    """The chart first for a projector, and on screens so low that it would not be seen."""
    return _CHART_FIRST + _LARGE if is_on() else f"@media (max-height: 500px) {{ {_CHART_FIRST} }}"


def turn_on() -> None:
    """From the next run on."""
    st.session_state[_ON] = True


def switch() -> None:
    """The button that turns it on and off, with its key; ui/browser/stage.js looks for it."""
    st.button(
        "Leave" if is_on() else "Projector",
        key="leave-projector" if is_on() else "projector",
        icon=":material/close_fullscreen:" if is_on() else ":material/present_to_all:",
        shortcut=_KEY,
        type="tertiary",
        help="Letters half as large again, the chart first, no sidebar. The key P turns it on and off, Esc off; B "
        "makes the screen black.",
        on_click=lambda: st.session_state.update({_ON: not is_on()}),
    )
