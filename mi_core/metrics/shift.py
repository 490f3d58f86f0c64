"""The tokens whose probability of coming next a change moves most, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.models.model import Model
from mi_core.result import within

RUNS = ("before", "after")
ALIKE = 1e-9  # of its probability: a token that is likelier wins a tie between changes


@dataclass(frozen=True)
class Shift:
    """Some tokens in two or more runs: without a change, with it, and what it is compared with."""

    token_ids: Int[np.ndarray, " token"]
    """[token] Vocabulary ids, in the order they are shown."""
    texts: tuple[str, ...]
    """[token] Raw text of each."""
    probabilities: Float[np.ndarray, "run token"]
    """[run, token] Probability of coming next, 0 to 1."""
    logits: Float[np.ndarray, "run token"]
    """[run, token] Logits after any soft cap; log-probabilities where a run is known by these alone."""

    def __post_init__(self) -> None:
        n, shape = len(self.token_ids), self.probabilities.shape
        if len(self.texts) != n or self.logits.shape != shape or shape[1:] != (n,):
            raise ValueError(f"{n} tokens, but {shape}, {self.logits.shape}, {len(self.texts)}")
        within(self, 0.0, 1.0, "probabilities")

    @property
    def change(self) -> Float[np.ndarray, " token"]:
        """Of the probability, from the first run to the second."""
        return self.probabilities[1] - self.probabilities[0]

    def columns(self, runs: Sequence[str] = RUNS) -> dict[str, np.ndarray]:
        """`token`, `token_id`, `change`, and for each run `probability_<run>` and `logit_<run>`: a value per token."""
        columns = {
            "token": np.asarray(self.texts, dtype=object),
            "token_id": self.token_ids,
            "change": self.change,
        }
        for run, probability, logit in zip(runs, self.probabilities, self.logits, strict=True):
            columns |= {f"probability_{run}": probability, f"logit_{run}": logit}
        return columns

    def table(self, names: Sequence[str], runs: Sequence[str] = RUNS) -> pd.DataFrame:
        """A row per token, with the `columns` of these names in this order."""
        columns = self.columns(runs)
        return pd.DataFrame({name: columns[name] for name in names})


def shift(
    model: Model,
    token_ids: Int[Tensor, " token"],
    probabilities: Float[Tensor, "run d_vocab"],
    logits: Float[Tensor, "run d_vocab"],
) -> Shift:
    """What becomes of these tokens.

    Args:
        model: Whose vocabulary it is.
        token_ids: Which tokens, in the order they are to be shown: from `movers`, `gains_and_losses` or `likeliest`.
        probabilities: Of the whole vocabulary in each run; the first is the one without the change.
        logits: Likewise.
    """
    return Shift(
        token_ids=token_ids.numpy(force=True),
        texts=tuple(model.texts(token_ids)),
        probabilities=probabilities[:, token_ids].numpy(force=True),
        logits=logits[:, token_ids].numpy(force=True),
    )


def movers(probabilities: Float[Tensor, "run d_vocab"], k: int, always: Iterable[int] = ()) -> Int[Tensor, " token"]:
    """The `k` tokens that move most from the first run to the second, and those of `always`; largest move first."""
    moved = (probabilities[1] - probabilities[0]).abs()
    ids = list(dict.fromkeys([*moved.topk(k).indices.tolist(), *always]))
    ids = torch.tensor(ids, device=probabilities.device)
    return ids[moved[ids].argsort(descending=True, stable=True)]


def gains_and_losses(probabilities: Float[Tensor, "run d_vocab"], k: int) -> Int[Tensor, " token"]:
    """The `k` tokens that rise most and the `k` that fall most from the first run to the second, largest gain first."""
    before, change = probabilities[0], probabilities[1] - probabilities[0]
    gains, losses = (change + ALIKE * before).topk(k).indices, (ALIKE * before - change).topk(k).indices
    ids = torch.cat([gains, losses]).unique()
    return ids[change[ids].argsort(descending=True)]


def likeliest(probabilities: Float[Tensor, "run d_vocab"], k: int) -> Int[Tensor, " token"]:
    """The `k` likeliest tokens of each of the first two runs, largest gain first."""
    before, after = probabilities[:2]
    ids = torch.cat([row.topk(min(k, len(row))).indices for row in (before, after)]).unique()
    return ids[(before - after)[ids].argsort(stable=True)]
