"""Next-token distributions of many residuals at once, read a block of the vocabulary at a time.

At full width, the logits of every layer and position are gigabytes for a long prompt, and writing them out costs as
much as computing them. A block stays in the processor's cache; what is kept of it are running sums (online softmax:
Milakov & Gimelshein 2018, "Online normalizer calculation for softmax") and the best entries so far. Exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.metrics.distribution import TopK
from mi_core.models.model import Model

COLUMNS_AT_ONCE = 1024


@dataclass(frozen=True)
class Readout:
    """What is kept of the distributions: `lse` is log Σ exp(logit), `rank` 1 where the target is the top guess.

    `cross_entropy` is −Σ p·log q in nats, with p the last stage's distribution at the same position.
    """

    top: TopK
    lse: Float[Tensor, "stage pos"]
    entropy: Float[Tensor, "stage pos"]
    cross_entropy: Float[Tensor, "stage pos"]
    target_logit: Float[Tensor, "stage pos"]
    target_rank: Int[Tensor, "stage pos"]


@torch.no_grad()
def read(model: Model, normed: Float[Tensor, "stage pos d_model"], token_id: int, k: int) -> Readout:
    """Unembed every row and summarise its distribution; entropies in nats, logits after any soft cap.

    Args:
        model: Its unembedding is used.
        normed: Residuals after the final norm.
        token_id: The target.
        k: How many of the largest logits to keep.
    """
    starts = list(range(0, model.d_vocab, COLUMNS_AT_ONCE))
    first = token_id // COLUMNS_AT_ONCE
    starts[0], starts[first] = starts[first], starts[0]  # the target's block first: the others are compared with it
    running = None
    for start in starts:
        logits = model.cap(model.unembed(normed, start, start + COLUMNS_AT_ONCE)).float()
        running = running or _Running(logits[..., token_id - start].clone(), k)
        running.add(logits, start)
    return running.readout()


class _Running:
    """Sums over the blocks seen so far, each relative to the largest logit among them."""

    def __init__(self, target_logit: Float[Tensor, "stage pos"], k: int) -> None:
        zeros = torch.zeros_like(target_logit)
        self.k = k
        self.target_logit = target_logit
        self.peak = torch.full_like(target_logit, -torch.inf)
        self.total, self.weighted, self.crossed = zeros, zeros, zeros
        self.larger = torch.zeros_like(target_logit, dtype=torch.int64)
        self.values = target_logit.new_empty(*target_logit.shape, 0)
        self.ids = self.larger.new_empty(*target_logit.shape, 0)

    def add(self, logits: Float[Tensor, "stage pos column"], start: int) -> None:
        """Take a block in; `logits` is overwritten, since fresh memory costs as much as the arithmetic."""
        self._keep_best(logits, start)
        peak = torch.maximum(self.peak, logits.amax(-1))
        shrink = (self.peak - peak).exp()
        weights = (logits - peak[..., None]).exp_()
        self.peak = peak
        self.total = self.total * shrink + weights.sum(-1)
        self.crossed = self.crossed * shrink[-1] + torch.einsum("spv,pv->sp", logits, weights[-1])
        self.weighted = self.weighted * shrink + weights.mul_(logits).sum(-1)
        self.larger += logits.gt_(self.target_logit[..., None]).sum(-1).long()

    def _keep_best(self, logits: Float[Tensor, "stage pos column"], start: int) -> None:
        best = logits.topk(min(self.k, logits.shape[-1]))
        values, ids = torch.cat([self.values, best.values], -1), torch.cat([self.ids, best.indices + start], -1)
        kept = values.topk(min(self.k, values.shape[-1]))
        self.values, self.ids = kept.values, ids.gather(-1, kept.indices)

    def readout(self) -> Readout:
        lse = self.peak + self.total.log()
        return Readout(
            top=TopK(self.values, self.ids),
            lse=lse,
            entropy=lse - self.weighted / self.total,
            cross_entropy=lse - self.crossed / self.total[-1],
            target_logit=self.target_logit,
            target_rank=self.larger + 1,
        )
