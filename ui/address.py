"""Fields that several pages share: their value goes along from page to page, and stays in the address."""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_KEY = "_shared"


def carry(*names: str) -> None:
    """Keep the values of these fields through a change of page; call before they are drawn.

    Streamlit takes a value out of the address when the page that is left has a field of that name too, even where a
    link brings it along.
    """
    context = get_script_run_ctx()
    page = context.page_script_hash if context else ""
    pages = st.session_state.setdefault(_KEY, {})
    for name in names:
        value = st.session_state.get(name)
        if pages.get(name, page) != page and value not in (None, "") and name not in st.query_params:
            st.session_state[name] = value
            st.query_params[name] = str(value)
        pages[name] = page
