"""Which earlier features make which later ones: the part of the features' page that needs two autoencoders."""

from __future__ import annotations

import streamlit as st

from charts import figures
from mi_core.models.catalogue import SaeEntry
from mi_core.saes import loading as saes
from ui import belonging, show
from ui.compute import Answer, compute
from ui.fields import selection
from ui.fields.sites import pick_site, site_name
from ui.inputs import Inputs
from ui.proof import prove_it

HOW_PAIRS = (
    "Each bar is a pair: a feature at the earlier place → a feature at the later place, on the chosen token. Its "
    "length is what the later one loses when the earlier one’s term is taken off every token and all else reacts: to "
    "the right the earlier one feeds it, to the left it holds it down. The table has the forecast beside it, gradient "
    "× activation, which follows a straight line through a curved model: where both differ, believe the measured one. "
    "Click a bar to follow the feature of this page’s autoencoder."
)
HOW_SUMS = (
    "What the later feature’s activation is made of, by gradients: all earlier features together, the earlier "
    "autoencoder’s own bias, what that misses of the stream, and the start token, which it does not read. The last "
    "bar is what no straight line explains; with it, the bars add up to the activation. The table has every feature "
    "that was looked at."
)
FETCHES = "Fetches the second autoencoder first, which may take minutes."


def draw(chosen: Inputs, sae: str, entries: list[SaeEntry]) -> None:
    """The strongest pairs, one of them in full, and the ways on."""
    st.divider()
    st.markdown("**Which features make which?**")
    near = saes.neighbour(chosen.model, saes.pick(chosen.model, sae))
    if near is None:
        st.caption("This needs autoencoders at two places of the model; here there is one.")
        return
    own = next(entry for entry in entries if entry.name == sae)
    places = [entry.name for entry in entries if entry.hook != own.hook]
    other = pick_site(st.container(), places, "other_sae", usual=near.name, label="The other place", width=320)
    fetched = all(entry.folder for entry in entries if entry.name in (sae, other))
    if not fetched and not st.toggle("Look for pairs", key="pairs", bind="query-params", help=FETCHES):
        return
    answer = compute("feature_pairs", chosen.model, **chosen.reading, pos=chosen.pos, sae=sae, other=other)
    result = answer.result
    mine, theirs = ("from_feature", "to_feature") if result.earlier == sae else ("to_feature", "from_feature")
    show.finding(answer)
    pairs, sums = st.columns([3, 2])
    with pairs:
        show.chart(
            answer, figures.feature_pairs, key="feature-pairs", how=HOW_PAIRS, table="pairs",
            on_select=selection.pick_fields("feature-pairs", "bar", (mine,), ("feature",)),
        )  # fmt: skip
    with sums:
        show.chart(answer, figures.feature_sums, key="feature-sums", how=HOW_SUMS, table="sums")
    _onwards(answer, other, theirs)


def _onwards(answer: Answer, other: str, theirs: str) -> None:
    """To the strongest pair's other feature, and to the ablation of the earlier one."""
    result = answer.result
    best = result.tables()["pairs"].iloc[result.strongest]
    number = int(best[theirs])
    st.button(
        f"Follow feature {number} ({site_name(other)})", icon=":material/swap_horiz:", type="tertiary",
        key="follow-other", on_click=_follow, args=(other, number),
    )  # fmt: skip
    maker, where = int(best["from_feature"]), site_name(result.earlier)
    prove_it(
        "pages/intervene/ablation.py", f"knock out feature {maker} ({where}) and measure the answer",
        site="feature", sae=result.earlier, feature=maker,
    )  # fmt: skip


def _follow(sae: str, feature: int) -> None:
    st.session_state["sae"] = sae
    belonging.suggest("feature", feature)
