"""Runs in which everything outside a circuit of nodes gives way, many circuits at a time. Nothing is approximated."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mi_core.circuits.family import Case
from mi_core.circuits.graph import Nodes
from mi_core.circuits.outside import Outside
from mi_core.interventions.sweep import POSITIONS_AT_ONCE
from mi_core.models.model import Model


@dataclass(frozen=True)
class NodeRuns:
    """Circuits of nodes: a row of a mask says which nodes are in one. The tokens are always kept."""

    model: Model
    nodes: Nodes

    @property
    def n_parts(self) -> int:
        """How many nodes there are."""
        return len(self.nodes)

    @property
    def hooks(self) -> list[str]:
        """What can be outside."""
        return list(self.nodes.at)

    def at_once(self, n_pos: int) -> int:
        """How many circuits are run together."""
        return max(1, POSITIONS_AT_ONCE // n_pos)

    @torch.no_grad()
    def values(
        self, case: Case, instead: Outside, masks: Bool[np.ndarray, "circuit node"], told: Callable[[int], None]
    ) -> Float[np.ndarray, " circuit"]:
        """The target's logit (difference) of each circuit.

        Args:
            case: The pair.
            instead: What stands outside.
            masks: Which nodes are in.
            told: Called between chunks with how many are done.
        """
        found, step = [], self.at_once(case.n_pos)
        for start in range(0, len(masks), step):
            some = torch.tensor(masks[start : start + step], device=self.model.device)
            changes = {
                name: functools.partial(_kept, inside=_shaped(some[:, part], instead[name]), instead=instead[name])
                for name, part in self.nodes.at.items()
            }
            logits = self.model.run_ids(self.model.rows([case.ids] * len(some)), changes=changes).logits[:, -1]
            found.append(case.target.of(logits.float()).double().cpu().numpy())
            told(start + len(some))
        return np.concatenate(found)


def _shaped(inside: Bool[Tensor, "circuit part"], like: Float[Tensor, "pos ..."]) -> Bool[Tensor, "circuit 1 ..."]:
    """A mask that goes with an activation of heads [pos, head, d_head], neurons [pos, neuron], or a whole one."""
    if like.ndim == 3:
        return inside[:, None, :, None]
    return inside[:, None, :]


def _kept(x: Tensor, hook, inside: Tensor, instead: Tensor) -> Tensor:
    return torch.where(inside, x, instead)
