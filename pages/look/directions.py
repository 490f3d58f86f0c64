"""Directions: arithmetic with tokens, and how alike any directions are."""

from collections.abc import Callable, Sequence

import streamlit as st

from charts import figures
from ui import address, inputs, show, slots, words
from ui.compute import compute
from ui.fields.direction_set import direction_set
from ui.parts.direction_links import as_fields, direction_links, numbers_links, written
from ui.prompt import header, prompt
from ui.proof import find_texts
from ui.text import literal

HOW_SUM = (
    "Every token is a vector, and vectors can be added. The bars are the tokens whose vectors point most nearly the "
    "same way as the result (cosine: 1 is the same way, 0 nothing in common). Tokens marked (a), (b), (c) are the "
    "words themselves, which the usual test leaves out."
)
HOW_ALONE = (
    "The control: the tokens nearest to the last word as it is, nothing added. If the answer is at the top here too, "
    "the arithmetic was not needed to find it."
)
HOW_SET = (
    "Each cell is the cosine of two directions: 1 is the same direction, 0 nothing in common, −1 the opposite. The "
    "line below the title says what two random directions would have. Click a cell to see both beside each other."
)
HOW_NEAREST = "The tokens whose vectors point most nearly the same way as this direction."
SPACE_HELP = (
    "Read: the embeddings, what the model takes in for a token. Written: the unembeddings, what its output reads for a "
    "token, through the final norm."
)
TRY = (("Paris", "France", "Italy"), ("king", "man", "woman"), ("Rome", "Italy", "France"))
header("Directions", "What does arithmetic with words give, and which directions point the same way?")
chosen = prompt()


def take(*terms: str) -> None:
    """Fill the three words: for callbacks."""
    st.session_state["plus"], st.session_state["less"], st.session_state["onto"] = terms


def arithmetic(given: inputs.Inputs) -> None:
    """a − b + c, and c alone beside it."""
    terms = {}
    for column, name, key, label, usual in zip(
        st.columns(3), "abc", ("plus", "less", "onto"), ("Take", "subtract", "and add"), TRY[0], strict=True
    ):
        with column:
            typed = st.text_input(
                label, key=key, bind="query-params", placeholder=usual, help=f"One token. Empty: {usual}."
            )
            terms[name] = typed.strip() or usual
            slots.place(name, key)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption("Try", width="content")
        for one in TRY:
            st.button("{} − {} + {}".format(*one), key=f"try-{one[0]}", on_click=take, args=one)
    space = address.choose(words.SPACE, st.segmented_control, "Words", required=True, help=SPACE_HELP)
    answer = compute("analogy", given.model, **terms, space=space)
    show.finding(answer)
    summed, alone = st.columns(2)
    with summed:
        show.chart(answer, figures.analogy, key="sum", how=HOW_SUM, table="nearest")
    with alone:
        show.chart(answer, figures.analogy, query="c alone", key="alone", how=HOW_ALONE, table="nearest")
    numbers_links(written(answer.result.vector), 0 if space == "embedding" else None)


def alike(given: inputs.Inputs) -> None:
    """The cosines of a set, and one of it looked at closely."""
    specs = direction_set(given.model)
    space = address.choose(
        words.SPACE, st.segmented_control, "Compare with tokens", usual="unembedding", required=True, help=SPACE_HELP
    )
    asked = {"directions": tuple(spec.text for spec in specs), "space": space}
    answer = compute("directions", given.model, prepend_bos=given.prepend_bos, **asked)
    show.finding(answer)
    names = answer.result.names
    show.chart(answer, figures.directions, key="cosines", how=HOW_SET, table="cosines", on_select=pick_pair(names))
    one, other = which(len(names))
    if other is None:
        show.chart(answer, figures.nearest_tokens, name=names[one], key="nearest", how=HOW_NEAREST, table="nearest")
    else:
        st.subheader(literal(answer.result.pair(one, other)), anchor=False)
        for place, number, key in zip(st.columns(2), (one, other), ("nearest", "nearest_beside"), strict=True):
            with place:
                name = names[number]
                show.chart(answer, figures.nearest_tokens, name=name, key=key, how=HOW_NEAREST, table="nearest")
    find_texts(unit="direction", **as_fields(specs[one]))
    direction_links(specs[one])


def which(n: int) -> tuple[int, int | None]:
    """The direction that is looked at, and the one beside it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = st.number_input(
            "Look closer at direction", 0, value=0, step=1, key="nearest_to", bind="query-params", width=220,
            help="Counted from 0, from the top of the grid.",
        )  # fmt: skip
        other = st.number_input(
            "Beside direction", 0, value=None, step=1, key="beside", bind="query-params", width=220,
            placeholder="click a cell", help="Counted in the same way. Empty: none.",
        )  # fmt: skip
    one = min(one, n - 1)
    return one, None if other is None or min(other, n - 1) == one else min(other, n - 1)


def pick_pair(names: Sequence[str]) -> Callable[[], None]:
    """What the grid calls when a cell is clicked: its two directions fill the fields."""

    def pick() -> None:
        for cell in st.session_state["cosines"].selection.get("pair", []):
            one, other = names.index(cell["first"]), names.index(cell["second"])
            st.session_state["nearest_to"], st.session_state["beside"] = one, None if one == other else other

    return pick


VIEWS = {"analogy": arithmetic, "set": alike}
VIEWS[address.choose(words.DIRECTIONS_VIEW, st.segmented_control, "Show", required=True)](chosen)
