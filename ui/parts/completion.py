"""The prompt as a sentence that the model goes on with, in letters to be seen from afar."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from mi_core.models.tokens import visible
from mi_core.phrases import percent
from ui.compute import Answer
from ui.drawn import drawn

LONGEST = 140  # characters of the prompt: of a longer one its end is shown
OTHERS, LEAST = 3, 0.001  # guesses below the first, and the probability that makes one worth telling


def show_completion(answer: Answer) -> None:
    """What the model read up to the chosen token, its best guess behind it, and below that the next ones.

    Args:
        answer: From the `predict` analysis.
    """
    st.html(drawn(answer.result, _html))


def _html(result: Any) -> str:
    guesses = [
        f"<span><strong>{escape(_shown(text))}</strong> {percent(share)}</span>"
        for text, share in zip(result.predictions, result.top_probabilities, strict=True)
        if share >= LEAST or text == result.predictions[0]
    ]
    return (
        f"<div class=loupe-completion><span class=given>{escape(_given(result))}</span>"
        f"<span class=guesses>{''.join(guesses[: 1 + OTHERS])}</span></div>"
    )


def _given(result: Any) -> str:
    """The text before the guess; where the prompt is long, whole words of its end."""
    tokens = zip(result.tokens.texts, result.tokens.special, strict=True)
    text = "".join(text for text, special in list(tokens)[: result.pos + 1] if not special).strip()
    if len(text) <= LONGEST:
        return text
    return "… " + text[-LONGEST:].partition(" ")[2]


def _shown(text: str) -> str:
    return text.strip() or visible(text)
