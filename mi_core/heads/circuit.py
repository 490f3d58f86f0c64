"""One head's two circuits over the vocabulary: what a token read makes it say (OV), and which tokens attract (QK).

Both are products of a tall and a wide factor, d_head between them (Elhage et al. 2021, "A Mathematical Framework for
Transformer Circuits"), and are gone through a part at a time: d_vocab × d_vocab numbers are never held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.heads.scoring import Scoring
from mi_core.heads.weights import HeadWeights
from mi_core.models import hooks
from mi_core.models.model import Model

PART = 2**24  # numbers of a circuit that are held at once
MOST = 2**29  # numbers that are gone through: of a large vocabulary some tokens stand for all
TOP = 10  # a token copies itself where it is among so many


@dataclass(frozen=True)
class Circuit:
    """``left[i] · right[j]``: what token i does to token j."""

    left: Float[Tensor, "token d_head"]
    right: Float[Tensor, "token d_head"]

    def own(self) -> Float[Tensor, " token"]:
        """The diagonal: what each token does to itself."""
        return (self.left * self.right).sum(-1)

    def core(self) -> Float[Tensor, "d_head d_head"]:
        """The small product whose eigenvalues are the whole circuit's, but for zeros."""
        return self.right.double().mT @ self.left.double()

    def sharpness(self) -> Float[Tensor, " token"]:
        """The standard deviation of each row: how much difference it makes to token i which token j is."""
        away = self.right - self.right.mean(0)
        spread = away.mT @ away / len(away)
        return ((self.left @ spread) * self.left).sum(-1).clamp(min=0).sqrt()

    def mean_over_left(self) -> Float[Tensor, " token"]:
        """The mean of each column above the mean of all: what token j is to any token i."""
        return (self.right - self.right.mean(0)) @ self.left.mean(0)

    def copying(self) -> float:
        """Σλ / Σ|λ| over its eigenvalues: 1 where every token raises itself, −1 where each holds itself down."""
        values = torch.linalg.eigvals(self.core().cpu())
        whole = float(values.abs().sum())
        return float(values.real.sum()) / whole if whole else 0.0


@dataclass(frozen=True)
class Best:
    """For some tokens i: the j with the largest number, how far that is above the mean over all j, and i's own rank."""

    token: Int[Tensor, " some"]
    best: Int[Tensor, " some"]
    above_mean: Float[Tensor, " some"]
    own_rank: Int[Tensor, " some"]


def read_as(model: Model, tokens: Int[Tensor, " token"]) -> Float[Tensor, "token d_model"]:
    """W_E of these tokens.

    Raises:
        InputError: Embeddings are narrower than the stream, so that another matrix stands between.
    """
    if model.embedding.shape[-1] != model.d_model:
        raise InputError(
            f"Between the embeddings of {model.id} and its residual stream stands another matrix, so heads cannot be "
            "read through its vocabulary: choose another model.",
            "model",
        )
    return model.embedding[tokens].float()


def said_as(model: Model, tokens: Int[Tensor, " token"], gains: str) -> Float[Tensor, "token d_model"]:
    """W_U of these tokens, as a row each. Raises InputError where more stands between the last layer and the logits."""
    norm, rows = model.final_norm, model.unembedding_direction(tokens).float()
    return norm.pull_back(rows) if gains == "folded" else rows


def ov(model: Model, heads: HeadWeights, head: int, tokens: Int[Tensor, " token"], gains: str) -> Circuit:
    """W_E W_V W_O W_U of one head, over `tokens`."""
    return Circuit(read_as(model, tokens) @ heads.w_v[head], said_as(model, tokens, gains) @ heads.w_o[head].mT)


def qk(
    model: Model, heads: HeadWeights, head: int, tokens: Int[Tensor, " token"], scoring: Scoring, distance: int
) -> Circuit:
    """The score of every token for every other, so many positions back, apart from what positions alone add.

    Norms of queries and keys (Qwen 3) are taken at a length of 1, and no cap: these change no order among the keys.
    """
    e, (q, k) = read_as(model, tokens), scoring.turned_matrices(heads.w_q[head], heads.w_k[head], distance)
    return Circuit(e @ q, e @ k)


def by_distance(
    model: Model, heads: HeadWeights, head: int, tokens: Int[Tensor, " token"], scoring: Scoring, n: int
) -> Float[Tensor, " distance"]:
    """The mean score of the average token for itself at each distance: what positions alone do."""
    x = read_as(model, tokens).mean(0) + _added(model, tokens, n)
    turned = [scoring.turned_matrices(heads.w_q[head], heads.w_k[head], back) for back in range(n)]
    found = torch.stack([((x[back:] @ q) * (x[: n - back] @ k)).sum(-1).mean() for back, (q, k) in enumerate(turned)])
    return found if scoring.slope is None else found - scoring.slope[head] * torch.arange(n, device=found.device)


def _added(model: Model, tokens: Int[Tensor, " token"], n: int) -> Float[Tensor, "pos d_model"]:
    """What is added to the stream at each position; nothing where positions are learned of otherwise."""
    ids = tokens[torch.arange(n, device=tokens.device) % len(tokens)]
    names = [name for name in (hooks.EMBED, hooks.POS_EMBED, hooks.resid_pre(0)) if model.has(name)]
    acts = model.run_ids(ids[None], names).sites
    if set(acts) == set(names) and len(names) == 3:
        word, where, start = (acts[name].reshape(-1, n, model.d_model)[0].float() for name in names)
        if torch.allclose(word + where, start, rtol=1e-4, atol=1e-4):
            return where
    return torch.zeros(n, model.d_model, device=tokens.device)


def some(n: int) -> Int[Tensor, " some"]:
    """Numbers of the tokens that are gone through: all, or as many drawn as `MOST` allows."""
    most = max(1, MOST // max(n, 1))
    return (
        torch.arange(n) if n <= most else torch.randperm(n, generator=torch.Generator().manual_seed(0))[:most].sort()[0]
    )


@torch.no_grad()
def strongest(circuit: Circuit) -> Iterator[tuple[int, int, Best]]:
    """(tokens done, tokens in all, these tokens' best), a part at a time."""
    rows, mean = some(len(circuit.left)).to(circuit.left.device), circuit.right.mean(0)
    done = 0
    for part in rows.split(max(1, PART // len(circuit.right))):
        left = circuit.left[part]
        numbers = left @ circuit.right.mT
        best = numbers.max(-1)
        rank = (numbers > numbers.gather(-1, part[:, None])).sum(-1) + 1
        done += len(part)
        yield done, len(rows), Best(part, best.indices, best.values - left @ mean, rank)


def joined(parts: list[Best]) -> Best:
    """All parts as one."""
    return Best(
        *(torch.cat([getattr(part, name) for part in parts]) for name in ("token", "best", "above_mean", "own_rank"))
    )


def directions(
    left: Float[Tensor, "d_model d_head"], right: Float[Tensor, "d_head d_model"], most: int
) -> tuple[Float[Tensor, "direction d_model"], Float[Tensor, " direction"], Float[Tensor, "direction d_model"]]:
    """The strongest singular directions of left · right: where it reads, how strongly, where it writes.

    By the small matrix between two orthonormal bases, as exact as the whole one's.
    """
    q_left, r_left = torch.linalg.qr(left)
    q_right, r_right = torch.linalg.qr(right.mT)
    u, s, vh = torch.linalg.svd(r_left @ r_right.mT)
    return (q_left @ u[:, :most]).mT, s[:most], vh[:most] @ q_right.mT
