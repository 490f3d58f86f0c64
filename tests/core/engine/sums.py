"""Two analyses for tests: one that looks at no model, and one of a model that reads no prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.errors import InputError
from mi_core.models.model import Model
from mi_core.result import Check, Reading


@dataclass(frozen=True)
class Sums:
    """Running sums."""

    sums: Float[np.ndarray, " n"]
    checks: tuple[Check, ...] = (Check("the last is n (n + 1) / 2", 0.0, 0.0),)

    def tables(self) -> dict[str, pd.DataFrame]:
        return {"sums": pd.DataFrame({"n": np.arange(1, len(self.sums) + 1), "sum": self.sums})}

    def reading(self) -> Reading:
        return Reading(f"They sum to {self.sums[-1]:.0f}", ())


def running_sums(*, n: int = 3, order: Literal["up", "down"] = "up") -> Sums:
    """What do the first whole numbers sum to?

    Args:
        n: How many of them.
        order: Which way they are added.
    """
    if n < 1:
        raise InputError("There is nothing to sum: choose 1 or more.", "n")
    numbers = np.arange(1, n + 1, dtype=float)
    return Sums(np.cumsum(numbers if order == "up" else numbers[::-1]))


def depth(model: Model, *, scale: float = 1.0) -> Sums:
    """How deep is the model?

    Args:
        model: The model.
        scale: Multiplies.
    """
    return Sums(np.full(2, model.n_layers * scale))
