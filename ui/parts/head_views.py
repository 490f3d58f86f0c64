"""Views of the heads' page that need no prompt: what all look at, one head's weights, and who hears whom."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from charts import figures
from charts.figures.heads import ROLES
from ui import address, inputs, show, words
from ui.components.number_steps import number_steps
from ui.compute import Answer, compute
from ui.fields import selection, text_file
from ui.proof import find_texts, prove_it
from ui.text import literal

HOW_ROLES = (
    "One cell per head: a row is a layer, a column a head, and the number is the share of its attention that goes to "
    "what you chose above. **The token before**: hands each word to the next (previous-token head). **What followed "
    "last time**: finds an earlier copy of this token and looks at what came after it, so that the model can repeat it "
    "(induction head). **The same token earlier on**: notices repeats (duplicate-token head). **The first token**: "
    "where a head rests that has nothing to do (sink). **Its own token**: works on the word that stands there. Random "
    "tokens mean nothing, so only places can attract; ordinary text shows what the head does in earnest. Click a head."
)
HOW_PROFILE = (
    "The hollow circle is the share of attention on random tokens that come twice, the filled diamond in ordinary "
    "text. A role that holds in both is one that you can rely on. The table has the rank of every head among all."
)
HOW_SPREAD = (
    "Each excerpt is measured by itself; a bar counts the excerpts in which the head gives so much of its attention to "
    "what you chose. All in one place: the head does it in any text. Spread out, or in two heaps: it depends on what "
    "the text is, and the mean above hides that."
)
HOW_OV = (
    "Each bar is one token that the head may read, and the token that it then pushes most, by its weights alone (the "
    "OV circuit). Where both are the same, the head copies. The copying score sums it up: 1 copies everything, −1 "
    "holds everything down that it reads. Earlier layers may have changed what stands at a token: then it says "
    "something else. Numbers are logits before the norms divide: compare them with each other only."
)
HOW_QK = (
    "Each bar is one token that looks for another, and the token it is drawn to most (the QK circuit), whatever their "
    "positions add. For models that turn queries and keys by position, at the distance that you chose."
)
HOW_ASKS = (
    "Tokens to which it matters most which token they look at: their attention scores differ most from key to key. "
    "What positions add is left out; the chart below has it apart."
)
HOW_FOUND = (
    "Tokens that draw the head on average over all tokens that could look at them, whatever their positions add: in "
    "attention scores above the average token’s."
)
HOW_DISTANCE = (
    "How much the head is drawn to a key so many tokens back when all tokens are alike: the part that positions play. "
    "A head of the token before has its longest bar at 1."
)
HOW_PAIRS = (
    "A row is a head that writes, a column a later head that reads; the number says how much better what the one "
    "writes fits what the other’s weights read than for heads turned at random, in standard deviations. Above 5 is "
    "hardly ever chance. It says what two heads could tell each other, not that they do. Click a pair, then prove it."
)
GAINS = (
    "Before attention, a norm multiplies each direction of the stream by a learned gain. As stored, the weights leave "
    "it out, as most published scores do; with the gains multiplied in, they act on what is in the stream."
)
NAME = re.compile(r"L(\d+)H(\d+)")


def roles(given: inputs.Inputs) -> None:
    """What every head looks at, and the chosen one by itself."""
    with st.expander("Look at your own text"):
        file = text_file.field("heads_file")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        role = address.choose(words.ROLE, st.selectbox, "Share of attention to", usual="induction", width=280)
        measured = address.choose(
            words.MEASURED_ON,
            st.segmented_control,
            "Measured on",
            required=True,
            disabled=role == "duplicate_token",
        )
        least = st.slider(
            "Name heads from", 5, 100, 40, 5, format="%d%%", key="least", bind="query-params", width=200,
            help="Heads that give at least so much of their attention have a dashed outline; the line below the grid "
            "names them.",
        )  # fmt: skip
    measured = "random" if role == "duplicate_token" else measured
    own: dict[str, Any] = {} if file is None else {"file": text_file.sent("heads_file")}
    place = st.empty()

    def draw(result) -> None:
        with place.container():
            st.markdown(f"**{literal(result.reading().title)}**")

    answer = compute("head_roles", given.model, on_partial=draw, **own)
    place.empty()
    show.finding(answer)
    show.chart(
        answer, figures.head_roles, role=role, measured=measured, least=least / 100, key="roles", how=HOW_ROLES,
        table="scores" if measured == "random" else "text", on_select=selection.pick_head("roles"),
    )  # fmt: skip
    st.markdown(literal(answer.result.above(role, measured, least / 100)))
    layer, head = selection.head_choice("clearest")
    layer, head = _head(_most(answer, role, measured), layer, head)
    if layer not in answer.result.layers or head >= answer.result.random.shape[-1]:
        st.info(f"There is no head L{layer}H{head} here: choose another.", icon=":material/edit:")
        return
    show.chart(answer, figures.head_profile, layer=layer, head=head, key="profile", how=HOW_PROFILE, table="scores")
    if role != "duplicate_token":
        show.chart(
            answer, figures.head_spread, layer=layer, head=head, role=role, key="spread", how=HOW_SPREAD,
            table="histogram",
        )  # fmt: skip
    examples = show.tables(answer)["examples"]
    examples = examples.loc[(examples["layer"] == layer) & (examples["head"] == head) & (examples["role"] == role)]
    if len(examples):
        with st.expander(f"Where L{layer}H{head} looks at {ROLES[role]} most"):
            show.rows(examples, {"score": ".0%", "excerpt": ""}, alt="Excerpts")
    onwards(layer, head)


def circuit(given: inputs.Inputs) -> None:
    """One head's weights."""
    layer, head = chosen_head(given)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        gains = address.choose(words.GAINS, st.segmented_control, "Weights", required=True, help=GAINS)
        distance = st.number_input(
            "Distance", 0, 23, 1, key="distance", bind="query-params", width=140,
            help="How many tokens back the key stands, for models that turn queries and keys by position (rotary).",
        )  # fmt: skip
    answer = compute("head_circuit", given.model, layer=layer, head=head, gains=gains, distance=distance)
    if not answer.result.turns:
        st.caption("Positions do not turn the queries and keys of this model, so the distance changes nothing here.")
    show.finding(answer)
    show.chart(answer, figures.head_circuit, key="ov", how=HOW_OV, table="ov")
    show.chart(answer, figures.attracted, key="qk", how=HOW_QK, table="qk")
    sharp, found = st.columns(2)
    with sharp:
        show.chart(answer, figures.chosen_tokens, side="asks", key="asks", how=HOW_ASKS, table="qk_tokens")
    with found:
        show.chart(answer, figures.chosen_tokens, side="is found by", key="found", how=HOW_FOUND, table="qk_tokens")
    show.chart(answer, figures.drawn_by_distance, key="distances", how=HOW_DISTANCE, table="positions")
    with st.expander("Its strongest directions, as tokens"):
        st.caption(
            "The strongest singular directions of both circuits: tokens that lie furthest along what is read, and what "
            "is said; or along what asks, and what is found by it."
        )
        directions = show.tables(answer)["directions"]
        grouped = directions.groupby(["circuit", "direction", "share", "side"], sort=False)["token"]
        show.rows(
            grouped.agg(", ".join).reset_index(),
            {"circuit": "", "direction": "d", "share": ".0%", "side": "", "token": ""},
            alt="Directions",
        )
    onwards(layer, head)


def pairs(given: inputs.Inputs) -> None:
    """Who hears whom."""
    fields = st.container(horizontal=True, vertical_alignment="bottom")
    with fields:
        gains = address.choose(words.GAINS, st.segmented_control, "Weights", required=True, help=GAINS)
    answer = compute("composition", given.model, gains=gains)
    scores = show.tables(answer)["scores"]
    with fields:
        kind = address.choose(
            words.HEARD_BY,
            st.segmented_control,
            "What the later head hears it with",
            usual=scores["kind"].iloc[0],
            required=True,
            help="Queries: what it looks for. Keys: what it can be found by. Values: what it passes on.",
        )
    show.finding(answer)
    show.chart(
        answer, figures.composition, kind=kind, key="pairs", how=HOW_PAIRS, table="scores",
        on_select=selection.pick_pair("pairs"),
    )  # fmt: skip
    typed = st.text_input(
        "One pair", key="pair", bind="query-params", placeholder="click a cell, or type L0H0 → L1H1", width=280
    )
    best = scores[scores["kind"] == kind].iloc[0]
    named = [f"L{layer}H{head}" for layer, head in NAME.findall(typed.upper())] or [
        f"L{best.from_layer}H{best.from_head}",
        f"L{best.to_layer}H{best.to_head}",
    ]
    if len(named) != 2:
        st.info("A pair is two heads, such as L0H0 → L1H1: type both.", icon=":material/edit:")
        return
    prove_it(
        "pages/intervene/path_patching.py",
        f"let {named[0]} speak to {named[1]}’s {words.HEARD_BY.label(kind)} alone, and see how much of an answer moves",
        receiver=named[1],
        input=kind.lower(),
    )


def chosen_head(given: inputs.Inputs) -> tuple[int, int]:
    """The head of the fields, or the one with the clearest role."""
    layer, head = selection.head_choice("clearest")
    if layer is not None and head is not None:
        return layer, head
    return _head(compute("head_roles", given.model).result.clearest, layer, head)


def _most(answer: Answer, role: str, measured: str) -> tuple[int, int]:
    """The head that does most of what is shown."""
    scores = show.tables(answer)["scores" if measured == "random" else "text"]
    scores = scores.loc[scores["role"] == role].nlargest(1, "score")
    if scores.empty:
        return answer.result.clearest
    return int(scores["layer"].iloc[0]), int(scores["head"].iloc[0])


def _head(otherwise: tuple[int, int], layer: int | None, head: int | None) -> tuple[int, int]:
    number_steps("head", {"layer": otherwise[0], "head": otherwise[1]})
    return (layer, head or 0) if layer is not None else otherwise


def onwards(layer: int, head: int) -> None:
    """Where else a head is seen, and the way to the proof that the model needs it."""
    find_texts(unit="head", layer=layer, head=head)
    prove_it(
        "pages/intervene/ablation.py",
        f"knock out L{layer}H{head} and measure what becomes of the answer",
        site="head",
        layer=layer,
        head=head,
    )
