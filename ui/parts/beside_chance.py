"""An intervention beside chance: off, it costs nothing; on, what it takes is said."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from charts import figures
from mi_core.jobs.request import Request
from ui import show
from ui.compute import attempt, beside
from ui.fields import edits
from ui.text import literal

HOW = (
    "The large diamond is what was done; each hollow circle is what chance does in its place. Random directions change "
    "the same activation by as much, at the same positions; of a direction removed by an edit, others are removed. "
    "Others of its kind are parts of the same layer, or features that fire at least half and at most twice as often. "
    "A finding is worth its name where the diamond lies further from 0 than 19 of 20 circles. Where it lies among "
    "them, the place matters, and not what was put there."
)


def beside_chance(model: str, of: str, settings: dict[str, Any], **further: Any) -> None:
    """Draw the switch, and where it is on the comparison.

    Args:
        model: The model.
        of: The analysis of the intervention.
        settings: Its settings.
        **further: Edits that it is made on, where these are not all that are on.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.toggle(
            "Beside chance", key="chance", bind="query-params",
            help="Do the same with 20 random directions of the same size, and with up to 20 other parts of its kind: "
            "does it do more than they? Off, nothing is computed; on, what it takes is said first.",
        )  # fmt: skip
        if not wanted:
            return
        seed = st.number_input(
            "Seed of chance", 0, 10_000, 0, key="chance_seed", bind="query-params", width=140,
            help="Which random directions and parts are drawn. A finding should hold with any seed.",
        )  # fmt: skip
    given = json.dumps({name: value for name, value in settings.items() if value is not None})
    request = Request.of("placebo", model, **{"edits": edits.current()} | further, of=of, settings=given, seed=seed)
    price = attempt("cost", model, **further, of="placebo", settings=json.dumps(dict(request.settings)))
    if price is not None:
        st.caption(literal(f"{price.result.reading().title}."))
    answer = beside(request)
    if answer is not None:
        show.finding(answer)
        show.chart(answer, figures.placebo, key="chance-cloud", how=HOW, table="trials")
