"""The one number that a changed run is judged by, with its name and unit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.errors import InputError
from mi_core.metrics import distribution
from mi_core.metrics.target import Target
from mi_core.phrases import bits, listed, percent, signed

NAMES = ("logit_difference", "probability", "kl")
UNITS = {"logit_difference": "logits", "probability": "probability", "kl": "bits"}
SMALLEST_GAP = {"logit_difference": 1e-3, "probability": 1e-4, "kl": 1e-4}  # below it a share of the gap means nothing
METRIC_ROWS = 8  # read at once, in double precision: as much again


class Metrics:
    """What interventions are measured by, [row, 3]: the target's logit (difference), the answer's probability, and
    KL(baseline ‖ row) in bits.

    Args:
        target: The answer.
        baseline: Logits that the rows are compared with.
    """

    def __init__(self, target: Target, baseline: Float[Tensor, " d_vocab"]) -> None:
        self.target = target
        self.baseline = baseline.double().log_softmax(-1)

    def __call__(self, logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, "row 3"]:
        return torch.cat([self._of(rows) for rows in logits.split(METRIC_ROWS)])

    def _of(self, logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, "row 3"]:
        log_probability = logits.double().log_softmax(-1)
        kl = distribution.kl_bits(self.baseline, log_probability).clamp(min=0.0)
        probability = log_probability[:, self.target.token_id].exp()
        return torch.stack([self.target.of(logits), probability.to(logits), kl.to(logits)], dim=-1)


@dataclass(frozen=True)
class Metric:
    """Logit difference (or logit) of the answer, its probability, or KL(clean ‖ run): how far from the clean guesses.

    A share of the gap between the corrupted and the clean run, (value − corrupted) / (clean − corrupted), is 1 where
    the clean value is reached. For KL, whose clean value is 0, that is 1 − KL / KL of the corrupted run: 1 means that
    the whole clean distribution is back, not only the answer.

    `name` is one of `NAMES`; `all` reads all three.
    """

    name: str
    all: Metrics

    @property
    def unit(self) -> str:
        """``"logits"``, ``"probability"`` or ``"bits"``."""
        return UNITS[self.name]

    @property
    def quantity(self) -> str:
        """What the number is, for the middle of a sentence."""
        if self.name == "kl":
            return "distance from your prompt's guesses (KL)"
        target = self.all.target
        return f"{target.quantity} of {target.label}" if self.name == "logit_difference" else _probability(target)

    @property
    def smallest_gap(self) -> float:
        """Between both runs, in `unit`: less than this cannot be shared out."""
        return SMALLEST_GAP[self.name]

    def of(self, logits: Float[Tensor, "row d_vocab"]) -> Float[Tensor, " row"]:
        """The number of each run, from its logits after any soft cap; differentiable."""
        if self.name == "logit_difference":
            return self.all.target.of(logits)
        return self.all(logits)[:, NAMES.index(self.name)]


def check_name(name: str) -> None:
    """Raises InputError unless `name` is one of `NAMES`."""
    if name not in NAMES:
        raise InputError(f"“{str(name)[:40]}” is no measure: use {listed(list(NAMES))}.", "metric")


def said(name: str, value: float) -> str:
    """A value of the metric of that name with its unit: `+1.25`, `97.3%`, `2.10 bits`."""
    if name == "probability":
        return percent(value)
    return bits(value) if name == "kl" else signed(value)


def _probability(target: Target) -> str:
    return f"probability of {target.label.split(' − ')[0]}"
