"""A LayerNorm or RMSNorm taken apart into a linear map and a scale.

Every norm that transformers use is ``N(x) = linear(x) / scale(x) + bias``, where ``linear`` multiplies by a learned
weight (LayerNorm also subtracts the mean). With the scale frozen at one run's value the norm is linear, which is
what lets a logit be split into contributions (Elhage et al. 2021, "A Mathematical Framework for Transformer
Circuits").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Norm:
    """``N(x) = linear(x) / scale(x) + bias``, for any module that has this form.

    `apply` is the module itself, `weight` [d_model] its elementwise factor, `bias` [d_model], `centred` whether it
    subtracts the mean.
    """

    apply: Callable[[Tensor], Tensor]
    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"]
    centred: bool

    def linear(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """The linear part: centring (LayerNorm only), then the weight."""
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        return x * self.weight

    def scale(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch 1"]:
        """The divisor at `x`, read off the module's own output, so that its epsilon needs no name."""
        linear, out = self.linear(x), self.apply(x) - self.bias
        along = (linear * out).sum(-1, keepdim=True)
        scale = (linear * linear).sum(-1, keepdim=True) / along
        return torch.where(along == 0, torch.ones_like(scale), scale)  # an all-zero row stays zero at any scale

    def frozen(self, x: Float[Tensor, "*#batch d_model"], scale: Float[Tensor, "*#batch 1"]) -> Tensor:
        """`x` normalised with a given `scale` in place of its own."""
        return self.linear(x) / scale + self.bias

    def pull_back(self, direction: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """The direction `r` with ``x · r = linear(x) · direction`` for every x: project once, then dot."""
        weighted = direction * self.weight
        return weighted - weighted.mean(-1, keepdim=True) if self.centred else weighted


def take_apart(module: Callable[[Tensor], Tensor], d_model: int, like: Tensor) -> Norm:
    """Find `weight`, `bias` and `centred` of a norm module by probing it, whatever its class calls them.

    A probe with mean 0 and mean square 1 passes through unscaled: the module's odd part there is weight × probe and
    its even part the bias.

    Args:
        module: Maps [*, d_model] to [*, d_model].
        d_model: Width of the residual stream.
        like: Any tensor with the module's device and dtype.
    """
    probe = _probe(d_model).to(like)
    big = probe * 1e4  # epsilon vanishes beside a mean square of 1e8
    plus, minus = module(big[None])[0], module(-big[None])[0]
    bias = (plus + minus) / 2
    weight = (plus - minus) / 2 / probe
    ones = module(torch.ones_like(probe)[None])[0] - bias
    centred = bool(ones.norm() < 0.5 * weight.norm())
    return Norm(
        apply=module, weight=_exact(module, "weight", weight), bias=_exact(module, "bias", bias), centred=centred
    )


def _probe(d_model: int) -> Float[Tensor, " d_model"]:
    """Alternating ±1; an odd width ends in three numbers that keep the mean at 0 and the mean square at 1."""
    probe = torch.ones(d_model)
    probe[1::2] = -1
    if d_model % 2:
        probe[-3:] = torch.tensor([2.0, -1.0, -1.0]) * 0.5**0.5
    return probe


def _exact(module, name: str, probed: Tensor) -> Tensor:
    """The module's own parameter where it agrees with the probe: free of the probe's rounding."""
    own = getattr(module, name, None)
    if isinstance(own, Tensor) and own.shape == probed.shape and torch.allclose(own, probed, rtol=1e-3, atol=1e-4):
        return own.detach()
    return probed
