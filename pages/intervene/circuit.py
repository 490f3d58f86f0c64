"""Circuit: the few parts that do this by themselves, found by attribution, proved by exact runs, graded by chance."""

import streamlit as st

from charts import figures
from ui import show
from ui.compute import compute
from ui.fields.alignment import show_alignment
from ui.fields.counterpart import offer_counterpart
from ui.fields.family import circuit_fields, family
from ui.fields.second_prompt import ask_for_it, second_prompt
from ui.parts.circuit import pick, picked_part, whole_circuit
from ui.prompt import header, prompt

HOW = (
    "The tokens stand below, the answer above, and between them the parts that were kept, layer by layer. A line is "
    "what one part reads of another; q, k and v are a head’s queries, keys and values. The wider, the more the answer "
    "falls when this alone is cut out of the whole model; dashed lines work against the answer. Of parts that were not "
    "cut one by one, the estimate is drawn. Click a node or a line to look at it by itself."
)
HOW_CURVE = (
    "Parts are ranked by an estimate, and circuits of the first few are then run exactly, everything else replaced. F "
    "is what such a circuit keeps of the answer: 100% is the whole model, 0% is nothing kept. A circuit is worth its "
    "name where its line stands far above random circuits of equal size (grey: lowest to highest draw), and stays "
    "there on pairs that it was not searched with. The upright line marks the circuit that is shown."
)
HOW_GRADES = (
    "Faithfulness: what the circuit keeps. Completeness: what the model keeps without it; near 0% nothing was missed. "
    "CPR is the area under the curve, 1 at best; CMD the area between it and 100%, 0 at best. Jaccard: how much of the "
    "circuit is found again when the pairs are drawn anew. Correlation: of estimated and measured effects."
)
header("Circuit", "Which few parts do this by themselves?")
chosen = prompt()
corrupted = second_prompt(chosen)
offer_counterpart(chosen)
if corrupted:
    show_alignment(chosen.model, chosen.prompt, corrupted, chosen.prepend_bos)
pairs = family("the circuit", "With four pairs or more, half are held out.")
asked = circuit_fields()
if not corrupted:
    ask_for_it()
place = st.empty()


def so_far(partial) -> None:
    """The sizes that were run already."""
    with place.container():
        show.unfinished(partial, figures.circuit_curve)


answer = compute(
    "circuit",
    chosen.model,
    **chosen.asking,
    **asked,
    corrupted=corrupted,
    family=pairs,
    ask_first=True,
    on_partial=so_far,
)
place.empty()
result = answer.result
show.finding(answer)
shown = 40
if result.edge_kept.sum() > 5:
    shown = st.slider("Edges drawn, the strongest", 5, 200, 40, 5, key="edges_shown", bind="query-params", width=300)
show.chart(
    answer,
    figures.circuit,
    shown=shown,
    picked=st.session_state.get("part") or "",
    key="circuit",
    how=HOW,
    table="edges" if result.edges else "nodes",
    on_select=pick("circuit"),
)
picked_part(answer)
show.chart(answer, figures.circuit_curve, key="curve", how=HOW_CURVE, table="faithfulness")
whole_circuit(result)
with st.expander("Grades, and pair by pair"):
    st.caption(HOW_GRADES)
    grades = ("faithfulness", "held_out", "random", "completeness", "cpr", "cmd", "jaccard", "correlation")
    show.rows(show.tables(answer)["grades"], dict.fromkeys(grades, ".2f"), alt="Grades of the circuit")
    st.dataframe(
        show.tables(answer)["pairs"], hide_index=True, alt="Pairs of prompts, and what the circuit keeps of each"
    )
    st.dataframe(show.tables(answer)["nodes"], hide_index=True, alt="Nodes, the strongest first")
