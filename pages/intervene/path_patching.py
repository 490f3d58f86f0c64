"""Path patching: let one head speak to one other, and to nobody else, and see how much of the answer moves."""

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.compute import compute
from ui.fields import circuit
from ui.fields.alignment import show_alignment
from ui.fields.counterpart import offer_counterpart
from ui.fields.second_prompt import ask_for_it, second_prompt
from ui.parts.published import show_published
from ui.prompt import header, prompt

HOW = (
    "The model reads two prompts that differ in one telling word. Each cell lets one head say what it says on one "
    "prompt to a single listener in the run on the other; everybody else hears what they always heard. 100% means that "
    "this one path carries the whole difference in the answer, 0% none, and a negative number that it works against "
    "it. Layers that do not come before the receiver cannot reach it: 0%. Paths need not add up to 100%. Click a head, "
    "then ask who feeds it: step by step this walks the circuit backwards."
)
header("Path patching", "Which head talks to which?")
chosen = prompt()
corrupted = second_prompt(chosen)
offer_counterpart(chosen)
if corrupted:
    show_alignment(chosen.model, chosen.prompt, corrupted, chosen.prepend_bos)
to = circuit.receiver_fields()
with st.container(horizontal=True, vertical_alignment="bottom"):
    site = address.choose(words.SENDERS, st.segmented_control, "Who sends", required=True)
    direction = address.choose(
        words.DIRECTION,
        st.segmented_control,
        "Ask",
        required=True,
        help="What suffices: what is sent on your prompt goes into the run on the exchanged one, and brings the answer "
        "back. What is needed: the other way round, it destroys it.",
    )
    straight = st.toggle(
        "Hold MLPs still",
        key="straight",
        bind="query-params",
        help="Usually the MLPs between sender and receiver may react and pass on what they make of it. Held still, "
        "only what the sender itself writes arrives; for the answer that is its direct effect.",
    )
if not corrupted:
    ask_for_it()
answer = compute(
    "path_patching",
    chosen.model,
    **chosen.asking,
    **to,
    corrupted=corrupted,
    site=site,
    direction=direction,
    mlps="freeze" if straight else "recompute",
    ask_first=True,
)
circuit.way_here(answer.result.receiver)
show.finding(answer)
grid = st.container()
sender = circuit.onwards(answer.result) if site == "head" else ""
pick = circuit.pick_sender("paths") if site == "head" else None
with grid:
    marked = {"picked": sender} if sender else {}
    show.chart(answer, figures.path_patching, **marked, key="paths", how=HOW, table="effects", on_select=pick)
show_published("path_patching", chosen.prompt)
