"""How much each feature of a toy model counts."""

from __future__ import annotations

import math
import re

import numpy as np
from jaxtyping import Float

from mi_core.errors import InputError, shortened

EQUAL = "equal"
_POWER = re.compile(r"(\d*\.?\d+)\s*\^\s*i", re.IGNORECASE)
HOW = "write equal, a falling one such as 0.9^i, or one number for each feature"


def importances(text: str, n_features: int) -> Float[np.ndarray, " feature"]:
    """Importance of each feature, the first one's first.

    Args:
        text: ``"equal"``; ``"0.9^i"``, each that many times the one before, the first 1; or `n_features` numbers,
            separated by commas or blanks.
        n_features: How many features there are.

    Raises:
        InputError: It is none of these, or a number is negative, or all are zero.
    """
    said = text.strip().lower()
    if said == EQUAL:
        return np.ones(n_features)
    if power := _POWER.fullmatch(said):
        return _positive(float(power[1]) ** np.arange(n_features))
    try:
        numbers = [float(word) for word in re.split(r"[,;\s]+", said) if word]
    except ValueError:
        raise InputError(f"“{shortened(text)}” is no importance: {HOW}.", "importance", EQUAL) from None
    if len(numbers) != n_features:
        said = f"These are {len(numbers)} importances for {n_features} features: {HOW}."
        raise InputError(said, "importance", EQUAL)
    return _positive(np.array(numbers))


def _positive(numbers: Float[np.ndarray, " feature"]) -> Float[np.ndarray, " feature"]:
    known = all(math.isfinite(number) and 0 <= number <= 1000 for number in numbers)
    if not known or not numbers.any():
        raise InputError("Importances are from 0 to 1,000, and one at least is above 0: change them.", "importance")
    return numbers
