"""Training a tuned lens: per layer an affine translator, by its distance to the model's own guess.

Belrose et al. 2023, "Eliciting Latent Predictions from Transformers with the Tuned Lens", section 2: maps start at
nothing, the loss is KL(output ‖ lens), the rate falls linearly. By Adam, which needs fewer texts than the paper's SGD.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.lenses.streams import streams
from mi_core.models.model import Model

RATE = 1e-3
ROWS_AT_ONCE = 4

State = dict[str, Tensor]


class TunedTraining:
    """Translators on their way.

    Args:
        model: The model, which stays as it is.
        rows: What to learn from, taken in order, again and again.
        steps: How many steps in all.
        kept: What `kept` gave at some step: training goes on from there, to the same outcome.
    """

    def __init__(self, model: Model, rows: Int[Tensor, "row pos"], steps: int, kept: State | None = None) -> None:
        self.model, self.rows, self.steps = model, rows, steps
        shapes = {"weight": (model.d_model, model.d_model), "bias": (model.d_model,)}
        self.maps = {
            f"layers.{layer}.{part}": torch.zeros(shape, device=model.device, requires_grad=True)
            for layer in range(model.n_layers)
            for part, shape in shapes.items()
        }
        self.done = 0
        self._optimizer = torch.optim.Adam(self.maps.values(), lr=RATE)
        if kept:
            self._take_up(kept)

    def train(self) -> Iterator[float]:
        """After every step, its loss: KL in nats, mean over tokens and layers."""
        while self.done < self.steps:
            for group in self._optimizer.param_groups:
                group["lr"] = RATE * (1 - self.done / self.steps)
            first = self.done * ROWS_AT_ONCE % len(self.rows)
            loss = self._losses(torch.cat([self.rows, self.rows])[first : first + ROWS_AT_ONCE])
            self._optimizer.step()
            self._optimizer.zero_grad()
            self.done += 1
            yield loss

    def _losses(self, rows: Int[Tensor, "row pos"]) -> float:
        """One layer at a time, whose logits are all that is held."""
        *before, last = streams(self.model, rows)
        with torch.no_grad():
            output = log_probabilities(self.model, last)
        total = 0.0
        for layer, x in enumerate(before):
            mapped = x + x @ self.maps[f"layers.{layer}.weight"].T + self.maps[f"layers.{layer}.bias"]
            loss = divergence(output, log_probabilities(self.model, mapped))
            loss.backward()
            total += loss.item()
        return total / len(before)

    def lens(self) -> State:
        """The translators as they are now, by name."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.maps.items()}

    def kept(self) -> State:
        """All that going on later needs: translators, the optimizer's moments, and the step."""
        moments = self._optimizer.state_dict()["state"]
        state = {f"{index}.{name}": tensor for index, held in moments.items() for name, tensor in held.items()}
        return (
            self.lens()
            | {f"optimizer.{name}": tensor.clone() for name, tensor in state.items()}
            | {"done": torch.tensor(self.done)}
        )

    def _take_up(self, kept: State) -> None:
        self.done = int(kept["done"])
        with torch.no_grad():
            for name, tensor in self.maps.items():
                tensor.copy_(kept[name])
        moments: dict[int, State] = {}
        for name, tensor in kept.items():
            if name.startswith("optimizer."):
                _, index, part = name.split(".")
                moments.setdefault(int(index), {})[part] = tensor
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": moments})


def log_probabilities(model: Model, x: Float[Tensor, "token d_model"]) -> Float[Tensor, "token d_vocab"]:
    """Of the next token, read off residual streams."""
    return model.cap(model.unembed(model.final_norm.apply(x))).float().log_softmax(-1)


def divergence(output: Float[Tensor, "token d_vocab"], lens: Float[Tensor, "token d_vocab"]) -> Float[Tensor, ""]:
    """KL(output ‖ lens) in nats, mean over tokens, of log probabilities."""
    return (output.exp() * (output - lens)).sum(-1).mean()
