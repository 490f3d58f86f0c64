"""Two texts growing side by side while the model writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from ui.components import while_moving as line
from ui.compute import attempt
from ui.inputs import Inputs
from ui.text import literal

STEPS = 16  # between the ends of the slider
GLANCE = 12  # tokens that are read while a slider moves


def while_moving(given: Inputs, settings: dict[str, Any], strength: float) -> None:
    """What the model would write at the slider's value, below it: known beforehand at `STEPS` + 1 strengths.

    Args:
        given: The page's inputs.
        settings: Of the steering, but for its strength.
        strength: What the slider is at.
    """
    clamped = settings["operation"] == "clamp"
    low, high = (0.0, 10.0) if clamped else (-2.0, 2.0)
    levels = tuple(low + (high - low) * step / STEPS for step in range(STEPS + 1))
    asked = settings | {"strengths": levels, "max_new_tokens": GLANCE}
    if swept := attempt("steering_sweep", given.model, **given.reading, **asked):
        texts = [" ".join(text.text.split()) for text in swept.result.texts]
        line.while_moving("times" if clamped else "strength", strength, levels, texts)


class SideBySide:
    """Two boxes that fill while the model writes."""

    def __init__(self, pushed: str = "With the direction") -> None:
        plain, steered = st.container(key="written").columns(2)
        with plain:
            st.markdown("**Without**")
            self._plain, self._plain_note = st.empty(), st.empty()
        with steered:
            st.markdown(f"**{pushed}**")
            self._steered, self._steered_note = st.empty(), st.empty()

    def update(self, texts: Sequence[str]) -> None:
        """Show what is written so far: (unsteered, steered)."""
        for place, text in zip((self._plain, self._steered), texts, strict=True):
            place.code(text or " ", language=None, wrap_lines=True)

    def finish(self, result: Any) -> None:
        """Show the finished texts, and how probable the model itself finds each."""
        self.update(tuple(text.text for text in result.texts))
        for place, text in zip((self._plain_note, self._steered_note), result.texts, strict=True):
            place.caption(
                f"perplexity {text.perplexity:,.1f}",
                help="How surprised the unsteered model is by this text: 1 is not at all; a steered text far above "
                "the other means that the push breaks the model's language.",
            )
        for note in result.notes:
            st.warning(literal(note))
