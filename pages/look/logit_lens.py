"""Lenses: the residual stream after every block, as the vocabulary reads it."""

from typing import Any

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.compute import Answer, compute
from ui.fields import lens as lenses
from ui.fields import selection
from ui.fields.lens_training import lens_training
from ui.parts.drift import drift
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW_TABLE = (
    "Each row is one moment inside the model: the bottom row is its real output. Each column is a token of the prompt; "
    "the cell shows what the lens reads there as the **next** token. Read the last column from top to bottom: where "
    "the answer appears and stays is where the model has made up its mind. Click a cell to choose its token."
)
HOW_DIFFERENCE = (
    "Each cell shows the guess of the second lens. Its colour says how much more probability the second lens gives "
    "the answer than the first: 0 where they agree. The last row is the model's output, which is the same for all."
)
HOW_RANK = (
    "The number in each cell is the rank of the token among all that the lens could read there: 1 is the top guess. "
    "A low number early on means that the model has it in mind long before it says it."
)
HOW_LINE = (
    "The answer's number at the chosen token, layer by layer. A probability that jumps at one layer says that the "
    "layer writes the answer; a rank of 1 means it is the top guess."
)
FIGURES = {"logit": figures.logit_lens, "tuned": figures.tuned_lens, "jacobian": figures.jacobian_lens}
header("Lenses", "What would the model say if it stopped after each layer?")
chosen = prompt()
lens = lenses.lens()
with st.container(horizontal=True, vertical_alignment="bottom"):
    against = lenses.against(lens)
    colour = address.choose(
        words.COLOUR,
        st.selectbox,
        "Colour shows",
        width=280,
        help="Doubt is the entropy of all guesses together, in bits: 0 is certain, 1 is a coin toss. The distance to "
        "the final guess is the KL divergence, in bits: how much the layer's guess would still have to change.",
    )
    scale = lenses.scale(lens)
    source = lenses.source(lens, chosen.model)
if lens != "logit":
    lens_training(chosen.model, lens)


def read(**asking: Any) -> Answer:
    """The chosen lens."""
    if lens == "tuned":
        return compute("tuned_lens", chosen.model, **asking, source=source)
    if lens == "jacobian":
        return compute("jacobian_lens", chosen.model, **asking, source=source)
    return compute("logit_lens", chosen.model, **asking, **scale)


answer = read(**chosen.asking)
if against:
    difference = compute("lens_difference", chosen.model, **chosen.asking, first=against, second=lens)
    show.finding(difference)
    show.chart(
        difference,
        figures.lens_difference,
        key="difference",
        how=HOW_DIFFERENCE,
        table="difference",
        on_select=selection.pick_position("difference", "cell"),
    )
else:
    show.finding(answer)
show.chart(
    answer,
    FIGURES[lens],
    colour=colour,
    key="lens",
    how=HOW_TABLE,
    table="lens",
    on_select=selection.pick_position("lens", "cell"),
)
followed = address.choose(words.FOLLOW, st.segmented_control, "Follow the answer's", required=True)
show.chart(answer, figures.answer_by_layer, follow=followed, key="follow-line", how=HOW_LINE, table="target")
sought = st.text_input(
    "Search a token",
    key="find",
    bind="query-params",
    placeholder="any word",
    width=280,
    help="One token, such as a word of the prompt or an answer that you expected: its rank in every layer, everywhere.",
)
if sought:
    found = read(**chosen.asking | {"target": sought})
    show.chart(found, figures.token_ranks, key="ranks", how=HOW_RANK, table="target")
prove_it("pages/intervene/patching.py", "swap activations between two prompts and see where the answer is carried")
prove_it("pages/intervene/ablation.py", "knock out each layer and see which one the answer needs", site="mlp_out")
drift(chosen)
