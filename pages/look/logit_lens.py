"""Logit lens: the residual stream after every block, read with the model's own final norm and unembedding."""

import streamlit as st

from charts.lens_heatmap import lens_cells, lens_heatmap
from charts.lines import lines
from mi_core.models.tokens import visible
from ui import address, show, words
from ui.compute import compute
from ui.fields import selection
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW_TABLE = (
    "Each row is one moment inside the model: the top row before any layer, the bottom row its real output. Each "
    "column is a token of the prompt; the cell shows what the model would say **next** if it stopped there. Read the "
    "last column from top to bottom: where the answer appears and stays is where the model has made up its mind. "
    "Click a cell to choose its token."
)
HOW_LINE = (
    "The answer's number at the chosen token, layer by layer. A probability that jumps at one layer says that the "
    "layer writes the answer; a rank of 1 means it is the top guess."
)
header("Logit lens", "What would the model say if it stopped after each layer?")
chosen = prompt()
with st.container(horizontal=True, vertical_alignment="bottom"):
    norm = address.choose(
        words.SCALE,
        st.segmented_control,
        "Scale",
        required=True,
        help="Recomputed: each layer is scaled as if it were the last; it answers what the model would say if it "
        "stopped there. Frozen: every layer gets the last layer's scale; it answers how much of the final answer has "
        "been built so far.",
    )
    colour = address.choose(
        words.COLOUR,
        st.selectbox,
        "Colour shows",
        width=280,
        help="Doubt is the entropy of all guesses together, in bits: 0 is certain, 1 is a coin toss. The distance to "
        "the final guess is the KL divergence, in bits: how much the layer's guess would still have to change.",
    )
    half = st.toggle(
        "Half layers",
        key="half",
        bind="query-params",
        help="Adds a row between attention and MLP of every layer. Models that run both side by side have none.",
    )
answer = compute("logit_lens", chosen.model, **chosen.asking, norm=norm, resid_mid=half)
show.finding(answer)
tables = show.tables(answer)
result = answer.result
figure = lens_heatmap(
    lens_cells(tables["lens"], tables["target"]),
    title="The top guess after each layer",
    colour=colour,
    pos=result.pos,
    answer=visible(result.target.text),
)
show.chart(answer, figure, key="lens", how=HOW_TABLE, table="lens", on_select=selection.pick_position("lens", "cell"))
followed = address.choose(words.FOLLOW, st.segmented_control, "Follow the answer's", required=True)
line = lines(
    tables["target"].query("pos == @result.pos"),
    title=f"“{visible(result.target.text)}”: {followed} by layer",
    value=followed,
    subtitle=f"at token {result.pos}, {visible(result.tokens.texts[result.pos])}",
)
show.chart(answer, line, key="follow-line", how=HOW_LINE, table="target")
prove_it("pages/intervene/patching.py", "swap activations between two prompts and see where the answer is carried")
prove_it("pages/intervene/ablation.py", "knock out each layer and see which one the answer needs", site="mlp_out")
