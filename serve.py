"""The server: starts loading the built-in model before the first visitor arrives.

`streamlit run serve.py` serves the same pages as `streamlit run app.py`, which loads it on the first visit.
"""

import logging
from contextlib import asynccontextmanager

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager

from mi_core.jobs.engine import engine
from mi_core.models.catalogue import DEFAULT


@asynccontextmanager
async def lifespan(app: st.App):
    """Warm up at server start, in the background."""
    engine().warm(DEFAULT)
    # app.py names the pages itself; until its first run Streamlit would look for them in pages/, and tell the first
    # visitor who follows a link that its page does not exist. A private attribute, as of Streamlit 1.67.0.
    PagesManager.uses_pages_directory = False
    yield {}


def show_problem(error: Exception) -> bool:
    """What no page foresaw: one sentence for the reader, the details for the server's log."""
    logging.getLogger("loupe").error("a page failed", exc_info=error)
    st.error(
        "This page met a problem it did not expect. Your prompt is kept in the sidebar; "
        "the server's log has the details."
    )
    return True


app = st.App("app.py", lifespan=lifespan, on_script_error=show_problem)
