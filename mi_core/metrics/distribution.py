"""Next-token distributions summarised row by row, without ever holding all rows at full width."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError

BLOCK = 256


@dataclass(frozen=True)
class TopK:
    """The largest `k` entries of each row, best first: values and vocabulary ids, both [*batch, k]."""

    values: Float[Tensor, "*batch k"]
    ids: Int[Tensor, "*batch k"]


def check_top_k(top_k: int, d_vocab: int) -> None:
    """Raises InputError unless 1 ≤ top_k ≤ the vocabulary."""
    if not 1 <= top_k <= d_vocab:
        raise InputError(
            f"top_k is {top_k:,}: choose a number from 1 to {d_vocab:,}, this model's vocabulary.", "top_k"
        )


def top_k(logits: Float[Tensor, "*batch d_vocab"], k: int) -> TopK:
    """Exact top k in two stages: the k best blocks of the vocabulary hold the k best entries.

    Several times faster than `torch.topk` over a whole vocabulary, which sorts partially on one core.
    """
    d_vocab = logits.shape[-1]
    n_blocks = d_vocab // BLOCK
    if n_blocks <= k:
        return TopK(*logits.topk(k))
    blocks = logits[..., : n_blocks * BLOCK].unflatten(-1, (n_blocks, BLOCK))
    best = blocks.amax(-1).topk(k).indices[..., None]
    inside = torch.arange(BLOCK, device=logits.device)
    tail = torch.arange(n_blocks * BLOCK, d_vocab, device=logits.device)
    ids = torch.cat([(best * BLOCK + inside).flatten(-2), tail.expand(*best.shape[:-2], -1)], dim=-1)
    found = logits.gather(-1, ids).topk(k)
    return TopK(found.values, ids.gather(-1, found.indices))


def log_normaliser_and_entropy(
    logits: Float[Tensor, "*batch d_vocab"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """log Σ exp(logit), and the entropy in nats, with two temporaries of the logits' size."""
    peak = logits.amax(-1, keepdim=True)
    below = logits - peak  # large logits would swamp a small entropy
    weights = below.exp()
    total = weights.sum(-1)
    entropy = total.log() - torch.einsum("...v,...v->...", weights, below) / total
    return peak[..., 0] + total.log(), entropy


def rank(logits: Float[Tensor, "*batch d_vocab"], token_id: int) -> Int[Tensor, "*batch"]:
    """1 for the top guess: one more than the number of tokens with a larger logit."""
    return (logits > logits[..., token_id, None]).sum(-1) + 1


def kl_bits(
    log_p: Float[Tensor, "*#batch d_vocab"], log_q: Float[Tensor, "*#batch d_vocab"]
) -> Float[Tensor, "*batch"]:
    """KL(p ‖ q) in bits: how much of p's information q misses."""
    return (log_p.exp() * (log_p - log_q)).nan_to_num(0.0).sum(-1) / math.log(2)
