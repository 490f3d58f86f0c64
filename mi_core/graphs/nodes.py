"""What an attribution graph is made of: what was written into the residual stream, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.graphs.kinds import ANSWER, BIAS, FEATURE, HEAD, MLP, NEURON, OTHERS, REST, TOKEN
from mi_core.models import hooks

#: What is left of a layer, by where it was written.
LEFT_OVER = {
    (OTHERS, hooks.attn_out): "other heads",
    (OTHERS, hooks.mlp_out): "other neurons",
    (REST, hooks.attn_out): "rest of attention",
    (REST, hooks.mlp_out): "rest of MLP",
}


@dataclass(frozen=True, eq=False)
class Node:
    """A piece of one position's residual stream, or of the change that a second prompt makes there.

    Args:
        kind: One of `mi_core.graphs.kinds`.
        level: In the picture: blocks passed where it stands in the stream; −1 for tokens.
        pos: Position; −1 for what belongs to none.
        number: Feature, head or neuron; −1 for what has none.
        write: What it is of the stream.
        hook: Where it is written: a residual stream, or what attention or an MLP adds.
        score: What it is worth to the answer, in logits.
        amount: Activation, or its change; NaN for what has none.
    """

    kind: str
    level: int
    pos: int
    number: int
    write: Float[Tensor, " d_model"]
    hook: str
    score: float
    amount: float = float("nan")

    @property
    def name(self) -> str:
        """`L2F123@5`: feature 123 after two blocks, at position 5."""
        if self.kind == ANSWER:
            return ANSWER
        if self.kind == BIAS:
            return "biases"
        if self.kind == TOKEN:
            return f"token@{self.pos}"
        at = f"@{self.pos}"
        if self.number >= 0:
            letter = {FEATURE: "F", HEAD: "H", NEURON: "N"}[self.kind]
            return f"L{self.level}{letter}{self.number}{at}"
        if self.kind == MLP:
            return f"MLP {self.level}{at}"
        return f"L{self.level} {LEFT_OVER.get((self.kind, hooks.parse(self.hook)[0]), self.kind)}{at}"


def writes(nodes: list[Node]) -> Float[Tensor, "node d_model"]:
    """What each of them is of the stream."""
    return torch.stack([node.write for node in nodes])
