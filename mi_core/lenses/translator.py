"""A learned lens: per layer a map of the residual stream into what the last layer would have made of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Translator:
    """Affine maps of the residual stream, one for each number of blocks passed.

    ``x + W x + b`` of a tuned lens (Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned
    Lens", eq. 8), ``J x`` of a Jacobian lens (Gurnee et al. 2026, "Verbalizable Representations Form a Global Workspace
    in Language Models", Methods).
    """

    weight: dict[int, Float[Tensor, "d_model d_model"]]
    """By how many blocks have been passed."""
    bias: dict[int, Float[Tensor, " d_model"]]
    """The same; empty for a Jacobian lens."""
    adds: bool
    """Whether the map's outcome is added to the stream."""
    origin: str
    """Where it is from, as the end of a sentence that begins with it."""
    first_pos: int = 0
    """The first position of a text that it was fitted at."""

    @property
    def layers(self) -> list[int]:
        """Numbers of blocks passed for which there is a map, in order."""
        return sorted(self.weight)

    def translate(self, x: Float[Tensor, "*pos d_model"], layer: int) -> Float[Tensor, "*pos d_model"]:
        """The stream after `layer` blocks in the last layer's terms; as it is where there is no map."""
        if layer not in self.weight:
            return x
        mapped = x @ self.weight[layer].T
        if layer in self.bias:
            mapped = mapped + self.bias[layer]
        return x + mapped if self.adds else mapped

    def to(self, device: torch.device) -> Translator:
        """The same on another device, in single precision."""
        moved = [{layer: t.to(device, torch.float32) for layer, t in each.items()} for each in (self.weight, self.bias)]
        return Translator(*moved, adds=self.adds, origin=self.origin, first_pos=self.first_pos)
