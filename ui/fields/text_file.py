"""A file with texts that a person brings, kept where computations find it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import streamlit as st

from mi_core.disk import cache_folder, whole
from mi_core.text.corpus import FORMATS, MOST_BYTES
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
    return kept(file.getvalue(), file.name)


def kept(content: bytes, name: str) -> str:
    """The path of a file of this name that holds this, in a folder by its content: the same text is the same file."""
    path = cache_folder() / "texts" / hashlib.sha256(content).hexdigest()[:16] / Path(name).name[-80:]
    if not path.is_file():
        with whole(path) as unfinished:
            unfinished.write_bytes(content)
    return str(path)
