"""Every token as a vector, as the model reads it or as it writes it, and how near others come to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError, choose
from mi_core.models.model import Model

SPACES = ("embedding", "unembedding")
ROWS_AT_ONCE = 8192


@torch.no_grad()
def vectors(model: Model, token_ids: list[int], space: str) -> Float[Tensor, "token d"]:
    """The vectors of some tokens.

    Args:
        model: The model.
        token_ids: The tokens.
        space: ``"embedding"``: `W_E`, what a token is read as. ``"unembedding"``: what the output reads for it, as
            `direction.token_direction` has it, not divided by its length.

    Raises:
        InputError: No such space, or one that cannot be read in this model.
    """
    choose(space, SPACES, "space")
    if space == "embedding":
        return model.embedding[token_ids].float()
    return _as_written(model, _unembedding(model)[token_ids])


@torch.no_grad()
def cosines(model: Model, directions: Float[Tensor, "direction d"], space: str) -> Float[Tensor, "direction token"]:
    """The cosine of each direction with every token's vector; −∞ for tokens that are no text.

    Raises:
        InputError: As `vectors`; or the tokens' vectors are of another width than the directions.
    """
    choose(space, SPACES, "space")
    found = torch.cat([_cosines(directions, rows) for rows in _rows(model, space)], dim=-1)
    is_text = torch.zeros(found.shape[-1], dtype=torch.bool, device=found.device)
    is_text[[token_id for token_id in model.text_ids if token_id < len(is_text)]] = True
    return found.masked_fill(~is_text, -torch.inf)


def check_width(model: Model, space: str) -> None:
    """Raises InputError where the tokens' vectors are no directions of the residual stream."""
    width = model.embedding.shape[-1]
    if space == "embedding" and width != model.d_model:
        raise InputError(
            f"The embeddings of {model.id} are {width} wide and its residual stream {model.d_model}: choose the "
            "unembeddings.",
            "space",
        )


def _rows(model: Model, space: str) -> Iterator[Float[Tensor, "token d"]]:
    if space == "embedding":
        yield from (rows.float() for rows in model.embedding.split(ROWS_AT_ONCE))
    else:
        yield from (_as_written(model, rows) for rows in _unembedding(model).split(ROWS_AT_ONCE))


def _unembedding(model: Model) -> Float[Tensor, "token d_model"]:
    return cast(Tensor, model.unembedding.weight).detach()


def _as_written(model: Model, rows: Float[Tensor, "token d_model"]) -> Float[Tensor, "token d_model"]:
    scale = 1.0 if model.opening.logit_scale is None else model.opening.logit_scale
    return model.final_norm.pull_back(rows.float() * scale - model.mean_unembedding())


def _cosines(directions: Float[Tensor, "direction d"], rows: Float[Tensor, "token d"]) -> Tensor:
    """0 with a vector of no length."""
    return torch.nn.functional.normalize(directions, dim=-1) @ torch.nn.functional.normalize(rows, dim=-1).T
