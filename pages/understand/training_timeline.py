"""Training timeline: what the model learned, and when; any prompt at every checkpoint."""

from typing import Any

import streamlit as st

from charts import figures
from mi_core.models import catalogue, checkpoints
from ui import address, show, words
from ui.compute import compute
from ui.fields import checkpoint, edits, selection
from ui.parts import checkpoints as parts
from ui.parts.not_shown import not_shown
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW_SKILLS = (
    "Each column is a checkpoint: the weights as they were saved at that step. They stand evenly spaced, though they "
    "are not equally far apart. A line says how many questions of one kind were answered right. Click a column to look "
    "at that moment everywhere on this page."
)
HOW_LOSS = (
    "The model reads random tokens that come twice. In the second copy every one could be known. The height says how "
    "much each still surprises it, in bits: 0 is no surprise, 12.3 bits a blind guess among all its tokens."
)
HOW_ROLES = (
    "For each role, how much of its attention the head gives to it that gives most. Heads that look at what followed "
    "last time (induction heads) need one that looks at the token before; both rise as copying begins."
)
HOW_HEADS = "All heads at the marked checkpoint. Click one to see what it reads in your prompt, below."
HOW_LENS = (
    "Each column is a checkpoint, each row a moment inside it: the bottom row is its real output. A cell shows what "
    "the lens reads there as the next token, its colour how likely the answer is. Read the bottom row from left to "
    "right to see when it was learned, and a column from top to bottom to see where in the model it is read."
)
DRILLED = (
    " What it read changed on the way: from step 2,400 to 3,200, half of it was copying, and so copying came then."
)
HOW_BOTH = "Hollow circle: at the one step; filled diamond: at the other. What does not move is left out."
header("Training timeline", "What did the model learn, and when?")
chosen = prompt()
name, revision = checkpoints.parted(chosen.model)
wanted = checkpoint.fetched(name)
series = {one.step: one for one in checkpoints.series(name) if not wanted or one.step in wanted}
if edits.current():
    st.caption("Edits that are on are left out here: they were made in one model, and a training has many.")
opened, step = checkpoints.step_of(revision), None
if checkpoints.is_measured(name):
    measured = compute("training_timeline", chosen.model, edits="")
    show.finding(measured)
    step = checkpoint.cursor(list(series), opened if opened in series else max(series))
    parts.said(series[step])
    above, below = st.columns(2, gap="large"), st.columns(2, gap="large")
    left, right = above
    for column, key, how in ((left, "skills", HOW_SKILLS), (right, "loss", HOW_LOSS), (below[0], "roles", HOW_ROLES)):
        with column:
            show.chart(
                measured, figures.training_timeline, show=key, step=step, key=key, how=how,
                table="roles" if key == "roles" else "scores", on_select=checkpoint.pick(key),
            )  # fmt: skip
    with below[1]:
        role = address.choose(words.ROLE, st.selectbox, "Heads that look at", among=measured.result.roles, width=260)
        show.chart(
            measured, figures.roles_at_step, step=step, role=role, key="heads", how=HOW_HEADS, table="roles",
            on_select=selection.pick_head("heads"),
        )  # fmt: skip
if not series and not wanted:
    parts.elsewhere()
place = st.empty()


def so_far(partial: Any) -> None:
    """The checkpoints that are read already."""
    with place.container():
        show.unfinished(partial, figures.lens_timeline)


answer = compute("lens_timeline", chosen.model, **chosen.asking, steps=wanted, edits="", on_partial=so_far)
place.empty()
series = {one.step: one for one in checkpoints.series(name) if one.step in answer.result.steps}
show.finding(answer)
if step is None:
    step = checkpoint.cursor(list(series), opened if opened in series else max(series))
    parts.said(series[step])
colour = address.choose(
    words.COLOUR, st.segmented_control, "Colour shows", among=["target_probability", "probability"], required=True
)
show.chart(
    answer, figures.lens_timeline, colour=colour, step=step, key="lens", how=HOW_LENS, table="lens",
    on_select=checkpoint.pick("lens"),
)  # fmt: skip
if len(series) > 1:
    other = checkpoint.compared(list(series), step)
    asked = chosen.reading | {"pos": chosen.pos, "first": min(step, other), "second": max(step, other)}
    both = compute("checkpoint_comparison", chosen.model, **asked, edits="")
    show.finding(both)
    left, right = st.columns(2, gap="large")
    with left:
        show.chart(both, figures.checkpoint_comparison, key="next", how=HOW_BOTH, table="predictions")
    if both.result.timeline is not None:
        with right:
            show.chart(both, figures.heads_that_changed, key="changed", how=HOW_BOTH, table="heads")
    parts.attention(chosen, series[max(step, other)], series[min(step, other)])
prove_it(
    "pages/intervene/ablation.py", "knock out the heads of this checkpoint, and see whether it needs them yet",
    model=series[step].model, site="head",
)  # fmt: skip
not_shown(
    "What happened between two checkpoints. Something that is there at one and not at the one before came in between.",
    "Why it was learned then. That two lines rise together does not say that one is the cause of the other.",
    "How other models learn. The order and the steps are this model's, its data's and its seed's."
    + (DRILLED if name == catalogue.DEFAULT else ""),
    "What a layer “knows”: the lens reads every layer with the last one's words, which early checkpoints may not use.",
)
