"""Places beside the fields where a sentence about their value can appear later in the same run."""

from __future__ import annotations

import streamlit as st

from mi_core.errors import InputError
from ui.text import literal

_KEY = "_slots"
_WIDGETS = "_slot_widgets"


def place(field: str, key: str | None = None) -> None:
    """Reserve the place below the field that was just drawn; `key` is its widget's, where that is not the setting's."""
    st.session_state.setdefault(_KEY, {})[field] = st.container()
    st.session_state.setdefault(_WIDGETS, {})[field] = key or field


def clear() -> None:
    """Forget the places of the run before: call before the first field is drawn."""
    st.session_state[_KEY] = {}


def report(error: InputError) -> bool:
    """Say beside its field what is wrong, with a repair where there is one; False where the field has no place."""
    slot = st.session_state.get(_KEY, {}).get(error.field)
    if slot is None:
        return False
    with slot:
        st.error(literal(error.message))
        if error.suggestion is not None:
            _repair_button(error.field, f"Use {literal(error.suggestion)}", error.suggestion)
    return True


def note(field: str, message: str) -> None:
    """A quiet remark below a field."""
    slot = st.session_state.get(_KEY, {}).get(field)
    if slot is not None:
        slot.caption(literal(message))


def offer(field: str, label: str, value: str) -> None:
    """A button below a field that puts `value` into it."""
    slot = st.session_state.get(_KEY, {}).get(field)
    if slot is not None:
        with slot:
            _repair_button(field, label, value)


def _repair_button(field: str, label: str, value: str) -> None:
    widget = st.session_state[_WIDGETS][field]
    st.button(label, key=f"repair-{field}", on_click=_repair, args=(widget, value))


def _repair(field: str, value: str) -> None:
    st.session_state[field] = value
