"""What an activation that an SAE reads says along some directions, taken apart into features, bias and error.

An SAE says that an activation is the sum of its active features' directions, a bias, and an error that it does not
explain. Whatever reads the activation linearly reads these parts one by one: so an effect is a sum over features, with
the error named (Marks et al. 2024, "Sparse Feature Circuits").
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.saes.sae import Sae


@dataclass(frozen=True)
class FeatureParts:
    """Per position: how much of each direction there is, what each feature adds with it, the SAE's bias, what it does
    not explain, and the whole activation.
    """

    amounts: Float[Tensor, "pos d_sae"]
    features: Float[Tensor, "pos d_sae"]
    bias: Float[Tensor, " pos"]
    error: Float[Tensor, " pos"]
    whole: Float[Tensor, " pos"]

    def missing(self) -> float:
        """How far the parts are from the whole, of all positions together."""
        parts = self.features.double().sum() + self.bias.double().sum() + self.error.double().sum()
        return float((parts - self.whole.double().sum()).abs())


@torch.no_grad()
def feature_parts(sae: Sae, x: Float[Tensor, "pos d_model"], reader: Float[Tensor, "pos d_model"]) -> FeatureParts:
    """Take what `reader` reads of `x` apart.

    Args:
        sae: What reads `x`.
        x: Activations at its hook.
        reader: What is asked of each position, such as a direction or a gradient.
    """
    x, reader = x.float(), reader.float()
    amounts = sae.amounts(x)
    silent = sae.decode(torch.zeros_like(amounts), x)
    along = reader @ sae.directions(list(range(sae.d_sae))).T
    return FeatureParts(
        amounts=amounts,
        features=amounts * along,
        bias=(silent * reader).sum(-1),
        error=((x - sae.decode(sae.encode(x), x)) * reader).sum(-1),
        whole=(x * reader).sum(-1),
    )
