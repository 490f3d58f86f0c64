"""Which lens reads the residual stream, and what it is compared with."""

from __future__ import annotations

from typing import Any

import streamlit as st

from mi_core.jobs.engine import engine
from mi_core.lenses import files
from mi_core.lenses.files import Kind
from ui import address, words

QUESTIONS = {
    "logit": "What would it say if it stopped there? Read with the model's own last norm and unembedding.",
    "tuned": "What is the best guess from there? A translator has learned what later layers usually add.",
    "jacobian": "What is it disposed to say there, now or later? Read by its average effect on the output.",
}


def lens() -> str:
    """Draw the choice of the lens, with the question that it answers below; return its word."""
    chosen = address.choose(words.LENS, st.segmented_control, "Read by", required=True)
    st.caption(QUESTIONS[chosen])
    return chosen


def against(lens: str) -> str | None:
    """Draw the choice of another lens to compare `lens` with; return its word, None for none."""
    return address.choose(
        words.AGAINST,
        st.selectbox,
        "Difference from",
        among=[word for word in words.AGAINST if word != lens],
        placeholder="no other lens",
        width=180,
        help="Shows how much likelier the chosen lens finds the answer than this one, at every layer and token.",
    )


def source(lens: str, model: str) -> str | None:
    """Where a model has this lens more than once, draw which one reads, and return its word."""
    kind: Kind = "tuned" if lens == "tuned" else "jacobian"
    there = files.available(model, kind, engine().fingerprint(model)) if lens != "logit" else {}
    if len(there) < 2:
        return None
    return address.choose(words.LENS_SOURCE, st.segmented_control, "The lens", among=list(there), required=True)


def scale(lens: str) -> dict[str, Any]:
    """Draw what only the logit lens has, and return it as its settings; empty for another lens."""
    if lens != "logit":
        return {}
    norm = address.choose(
        words.SCALE,
        st.segmented_control,
        "Scale",
        required=True,
        help="Recomputed: each layer is scaled as if it were the last; it answers what the model would say if it "
        "stopped there. Frozen: every layer gets the last layer's scale; it answers how much of the final answer has "
        "been built so far.",
    )
    half = st.toggle(
        "Half layers",
        key="half",
        bind="query-params",
        help="Adds a row between attention and MLP of every layer. Models that run both side by side have none.",
    )
    return {"norm": norm, "resid_mid": half}
