"""What takes the place of a word: the average embedding, nothing, one token, or another prompt's word."""

from __future__ import annotations

from operator import itemgetter

from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.replacement import replacements
from mi_core.errors import InputError, choose
from mi_core.models import hooks
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens

#: What takes a word's place, by name, in a sentence.
WORDS = {
    "mean": "the average embedding of everyday text",
    "zero": "nothing (zero)",
    "token": "one token",
    "corrupted": "the exchanged prompt",
}
EMBEDDING = hooks.resid_pre(
    0
)  # what enters the first layer: the token's vector, and its position's where that is added


def check_baseline(name: str, token: str) -> None:
    """Raises InputError where there is no such baseline, or a token is missing."""
    choose(name, WORDS, "baseline")
    if name == "token" and not token:
        raise InputError("Type the token that is put in place of each word.", "baseline_token")


def instead(
    model: Model, tokens: Tokens, run: Activations, name: str, token: str, other: Activations | None, n_pos: int
) -> Float[Tensor, "pos d_model"]:
    """What is put in place of each position's embedding.

    No choice is neutral: each asks what a word does compared with something else (Sturmfels et al. 2020, "Visualizing
    the Impact of Feature Attribution Baselines"). The mean and zero are those of the ablation of a token before the
    first layer.

    Args:
        model: The model.
        tokens: The prompt.
        run: A run of it that kept `EMBEDDING`.
        name: ``"mean"`` of everyday text, ``"zero"``, ``"token"``, or ``"corrupted"``: what another prompt has there.
        token: The token, where that is chosen.
        other: A run of the other prompt that kept `EMBEDDING`, where that is chosen; else None.
        n_pos: How many positions.

    Raises:
        InputError: A word that is not one token.
    """
    if other is not None:
        return other[EMBEDDING][:n_pos]
    if name == "token":
        token_id = model.token_id(token, "baseline_token")
        kept = int(tokens.special[0])
        row = [*tokens.ids[:kept], *[token_id] * (n_pos - kept)]
        return model.run_ids(model.rows([row]), [EMBEDDING]).sites[EMBEDDING][0]
    read = {EMBEDDING: itemgetter(EMBEDDING)}
    put = replacements(model, tokens, run, read, {EMBEDDING}, name, "", between=lambda: None)
    return put[EMBEDDING][:n_pos]
