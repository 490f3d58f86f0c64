"""Features: the concepts a sparse autoencoder finds in the residual stream."""

import streamlit as st

from charts import figures
from mi_core.saes import loading as saes
from ui import show
from ui.components.number_steps import number_steps
from ui.compute import compute
from ui.fields import selection
from ui.fields.feature_list import feature_list_fields
from ui.fields.sites import pick_site
from ui.parts import contexts, feature_list, feature_pairs
from ui.prompt import header, prompt
from ui.proof import find_texts, prove_it

HOW_ONE = (
    "Each bar is how strongly this feature fires on that token. The start token is left out: an SAE does not read it."
)
HOW_PROMOTED = (
    "What the feature says to the vocabulary directly: the tokens whose logits rise (right) or fall (left) for each "
    "unit of its activation. Later layers may change this."
)
HOW_EFFECTS = (
    "Each bar is what becomes of the answer's logit when this feature's term is taken off the activation, all else "
    "left to react, with its sign turned: to the right, the feature helps the answer. The table has the two forecasts "
    "beside it, what it writes directly and its gradient times its activation, and what no feature explains."
)
header("Features", "Which concepts is the model holding at each token?")
chosen = prompt()
entries = [entry for entry in saes.available(chosen.model) if not entry.refused]
if not entries:
    st.info(
        "This model has no sparse autoencoder here, so there are no features to show. "
        "Loupe mini and GPT-2 small have one: choose either in the sidebar.",
        icon=":material/category:",
    )
    st.stop()

site, number = st.columns([3, 1], vertical_alignment="bottom")
sae = pick_site(site, [entry.name for entry in entries])
answer = compute("features", chosen.model, **chosen.reading, pos=chosen.pos, sae=sae)
result = answer.result
active = [int(feature) for feature in result.feature_ids[result.pos] if feature >= 0]
feature = number.number_input(
    "Feature",
    min_value=0,
    value=None,
    step=1,
    key="feature",
    bind="query-params",
    placeholder=f"strongest here: {active[0]}" if active else "a number",
    help=f"Follow one of the {result.d_sae:,} features. Empty means the strongest on the chosen token.",
)
number_steps("feature", {"feature": active[0] if active else None}, high=result.d_sae - 1)
show.finding(answer)
if result.pos not in result.skipped_pos:
    wanted = feature_list_fields(chosen.model, sae, has_start=result.tokens.has_bos)
    listing = compute("feature_list", chosen.model, **chosen.asking, sae=sae, **wanted)
    feature_list.draw(listing)

followed = feature if feature is not None else (active[0] if active else None)
if followed is None:
    st.stop()
st.divider()
one = compute("feature", chosen.model, **chosen.reading, feature=followed, sae=sae)
show.finding(one)
prove_it("pages/intervene/steering.py", "steer the model with this feature", sae=sae, feature=followed)
prove_it(
    "pages/intervene/ablation.py",
    "knock this feature out and measure what becomes of the answer",
    site="feature",
    sae=sae,
    feature=followed,
)
over_prompt, speaks = st.columns(2)
with over_prompt:
    show.chart(
        one,
        figures.feature,
        key="feature-strip",
        how=HOW_ONE,
        table="activations",
        on_select=selection.pick_position("feature-strip", "token"),
    )
with speaks:
    show.chart(one, figures.promoted, key="promoted", how=HOW_PROMOTED, table="promoted")
contexts.draw(one.result)
find_texts(unit="feature", sae=sae, feature=followed)
if result.pos not in result.skipped_pos:
    st.divider()
    effects = compute("feature_effects", chosen.model, **chosen.asking, sae=sae)
    show.finding(effects)
    show.chart(
        effects,
        figures.feature_effects,
        key="effects",
        how=HOW_EFFECTS,
        table="effects",
        on_select=selection.pick_feature("effects"),
    )
    feature_pairs.draw(chosen, sae, entries)
