"""Ablation: knock a part out and measure what breaks."""

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.compute import compute
from ui.fields import knockouts, selection, steps
from ui.parts import ablated
from ui.parts.beside_chance import beside_chance
from ui.parts.published import show_published
from ui.prompt import header, prompt

HOW_EFFECTS = (
    "Each number is what becomes of the answer when that one part is knocked out, everything else left to react: the "
    "change of its logit (or logit difference), the change of its probability, or how far all next-token "
    "probabilities move (KL divergence, which has no direction). Strongly negative: the answer needed it. Positive: "
    "it was in the way. Unlike attribution, this is a measurement of cause and effect. Click a part to look at it "
    "closely, and to keep it knocked out while you try the others."
)
HOW_READ = (
    " Where what is read is cut, attention from one token to another is taken away before the softmax, so that the "
    "other tokens share what it had. What the other tokens know of it stays: only the direct way is cut."
)
HOW_FORETOLD = (
    "The hollow circle is the change one would expect from what the part writes towards the answer directly; the "
    "filled diamond is what was measured. Where the diamond stays closer to zero, later layers made up for the loss "
    "(self-repair); where it lies further out, the part works through later layers."
)
header("Ablation", "What breaks when a part of the model is taken away?")
chosen = prompt()
knocked = knockouts.fields(chosen)
answer = compute("ablation", chosen.model, **chosen.asking, **knocked.settings, ask_first=True)
knockouts.remember(answer)
steps.of_ablation(answer.result)
ablated.finding(chosen, knocked, answer)

metrics = {"logit": "change", "probability": "probability_change", "kl": "kl"}
metric = address.choose(words.KNOCKOUT_MEASURE, st.segmented_control, "Measure the", required=True)
if knocked.site in ("head", "edge"):
    pick = selection.pick_head("effects")
elif knocked.site == "position":
    pick = selection.pick_fields("effects", "cell", ("layer", "pos"), ("layer", "token"))
else:
    field = {"neuron": "neuron", "feature": "feature", "key": "key_pos"}.get(knocked.site, "layer")
    pick = selection.pick_fields("effects", "bar", (field,))
show.chart(
    answer,
    figures.ablation,
    measure=metrics[metric],
    key="effects",
    how=HOW_EFFECTS + HOW_READ * (knocked.site in ("key", "edge")),
    table="effects",
    on_select=pick,
)

ablated.closer(chosen, knocked, answer)
beside_chance(chosen.model, "ablation", chosen.asking | (knocked.alone if knocked.part else knocked.settings))
show_published("ablation", chosen.prompt)

if knocked.site != "position" and show.tables(answer)["effects"]["foretold"].notna().any():
    st.divider()
    show.chart(answer, figures.foretold, key="foretold", how=HOW_FORETOLD, table="effects")
