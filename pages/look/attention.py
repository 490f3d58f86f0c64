"""Attention: which earlier tokens each head reads."""

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.fields import selection
from ui.parts import heads
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW_PATTERN = (
    "Each row is a token that asks, each column a token that is read: the darker a cell, the more of this head's "
    "attention goes there. A row adds up to 1, and no token can read a later one, so the upper half is empty. "
    "A bright first column means that the head rests there when it has nothing to do."
)
HOW_ROLLOUT = (
    "Rollout multiplies the layers' average patterns through, half attention and half passing on, to estimate how much "
    "of each earlier token reaches each row through the whole model (Abnar and Zuidema 2020). It knows nothing of "
    "what is moved: a rough map, not a proof."
)
HOW_STRONGEST = "For the chosen token: which head reads which earlier token most, over all layers and heads."
header("Attention", "Which earlier tokens does each head read?")
chosen = prompt()
layer, head = selection.head_choice("auto")
weighted = st.toggle(
    "Weigh by what is moved",
    key="weighted",
    bind="query-params",
    help="A head can look hard at a token and still move nothing from it. Weighed, a cell is the attention times the "
    "length of the vector that it moves.",
)
everything = compute("attention", chosen.model, **chosen.reading, pos=chosen.pos, weighted=weighted)
layer, head = heads.default(everything.result, layer, head)
number_steps("head", {"layer": layer, "head": head})
one = compute("attention", chosen.model, **chosen.reading, pos=chosen.pos, weighted=weighted, layer=layer, head=head)
show.finding(one)

all_heads, single = heads.layout(everything.result)
with all_heads:
    heads.grid(everything.result, layer, head)
    show.export(everything, figures.attention_heads, key="all", table="pattern")
with single:
    show.chart(
        one, figures.attention, key="pattern", how=HOW_PATTERN, table="pattern",
        on_select=selection.pick_position("pattern", "query", "query_pos"),
    )  # fmt: skip

reads = address.choose(words.READS, st.segmented_control, "All heads together", required=True)
if reads == "strongest":
    st.dataframe(show.tables(one)["strongest"].head(25), hide_index=True, width="stretch", alt="The strongest links")
    show.footer(one, key="strongest", how=HOW_STRONGEST, table="strongest")
else:
    show.chart(one, figures.rollout, key="rollout", how=HOW_ROLLOUT, table="rollout")
prove_it(
    "pages/intervene/ablation.py",
    f"knock out L{layer}H{head} and measure what becomes of the answer",
    site="head",
    layer=layer,
    head=head,
)
