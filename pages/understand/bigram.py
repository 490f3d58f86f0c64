"""Bigram: the smallest model that does something, trained while you look, counted beside it, and taken apart."""

import streamlit as st

from charts import figures
from ui import address, show, words
from ui.compute import compute
from ui.fields import bigram as fields
from ui.parts.bigram import ablation, prediction, real_model
from ui.parts.not_shown import not_shown
from ui.prompt import header
from ui.text import literal

HOW_GRID = (
    "Choose a row by its letter: its cells say how likely each letter is to come next. “start” is what comes before "
    "the first letter, “end” what comes after the last one. The scale is stretched at its pale end. Click a cell to "
    "look at its row."
)
HOW_LOSS = (
    "Surprise is how little the model expected the words, in bits for each letter: 1 bit is a coin toss. It falls as "
    "the numbers in the table are moved, step by step, to where the words surprise it less (gradient descent). The "
    "dashed line is what counting gives. No model that sees one letter can go below it."
)
HOW_ROW = (
    "The bars are what the trained model expects after this letter, the upright lines what was counted in the words. "
    "Where training is over, they agree."
)
HOW_RULES = (
    "Everything that the model knows are rules of this kind. The bar says how sure it is of each; in brackets stands "
    "how often it was so in the words, of how many."
)
HOW_BACKBONE = (
    "Follow the lines to the right: from each letter to the one that is likeliest to come next. All ways lead to the "
    "end of the word, or into a round. The thick line is the word that the model writes if it always takes the "
    "likeliest letter."
)
header("Bigram", "What is the smallest language model that does something, and what does it know?")


def letters() -> None:
    """The lab itself: nothing but words, a table of numbers, and training."""
    st.markdown(
        "This model sees **one letter** and guesses the next: a table of chances, a row for each letter. It can be "
        "filled by counting, or learned from random numbers by training, as large models are. Both are below."
    )
    asked = fields.training()
    answer = compute("bigram", **asked)
    rows, columns = answer.result.pairs.rows, answer.result.pairs.columns
    show.finding(answer)
    letter = fields.letter(rows)
    for column, key, of in zip(st.columns(2), ("counted", "learned"), ("counted", "probability"), strict=True):
        with column:
            show.chart(
                answer, figures.bigram, of=of, letter=letter, key=key, how=HOW_GRID, table="pairs",
                on_select=fields.pick_letter(key),
            )  # fmt: skip
    left, right = st.columns(2, gap="large")
    with left:
        show.chart(answer, figures.bigram_row, letter=letter, key="row", how=HOW_ROW, table="pairs")
    with right:
        show.chart(answer, figures.bigram_loss, key="loss", how=HOW_LOSS, table="loss")
    left, right = st.columns(2, gap="large")
    with left:
        show.chart(answer, figures.bigram_rules, key="rules", how=HOW_RULES, table="rules")
    with right:
        show.chart(answer, figures.bigram_backbone, key="backbone", how=HOW_BACKBONE, table="backbone")
        st.markdown(literal(answer.result.way()))
    if prediction(answer):
        ablation(asked, rows, columns)
    not_shown(
        "How a large model knows what it knows. It sees thousands of tokens and has layers; this one sees one letter.",
        "That training finds what counting finds. It does here, because one row does not touch another; where "
        "numbers are shared, there is no such table to count.",
        "Anything about names. Most of those that ship were made up; paste words of your own.",
    )


def tokens() -> None:
    """The same in a model with layers."""
    real_model()
    not_shown(
        "That a layer “holds” what follows what because a guess appears there: that takes an intervention (Prove it).",
        "What the model says in a text of yours. The places are those of text that it wrote itself, and few.",
        "A bigram model of words as people write them: what was counted is the model's own writing.",
    )


VIEWS = {"letters": letters, "tokens": tokens}
VIEWS[address.choose(words.BIGRAM_VIEW, st.segmented_control, "Show", required=True)]()
