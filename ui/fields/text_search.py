"""The texts that are searched: a file that a person brings, or the sample."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.fields import text_file
from ui.text import literal

_FILE = "_searched_file"  # outlives a visit to another page, which a file in its field does not


def own_texts() -> str:
    """The path of the file that was sent, on this visit or one before; "" for the sample that comes with Loupe."""
    with st.expander("Search a file of your own", icon=":material/upload_file:"):
        if text_file.field("searched_file", "Each text counts once, where it is strongest.") is not None:
            st.session_state[_FILE] = text_file.sent("searched_file")
    file = st.session_state.get(_FILE, "")
    if file:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(literal(f"Searching {Path(file).name}."), width="content")
            st.button("Back to the sample", type="tertiary", key="sample", on_click=_forget)
    return file


def _forget() -> None:
    st.session_state.pop(_FILE, None)
    st.session_state.pop("searched_file", None)
