"""What a head always looks at, told from its attention on random tokens that come twice.

Random tokens mean nothing, so that only the place of a token can attract a head; and the second time round the model
can know what comes next only by looking up what came next the first time (Olsson et al. 2022, "In-context Learning and
Induction Heads").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.models.model import Model
from mi_core.text.sampled import start


@dataclass(frozen=True)
class Role:
    """Something that a head may look at: its `name` in tables, and `does` after “a head that …”."""

    name: str
    does: str


PREVIOUS = Role("previous_token", "looks at the token before")
INDUCTION = Role("induction", "looks at what followed last time")
DUPLICATE = Role("duplicate_token", "looks at the same token earlier on")
FIRST = Role("first_token", "rests on the first token")
CURRENT = Role("current_token", "looks at its own token")
ROLES = (PREVIOUS, INDUCTION, DUPLICATE, FIRST, CURRENT)


@dataclass(frozen=True)
class Repeated:
    """Rows of random tokens that come twice, behind a start token: `ids`, and where the first copy begins."""

    ids: Int[Tensor, "row pos"]
    first: int
    period: int

    def places(self, role: Role) -> tuple[Int[Tensor, " query"], Int[Tensor, " query"]]:
        """The queries that a role is measured at, and the key that it would have each look at."""
        return places(role, self.ids.shape[1], self.first, self.period)


def repeated(model: Model, rows: int, period: int, seed: int) -> Repeated:
    """`rows` rows of `period` different tokens of text, each row twice."""
    begins = start(model)
    known = torch.tensor(model.text_ids)
    random = torch.Generator().manual_seed(seed)
    drawn = torch.stack([known[torch.randperm(len(known), generator=random)[:period]] for _ in range(rows)])
    ids = torch.cat([torch.tensor(begins).expand(rows, -1), drawn, drawn], 1)
    return Repeated(ids.to(model.device), len(begins), period)


def places(role: Role, n_pos: int, first: int, period: int) -> tuple[Int[Tensor, " query"], Int[Tensor, " query"]]:
    """Queries and keys of a role where the tokens from `first` on repeat after `period`."""
    if role in (INDUCTION, DUPLICATE):
        query = torch.arange(first + period, n_pos)
        return query, query - period + (role is INDUCTION)
    if role is PREVIOUS:
        query = torch.arange(first + 1, n_pos)
        return query, query - 1
    query = torch.arange(first, n_pos)
    return query, query if role is CURRENT else torch.zeros_like(query)


def shares(
    pattern: Float[Tensor, "row head query_pos key_pos"], query: Int[Tensor, " query"], key: Int[Tensor, " query"]
) -> Float[Tensor, "row head"]:
    """Mean attention from each query to its key."""
    return pattern[:, :, query.to(pattern.device), key.to(pattern.device)].mean(-1)


def even(query: Int[Tensor, " query"]) -> float:
    """What a head scores that spreads its attention evenly over all it may look at."""
    return float((1 / (query + 1.0)).mean())
