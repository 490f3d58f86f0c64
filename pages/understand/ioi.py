"""IOI: which heads find who receives, what each does, and who steps in when they are taken out."""

import streamlit as st

from charts import figures
from ui import address, inputs, show, words
from ui.compute import compute
from ui.fields import name_prompts, selection
from ui.parts import names as parts
from ui.parts.not_shown import not_shown
from ui.prompt import header
from ui.tours.links import tour_link
from ui.tours.plan import TOURS

HOW_DIRECT = (
    "One cell per head: a row is a layer, a column a head. The number is what the head itself adds to the logit of the "
    "name that was said once, less that of the repeated name, with the final norm’s scale as it is in each run. All "
    "heads and all other parts sum to the logit difference. A dashed outline: it speaks clearly for the name or "
    "against it. Click a head."
)
HOW_OUT = (
    "The same with the heads marked ≠ knocked out: what they pass on at the last token is their mean over prompts of "
    "three different names, so that it says nothing of who comes again. A dashed outline: a head that now writes "
    "clearly more than before, a backup head."
)
HOW_ATTENTION = (
    "One cell per head: the share of its attention along the way that you chose, a mean over all prompts. A dashed "
    "outline: the head has this role, which for name movers also takes a direct effect, and for S-inhibition heads "
    "that they say little themselves. Looking is not yet doing: path patching shows to whom a head speaks."
)
HOW_KNOCKOUT = (
    "The hollow circle is the model as it is, the filled diamond with the heads knocked out. The first row is the "
    "logit difference; the others are its parts, and sum to it. If it falls by less than the heads had given, others "
    "have made up for it: backups that rise, or negative name movers that hold back less."
)
HOW_GAIN = (
    "How much more each head writes for the name that was said once, now that others are out. Every run has its own "
    "final norm: when the stream is shorter, all that is left counts a little more, which is part of the rise."
)
HOW_PROMPTS = (
    "Each row is a prompt, by its last words. Left of zero the repeated name is above the other: a wrong answer."
)
header("Indirect object identification", "Two names, one comes again: how does the model find the other?")
st.markdown(
    "“When Mary and John went to the store, **John** gave a drink to” must go on with **Mary**. Wang et al. (2022) "
    "found the heads of GPT-2 small that do it. Here they are looked for in this model, on many prompts at once. IO is "
    "the name said once, S1 and S2 the two mentions of the repeated one, the end the last token."
)
given = inputs.current()
asked = name_prompts.prompts()
knocked, without = name_prompts.knockout()
answer = compute("ioi", given.model, **asked, without=without, prepend_bos=given.prepend_bos)
show.finding(answer)
left, right = st.columns(2, gap="large")
with left:
    show.chart(
        answer, figures.ioi, knocked=knocked, key="direct", how=HOW_OUT if knocked else HOW_DIRECT, table="heads",
        on_select=selection.pick_head("direct"),
    )  # fmt: skip
with right:
    if knocked and answer.result.without:
        show.chart(answer, figures.ioi_knockout, key="knockout", how=HOW_KNOCKOUT, table="knockout")
        show.chart(
            answer, figures.ioi_gain, key="gain", how=HOW_GAIN, table="heads",
            on_select=selection.pick_fields("gain", "bar", ("layer", "head")),
        )  # fmt: skip
    else:
        role = address.choose(words.NAMES_ROLE, st.selectbox, "Share of attention to", width=420)
        show.chart(
            answer, figures.ioi_attention, role=role, key="attention", how=HOW_ATTENTION, table="heads",
            on_select=selection.pick_head("attention"),
        )  # fmt: skip
layer, head = selection.head_choice("strongest")
layer, head = answer.result.strongest if layer is None else (layer, head or 0)
if answer.result.has(layer, head):
    parts.head(answer, layer, head)
else:
    st.info(f"There is no head L{layer}H{head} here: choose another.", icon=":material/edit:")
parts.roles(answer)
parts.known(answer)
if knocked and answer.result.without:
    show.chart(answer, figures.ioi_prompts, key="prompts", how=HOW_PROMPTS, table="prompts")
parts.prompts(answer)
tour_link(TOURS["who_gets_the_drink"], "Walk through one such prompt, step by step: “Who gets the drink?”")
not_shown(
    "To whom a head speaks. What it looks at and what it writes are measured; which later head reads it, path patching "
    "shows.",
    "That a head does nothing else. Roles are told on these sentences alone; name movers move other words as well.",
    "What every model does. Where no head has a published role, the model may do the same in another way, or in MLPs.",
    "What would happen in earlier layers. The knockout acts at the last token only, where the answer is said.",
)
