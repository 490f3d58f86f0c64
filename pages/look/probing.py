"""Probing: can a property of texts be read off the activations, and does the model use it?"""

import streamlit as st

from charts import figures
from ui import inputs, show
from ui.compute import compute
from ui.fields import labelled, selection
from ui.parts.probe_trial import probe_trial
from ui.prompt import header

HOW = (
    "The thick line: of the texts whose whole group was held out, how many does a probe tell right that reads this "
    "layer? Bars are 95% intervals. It must beat every other line: the words alone, without a model; the same model "
    "with random weights; shuffled labels; and a control task, where each word has a random class, so that only memory "
    "helps. The thin grey line is the usual random split, which flatters, because texts of one group give each other "
    "away. Click a point to look at its layer."
)
HOW_CONFUSION = (
    "Each row holds the texts of one class, by what the probe of this layer takes them for, their group held out. All "
    "in the diagonal would be a perfect probe."
)
header("Probing", "Can a property of texts be read off the model's activations, and from which layer on?")
given = inputs.current()
read = labelled.fields()
if read is None:
    st.stop()
place = st.empty()


def so_far(partial) -> None:
    """The layers that are probed already."""
    with place.container():
        show.unfinished(partial, figures.probing, key="layers")


answer = compute(
    "probing",
    given.model,
    **read,
    prepend_bos=given.prepend_bos,
    ask_first=not labelled.is_shipped(read["file"]),
    on_partial=so_far,
)
place.empty()
result = answer.result
show.finding(answer)
show.chart(
    answer,
    figures.probing,
    layer=st.session_state.get("layer"),
    key="layers",
    how=HOW,
    table="layers",
    on_select=selection.pick_fields("layers", "layer", ("layer",)),
)
layer = labelled.layer(result.layers[-1], result.best)
left, right = st.columns(2, gap="large")
with left:
    show.chart(answer, figures.probe_confusion, layer=layer, key="confusion", how=HOW_CONFUSION, table="confusion")
with right:
    wrong = show.tables(answer)["errors"]
    wrong = wrong[wrong["layer"] == layer].drop(columns="layer")
    st.markdown(f"**The {len(wrong)} of {len(result.held.texts)} texts that it gets wrong**")
    if len(wrong):
        st.dataframe(wrong, hide_index=True, height=220, alt="Texts that the probe gets wrong")
with st.expander("Without the model, and group by group"):
    show.rows(show.tables(answer)["baselines"], {"baseline": "", "accuracy": ".0%", "low": ".0%", "high": ".0%"},
              alt="What is told right without the model")  # fmt: skip
    st.dataframe(show.tables(answer)["groups"], hide_index=True, alt="Texts told right by group, at the best layer")
probe_trial(answer, layer, read)
