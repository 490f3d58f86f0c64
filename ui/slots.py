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
            st.button(
                f"Use {literal(error.suggestion)}",
                key=f"repair-{error.field}",
                on_click=_repair,
                args=(st.session_state[_WIDGETS][error.field], error.suggestion),
            )
    return True


def note(field: str, message: str) -> None:
    """A quiet remark below a field."""
    slot = st.session_state.get(_KEY, {}).get(field)
    if slot is not None:
        slot.caption(literal(message))


def _repair(field: str, value: str) -> None:
    st.session_state[field] = value
