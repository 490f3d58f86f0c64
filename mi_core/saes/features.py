"""What the pages of features share: which positions are read, how many features are kept, and how one is named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mi_core.errors import InputError
from mi_core.models.tokens import Tokens
from mi_core.saes.notes import Context
from mi_core.saes.sae import Sae

POSITIONS_AT_ONCE = 128  # 12 MB of activations at 24,576 features
MAX_TOP_K = 100


def kept_positions(tokens: Tokens) -> list[bool]:
    """Which positions an SAE reads: all but a beginning-of-sequence token."""
    return [not (pos == 0 and tokens.has_bos) for pos in range(len(tokens))]


def check_is_read(tokens: Tokens, pos: int) -> None:
    """Refuse the start token, which is left out when features are read."""
    if tokens.has_bos and pos == 0:
        raise InputError("The start token is not read for features: choose a later one.", "pos")


def check_top_k(top_k: int, sae: Sae) -> None:
    """Raises InputError unless 1 ≤ top_k ≤ 100 and the SAE has as many features."""
    most = min(MAX_TOP_K, sae.d_sae)
    if not 1 <= top_k <= most:
        raise InputError(f"top_k is {top_k}: choose a number from 1 to {most}.", "top_k")


def share(activation: np.ndarray, largest: np.ndarray | float) -> np.ndarray:
    """Activation over the largest known one; NaN where that is 0 or not known."""
    return activation / np.where(np.asarray(largest) > 0, largest, np.nan)


def context_table(contexts: tuple[Context, ...]) -> pd.DataFrame:
    """A row per token of each context, the best context first."""
    rows = [
        (number, place, token, activation, place == context.peak)
        for number, context in enumerate(contexts)
        for place, (token, activation) in enumerate(zip(context.tokens, context.activations, strict=True))
    ]
    return pd.DataFrame(rows, columns=["context", "pos_in_context", "token", "activation", "is_peak"])


def feature_name(feature: int, label: str) -> str:
    """For titles: the number, with the label where there is one."""
    return f"Feature {feature} ({_cut(label, 32)})" if label else f"Feature {feature}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
