"""Attribution graph: what an answer is made of, node by node, edge by edge, in sums that add up."""

import streamlit as st

from charts import figures
from ui import show
from ui.compute import compute
from ui.fields.alignment import show_alignment
from ui.fields.attribution_graph import graph_fields, shown_fields
from ui.fields.counterpart import offer_counterpart
from ui.fields.family import family
from ui.fields.second_prompt import ask_for_it, second_prompt
from ui.parts.attribution_graph import files, picked_part
from ui.parts.circuit import pick
from ui.prompt import header, prompt

HOW = (
    "The tokens stand below, the answer above. Each mark is something that was written at one position: a feature, a "
    "head, an MLP or a neuron; outlined marks are what no feature explains. All marks of a row add up to the answer. A "
    "line says how much of the upper mark's worth came through the lower one; all lines into a mark add up to its "
    "worth. Wide: much; dashed: against the answer. Of the most influential lines the measured fall is drawn: what "
    "the answer loses when that one line is cut. Click a mark or a line."
)
HOW_SCORES = (
    "Replacement score: of the influence on the answer, followed back to where it ends, the tokens’ share; the rest "
    "ends in what the autoencoders do not explain. Completeness score: of what comes into the marks, the share that is "
    "explained. Correlation: of scores and measured falls; where they differ, the measurement is right."
)
header("Attribution graph", "What is this answer made of, and where did that come from?")
chosen = prompt()
corrupted = second_prompt(chosen)
offer_counterpart(chosen)
asked = graph_fields()
alone = asked.pop("alone")
if corrupted and not alone:
    show_alignment(chosen.model, chosen.prompt, corrupted, chosen.prepend_bos)
pairs = family("the graph", "Nodes are averaged over all pairs.") if not alone else ""
if not corrupted and not alone:
    ask_for_it()
answer = compute(
    "attribution_graph",
    chosen.model,
    **chosen.asking,
    **asked,
    corrupted=None if alone else corrupted,
    family=pairs,
    ask_first=True,
)
result = answer.result
show.finding(answer)
shown = shown_fields(result)
show.chart(
    answer,
    figures.attribution_graph,
    **shown.view,
    picked=st.session_state.get("part") or "",
    key="graph",
    how=HOW,
    table="edges",
    on_select=pick("graph"),
)
picked_part(answer)
with st.expander("How far to trust it"):
    st.caption(HOW_SCORES)
    told = ("total", "replacement_score", "completeness_score", "node_correlation", "edge_correlation")
    show.rows(show.tables(answer)["scores"], dict.fromkeys(told, ".2f"), alt="Scores of the graph")
    st.dataframe(show.tables(answer)["sums"], hide_index=True, alt="What each layer's stream is worth to the answer")
    st.dataframe(show.tables(answer)["nodes"], hide_index=True, alt="Nodes, the most influential first")
    if len(result.pairs) > 1:
        st.dataframe(show.tables(answer)["shared"], hide_index=True, alt="Nodes over all pairs of prompts")
files(answer, shown)
