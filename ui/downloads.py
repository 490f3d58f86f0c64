"""A file to be taken away, which is made only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st


def download(
    label: str, data: Callable[[], bytes | str], name: str, mime: str, key: str, explained: str | None = None
) -> None:
    """A button as wide as its place.

    Args:
        label: What is written on it.
        data: Makes the file.
        name: The file's name.
        mime: The file's kind.
        key: Name of the chart on its page.
        explained: What is said to those who point at it.
    """
    st.download_button(
        label, data, name, mime, key=f"{key}-{label}", on_click="ignore", width="stretch", help=explained
    )
