"""Words that stand close to a word in a model's embedding: mostly of its kind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mi_core.models.model import Model

LOOKED_AT = 200  # nearest vectors, among which are fragments, other spellings and the word itself


@torch.no_grad()
def neighbours(model: Model, token_ids: Sequence[int], k: int, like: int | None = None) -> list[int]:
    """The tokens nearest to one token, or to the middle of several, by cosine of their centred embeddings.

    Only tokens written the same way as `like`: a space before or none, a capital or none, letters or digits.

    Args:
        model: Whose embedding.
        token_ids: What to be near to.
        k: At most this many, nearest first; other spellings of the same word are left out.
        like: The token whose way of writing counts; None for the first of `token_ids`.
    """
    vectors = model.embedding.float()
    centre = vectors.mean(0)
    wanted = torch.nn.functional.normalize(vectors[list(token_ids)] - centre, dim=-1).mean(0)
    near = _cosines(vectors, centre, wanted).topk(min(LOOKED_AT, len(vectors))).indices.tolist()
    pattern = spelling(model.text(token_ids[0] if like is None else like))
    seen = {_word(model.text(token_id)) for token_id in token_ids}
    seen |= set() if like is None else {_word(model.text(like))}
    found = []
    for token_id in near:
        text = model.text(token_id)
        if pattern is not None and spelling(text) == pattern and _word(text) not in seen:
            found.append(token_id)
            seen.add(_word(text))
    return found[:k]


def _cosines(vectors: Tensor, centre: Tensor, wanted: Tensor) -> Tensor:
    """Cosine of each centred row with `wanted`, up to a constant, without a second matrix of the embedding's size."""
    lengths = (vectors.square().sum(-1) - 2 * vectors @ centre + centre @ centre).clamp(min=1e-12).sqrt()
    return (vectors @ wanted - centre @ wanted) / lengths


def spelling(text: str) -> tuple[bool, bool, bool] | None:
    """How a token is written: a space before it, a capital, digits; None for what is no word."""
    word = text[1:] if text.startswith(" ") else text
    if not word.isalpha() and not word.isdecimal():
        return None
    return text.startswith(" "), word[0].isupper(), word.isdecimal()


def _word(text: str) -> str:
    return text.strip().casefold()
