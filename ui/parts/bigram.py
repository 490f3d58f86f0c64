"""Parts of the bigram lab: a question before the answer, the model with a part taken out, and a real model."""

from __future__ import annotations

from typing import Any

import streamlit as st

from charts import figures
from ui import address, inputs, show, slots, words
from ui.compute import Answer, compute
from ui.fields import bigram as fields
from ui.proof import prove_it
from ui.text import literal

HOW_LENGTHS = (
    "Across: letters in a word. Upwards: how many of the words are so long. The model's lengths fall off evenly, since "
    "it tosses the same coins after every letter, however many there are; those of the words gather around a middle. "
    "Their averages are equal all the same."
)
HOW_NEXT = (
    "The tokens that are likeliest to come next, averaged over the places where this one stands in text that the model "
    "wrote. Alone: embedding and unembedding, all layers left out. Then with the first block, then with all of them. "
    "Last, what was counted: where it agrees with the first block, that block holds the bigrams."
)
ANSWERS = {
    "same": "So it is: ",
    "shorter": "It looks like it, since it writes many short ones, and some very long ones: ",
    "longer": "It looks like it, since it writes some very long ones, and many short ones: ",
}
SOURCES = ("alone", "first block", "whole", "counted")


def prediction(answer: Answer) -> bool:
    """Ask how long the model's words will be; once that is answered, show what theory fixes. Whether it was."""
    st.subheader("Predict before you look", anchor=False)
    st.markdown(
        "Now the model writes: it draws letter after letter by these chances until it draws the end. It sees one "
        "letter only, so it cannot count how many there are by now. Beside the words that it learned from, how long "
        "will its words be **on average**?"
    )
    guess = address.choose(words.BIGRAM_GUESS, st.segmented_control, "Your guess")
    if guess is None:
        st.caption("What it writes is shown once you have guessed.")
        return False
    theory = show.tables(answer)["theory"]
    st.markdown(
        f"{ANSWERS[guess]}counted chances give words that are, on average, just as long as those counted, to the last "
        "digit. These numbers are fixed before any training; beside them stands what this model has reached."
    )
    names = {"quantity": "what", "fixed": "fixed beforehand", "reached": "reached"}
    show.rows(
        theory.rename(columns=names), {"what": "", "fixed beforehand": ".4f", "reached": ".4f"},
        alt="What theory fixes, beside what the model has reached",
    )  # fmt: skip
    return True


def ablation(asked: dict[str, Any], rows: list[str], columns: list[str]) -> None:
    """What the model writes, whole and with a part taken out."""
    st.subheader("Take a part out", anchor=False)
    st.markdown(
        "The whole model is one table. Take out the column of the end: nothing can end any more. Or a row: the model "
        "no longer knows what follows a letter."
    )
    part = fields.part(rows, columns)
    answer = compute("bigram_ablation", **asked, **part)
    show.finding(answer)
    _written(answer.result)
    show.chart(answer, figures.bigram_ablation, key="lengths", how=HOW_LENGTHS, table="lengths")


def _written(result: Any) -> None:
    columns = st.columns(1 if result.cut == "nothing" else 2)
    texts = (("The whole model writes", result.written), (f"Without {result.part}", result.written_cut))
    for column, (title, written) in zip(columns, texts, strict=False):
        with column:
            st.markdown(f"**{literal(title)}**")
            st.code("\n".join(word or " " for word in written), language=None, height=300)


def real_model() -> None:
    """The same question of a model with layers: is the path from embedding to unembedding a bigram model?"""
    st.markdown(
        "A language model reads a token by its embedding (a list of numbers) and writes one by its unembedding. With "
        "no layers between, it sees one token and can know no more than which follows which: a bigram model of tokens."
    )
    typed = st.text_input(
        "Token", key="bigram_token", bind="query-params", placeholder="of", width=240,
        help="One token: a short word, a sign, or a part of a word. Empty: of.",
    )  # fmt: skip
    slots.place("token", "bigram_token")
    model = inputs.current().model
    answer = compute("bigram_of_model", model, token=typed.strip() or "of")
    show.finding(answer)
    with st.grid(min_column_width=360, gap="medium"):
        for source in SOURCES:
            with st.container():
                show.chart(
                    answer, figures.bigram_of_model, source=source, key=f"next-{source.split()[0]}", how=HOW_NEXT,
                    table="next",
                )  # fmt: skip
    token = answer.result.token
    st.page_link(
        "pages/look/logit_lens.py", label="See it after each layer", icon=":material/arrow_forward:",
        query_params=address.link_to(prompt=token),
    )  # fmt: skip
    prove_it(
        "pages/intervene/ablation.py", "knock out each MLP and see which one this needs", site="mlp_out", prompt=token
    )
