"""Superposition: how a model holds more features than it has dimensions."""

import streamlit as st

from charts import figures
from ui import show
from ui.components.play_training import play_training
from ui.compute import compute
from ui.fields import toy_model
from ui.parts import superposition
from ui.prompt import header

HOW_ARROWS = (
    "Each arrow is a feature: the two numbers by which it is written. Arrows at a right angle do not disturb each "
    "other, opposite ones share a line, an arrow of no length is a feature that is given up. The slider below goes "
    "through the training."
)
HOW_D = (
    "D is the share of a dimension that a feature has to itself: 1 is a whole one, 0.5 half of one, 0 none. In a "
    "regular shape all D together are exactly the number of dimensions: theory says so before any training."
)
HOW_INTERFERENCE = (
    "A row is a feature that is present with value 1, a column what is then read at another. The diagonal is what is "
    "kept of it (1 is all); what stands beside it is interference. Below zero it does no harm: the output cuts it off."
)
HOW_HIDDEN = (
    "One of the numbers that the model has inside: how much each feature adds to it. Where several bars are long, the"
    " number alone does not tell which feature was there. So it is with single neurons of language models, which seem"
    " to have many unrelated meanings."
)
HOW_UNPACKED = (
    "A sparse autoencoder sees only the activations and looks for directions of which few are needed at a time. "
    "Diamond: how near its best direction comes to the true feature (1 is the same). Circle: what as many random "
    "directions would reach, the control."
)
NOT_SHOWN = (
    "**What this does not show.** That a language model does the same. Here the features are known, few, independent "
    "and equally frequent; there nobody knows what they are or how many. The shapes belong to this task and to a ReLU"
    " at the output. And an autoencoder that finds the truth here need not find it where there is none to compare "
    "with: in two dimensions even random directions come close, so look at the control."
)
header("Superposition", "How can a model hold more features than it has dimensions?")
st.markdown(
    "A tiny model, trained here and now, must pass several features through a few numbers and give them all back. "
    "A feature is anything that may be present or not, such as “this is French”."
)
settings = toy_model.fields()
live = superposition.Live()
answer = compute("superposition", **settings, on_partial=live.update)
live.finish()
show.finding(answer)
in_a_plane = settings["n_hidden"] == 2
shapes, shares = st.columns([3, 2], gap="large") if in_a_plane else (st.container(), st.container())
with shapes, st.container(horizontal=True, vertical_alignment="bottom"):
    start = superposition.start_field(answer)
    if in_a_plane:
        play_training("arrows", f"{settings} {start}")
if in_a_plane:
    with shapes:
        show.chart(answer, figures.superposition, start=start, key="arrows", how=HOW_ARROWS, table="path")
with shares:
    superposition.question(answer, settings)
    show.chart(answer, figures.dimensionality, start=start, key="shares", how=HOW_D, table="features")
superposition.starts(answer)
overlap, meanings = st.columns(2, gap="large")
with overlap:
    show.chart(
        answer, figures.feature_interference, start=start, key="overlap", how=HOW_INTERFERENCE, table="interference"
    )
with meanings:
    hidden = superposition.hidden_field(answer)
    show.chart(
        answer, figures.hidden_meanings, hidden=hidden, start=start, key="meanings", how=HOW_HIDDEN, table="weights"
    )
if st.toggle("Unpack it: find the features again in the activations alone", key="unpack", bind="query-params"):
    unpacked = compute("unpacking", **settings)
    show.finding(unpacked)
    found, drawn = st.columns(2, gap="large") if in_a_plane else (st.container(), st.container())
    with found:
        show.chart(unpacked, figures.unpacking, key="found", how=HOW_UNPACKED, table="features")
    if in_a_plane:
        with drawn:
            show.chart(unpacked, figures.unpacked_arrows, key="unpacked", how=HOW_UNPACKED, table="units")
with st.container(border=True):
    st.markdown(NOT_SHOWN)
