"""What an MLP writes towards a target, taken apart into its neurons.

An MLP's last step is linear: it writes every neuron's activation times that neuron's row of ``W_out``, and a bias. So
what it adds to a logit through the frozen final norm is a sum over neurons (Geva et al. 2022, "Transformer Feed-Forward
Layers Build Predictions by Promoting Concepts in the Vocabulary Space").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mi_core.attribution.logit_parts import EXPLAINED
from mi_core.errors import InputError
from mi_core.models import hooks, projection
from mi_core.models.model import Activations, Model


@dataclass(frozen=True)
class NeuronParts:
    """One layer's MLP at one position.

    `of_one_unit` is what one unit of each neuron adds to the target, in logits, `bias` what the MLP adds when all are
    silent; `explained` says whether these, times the activations, are what it writes.
    """

    activation: Float[Tensor, " d_mlp"]
    of_one_unit: Float[Tensor, " d_mlp"]
    bias: Float[Tensor, ""]
    explained: Bool[Tensor, ""]

    @property
    def contribution(self) -> Float[Tensor, " d_mlp"]:
        """What each neuron adds to the target, in logits."""
        return self.activation * self.of_one_unit


def layers(model: Model) -> list[int]:
    """The layers whose MLP ends in one projection of neurons that can be read.

    Raises:
        InputError: There are none.
    """
    found = [layer for layer in range(model.n_layers) if _has_neurons(model, layer)]
    if not found:
        raise InputError(
            f"No MLP of {model.id} ends in one plain projection of its neurons (mixtures of experts do not), so there "
            "are no neurons to tell apart: look at whole layers on the page Attribution, or choose another model.",
            "model",
        )
    return found


def sites(which: list[int]) -> list[str]:
    """Every hook that `neuron_parts` reads in these layers, but for the last residual stream."""
    return [site(layer) for layer in which for site in (hooks.post, hooks.mlp_value, hooks.mlp_out)]


@torch.no_grad()
def neuron_parts(
    model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]
) -> NeuronParts:
    """Take one layer's MLP apart.

    Args:
        model: The model.
        acts: A run that kept `sites` of the layer.
        layer: Which.
        pos: The position.
        reader: What the target reads of the residual stream there (`logit_parts.reading_direction`).
    """
    activation, out = acts[hooks.post(layer)][pos], acts[hooks.mlp_out(layer)][pos]
    inner, shift = _before_stream(model, acts, layer, pos, reader)
    back, bias = model.mlp_pull_back(layer, inner), model.mlp_bias(layer) @ inner + shift
    missing = (activation @ back + bias - out @ reader).abs()
    return NeuronParts(activation, back, bias, missing <= EXPLAINED * (1 + out.norm() * reader.norm()))


@torch.no_grad()
def written(model: Model, acts: Activations, layer: int, neuron: int, pos: int) -> Float[Tensor, " d_model"]:
    """What one unit of a neuron adds to the residual stream at `pos`: its row of W_out, as it gets there."""
    value, post = acts[hooks.mlp_value(layer)][pos], model.mlp_post_norm(layer)
    row = projection.row(model.bridge.blocks[layer].mlp.out.original_component, neuron, value)
    if post is None:
        return row * _factor(acts, layer, pos)
    return post.linear(row) / post.scale(value)


def strongest(
    of_layer: Mapping[int, Float[np.ndarray, " d_mlp"]], most: int
) -> tuple[Int[np.ndarray, " listed"], Int[np.ndarray, " listed"], Int[np.ndarray, " listed"]]:
    """The neurons of all layers whose numbers are largest in size: their places in one row, layers and numbers."""
    every = np.concatenate(list(of_layer.values()))
    order = np.argsort(-np.abs(every), kind="stable")[:most]
    layers = np.repeat(list(of_layer), [len(each) for each in of_layer.values()])
    numbers = np.concatenate([np.arange(len(each)) for each in of_layer.values()])
    return order, layers[order], numbers[order]


def _before_stream(
    model: Model, acts: Activations, layer: int, pos: int, reader: Float[Tensor, " d_model"]
) -> tuple[Float[Tensor, " d_model"], Float[Tensor, ""]]:
    """`reader` taken back through what follows the MLP's last projection, and what a norm's bias there adds: that norm
    (Gemma 2), or a factor (Granite).
    """
    post = model.mlp_post_norm(layer)
    if post is None:
        return reader * _factor(acts, layer, pos), reader.new_zeros(())
    return post.pull_back(reader) / post.scale(acts[hooks.mlp_value(layer)][pos]), post.bias @ reader


def _factor(acts: Activations, layer: int, pos: int) -> Float[Tensor, ""]:
    """What the projection's output is multiplied by before it is added; nearly always 1, and then exactly."""
    value, out = acts[hooks.mlp_value(layer)][pos], acts[hooks.mlp_out(layer)][pos]
    factor = (out @ value) / (value @ value).clamp(min=1e-30)
    return torch.where((factor - 1).abs() < EXPLAINED, torch.ones_like(factor), factor)


def _has_neurons(model: Model, layer: int) -> bool:
    try:
        return model.n_neurons(layer) > 0 and all(model.has(name) for name in sites([layer]))
    except InputError:
        return False
