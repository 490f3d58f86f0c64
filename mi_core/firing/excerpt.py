"""One text at its strongest, as it is shown: what stands around the peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from mi_core.firing.strongest import Peak
from mi_core.models.model import Model
from mi_core.saes.notes import Context

BEFORE, AFTER = 20, 10  # tokens, around the peak


@dataclass(frozen=True)
class Excerpt:
    """One text at its strongest."""

    text: int
    """Number of the text in its file, from 0."""
    passage: int
    """Number of the passage in its text, from 0."""
    pos: int
    """Position of the peak in the passage, the start token counted."""
    activation: float
    """There."""
    prompt: str
    """The passage."""
    context: Context
    """What stands around the peak, with the activation at each token."""

    @property
    def token(self) -> str:
        """The token at the peak."""
        return self.context.tokens[self.context.peak]


def excerpt(model: Model, peak: Peak) -> Excerpt:
    """A peak with its tokens as text."""
    first = len(peak.ids) - len(peak.values)
    begin, end = max(first, peak.pos - BEFORE), peak.pos + AFTER + 1
    context = Context(
        tokens=tuple(model.texts(peak.ids[begin:end])),
        activations=peak.values[begin - first : end - first],
        peak=peak.pos - begin,
    )
    prompt = model.tokenizer.decode(peak.ids[first:])
    return Excerpt(peak.text, peak.passage, peak.pos, peak.activation, prompt, context)


def excerpt_table(excerpts: Sequence[Excerpt]) -> pd.DataFrame:
    """A row per text, in this order."""
    rows = [
        (rank, one.text, one.passage, one.pos, one.token, one.activation, "".join(one.context.tokens), one.prompt)
        for rank, one in enumerate(excerpts, start=1)
    ]
    names = ["rank", "text", "passage", "pos", "token", "activation", "excerpt", "prompt"]
    return pd.DataFrame(rows, columns=names)
