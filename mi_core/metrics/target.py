"""What a logit is asked of: one token, or one token compared with another (A − B)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.models.tokens import visible


@dataclass(frozen=True)
class Target:
    """An answer token and, where two are compared, the token subtracted from it.

    `token_id` and `text` name the answer (A), `foil_id` and `foil_text` what it is compared with (B), or None.
    """

    token_id: int
    text: str
    foil_id: int | None = None
    foil_text: str | None = None

    @property
    def label(self) -> str:
        """For titles: ``“·Austin”`` or ``“·Austin” − “·Dallas”``."""
        answer = f"“{visible(self.text)}”"
        return answer if self.foil_text is None else f"{answer} − “{visible(self.foil_text)}”"

    @property
    def quantity(self) -> str:
        """What the number is called: logit, or logit difference."""
        return "logit" if self.foil_id is None else "logit difference"

    def of(self, logits: Float[Tensor, "*batch d_vocab"]) -> Float[Tensor, "*batch"]:
        """The logit, or logit difference, read from full rows of logits."""
        value = logits[..., self.token_id]
        return value if self.foil_id is None else value - logits[..., self.foil_id]

    def direction(self, model: Model) -> Float[Tensor, " d_model"]:
        """`u_A`, or `u_A − u_B`: the direction in the normalised residual stream that this target reads."""
        answer = model.unembedding_direction(self.token_id)
        return answer if self.foil_id is None else answer - model.unembedding_direction(self.foil_id)

    def bias(self, model: Model) -> float:
        """`b_U` of the answer, less that of the foil."""
        answer = model.unembedding_bias(self.token_id)
        return answer if self.foil_id is None else answer - model.unembedding_bias(self.foil_id)


def resolve(model: Model, target: str | None, foil: str | None, fallback_id: int) -> Target:
    """The target a user typed; without one, the model's own top guess.

    Args:
        model: Whose vocabulary is meant.
        target: The answer, with or without its leading space; None or empty for the top guess.
        foil: What to compare it with, or None.
        fallback_id: The token used where no answer is given.

    Raises:
        InputError: A word is not one token, or both are the same.
    """
    token_id = model.token_id(target, "target") if target else fallback_id
    if not foil:
        return Target(token_id, model.text(token_id))
    foil_id = model.token_id(foil, "foil")
    if foil_id == token_id:
        raise InputError("The answer and what it is compared with are the same token: change one of them.", "foil")
    return Target(token_id, model.text(token_id), foil_id, model.text(foil_id))
