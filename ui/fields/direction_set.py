"""A set of directions: words, one per line, and others from other sources."""

from __future__ import annotations

from dataclasses import fields as fields_of
from typing import Any

import streamlit as st

from mi_core.directions.spec import DirectionSpec
from mi_core.saes import loading as saes
from ui import address, slots, words
from ui.fields import directions

TOKENS = "happy\nsad\nParis\nLondon"


def direction_set(model: str) -> list[DirectionSpec]:
    """Every direction that is filled in, in its own words."""
    typed = st.text_area(
        "Words, one per line", TOKENS, height=120, key="tokens", bind="query-params", persist_state="session",
        help="Each is one token. Its direction is the one that the model's output reads for it (its unembedding). Read "
        'with the space before it; "double quotes" take it exactly as typed.',
    )  # fmt: skip
    slots.place("token", "tokens")
    chosen = [DirectionSpec(f"token:{line.strip()}") for line in typed.splitlines() if line.strip()]
    hooks = [entry.name for entry in saes.available(model) if not entry.refused]
    for number, sources in enumerate(words.FURTHER_SOURCES, 2):
        kind = address.choose(
            sources, st.selectbox, "Add a feature, a contrast, a probe or numbers" if number == 2 else "Add another",
            among=directions.offered(hooks, sources), index=None, width=300, placeholder="none",
        )  # fmt: skip
        if kind is None:
            break
        with st.container(border=True):
            given = directions.fields(kind, model, hooks, str(number))
            layer = directions.layer_field(str(number)) if kind in ("contrast", "probe", "vector") else None
        if kind != "vector" or given["vector"].strip():
            chosen.append(_spec(given | {"layer": layer}))
    slots.place("directions")
    return chosen


def _spec(given: dict[str, Any]) -> DirectionSpec:
    return DirectionSpec(**{field.name: given[field.name] for field in fields_of(DirectionSpec) if field.name in given})
