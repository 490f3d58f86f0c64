"""What features of an SAE write into the residual stream, so that it can be taken out again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import Feature
from mi_core.interventions.intervention import Intervention
from mi_core.saes.sae import Sae

MOST = 512  # features of one sweep


@dataclass(frozen=True, eq=False)
class FeatureWrites:
    """The directions that some features of one SAE write along, and how much of each a position holds.

    An SAE says that an activation is the sum of its active features' directions, a bias, and an error that it does
    not explain. To knock a feature out is to take its own term off the activation: bias, error and all other features
    stay as they are.

    Args:
        sae: The SAE.
        ids: Which of its features.
    """

    sae: Sae
    ids: tuple[int, ...]

    @property
    def directions(self) -> Float[Tensor, "feature d_model"]:
        """What one unit of `amounts` writes."""
        return self.sae.directions(list(self.ids))

    @torch.no_grad()
    def amounts(self, x: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos feature"]:
        """How much of each direction the SAE finds in activations at its hook."""
        return self.sae.amounts(x)[:, list(self.ids)]

    @torch.no_grad()
    def amounts_of(self, activation: float, x: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos feature"]:
        """How much of each direction an activation of that size would be in `x`."""
        return (activation * self.sae.amount_of_one(x)).expand(-1, len(self.ids))

    def removal(self, instead: Float[Tensor, "pos feature"], first: int = 0, end: int | None = None) -> Intervention:
        """All of them out wherever the run goes: what they then write is read in that very run.

        Args:
            instead: What is put in place of their amounts; positions beyond it get its last row.
            first: First position it holds for.
            end: The position after its last; None for all.
        """

        def out(x: Float[Tensor, "pos d_model"], start: int) -> Float[Tensor, "pos d_model"]:
            rows = torch.arange(start, start + len(x), device=x.device).clamp(max=len(instead) - 1)
            return x - ((self.amounts(x) - instead[rows]) @ self.directions).to(x.dtype)

        return self._map(out, first, end)

    def taking(self, number: int, taken: Float[Tensor, " pos"], first: int = 0, end: int | None = None) -> Intervention:
        """A known amount of one of them off: the same as `removal` where nothing before it changes the activation.

        Args:
            number: Which of `ids`.
            taken: For every position.
            first: First position it holds for.
            end: The position after its last; None for all.
        """
        direction = self.sae.directions([self.ids[number]])[0]

        def out(x: Float[Tensor, "pos d_model"], start: int) -> Float[Tensor, "pos d_model"]:
            return x - (taken[start : start + len(x), None] * direction).to(x.dtype)

        return self._map(out, first, end)

    def _map(self, function, first: int, end: int | None) -> Intervention:
        return Intervention(self.sae.site.name, self.sae.layer, function, first=first, end=end, operation="map")


@dataclass(frozen=True)
class Active:
    """Features of a prompt, strongest first."""

    features: tuple[Feature, ...]
    peaks: tuple[float, ...]
    """[feature] The largest activation of each, in the SAE's units."""
    left_out: int
    """How many more are active."""


@torch.no_grad()
def active(sae: Sae, x: Float[Tensor, "pos d_model"], only: int | None = None) -> Active:
    """Features active on any position, at most `MOST` of them; or one of them, active or not."""
    encoded = sae.encode(x) if len(x) else x.new_zeros(1, sae.d_sae)
    peaks = encoded.gather(0, encoded.abs().argmax(0)[None])[0]  # some SAEs fire in both directions
    n = int((peaks != 0).sum())
    numbers = peaks.abs().argsort(descending=True)[: min(MOST, n)].tolist() if only is None else [only]
    return Active(
        features=tuple(Feature(sae.hook, sae.layer, number, sae.name) for number in numbers),
        peaks=tuple(peaks[numbers].tolist()),
        left_out=max(0, n - MOST) if only is None else 0,
    )
