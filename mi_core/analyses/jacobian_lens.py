"""What is layer L disposed to make the model say, now or later?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mi_core.lenses.learned import LearnedLens, look_through
from mi_core.models.model import Model
from mi_core.phrases import place
from mi_core.result import Reading


@dataclass(frozen=True, kw_only=True)
class JacobianLens(LearnedLens):
    """The vocabulary's view of every layer and position, by its average effect on the output."""

    first_pos: int
    """The first position of a text that they were fitted at."""

    def reading(self) -> Reading:
        """From which layer on the answer is what the stream is disposed to say at the chosen position."""
        title = self.headline("Jacobian lens' top guess")
        return Reading(
            title, (self.ending(), *self.before(), self.doubt(), f"The Jacobian lens {self.origin}", *self._early())
        )

    def _early(self) -> list[str]:
        if self.pos >= self.first_pos:
            return []
        return [
            f"It was fitted at positions from {self.first_pos} on: {place(self.tokens, self.pos)} lies before them."
        ]


def jacobian_lens(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    source: Literal["model", "trained", "published"] | None = None,
    top_k: int = 5,
    prepend_bos: bool | None = None,
) -> JacobianLens:
    """Read the residual stream after every block through its average effect on the output, norm and unembedding.

    ``softmax(W_U · N(J_L x) + b_U)``, with J_L the mean over texts of how the last layer's output at a position and at
    all later ones changes with the stream after L blocks (Gurnee et al. 2026, "Verbalizable Representations Form a
    Global Workspace in Language Models"). J = 1 is the logit lens. It shows what the stream tends to bring about in any
    text, not only what comes next in this one.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer to follow; None for the model's top guess at `pos`.
        foil: Not read by the lens; accepted so that one set of settings serves all pages, and checked.
        pos: Position the reading speaks of; None for the last.
        source: Which lens: the one beside the weights (``"model"``), the one fitted here (``"trained"``) or the one
            that others offer (``"published"``); None for the first of these that there is.
        top_k: How many guesses to keep per cell.
        prepend_bos: None follows the model's own habit.

    Returns:
        As of the logit lens, from one block passed on: the embeddings have no matrix. The last row is the model's
        output, whose matrix is 1.

    Raises:
        InputError: A bad prompt, target, position or top_k; there is no such lens, or it is of another model.
    """
    translator, found = look_through(
        model, "jacobian", source, prompt, target=target, foil=foil, pos=pos, top_k=top_k, prepend_bos=prepend_bos
    )
    return JacobianLens(first_pos=translator.first_pos, **found)
