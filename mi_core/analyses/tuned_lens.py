"""What is the model's best guess at layer L, for eyes that have learned to read it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mi_core.lenses.learned import LearnedLens, look_through
from mi_core.models.model import Model
from mi_core.result import Reading


@dataclass(frozen=True, kw_only=True)
class TunedLens(LearnedLens):
    """The vocabulary's view of every layer and position, through learned translators."""

    def reading(self) -> Reading:
        """From which layer on the answer can be read at the chosen position, and how sure the model ends up."""
        title = self.headline("tuned lens' top guess")
        return Reading(title, (self.ending(), *self.before(), self.doubt(), f"The tuned lens {self.origin}"))


def tuned_lens(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    source: Literal["model", "trained", "published"] | None = None,
    top_k: int = 5,
    prepend_bos: bool | None = None,
) -> TunedLens:
    """Read the residual stream before every block through a learned translator, the final norm and the unembedding.

    ``softmax(W_U · N(x + W_L x + b_L) + b_U)``: the best guess of the model's output that an affine map can make from
    layer L (Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens"). The translator
    has learned what later layers usually add, so a guess that is read here need not stand in the stream in the output's
    own terms.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer to follow; None for the model's top guess at `pos`.
        foil: Not read by the lens; accepted so that one set of settings serves all pages, and checked.
        pos: Position the reading speaks of; None for the last.
        source: Which lens: the one beside the weights (``"model"``), the one trained here (``"trained"``) or the one
            that others offer (``"published"``); None for the first of these that there is.
        top_k: How many guesses to keep per cell.
        prepend_bos: None follows the model's own habit.

    Returns:
        As of the logit lens; the last row is the model's output, which has no translator.

    Raises:
        InputError: A bad prompt, target, position or top_k; there is no such lens, or it is of another model.
    """
    _, found = look_through(
        model, "tuned", source, prompt, target=target, foil=foil, pos=pos, top_k=top_k, prepend_bos=prepend_bos
    )
    return TunedLens(**found)
