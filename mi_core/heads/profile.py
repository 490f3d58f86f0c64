"""What heads look at in ordinary text: shares of attention, how spread out it is, and how far back it goes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.heads.roles import CURRENT, FIRST, INDUCTION, PREVIOUS, even, places, shares
from mi_core.models.model import Model
from mi_core.models.tokens import encode
from mi_core.text.sampled import start

LONGEST = 128  # tokens of an excerpt, its start token included
SHORTEST = 8
#: What of the roles can be seen in any text.
IN_TEXT = (PREVIOUS, INDUCTION, FIRST, CURRENT)


@dataclass(frozen=True)
class Measured:
    """One batch of excerpts of equal length, each measured by itself."""

    shares: Float[Tensor, "row role layer head"]
    """Of attention, for `IN_TEXT`; NaN for induction where no token comes again."""
    weight: Float[Tensor, "row role"]
    """Tokens that each is a mean of."""
    even: Float[Tensor, "row role"]
    """What even attention scores; NaN like the shares."""
    entropy: Float[Tensor, "row layer head"]
    """Bits, mean over the tokens."""
    distance: Float[Tensor, "row layer head"]
    """Tokens back, mean over attention and the tokens."""


def excerpts(model: Model, texts: Iterable[str], most: int) -> list[list[int]]:
    """At most so many excerpts as token ids, the shortest first; none goes from one text into the next.

    Raises:
        InputError: There is not one that is long enough.
    """
    begins = start(model)
    length, known = min(LONGEST, model.n_ctx) - len(begins), len(model.embedding)
    found: list[list[int]] = []
    for text in texts:
        ids = [token for token in encode(model.tokenizer, text) if token < known]
        parts = [ids[at : at + length] for at in range(0, len(ids), length)]
        found += [begins + part for part in parts if len(part) >= SHORTEST]
        if len(found) >= most:
            break
    if not found:
        raise InputError(f"The file has no text of {SHORTEST} tokens or more: choose one with longer texts.", "file")
    return sorted(found[:most], key=len)


def measured(
    patterns: Sequence[Float[Tensor, "row head query_pos key_pos"]], ids: Int[Tensor, "row pos"], first: int
) -> Measured:
    """All measures of every layer's patterns, at the tokens behind the start token.

    Induction in text is the attention, summed, to every token that followed an earlier occurrence of the query's own
    token; it is a mean over the tokens that have such an occurrence.
    """
    n_rows, n_pos = ids.shape
    device, follows = ids.device, followers(ids, first)
    may_see = torch.arange(1, n_pos + 1, device=device)
    found, weight, evenly = [], [], []
    for role in IN_TEXT:
        if role is INDUCTION:
            known = follows.any(-1).sum(-1)
            found.append([(p * follows[:, None]).sum((-2, -1)) / known[:, None] for p in patterns])
            evenly.append((follows.sum(-1) / may_see).sum(-1) / known)
        else:
            query, key = places(role, n_pos, first, 0)
            known = torch.full((n_rows,), len(query), device=device)
            found.append([shares(p, query, key) for p in patterns])
            evenly.append(torch.full((n_rows,), even(query), device=device))
        weight.append(known)
    back = torch.arange(first, n_pos, device=device)[:, None] - torch.arange(n_pos, device=device)
    return Measured(
        torch.stack([torch.stack(layers, 1) for layers in found], 1),
        torch.stack(weight, 1).float(),
        torch.stack(evenly, 1).float(),
        torch.stack([entropy(p[:, :, first:]) for p in patterns], 1),
        torch.stack([(p[:, :, first:] * back).sum(-1).mean(-1) for p in patterns], 1),
    )


def entropy(pattern: Float[Tensor, "row head query_pos key_pos"]) -> Float[Tensor, "row head"]:
    """Bits, mean over the queries."""
    return -torch.xlogy(pattern, pattern).sum(-1).mean(-1) / math.log(2)


def followers(ids: Int[Tensor, "row pos"], first: int) -> Bool[Tensor, "row query_pos key_pos"]:
    """Which tokens followed an earlier occurrence of each query's own token."""
    same = (ids[:, :, None] == ids[:, None, :]).tril(-1)
    same[:, :first] = same[:, :, :first] = False
    after = torch.zeros_like(same)
    after[:, :, 1:] = same[:, :, :-1]
    return after.tril(-1)
