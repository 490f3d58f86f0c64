"""Ablation: knock a part out and measure what breaks."""

import streamlit as st

from charts.bars import bars
from charts.effect_grid import effect_grid
from charts.head_grid import head_grid
from charts.shift import shift
from ui import address, show, words
from ui.compute import compute
from ui.fields import knockouts, selection
from ui.parts import ablated
from ui.parts.published import show_published
from ui.prompt import header, prompt

HOW_EFFECTS = (
    "Each number is what becomes of the answer when that one part is knocked out, everything else left to react: the "
    "change of its logit (or logit difference), the change of its probability, or how far all next-token "
    "probabilities move (KL divergence, which has no direction). Strongly negative: the answer needed it. Positive: "
    "it was in the way. Unlike attribution, this is a measurement of cause and effect. Click a part to look at it "
    "closely, and to keep it knocked out while you try the others."
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
show.finding(answer)

result, effects = answer.result, show.tables(answer)["effects"]
metrics = {
    "logit": ("change", f"change of the {result.target.quantity} (logits)"),
    "probability": ("probability_change", "change of the probability"),
    "kl": ("kl", "KL divergence (bits)"),
}
value, unit = metrics[address.choose(words.KNOCKOUT_MEASURE, st.segmented_control, "Measure the", required=True)]
given = f", with {' and '.join(result.also)} out already" if result.also else ""
title = f"What each knockout does to {result.target.label}{given}"
if knocked.site == "head":
    figure, pick = head_grid(effects, title=title, value=value, unit=unit), selection.pick_head("effects")
elif knocked.site == "position":
    figure = effect_grid(effects, title=title, value=value, unit=unit)
    pick = selection.pick_fields("effects", "cell", ("layer", "pos"), ("layer", "token"))
else:
    field = {"neuron": "neuron", "feature": "feature"}.get(knocked.site, "layer")
    if knocked.site == "feature":
        effects = effects.assign(component="#" + effects["feature"].astype(str) + "  " + effects["label"])
    figure = bars(effects, title=title, label="component", value=value, unit=unit, most=30, pick=(field,))
    pick = selection.pick_fields("effects", "bar", (field,))
show.chart(answer, figure, key="effects", how=HOW_EFFECTS, table="effects", on_select=pick)

ablated.closer(chosen, knocked, answer)
show_published("ablation", chosen.prompt)

foretold = effects.dropna(subset=["foretold"])
if len(foretold) and knocked.site != "position":
    st.divider()
    figure = shift(
        foretold,
        title="Foretold by the direct effect, and measured",
        label="component",
        before="foretold",
        after="change",
        names=("foretold", "measured"),
        unit=f"change of the {result.target.quantity} (logits)",
    )
    show.chart(answer, figure, key="foretold", how=HOW_FORETOLD, table="effects")
