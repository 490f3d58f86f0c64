"""Parts of the training timeline: a checkpoint said in words, its attention, and the way to the other pages."""

from __future__ import annotations

import streamlit as st

from charts import figures
from mi_core.models import catalogue, checkpoints
from ui import address, show
from ui.components.number_steps import number_steps
from ui.compute import Answer, compute
from ui.fields import selection
from ui.inputs import Inputs
from ui.parts import heads
from ui.text import literal

HOW_PATTERN = (
    "Each row is a token that asks, each column a token that is read: the darker a cell, the more of this head's "
    "attention goes there. The same head on the same prompt, at two moments of the training."
)
PAGES = {
    "Lenses": "pages/look/logit_lens.py",
    "Attention": "pages/look/attention.py",
    "Heads": "pages/look/heads.py",
    "Attribution": "pages/look/attribution.py",
    "Ablation": "pages/intervene/ablation.py",
}


def said(checkpoint: checkpoints.Checkpoint) -> None:
    """What the checkpoint is, how its weights are stored, and links that open other pages on it."""
    bits = checkpoints.bits(checkpoint.model)
    if "@" not in checkpoint.model:
        what = f"This is {checkpoint.model} as it ships, to the last bit"
    else:
        what = f"This is the model {checkpoint.model}"
    how = ": its weights are stored with 16 bits and run with 32" if bits == 16 else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(literal(f"{what}{how}. Open it on"), width="content")
        for name, page in PAGES.items():
            st.page_link(page, label=name, query_params=address.link_to(model=checkpoint.model), width="content")


def elsewhere() -> None:
    """The way to a model that has checkpoints."""
    st.page_link(
        "pages/understand/training_timeline.py", label="See the training of Loupe mini", icon=":material/timeline:",
        query_params=address.link_to(model=catalogue.DEFAULT),
    )  # fmt: skip


def attention(chosen: Inputs, now: checkpoints.Checkpoint, then: checkpoints.Checkpoint) -> None:
    """One head's pattern at two checkpoints."""
    st.subheader("One head, at both", anchor=False)
    layer, head = selection.head_choice("auto")
    asked = chosen.reading | {"pos": chosen.pos, "edits": ""}
    everything = compute("attention", now.model, **asked)
    layer, head = heads.default(everything.result, layer, head)
    number_steps("head", {"layer": layer, "head": head})
    for column, one in zip(st.columns(2, gap="medium"), (then, now), strict=True):
        with column:
            answer = compute("attention", one.model, **asked, layer=layer, head=head)
            _pattern(answer, one, f"L{layer}H{head}")


def _pattern(answer: Answer, one: checkpoints.Checkpoint, name: str) -> None:
    show.chart(
        answer, figures.attention, title=f"What {name} reads at step {one.step:,}", key=f"pattern-{one.step}",
        how=HOW_PATTERN, table="pattern",
        on_select=selection.pick_position(f"pattern-{one.step}", "query", "query_pos"),
    )  # fmt: skip
