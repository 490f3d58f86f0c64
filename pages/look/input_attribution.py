"""Words: which parts of the prompt the answer rests on, by the field's methods side by side."""

import streamlit as st

from charts import figures
from mi_core.phrases import place, quoted
from ui import show
from ui.compute import compute
from ui.fields import saliency
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW = (
    "Each row is one method, each column a part of the prompt. A number says how much of the answer the method puts "
    "down to that part; colours compare parts within a row. **Leave-one-out** is an experiment: take the part away, "
    "and see what is lost. **Span occlusion** takes neighbours away with it. **Shapley** values average over all "
    "orders in which the parts could come in, so that they sum to the whole. **Integrated gradients** follow the "
    "slope from the empty prompt to the full one, and sum to the whole as well. **Gradient × input** and the "
    "**gradient norm** look at the slope here only; **attention rollout** follows the attention and knows no answer. "
    "KernelSHAP and LIME are approximations. The start token is never taken away."
)
HOW_GRADES = (
    "Comprehensiveness: the share of the difference that is lost without the parts that the row puts first (10% to "
    "50% of them): more is better. Sufficiency: the share lost with only these: less is better. Agreement: Kendall’s "
    "τ with leave-one-out, 1 for the same order and 0 for none in common. Parts chosen at random score too, so a row "
    "says something only where it beats the random order."
)
MODES = {"mean": "mean", "zero": "zero", "token": "mean", "corrupted": "resample"}  # the same, on the ablation page
header("Words", "Which words of the prompt does the answer rest on?")
chosen = prompt(several=saliency.may_be_several())
asked = saliency.fields(chosen)
answer = compute("input_attribution", chosen.model, **chosen.asking, **asked, ask_first=True)
show.finding(answer)
show.chart(
    answer,
    figures.input_attribution,
    key="words",
    how=HOW,
    table="scores",
    on_select=saliency.pick_part("words", chosen.prompt),
)
with st.expander("How far to trust each row"):
    grades = show.tables(answer)["grades"].assign(method=lambda rows: rows["method"].map(answer.result.labels))
    columns = {"method": "", "of_gap": ".0%", "comprehensiveness": ".0%", "sufficiency": ".0%", "agreement": "+.2f"}
    show.rows(grades, columns, alt="grades")
    show.footer(answer, key="grades", how=HOW_GRADES, table="grades")
part = saliency.part(answer.result, chosen.prompt)
*others, pos = part.positions
named = f"all {len(part.positions)} tokens of {quoted(part.text)}" if others else place(answer.result.tokens, pos)
prove_it(
    "pages/intervene/ablation.py",
    f"knock {named} out before every layer and see where the model still needs it",
    site="position",
    layer=0,
    token=pos,
    also=tuple(f"L0P{other}" for other in others),
    mode=MODES[asked["baseline"]],
    reference=asked["corrupted"] or None,
)
