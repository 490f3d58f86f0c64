"""What an attribution graph is made of, and what of it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from mi_core.errors import InputError
from mi_core.graphs.groups import HOW, parse, spelled
from mi_core.graphs.view import alike
from ui import address, inputs, slots, words

PINNED, GROUPS, PARTNERS = "pinned", "groups", "_partners"
ALONE = (
    "With one prompt alone there is nothing to compare with: patterns, norms and gains are held as they are, and the "
    "graph says what the answer is a sum of, not what would happen without a part of it."
)


def graph_fields() -> dict[str, Any]:
    """Fields for what the graph is made of."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        basis = address.choose(
            words.GRAPH_NODES, st.segmented_control, "Made of", required=True,
            help="Features of sparse autoencoders and what these leave unexplained; heads and MLPs; or heads and "
            "single neurons. Usual: features where this model has autoencoders.",
        )  # fmt: skip
        alone = st.toggle("One prompt alone", key="alone", bind="query-params", help=ALONE)
    slots.place("basis")
    return {"basis": basis, "alone": alone}


@dataclass(frozen=True)
class Shown:
    """What of a graph is shown, as `charts.figures.attribution_graph` takes it."""

    node_share: float
    lines: int
    pinned: tuple[str, ...]
    groups: str

    @property
    def view(self) -> dict[str, Any]:
        """Settings of the figure."""
        return {"node_share": self.node_share, "lines": self.lines, "pinned": self.pinned, "groups": self.groups}


def shown_fields(result: Any) -> Shown:
    """Fields for how much of it is shown, what stays, and what is put together."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        share = st.slider(
            "Nodes: share of the influence", 0.3, 1.0, 0.8, 0.05, key="node_share", bind="query-params",
            format="percent", width=240, help="The fewest nodes that together have this share of all influence on the "
            "answer are shown, 60 at most.",
        )  # fmt: skip
        lines = st.slider("Lines, the strongest", 10, 300, 80, 10, key="lines", bind="query-params", width=240)
        pinned = st.multiselect(
            "Pinned", result.names, key=PINNED, bind="query-params", placeholder="nothing", accept_new_options=True,
            help="These stay, whatever the sliders say.",
        )  # fmt: skip
    return Shown(share, lines, tuple(name for name in pinned if name in result.names), _groups(result, share, pinned))


def _groups(result: Any, share: float, pinned: list[str]) -> str:
    """The groups as text; what is no group is said, and left out."""
    with st.expander("Put nodes together", icon=":material/join:"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.button(
                "Suggest groups", on_click=_suggest, args=(result, share), icon=":material/auto_awesome:",
                help="Nodes of one layer that get the same from the same and give the same to the same, in proportion "
                "(cosine of their edges at least 0.8, every two of a group).",
            )  # fmt: skip
            st.button(
                "Group what is pinned", on_click=_together, args=(tuple(pinned),), icon=":material/join_inner:",
                disabled=len(pinned) < 2, help="Pin two nodes or more first.",
            )  # fmt: skip
        text = st.text_area(
            "Groups, one per line",
            key=GROUPS,
            bind=inputs.in_link(GROUPS),
            persist_state="session",
            placeholder="capitals: L2F306@5, L2F23@5",
            help="Rename a group by writing another name. Its lines are the sums of its members’ lines.",
        )
        inputs.place_in_link(GROUPS)
    try:
        unknown = [name for members in parse(text).values() for name in members if name not in result.names]
    except InputError as error:
        slots.report(error)
        return ""
    if unknown:
        slots.note(GROUPS, f"This graph has no {unknown[0]}: {HOW}.")
    return text


def _suggest(result: Any, share: float) -> None:
    st.session_state[GROUPS] = spelled(alike(result.shown(share)))


def _together(pinned: tuple[str, ...]) -> None:
    known = parse(st.session_state.get(GROUPS) or "")
    free = [name for name in pinned if not any(name in members for members in known.values())]
    if len(free) > 1:
        st.session_state[GROUPS] = spelled({**known, f"group {len(known) + 1}": free})
