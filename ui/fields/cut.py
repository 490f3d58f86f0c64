"""Fields for attention that is cut: which token reads which, and in which layers and heads."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.ablation.cut import KEY
from ui import slots
from ui.compute import compute
from ui.fields import selection
from ui.inputs import Inputs

SITES = ("key", "edge")
HELP = {
    "query_pos": "The token whose attention is cut, by its position. Empty means the chosen token, where the answer is "
    "read.",
    "key_pos": "The token that it may no longer read, by its position. Empty means each in turn, or for heads the one "
    "that matters most.",
}


def cut_fields(inputs: Inputs, site: str) -> tuple[dict[str, Any], str | None, dict[str, Any]]:
    """What narrows the sweep, which cut is looked at by itself, and its own numbers."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reads = _number("query_pos", "Token that reads", "chosen")
        read = _number("key_pos", "Token that is read", "strongest")
    slots.place("query_pos")
    slots.place("key_pos")
    layer, head = selection.head_choice("all" if site == KEY.name else "strongest")
    slots.place("head")
    query = _query(inputs) if reads is None else reads
    if site == KEY.name:
        where = {"query_pos": query, "layer": layer, "head": head}
        return where, None if read is None else _name(query, read, layer, head), where | {"key_pos": read}
    where = {"query_pos": query, "key_pos": _telling(inputs, query) if read is None else read}
    part = None if head is None else _name(query, where["key_pos"], layer, head)
    return where | {"layer": layer if head is None else None}, part, where | {"layer": layer, "head": head}


def _name(query: int, key: int, layer: int | None, head: int | None) -> str:
    """As `mi_core.ablation.cut` writes it."""
    where = "attention" if layer is None else f"attention {layer}" if head is None else f"L{layer}H{head}"
    return f"{where}@{query}→{key}"


def _query(inputs: Inputs) -> int:
    """The position that the answer is read at."""
    read = compute("tokens", inputs.model, **inputs.reading, target=inputs.target, foil=inputs.foil).result
    return len(read.tokens) - 1 if inputs.pos is None else inputs.pos % len(read.tokens)


def _telling(inputs: Inputs, query: int) -> int:
    """The token that matters most where it is no longer read."""
    found = compute("ablation", inputs.model, **inputs.asking, site=KEY.name, query_pos=query).result
    return found.edges[found.strongest][1]


def _number(key: str, label: str, empty: str) -> int | None:
    return st.number_input(
        label, 0, value=None, step=1, key=key, bind="query-params", placeholder=empty, width=170, help=HELP[key]
    )
