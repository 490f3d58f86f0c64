"""Attribution: which components pushed the answer up or down."""

import streamlit as st

from charts.bars import bars
from charts.head_grid import head_grid
from charts.token_strip import token_strip
from ui import show
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
result = answer.result
show.finding(answer)
tables = show.tables(answer)
unit = result.units

by_component, by_head, by_layer = st.tabs(["By component", "By head", "By layer"])
with by_component:
    figure = bars(
        tables["contributions"], title=f"What each part adds to {result.target.label}",
        label="component", value="contribution", unit=unit, most=20,
    )  # fmt: skip
    show.chart(answer, figure, key="components", how=HOW_COMPONENTS, table="contributions")
with by_head:
    heads = tables["contributions"].query("kind == 'head'")
    figure = head_grid(heads, title=f"What each head adds to {result.target.label}", unit=unit)
    show.chart(
        answer, figure, key="heads", how=HOW_HEADS, table="contributions", on_select=selection.pick_head("heads")
    )
with by_layer:
    layers = tables["layers"].assign(name=tables["layers"]["kind"] + " " + tables["layers"]["layer"].astype(str))
    figure = bars(layers, title=f"What each layer adds to {result.target.label}", label="name",
                  value="contribution", unit=unit, sort=False)  # fmt: skip
    show.chart(answer, figure, key="layers", how=HOW_LAYERS, table="layers")

whose = "all heads together" if layer is None else f"layer {layer}" if head is None else f"L{layer}H{head}"
figure = token_strip(
    tables["sources"], title=f"Which tokens {whose} took it from", value="contribution", unit=unit, pos=result.pos
)
show.chart(
    answer,
    figure,
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
