"""What would the model say if it stopped at layer L?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mi_core.errors import InputError
from mi_core.lenses.lens import Lens, Normed, Stage, look
from mi_core.metrics import distribution
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.result import Reading


@dataclass(frozen=True, kw_only=True)
class LogitLens(Lens):
    """The vocabulary's view of every layer and position, through the model's own norm and unembedding."""

    norm: str
    """``"recomputed"`` or ``"frozen"``."""

    def reading(self) -> Reading:
        """When the answer becomes the top guess at the chosen position, and how sure the model ends up."""
        return Reading(self.headline("top guess"), (self.ending(), *self.before(), self.doubt()))


def logit_lens(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    norm: Literal["recomputed", "frozen"] = "recomputed",
    resid_mid: bool = False,
    top_k: int = 5,
    prepend_bos: bool | None = None,
) -> LogitLens:
    """Read the residual stream after every block with the final norm and the unembedding.

    ``softmax(W_U · N(x[L, p]) + b_U)`` for every layer L and position p (nostalgebraist 2020, "interpreting GPT:
    the logit lens"). It shows what the last layer's reader would make of an unfinished thought; it does not show
    that the model itself "believes" it there.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer to follow; None for the model's top guess at `pos`.
        foil: Not read by the lens; accepted so that one set of settings serves all pages, and checked.
        pos: Position the reading speaks of; None for the last.
        norm: ``"recomputed"`` normalises each layer by its own scale: what would the model say if it stopped
            there? ``"frozen"`` uses the final layer's scale everywhere: how far has the final answer been built?
        resid_mid: Add a row between attention and MLP of every block.
        top_k: How many guesses to keep per cell.
        prepend_bos: None follows the model's own habit.

    Returns:
        Logits (after any soft cap), probabilities, ranks, entropy and KL(final ‖ layer) in bits. Layer 0 is the
        embeddings, layer n_layers the model's output.

    Raises:
        InputError: A bad prompt, target, position or top_k, or `resid_mid` on a model with parallel blocks.
    """
    distribution.check_top_k(top_k, model.d_vocab)
    tokens = model.tokens(prompt, prepend_bos)
    asked = {"target": target, "foil": foil, "pos": model.position(tokens, pos), "top_k": top_k}
    return LogitLens(norm=norm, **look(model, tokens, _stages(model, resid_mid), _normed(model, norm), **asked))


def _normed(model: Model, norm: str) -> Normed:
    final = model.final_norm
    return final.apply if norm == "recomputed" else lambda resid: final.frozen(resid, final.scale(resid[-1:]))


def _stages(model: Model, resid_mid: bool) -> list[Stage]:
    """Before every block, between attention and MLP where asked, and at the end."""
    if resid_mid and not model.has(hooks.resid_mid(0)):
        raise InputError(
            f"{model.id} runs attention and MLP side by side, so there is no residual stream between them: "
            "switch the half-layers off.",
            "resid_mid",
        )
    stages = []
    for layer, name in enumerate(model.resid_names()[:-1]):
        stages.append(Stage(name, "resid_pre", layer))
        if resid_mid:
            stages.append(Stage(hooks.resid_mid(layer), "resid_mid", layer))
    return [*stages, Stage(hooks.resid_post(model.n_layers - 1), "resid_post", model.n_layers)]
