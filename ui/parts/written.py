"""A text that the model writes: growing, then as chips, and one of its tokens from inside."""

from __future__ import annotations

from typing import Any

import streamlit as st

from charts import figures
from mi_core.models.tokens import visible
from ui import address, belonging, show
from ui.components.token_chips import Chip, token_chips
from ui.compute import Answer
from ui.drawn import drawn
from ui.parts.pieces import begins_word
from ui.permalink import LONGEST
from ui.proof import prove_it
from ui.text import literal

HOW_GUESSES = (
    "What the model could have written there, with its own probabilities. At temperature 0 it always takes the first; "
    "otherwise it draws, and may take any."
)
HOW_HEADS = (
    "What each head adds to the logit (the score) of the written token, directly: to the right it pushes it up, to "
    "the left it holds it down."
)
HOW_FEATURES = (
    "The features of a sparse autoencoder that fire most at the token before, where this one was predicted. That they "
    "fire does not say that they matter: the Features page leads on to steering and ablation."
)


class Growing:
    """The text, while it is written and after; below it a chip for each token, once all are there."""

    def __init__(self) -> None:
        self._text, self._chips = st.empty(), st.container()

    def update(self, text: str) -> None:
        """Show what is written so far."""
        self._text.code(text or " ", language=None, wrap_lines=True)

    def finish(self, result: Any, selected: int) -> None:
        """The darker a chip, the less sure the model was; a click chooses it."""
        self.update(result.text)
        with self._chips:
            token_chips(
                drawn(result, _chips), selected=selected, key="written-chips", on_pick=_choose, label="Written tokens"
            )


def _choose(pos: int) -> None:
    st.session_state["written"] = pos


def _chips(result: Any) -> list[Chip]:
    tokens, most = result.tokens, max(float(result.entropy.max()), 1e-9)
    return [
        Chip(
            text=visible(tokens.texts[pos]),
            pos=pos,
            begins=begins_word(tokens, pos),
            special=tokens.special[pos],
            value=float(result.entropy[pos - result.n_prompt]) / most,
            tooltip=f"doubt {result.entropy[pos - result.n_prompt]:.2f} bits, "
            f"probability {result.probability[pos - result.n_prompt]:.1%}",
        )
        for pos in range(result.n_prompt, len(tokens))
    ]


def inside(answer: Answer, prompt: str, pos: int) -> None:
    """One step: its sentences, what to do with it, and its guesses, heads and features."""
    result, step = answer.result, pos - answer.result.n_prompt
    st.subheader(literal(f"Inside “{visible(result.tokens.texts[pos])}”, position {pos}"), anchor=False)
    said = result.about(pos)[1:] if pos == result.least_sure else result.about(pos)  # whose doubt the finding tells
    st.markdown(literal(" ".join(said)))
    until = prompt + result.so_far[step]
    st.button(
        "Make this the prompt", icon=":material/keyboard_return:", key="make-prompt", on_click=belonging.bring,
        args=(until,), help="The prompt becomes all the text up to this token, on every page.",
    )  # fmt: skip
    if not result.rereads[step]:
        st.caption("Read anew, the text up to here has other tokens than were written, or more than the model reads.")
    guesses, heads = st.columns(2)
    with guesses:
        show.chart(answer, figures.writing_guesses, pos=pos, key="guesses", how=HOW_GUESSES, table="guesses")
    with heads:
        if (result.head_layers[step : step + 1] >= 0).any():
            show.chart(answer, figures.writing_heads, pos=pos, key="pushes", how=HOW_HEADS, table="heads")
    if (result.feature_ids[step : step + 1] >= 0).any():
        show.chart(answer, figures.writing_features, pos=pos, key="fired", how=HOW_FEATURES, table="features")
    _proofs(result, prompt, step)


def _proofs(result: Any, prompt: str, step: int) -> None:
    """Links to the pages that prove, with the prompt up to this token and the token as its answer."""
    before = prompt + result.so_far[step - 1] if step else prompt
    if (step and not result.rereads[step - 1]) or len(before) > LONGEST:
        return
    asked = {"prompt": before, "target": f'"{result.tokens.texts[result.n_prompt + step]}"'}
    layer, head = (numbers[step, 0] if numbers.size else -1 for numbers in (result.head_layers, result.head_numbers))
    if layer >= 0:
        prove_it(
            "pages/intervene/ablation.py", f"knock out L{layer}H{head} and see whether this token is still written",
            site="head", layer=layer, head=head, **asked,
        )  # fmt: skip
    st.page_link(
        "pages/look/attribution.py",
        label="All that pushed this token",
        icon=":material/arrow_forward:",
        query_params=address.link_to(**asked),
    )
