"""Attribution: which components pushed the answer up or down."""

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.fields import selection
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW_COMPONENTS = (
    "The answer's logit (its score before it becomes a probability) is a sum: every part of the model adds something. "
    "Bars to the right push the answer up, bars to the left hold it down. L3H0 is head 0 of layer 3. The parts add "
    "up to the whole exactly; the self-check measures it. These are direct effects: what a head does by feeding a "
    "later head is counted with the later one."
)
HOW_HEADS = "One cell per head: a row is a layer, a column a head. Click a cell to see which tokens that head used."
HOW_LAYERS = "What attention and MLP of each layer add, first layer to last."
HOW_SOURCES = (
    "A head mixes information from the tokens it reads, so its push can be split over them exactly. The bars show "
    "which tokens the push came from."
)
header("Attribution", "Who pushed this answer up, and who held it down?")
chosen = prompt()
layer, head = selection.head_choice("all")
answer = compute("attribution", chosen.model, **chosen.asking, layer=layer, head=head)
number_steps("layer", {"layer": -1})  # while it is all of them, the first comes next
number_steps("head", {"head": -1}, also={"layer": 0})
show.finding(answer)

split = address.choose(words.SPLIT, st.segmented_control, "What the parts add", required=True)
if split == "component":
    show.chart(answer, figures.attribution, key="components", how=HOW_COMPONENTS, table="contributions")
elif split == "head":
    show.chart(
        answer,
        figures.attribution_by_head,
        key="heads",
        how=HOW_HEADS,
        table="contributions",
        on_select=selection.pick_head("heads"),
    )
else:
    show.chart(answer, figures.attribution_by_layer, key="layers", how=HOW_LAYERS, table="layers")

show.chart(
    answer,
    figures.attribution_sources,
    key="sources",
    how=HOW_SOURCES,
    table="sources",
    on_select=selection.pick_position("sources", "token"),
)
prove_it(
    "pages/intervene/ablation.py",
    "knock parts out and measure what becomes of the answer",
    site="head",
    layer=layer,
    head=head,
)
fed = f"L{layer}H{head}" if layer and head is not None else None
st.page_link(
    "pages/intervene/path_patching.py",
    label=f"Who feeds {fed}? Follow the paths to it" if fed else "Follow the paths: who speaks to the answer directly?",
    icon=":material/arrow_forward:",
    query_params={"receiver": fed} if fed else {},
)
