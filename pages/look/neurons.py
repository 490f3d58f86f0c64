"""Neurons: which push the answer, what makes one fire, and whether features are the better unit."""

import streamlit as st

from charts import figures
from mi_core.saes import loading as saes
from ui import address, show
from ui.compute import compute
from ui.fields import selection
from ui.fields.neuron import neuron_choice
from ui.fields.sites import pick_site
from ui.parts import contexts
from ui.prompt import header, prompt
from ui.proof import find_texts, prove_it

HOW_ALL = (
    "An MLP is a list of neurons; each writes its own vector, as strongly as it is active. A bar is how far one neuron "
    "pushes the answer's logit up (right) or down (left) directly. L3N168 is neuron 168 of layer 3. With the biases, "
    "all neurons add up to what their MLPs add; the self-check measures it. What a neuron does by feeding a later "
    "layer is not in its bar: knock it out to measure both. Click a bar to follow its neuron."
)
HOW_ONE = (
    "Each bar is what the neuron passes on at that token, after its activation function and gate. Many activation "
    "functions let a little through below zero."
)
HOW_PROMOTED = (
    "What the neuron says to the vocabulary directly: the tokens whose logits rise (right) or fall (left) for each "
    "unit of its activation. Later layers may change this."
)
HOW_UNITS = (
    "The units are sorted by the size of their effect on the answer, and added up from the strongest. The curve that "
    "climbs faster needs fewer units to tell the same; the dashed line is at 80%. Neurons are those that wrote into "
    "what the autoencoder reads; its features also hold what attention and the embeddings wrote."
)
HOW_STRONGEST = "What each of the strongest features adds to the answer's logit directly, as for neurons above."
COMPARE = "Fetches the sparse autoencoder first, which may take minutes."
header("Neurons", "Which neurons push the answer up or down, and what makes one fire?")
chosen = prompt()
answer = compute("neurons", chosen.model, **chosen.asking)
show.finding(answer)
show.chart(
    answer,
    figures.neurons,
    key="neurons",
    how=HOW_ALL,
    table="neurons",
    on_select=selection.pick_fields("neurons", "bar", ("layer", "neuron")),
)

st.divider()
layer, neuron = neuron_choice(chosen, answer)
one = compute("neuron", chosen.model, **chosen.asking, layer=layer, neuron=neuron)
show.finding(one)
prove_it(
    "pages/intervene/ablation.py",
    "knock this neuron out and measure what becomes of the answer",
    site="neuron",
    layer=layer,
    neuron=neuron,
)
over_prompt, speaks = st.columns(2)
with over_prompt:
    pick = selection.pick_position("neuron-strip", "token")
    show.chart(one, figures.neuron, key="neuron-strip", how=HOW_ONE, table="activations", on_select=pick)
with speaks:
    show.chart(one, figures.promoted, key="promoted", how=HOW_PROMOTED, table="promoted")
contexts.texts(one.result, "neuron")
find_texts(unit="neuron", layer=layer, neuron=neuron)

entries = [entry for entry in saes.available(chosen.model) if not entry.refused]
st.divider()
st.markdown("**Is a neuron or a feature the better unit here?**")
if not entries:
    st.caption("This model has no sparse autoencoder here, so there are no features to compare its neurons with.")
    st.stop()
if not any(entry.folder for entry in entries) and not st.toggle(
    "Compare with features", key="compare", bind="query-params", help=COMPARE
):
    st.stop()
names = [entry.name for entry in entries]
sae = pick_site(st.container(), names, usual=names[-1])
both = compute("neurons_and_features", chosen.model, **chosen.asking, sae=sae)
show.finding(both)
curve, features = st.columns(2)
with curve:
    show.chart(both, figures.neurons_and_features, key="units", how=HOW_UNITS, table="units")
with features:
    show.chart(both, figures.strongest_units, key="strongest", how=HOW_STRONGEST, table="strongest")
st.page_link(
    "pages/look/features.py",
    label="Look at these features closely",
    icon=":material/arrow_forward:",
    query_params=address.link_to(sae=sae),
)
