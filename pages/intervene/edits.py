"""Edits: change the weights, measure what that does, and look at the edited model on every page."""

import streamlit as st

from charts import figures
from mi_core.editing import recipes
from ui import address, show, words
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.fields import counterpart, edits
from ui.parts.beside_chance import beside_chance
from ui.parts.presets import PRESETS
from ui.prompt import header, prompt
from ui.text import literal

HOW_SHIFT = (
    "Each row is a token. The hollow circle is its probability of coming next in the model before the edit, the filled "
    "diamond after it. A rewritten fact that works moves nearly everything from the old answer to the new one."
)
HOW_PROMPTS = (
    "Each bar is one prompt: how much its next token's odds move through the edit, in bits (KL divergence). A good "
    "edit moves the edited prompt and its rephrasings, and leaves other subjects and unrelated text at 0. The table "
    "has every answer before and after."
)


def _suggested() -> tuple[str, str]:
    """Subject and new answer for a prompt that no preset brings them for."""
    known = any(preset.prompt == chosen.prompt and preset.subject for preset in PRESETS)
    return ("", "") if known else counterpart.fact(chosen)


header("Edits", "What happens when a fact is rewritten or a direction removed?")
chosen = prompt()
rewriting = address.choose(words.EDIT, st.segmented_control, "Edit", required=True) == "rome"
recipe = edits.fact_fields(chosen.prompt, _suggested()) if rewriting else edits.direction_fields(chosen.model)
others = edits.trial_fields(chosen.prompt, rewriting)
if recipe is None:
    st.info(
        "Type the words of your prompt that the fact is about, and the new answer. “A fact about the world” on the "
        "first page brings both along."
        if rewriting
        else "Type the token, or paste the numbers, whose direction is to be removed.",
        icon=":material/edit:",
    )
    edits.show_stack()
    st.stop()
asked = {"prompt": chosen.prompt} | recipes.settings(recipe) | others
answer = compute(
    "edit", chosen.model, edits=edits.below(recipe), prepend_bos=chosen.prepend_bos, ask_first=True, **asked
)
number_steps("layer", {"edit_layer" if rewriting else "layer": answer.result.layer})
show.finding(answer)
edits.keep_button(answer.result.edit, recipe)
scores = show.tables(answer)["scores"]
for place, (_, row) in zip(st.columns(len(scores)), scores.iterrows(), strict=True):
    unit = "{:.3f} bits" if row["score"] == "drift" else "{:.0%}"
    n = "" if row["prompts"] == 1 else f" ({row['prompts']} prompts)"
    place.metric(row["score"] + n, unit.format(row["value"]), help=literal(row["meaning"]))
show.chart(answer, figures.edit, key="shift", how=HOW_SHIFT, table="shift")
beside_chance(chosen.model, "edit", asked | {"prepend_bos": chosen.prepend_bos}, edits=edits.below(recipe))
show.chart(answer, figures.edit_elsewhere, key="prompts", how=HOW_PROMPTS, table="prompts")
edits.show_stack()
