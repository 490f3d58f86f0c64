"""What a lens over the layers of one position shows: where an answer stands, and from where on it stays."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.metrics import distribution
from mi_core.models.model import Model


@torch.no_grad()
def ranks_by_layer(model: Model, resid: Float[Tensor, "stage d_model"], token_id: int) -> Int[np.ndarray, " stage"]:
    """A token's rank at every stage of one position's residual stream; norm recomputed."""
    return distribution.rank(model.unembed(model.final_norm.apply(resid)), token_id).numpy(force=True)


def settled(rank: Int[np.ndarray, " stage"]) -> int:
    """First stage from which the answer stays the top guess to the end; the number of stages if it never does."""
    others = np.flatnonzero(rank != 1)
    return 0 if len(others) == 0 else int(others[-1]) + 1
