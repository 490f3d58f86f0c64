"""Which neurons push the answer up or down?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from mi_core.attribution import logit_parts, neuron_parts
from mi_core.attribution.concentration import MOST, needed
from mi_core.attribution.neuron_parts import NeuronParts
from mi_core.errors import InputError
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, place, quoted, signed
from mi_core.result import Check, Reading, check_axes, same_length
from mi_core.saes.neuron_notes import neuron_notes

MOST_ROWS = 100_000


@dataclass(frozen=True)
class Neurons:
    """What the neurons of all MLPs add to one logit (difference) at one position, the strongest of them one by one."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer, and the foil whose logit is subtracted."""
    pos: int
    """The position whose next-token logits are asked for, from 0."""
    n_neurons: int
    """How many neurons there are, in all layers that are told apart."""
    n_most: int
    """How many of the strongest make up `concentration.MOST` of what all add and take away."""
    neuron_layers: Int[np.ndarray, " neuron"]
    """[neuron] The layer of each that is listed, the strongest first."""
    neuron_ids: Int[np.ndarray, " neuron"]
    """[neuron] Its number within its layer."""
    activation: Float[np.ndarray, " neuron"]
    """[neuron] What it passes on at `pos`, after activation function and gate."""
    of_one_unit: Float[np.ndarray, " neuron"]
    """[neuron] Logits that one unit of its activation adds: its row of W_out, as the answer reads it."""
    contribution: Float[np.ndarray, " neuron"]
    """[neuron] `activation` × `of_one_unit`, in logits."""
    labels: tuple[str, ...]
    """[neuron] What it seems to fire for; empty where nobody has said, or nothing fits."""
    things: Float[np.ndarray, " neuron"]
    """[neuron] How many unrelated things it fires for; NaN where that is not known."""
    layers: Int[np.ndarray, " layer"]
    """[layer] The layers whose neurons are told apart."""
    neuron_sum: Float[np.ndarray, " layer"]
    """[layer] What all neurons of each add, in logits."""
    bias: Float[np.ndarray, " layer"]
    """[layer] What the MLP's bias adds."""
    mlp: Float[np.ndarray, " layer"]
    """[layer] What the whole MLP adds: its direct logit attribution."""
    whole_layers: tuple[int, ...]
    """Layers whose MLP is no plain sum of neurons."""
    capped: bool
    """Whether the model has a soft cap, from before which the logits are."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits"
    """Unit of every contribution."""

    def __post_init__(self) -> None:
        check_axes(self)
        same_length(self, "neuron_ids", "labels")

    @property
    def names(self) -> list[str]:
        """[neuron] As ablation calls them: `L3N168`."""
        return [f"L{layer}N{number}" for layer, number in zip(self.neuron_layers, self.neuron_ids, strict=True)]

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Logits may be those before a soft cap."""
        columns = {"neurons": ("contribution",), "layers": ("neurons", "bias", "mlp")}
        return {table: dict.fromkeys(names, self.units) for table, names in columns.items()}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`neurons`: the strongest, by size. `layers`: each MLP's sum over all of its neurons, its bias, the whole."""
        neurons = {
            "component": self.names,
            "layer": self.neuron_layers,
            "neuron": self.neuron_ids,
            "activation": self.activation,
            "effect": self.of_one_unit,
            "contribution": self.contribution,
            "label": self.labels,
            "things": self.things,
        }
        layers = {"layer": self.layers, "neurons": self.neuron_sum, "bias": self.bias, "mlp": self.mlp}
        return {"neurons": pd.DataFrame(neurons), "layers": pd.DataFrame(layers)}

    def reading(self) -> Reading:
        """The strongest neuron, in how few the effect lies, and what all of them add."""
        strongest = float(self.contribution[0])
        answer, at = quoted(self.target.text), place(self.tokens, self.pos)
        if self.target.foil_text is None:
            what = f"pushes {answer} {'up' if strongest >= 0 else 'down'} most"
        else:
            foil = quoted(self.target.foil_text)
            what = f"favours {answer} over {foil} most" if strongest >= 0 else f"favours {foil} over {answer} most"
        title = f"Of {self.n_neurons:,} neurons, {self._said(0)} {what}: {signed(strongest)} logits"
        few = (
            f"The {self.n_most:,} strongest make up {MOST:.0%} of all that neurons add and take away at {at}."
            if self.n_most > 1
            else f"It alone makes up {MOST:.0%} of all that neurons add and take away at {at}."
        )
        both = f"All neurons together add {signed(self.neuron_sum.sum())}, the MLPs' biases {signed(self.bias.sum())}."
        return Reading(title, (few, both, *self._caveats()))

    def _said(self, index: int) -> str:
        name = f"neuron {self.neuron_ids[index]} of layer {self.neuron_layers[index]}"
        return f"{name} ({self.labels[index]})" if self.labels[index] else name

    def _caveats(self) -> list[str]:
        said = []
        if self.capped:
            said.append("This model squeezes its logits at the very end; the numbers are from before that.")
        if self.whole_layers:
            layers = listed([str(layer) for layer in self.whole_layers])
            said.append(f"The MLP of layer {layers} is no plain sum of neurons in this model and is left out.")
        return said


def neurons(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    layer: int | None = None,
    top_k: int = 200,
    prepend_bos: bool | None = None,
) -> Neurons:
    """Rank all MLP neurons by what they add to the answer.

    An MLP writes every neuron's activation times that neuron's row of W_out, and a bias; with the final norm's scale
    held at this run's value, ``activation · (w_out · direction)`` is what the neuron adds to the logit directly (Geva
    et al. 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space").
    Direct effects only: what a neuron does by feeding a later layer is credited to that one; ablation measures both.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position whose next-token logits are asked for; None for the last.
        layer: The neurons of this layer only; None for all.
        top_k: How many to list, the strongest first. Sums and shares are over all.
        prepend_bos: None follows the model's own habit.

    Returns:
        Contributions in logits (before the soft cap, where the model has one), which with the biases sum to the MLPs'.

    Raises:
        InputError: A bad prompt, target, position, layer or top_k, or a model whose MLPs or logits cannot be taken
            apart.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    if not 1 <= top_k <= MOST_ROWS:
        raise InputError(f"top_k is {top_k}: choose a number from 1 to {MOST_ROWS:,}.", "top_k")
    if reason := logit_parts.obstacle(model):
        raise InputError(reason, "model")
    which = _chosen(model, layer)
    last = hooks.resid_post(model.n_layers - 1)
    acts = model.run(tokens, [*neuron_parts.sites(which), last], logits=position)
    answer = resolve(model, target, foil, int(acts.logits[0].argmax()))
    reader = logit_parts.reading_direction(model, acts, answer, position)
    parts = {each: neuron_parts.neuron_parts(model, acts, each, position, reader) for each in which}
    told = {each: part for each, part in parts.items() if part.explained}
    if not told:
        raise InputError(
            f"The MLPs of {model.id} do more to their neurons than one projection: look at another layer, or at whole "
            "layers on the page Attribution.",
            "layer" if layer is not None else "model",
        )
    mlp = np.array([float(acts[hooks.mlp_out(each)][position] @ reader) for each in told], dtype=np.float32)
    return _result(model, tokens, answer, position, top_k, told, mlp, layer)


def _chosen(model: Model, layer: int | None) -> list[int]:
    """The layers that are asked for; one that is named has to have neurons."""
    if layer is None:
        return neuron_parts.layers(model)
    model.n_neurons(model.layer(layer))
    for name in neuron_parts.sites([layer]):
        model.require(name)
    return [layer]


def _result(
    model: Model,
    tokens: Tokens,
    target: Target,
    pos: int,
    top_k: int,
    told: dict[int, NeuronParts],
    mlp: Float[np.ndarray, " layer"],
    layer: int | None,
) -> Neurons:
    of_layer = [part.contribution.float().numpy(force=True) for part in told.values()]
    every = np.concatenate(of_layer)
    order, layers, ids = neuron_parts.strongest(dict(zip(told, of_layer, strict=True)), top_k)
    known = [neuron_notes(model.id, int(a)).of(int(b)) for a, b in zip(layers, ids, strict=True)]
    sums = np.array([each.sum(dtype=np.float64) for each in of_layer], dtype=np.float32)
    bias = np.array([float(part.bias) for part in told.values()], dtype=np.float32)
    asked = range(model.n_layers) if layer is None else [layer]
    return Neurons(
        model=model.id,
        tokens=tokens,
        target=target,
        pos=pos,
        n_neurons=len(every),
        n_most=needed(every),
        neuron_layers=layers,
        neuron_ids=ids,
        activation=_all(told, "activation")[order],
        of_one_unit=_all(told, "of_one_unit")[order],
        contribution=every[order],
        labels=tuple(note.label for note in known),
        things=np.array([note.n_things for note in known], dtype=float),
        layers=np.array(list(told)),
        neuron_sum=sums,
        bias=bias,
        mlp=mlp,
        whole_layers=tuple(each for each in asked if each not in told),
        capped=model.logit_cap is not None,
        checks=(Check("neurons and bias sum to what each MLP adds", float(np.abs(sums + bias - mlp).max()), 1e-3),),
        units="logits, before the soft cap" if model.logit_cap else "logits",
    )


def _all(told: dict[int, NeuronParts], name: str) -> Float[np.ndarray, " all"]:
    return torch.cat([getattr(part, name) for part in told.values()]).float().numpy(force=True)
