"""Activation patching: put one prompt's activations into another's run, and see where the answer is carried."""

import streamlit as st

from charts import figures
from ui import address, show, slots, words
from ui.compute import compute
from ui.fields import knockouts, selection
from ui.fields.alignment import show_alignment
from ui.fields.counterpart import offer_counterpart
from ui.fields.second_prompt import ask_for_it, second_prompt
from ui.parts.beside_chance import beside_chance
from ui.parts.published import show_published
from ui.prompt import header, prompt

HOW = (
    "The model reads two prompts that differ in one telling word. Each cell puts one activation of one prompt into the "
    "run on the other, and shows how much of the difference in the answer moves with it: 100% means that this one "
    "place carries all of it, 0% none. By position, read from the top: the trail of dark cells is the way the "
    "information takes from the telling word to the last token. Click a cell to see everything that its run says."
)
HOW_ESTIMATE = (
    " Most of these are estimates: the effect of a small step, drawn out to the whole patch. The largest were run, and "
    "show what the run gave; a “≠” marks those whose estimate was more than 10 points off. Point at a cell to see both "
    "numbers."
)
HOW_ONE = (
    "The hollow circle is a token's probability of coming next without the patch, the filled diamond with it. The "
    "tokens that move most come first. The table also has the logits, and the probabilities in the run that the "
    "activation was taken from (goal)."
)


header("Patching", "Where does the model carry what decides the answer?")
chosen = prompt()
corrupted = second_prompt(chosen)
offer_counterpart(chosen)
if corrupted:
    show_alignment(chosen.model, chosen.prompt, corrupted, chosen.prepend_bos)
with st.container(horizontal=True, vertical_alignment="bottom"):
    site = address.choose(words.PATCHED, st.selectbox, "Swap", width=180)
    metric = address.choose(
        words.PATCH_MEASURE, st.selectbox, "Measure", width=180,
        help="Logit difference: the answer against what it is compared with. Probability: the answer alone. All "
        "guesses: how far the whole distribution is from that of your prompt's own run, in bits (KL divergence).",
    )  # fmt: skip
    direction = address.choose(
        words.DIRECTION, st.segmented_control, "Ask", required=True,
        help="What suffices: activations of your prompt go into the run on the exchanged one, and bring the answer "
        "back. What is needed: the other way round, they destroy it.",
    )  # fmt: skip
    estimate = st.toggle(
        "Fast estimate", key="estimate", bind="query-params",
        help="One backward pass instead of one run per cell; the largest cells are then run exactly. For large models.",
    )  # fmt: skip
slots.place("estimate")
out = knockouts.both_runs(chosen.model)
if not corrupted:
    ask_for_it()
pair = chosen.asking | out | {"corrupted": corrupted, "site": site, "direction": direction}
answer = compute("patching", chosen.model, **pair, metric=metric, estimate=estimate, ask_first=True)
show.finding(answer)
by_position = show.tables(answer)["effects"]["pos"].notna().all()
show.chart(
    answer,
    figures.patching,
    title=f"What each swap moves: {words.PATCHED.label(site)}",
    key="patched",
    how=HOW + HOW_ESTIMATE * estimate,
    table="effects",
    on_select=selection.pick_cell("patched", "cell" if by_position else "head"),
)
if estimate:
    st.button("Run all exactly", on_click=st.session_state.update, args=({"estimate": False},))
show_published("patching", chosen.prompt)
cell = st.text_input(
    "One patch, with everything it does", key="cell", bind="query-params", placeholder="click a cell, or type its name",
    help="L2@4 is layer 2 at position 4, L2H3 head 3 of layer 2, L2H3@4 that head at position 4.",
)  # fmt: skip
slots.place("cell")
if cell:
    one = compute("patched_run", chosen.model, **pair, cell=cell)
    show.finding(one)
    show.chart(one, figures.patched_run, key="one", how=HOW_ONE, table="shift")
beside_chance(chosen.model, "patched_run", pair | {"cell": cell or answer.result.strongest})
st.page_link(
    "pages/intervene/path_patching.py",
    label="Follow it: which head talks to which",
    icon=":material/arrow_forward:",
)
