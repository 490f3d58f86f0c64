"""The part of a knockout's effect that attribution foretells: what the component itself wrote towards the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import Component, apart
from mi_core.ablation.cut import Cut
from mi_core.ablation.knockout import Knockout
from mi_core.attribution import logit_parts
from mi_core.attribution.neuron_parts import neuron_parts
from mi_core.interventions.place import ATTENTION, HEAD, MLP, NEURON, POSITION, Part, Place
from mi_core.metrics.target import Target
from mi_core.models import hooks
from mi_core.models.model import Activations, Model


def hooks_read(model: Model, out: Sequence[Component]) -> set[str]:
    """Every hook that `direct_effects` and the knockout of `out` read."""
    apart = not logit_parts.obstacle(model)
    names = {*(logit_parts.sites(model) if apart else ()), *(one.hook for one in out if not isinstance(one, Cut))}
    return names | {hooks.mlp_value(one.layer) for one in out if one.kind == NEURON.kind}


@dataclass(frozen=True)
class Question:
    """What is asked of each component: how much of what its knockout takes pointed at the target."""

    model: Model
    acts: Activations
    """A run that kept `hooks_read`, query `pos`."""
    knockout: Knockout
    """What takes the components' place."""
    target: Target
    pos: int
    """The position whose next token is asked for."""
    reader: Float[Tensor, " d_model"]
    """[d_model] What the target reads of the residual stream there."""

    def taken(self, hook: str) -> Float[Tensor, "..."]:
        """What of the activation at `hook` is not in its replacement, at `pos`."""
        return (self.acts[hook] - self.knockout.instead[hook])[self.pos]


@torch.no_grad()
def direct_effects(
    model: Model,
    acts: Activations,
    source: Activations,
    components: Sequence[Component],
    knockout: Knockout,
    target: Target,
    pos: int,
) -> Float[np.ndarray, " component"]:
    """What each component writes towards the target itself, less what its replacement would, in logits.

    With nothing else reacting and the final norm's scale held, the change of a knockout would be minus this (direct
    logit attribution, Elhage et al. 2021). NaN where the model's logits cannot be taken apart, attention not split
    into heads, or an MLP not into neurons; and of attention that is cut. A position that is not read writes nothing to
    the answer itself.

    Args:
        model: The model.
        acts: A run that kept `hooks_read`, query `pos`.
        source: The run that features are read in, see `Knockout.each`.
        components: All of one kind; features of one SAE.
        knockout: What takes their place.
        target: The answer.
        pos: The position whose next token is asked for.
    """
    if logit_parts.obstacle(model) or isinstance(components[0], Cut):
        return np.full(len(components), np.nan, dtype=np.float32)
    reader = logit_parts.reading_direction(model, acts, target, pos)
    question = Question(model, acts, knockout, target, pos, reader)
    parts, features, _ = apart(components)
    values = WRITTEN[parts[0].place](question, parts) if parts else _features(question, source, features)
    effects = np.array(values, dtype=np.float32)
    return np.where(np.isfinite(effects), effects, np.float32(np.nan))


def _features(question: Question, source: Activations, by_sae: Mapping[str, Sequence[int]]) -> list[float]:
    written = []
    for sae, numbers in by_sae.items():
        writes = question.knockout.features[sae]
        along = question.knockout.taken(sae, source)[question.pos] * (writes.directions @ question.reader)
        written += [float(along[writes.ids.index(number)]) for number in numbers]
    return written


def _whole_layers(question: Question, parts: Sequence[Part]) -> list[float]:
    return [float(question.taken(part.hook) @ question.reader) for part in parts]


def _positions(question: Question, parts: Sequence[Part]) -> list[float]:
    here = {part.hook: float(question.taken(part.hook) @ question.reader) for part in parts}
    return [here[part.hook] if part.number == question.pos else 0.0 for part in parts]


def _heads(question: Question, parts: Sequence[Part]) -> list[float]:
    model, acts, pos = question.model, question.acts, question.pos
    split = logit_parts.take_apart(model, acts, question.target, pos).split

    def written(layer: int) -> Float[Tensor, " head"]:
        inner = logit_parts.before_attention_norm(model, acts, layer, pos, question.reader)[0]
        return (question.taken(hooks.z(layer)) * (model.attn_o_pull_back(layer, inner) / split[layer])).sum(-1)

    return _numbered(parts, written)


def _neurons(question: Question, parts: Sequence[Part]) -> list[float]:
    return _numbered(parts, lambda layer: question.taken(hooks.post(layer)) * _of_one_unit(question, layer))


def _numbered(parts: Sequence[Part], written: Callable[[int], Float[Tensor, " part"]]) -> list[float]:
    """Of each part its own number among those that are `written` by its layer's."""
    by_layer = {layer: written(layer).tolist() for layer in {part.layer for part in parts}}
    return [by_layer[part.layer][part.number] for part in parts]


WRITTEN: Mapping[Place, Callable[[Question, Sequence[Part]], list[float]]] = {
    HEAD: _heads,
    ATTENTION: _whole_layers,
    MLP: _whole_layers,
    NEURON: _neurons,
    POSITION: _positions,
}


def _of_one_unit(question: Question, layer: int) -> Float[Tensor, " d_mlp"]:
    """What one unit of each neuron adds to the target; not finite where neurons do not explain the MLP."""
    parts = neuron_parts(question.model, question.acts, layer, question.pos, question.reader)
    return parts.of_one_unit / parts.explained
