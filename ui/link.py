"""What a link to the page on show carries, and what it cannot."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ui import address, words
from ui.components.copy_link import copy_link
from ui.fields import edits
from ui.inputs import fits_a_link


def button() -> None:
    """The button beside a page's title."""
    state = st.session_state
    long = {
        key: state[key]
        for key, field in address.fields().items()
        if isinstance(field, words.Text) and isinstance(state.get(key), str) and not fits_a_link(key)
    }
    copy_link(long, _left_out())


def _left_out() -> list[str]:
    """What lies on this page and in no address."""
    said = [f"the file {value.name}" for value in st.session_state.values() if isinstance(value, UploadedFile)]
    return said + (["the edits that are on, which are too long"] if edits.are_lost() else [])
