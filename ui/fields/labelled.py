"""The probing page's fields: which labelled texts, where they are read, and at which layer."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.errors import InputError
from mi_core.phrases import after_layer
from mi_core.probing.labelled import FORMATS, SHIPPED
from mi_core.text.corpus import MOST_BYTES, kept
from ui import address, slots, words
from ui.components.number_steps import number_steps
from ui.compute import fail
from ui.fields import probed, text_file
from ui.inputs import in_link, place_in_link

_FILE = "_labelled_file"
HOW = (
    "A table whose first line says text,label or text,label,group, then a text a line: 2 to 10 classes, at least 8 "
    "texts of each. A group says which texts are alike; without one, texts that are equal but for some words are found "
    "and held out together."
)
EXAMPLE = "text,label,group\nThe food was lovely,praise,food\nThe food was awful,complaint,food\n…"


def fields() -> dict[str, Any] | None:
    """The texts and where they are read, as settings of `probing`; None while there are no texts."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        source = address.choose(words.PROBED, st.selectbox, "Texts", width=240)
        position = address.choose(words.PROBED_AT, st.selectbox, "Read at", width=240)
        token = _token() if position == "token" else ""
    slots.place("token", "read_token")
    if source == "pasted":
        file = _pasted()
    elif source == "file":
        file = _uploaded()
    else:
        file = source
    slots.place("file")
    if file is not None and not is_shipped(file):
        probed.remember(file)
    return None if file is None else {"file": file, "position": position, "token": token}


def _token() -> str:
    return st.text_input(
        "Token", key="read_token", bind="query-params", width=180, placeholder="such as was",
        help="A word that every text has; where it stands several times, the last one is read.",
    )  # fmt: skip


def _pasted() -> str | None:
    text = st.text_area(
        "Texts with their labels", key="labelled", height=180, placeholder=EXAMPLE, help=HOW,
        bind=in_link("labelled"), persist_state="session",
    )  # fmt: skip
    place_in_link("labelled")
    if not text.strip():
        st.info(HOW, icon=":material/edit:")
        return None
    return str(kept(text.encode("utf-8", "replace"), "pasted.csv"))


def _uploaded() -> str | None:
    sent = st.file_uploader(
        "File with texts and labels",
        [ending.lstrip(".") for ending in FORMATS],
        max_upload_size=MOST_BYTES // 1_000_000,
        key="labelled_file",
        help=HOW + " It stays on this computer.",
    )
    if sent is not None:
        st.session_state[_FILE] = text_file.sent("labelled_file")
    if (known := st.session_state.get(_FILE)) is None:
        st.info(HOW, icon=":material/upload_file:")
    return known


def layer(n_layers: int, best: int) -> int:
    """The layer whose probe is looked at: a field, which a click on the chart fills too."""
    address.carry("layer")
    typed = st.number_input(
        "Layer", 0, value=None, step=1, key="layer", bind="query-params", width=240,
        placeholder=f"{best}: {after_layer(best, n_layers)}",
        help=f"How many blocks have been passed: 0 is the embeddings, {n_layers} the end. Empty means the one whose "
        "probe tells most texts right.",
    )  # fmt: skip
    number_steps("layer", {"layer": best}, high=n_layers)
    slots.place("layer")
    if typed is not None and typed > n_layers:
        said = f"There is no layer {typed}: choose 0 (the embeddings) to {n_layers} (after the last block)."
        fail(InputError(said, "layer"))
    return best if typed is None else typed


def is_shipped(file: str) -> bool:
    """Whether these texts came with Loupe."""
    return file in SHIPPED
