"""Heads: what each looks at, what it does by its weights, which of them hear each other, and why one looks there."""

import streamlit as st

from charts import figures
from ui import address, inputs, show, words
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.parts import head_views
from ui.prompt import header, prompt
from ui.proof import prove_it

HOW_SCORE = (
    "The attention score is a sum over pairs: a part of the token that looks, and a part of the one looked at. Bars to "
    "the right draw the head there, bars to the left hold it back; all pairs add up to the score exactly. A part "
    "“bias” belongs to the head itself. Only what differs from key to key changes where a head looks."
)


def score(given: inputs.Inputs) -> None:
    """Why one head looks from the chosen token where it looks."""
    layer, head = head_views.chosen_head(given)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key_pos = st.number_input(
            "Looked at", 0, value=None, step=1, key="key_pos", bind="query-params", placeholder="most read", width=170,
            help="The position that is looked at. The token that looks is the chosen one: click it above.",
        )  # fmt: skip
        parts = address.choose(words.SCORE_PARTS, st.segmented_control, "Split by", required=True)
    reading = given.reading | {"pos": given.pos, "layer": layer, "head": head}
    answer = compute("score_split", given.model, **reading, key_pos=key_pos, parts=parts)
    number_steps("key", {"key_pos": answer.result.key_pos}, high=answer.result.pos)
    show.finding(answer)
    show.chart(answer, figures.score_split, key="score", how=HOW_SCORE, table="pairs")
    show.chart(answer, figures.score_side, side="key", key="key-side", how=HOW_SCORE, table="key")
    if layer:  # no head comes before those of layer 0
        name = f"L{layer}H{head}"
        prove_it("pages/intervene/path_patching.py", f"see which earlier heads {name} hears", receiver=name)
    head_views.onwards(layer, head)


VIEWS = {"roles": head_views.roles, "circuit": head_views.circuit, "pairs": head_views.pairs, "score": score}
header("Heads", "What does each attention head do, and which heads hear each other?")
chosen = prompt()
view = address.choose(words.HEADS_VIEW, st.segmented_control, "Show", required=True)
VIEWS[view](chosen)
