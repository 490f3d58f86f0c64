"""What was typed just before a file is asked for: it is on its way to the server, and belongs into the file."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

T = TypeVar("T")
HELD = 0.3  # seconds: a browser keeps what was typed to itself for a fifth of one
LONGEST = 60.0  # seconds that a file waits for a run which does not end


def after_them(make: Callable[[], T]) -> Callable[[], T]:
    """`make`, for `st.download_button`, begun once this session's run is over.

    A click on the button ends what is being typed, and a run begins that puts the words where they belong; but the
    browser asks for the file first, and the file of a run that ends is thrown away. Whether one is going on, only the
    session itself knows (private, as of Streamlit 1.67.0).
    """
    context = get_script_run_ctx()

    def made() -> T:
        time.sleep(HELD)
        deadline = time.monotonic() + LONGEST
        while context is not None and _is_running(context.session_id) and time.monotonic() < deadline:
            time.sleep(0.02)
        return make()

    return made


def _is_running(session: str) -> bool:
    if not runtime.exists():
        return False
    info = runtime.get_instance()._session_mgr.get_active_session_info(session)
    return info is not None and info.session._scriptrunner is not None
