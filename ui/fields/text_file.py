"""A file with texts that a person brings, kept where computations find it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.text.corpus import FORMATS, MOST_BYTES, kept
from ui import slots


def field(key: str, advice: str = "") -> Any:
    """Draw the field, with the place for what is wrong with the file; what is in it, or None."""
    file = st.file_uploader(
        "Text file",
        [ending.lstrip(".") for ending in FORMATS],
        max_upload_size=MOST_BYTES // 1_000_000,
        key=key,
        help=" ".join(
            (
                "Text in UTF-8; or a table (CSV) with a column “text”, or JSON lines. It stays on this computer.",
                advice,
            )
        ),
    )
    slots.place("file", key)
    return file


def sent(key: str) -> str:
    """The path of a copy of what was sent to the field."""
    file = st.session_state[key]
    return str(kept(file.getvalue(), file.name))
