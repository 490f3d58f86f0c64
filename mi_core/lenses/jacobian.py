"""Fitting a Jacobian lens: per layer the mean derivative of the last layer's output by the residual stream.

Gurnee et al. 2026, "Verbalizable Representations Form a Global Workspace in Language Models", Methods: for a text, the
effects of the stream at a position on the output there and at every later one are summed; sums are averaged over the
positions, and over the texts. The first positions, whose streams are like no others, and the last are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.errors import InputError
from mi_core.models import hooks
from mi_core.models.model import Model

FIRST_POS = 4  # prompts here are short: the reference leaves out 16
AT_ONCE = 16  # rows of a matrix that one backward pass gives

State = dict[str, Tensor]


class JacobianFit:
    """Matrices on their way.

    Args:
        model: The model, which stays as it is.
        rows: Texts to average over.
        kept: What `kept` gave after some text: fitting goes on from there, to the same outcome.
    """

    def __init__(self, model: Model, rows: Int[Tensor, "row pos"], kept: State | None = None) -> None:
        self.model, self.rows = model, rows
        self.done = int(kept["done"]) if kept else 0
        shape, names = (model.d_model, model.d_model), [f"layers.{layer}.weight" for layer in range(1, model.n_layers)]
        self._sums = {name: kept[name].clone() if kept else torch.zeros(shape) for name in names}

    @property
    def passes(self) -> int:
        """Backward passes that a text takes."""
        return -(-self.model.d_model // AT_ONCE)

    def fit(self) -> Iterator[int]:
        """After every backward pass, how many there were; a text counts when all of its passes are done."""
        while self.done < len(self.rows):
            parts = []
            for part in self._rows_of(self.rows[self.done : self.done + 1]):
                parts.append(part)
                if len(parts) < self.passes:
                    yield self.done * self.passes + len(parts)
            for name, matrix in zip(self._sums, zip(*parts, strict=True), strict=True):
                self._sums[name] += torch.cat(matrix).cpu()
            self.done += 1
            yield self.done * self.passes

    def lens(self) -> State:
        """The matrices, means over the texts that are done, by name."""
        return {name: tensor / max(self.done, 1) for name, tensor in self._sums.items()}

    def kept(self) -> State:
        """All that going on later needs."""
        return self._sums | {"done": torch.tensor(self.done)}

    def _rows_of(self, ids: Int[Tensor, "1 pos"]) -> Iterator[list[Float[Tensor, "row d_model"]]]:
        """Some rows of every layer's matrix for one text, until all of them are there."""
        model = self.model
        names, last = [hooks.resid_pre(layer) for layer in range(1, model.n_layers)], model.resid_names()[-1]
        valid = slice(FIRST_POS, ids.shape[1] - 1)
        with torch.enable_grad():
            begin = {hooks.resid_pre(0): lambda x, hook: x.detach().requires_grad_(True)}
            acts = model.run_ids(ids.repeat(AT_ONCE, 1), [*names, last], changes=begin)
            out, sources = acts[last], [acts[name] for name in names]
            for first in range(0, model.d_model, AT_ONCE):
                n = min(AT_ONCE, model.d_model - first)
                ones = torch.zeros_like(out)
                ones[torch.arange(n), valid, torch.arange(first, first + n)] = 1
                more = first + n < model.d_model
                gradients = torch.autograd.grad(out, sources, ones, retain_graph=more, allow_unused=True)
                if any(gradient is None for gradient in gradients):
                    raise InputError(f"{model.id} hands no derivatives back, so it cannot be fitted.", "kind")
                yield [gradient[:n, valid].mean(1).float() for gradient in gradients]
