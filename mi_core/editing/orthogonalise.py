"""A direction taken out of everything that writes to the residual stream.

``W' = W (I − d dᵀ)`` for the embeddings and the output of every attention layer and MLP, biases too: nothing can write
along the unit direction d any more, at any position, for any prompt (Arditi et al. 2024, "Refusal in Language Models Is
Mediated by a Single Direction", weight orthogonalisation).

A token's direction is the one that the output reads for it (`mi_core.directions.direction.token_direction`): the same
as in steering, and the one whose absence holds the token's logit where it is above the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import Module

from mi_core.directions.direction import Direction, find
from mi_core.editing.recipes import Orthogonalise
from mi_core.errors import InputError
from mi_core.models import projection
from mi_core.models.model import Model
from mi_core.models.norm import Norm
from mi_core.result import Check
from mi_core.text.sentences import sentences

ALLOWED = 1e-5  # of what is written, along the direction


@dataclass(frozen=True, eq=False)
class Removal:
    """A direction to be taken out of every weight that writes."""

    direction: Direction

    def changes(self, model: Model) -> list[projection.Change]:
        """Every matrix and bias that writes, less its part along the direction.

        A norm between a matrix and the residual stream (Gemma 2) multiplies what is written by its weight first; there
        the matrix loses the direction that the norm would turn into this one, which is exact whatever the norm's scale.
        """
        changes = []
        for module, unit in writers(model, self.direction.unit):
            matrix = _matrix(module).double()
            changes.append((module, "weight", _as_weight(module, matrix - torch.outer(matrix @ unit, unit))))
            if getattr(module, "bias", None) is not None:
                changes.append((module, "bias", module.bias.double() - (module.bias.double() @ unit) * unit))
        return changes

    @torch.no_grad()
    def checks(self, edited: Model) -> tuple[Check, ...]:
        """What the weights can still write along the direction, and what a sentence's residual stream has of it.

        Raises:
            InputError: The stream still has some of it: this model writes to it in a way that is not known here.
        """
        weights = max(
            float((_matrix(module).double() @ unit).abs().max())
            for module, unit in writers(edited, self.direction.unit)
        )
        share = largest_share(edited, self.direction.unit)
        if share > 100 * ALLOWED:
            raise InputError(
                f"{edited.id} writes to its residual stream in a way that this edit cannot reach, so the direction "
                "cannot be taken out exactly: choose another model.",
                "model",
            )
        return (
            Check("no edited weight writes along the direction, |W·d| = 0", weights, ALLOWED),
            Check("the residual stream of a sentence has no part along it, |x·d| / |x| = 0", share, ALLOWED),
        )


def removal(model: Model, edit: Orthogonalise, between: Callable[[], None] | None = None) -> Removal:
    """The direction that `edit` describes, for this model.

    Raises:
        InputError: It describes none, or this model writes through something else than plain matrices.
    """
    direction = find(model, edit, between=between)
    for _ in writers(model, direction.unit):
        pass
    return Removal(direction)


def writers(model: Model, unit: Float[Tensor, " d_model"]) -> Iterator[tuple[Module, Float[Tensor, " d_model"]]]:
    """Every module that writes to the residual stream, with the unit direction that its output must not have.

    Raises:
        InputError: One of them is not a plain matrix.
    """
    unit = unit.double()
    if model.embedding.shape[1] != model.d_model:
        raise InputError(
            f"{model.id} maps its embedding to a residual stream of another width, so a direction cannot be taken out "
            "of it exactly: choose another model.",
            "model",
        )
    yield _plain(model, model.bridge.embed, "the embedding"), unit
    if hasattr(model.bridge, "pos_embed"):
        yield _plain(model, model.bridge.pos_embed, "the positional embedding"), unit
    for layer, block in enumerate(model.bridge.blocks):
        mixer = "attention" if model.has_attention(layer) else "what stands in attention's place"
        attn = _plain(model, getattr(getattr(block, "attn", None), "o", None), f"{mixer} in layer {layer}")
        yield attn, _before(model, model.attn_post_norm(layer), unit)
        mlp = _plain(model, getattr(getattr(block, "mlp", None), "out", None), f"the MLP of layer {layer}")
        yield mlp, _before(model, model.mlp_post_norm(layer), unit)


@torch.no_grad()
def largest_share(model: Model, unit: Float[Tensor, " d_model"]) -> float:
    """The largest |x·d| / |x| in the residual stream while the model reads a sentence, over layers and positions."""
    names = model.resid_names()
    acts = model.run(model.tokens(sentences(model)[0]), names)
    resid = torch.stack([acts[name] for name in names]).double()
    return float(((resid @ unit.double()).abs() / resid.norm(dim=-1).clamp(min=1e-12)).max())


def _plain(model: Model, component: object, what: str) -> Module:
    module = getattr(component, "original_component", None)
    if isinstance(module, torch.nn.Embedding) or (module is not None and projection.plain_matrix(module) is not None):
        return module
    raise InputError(
        f"In {model.id} {what} does not write through one matrix (it may be a mixture of experts), so a direction "
        "cannot be taken out of it exactly: choose another model.",
        "model",
    )


def _before(model: Model, norm: Norm | None, unit: Tensor) -> Tensor:
    """The direction before a block's post-norm that would come out as `unit`; `unit` itself where there is none."""
    if norm is None:
        return unit
    if float((norm.bias.double() @ unit).abs()) > ALLOWED:
        raise InputError(
            f"A norm of {model.id} writes a bias along the direction, which this edit does not reach: choose another "
            "model.",
            "model",
        )
    turned = norm.pull_back(unit.to(norm.weight.dtype)).double()
    return turned / turned.norm()


def _matrix(module: Module) -> Float[Tensor, "d_in d_model"]:
    return module.weight if isinstance(module, torch.nn.Embedding) else projection.plain_matrix(module)


def _as_weight(module: Module, matrix: Tensor) -> Tensor:
    return matrix if isinstance(module, torch.nn.Embedding) else projection.as_weight(module, matrix)
