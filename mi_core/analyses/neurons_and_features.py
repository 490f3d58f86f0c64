"""Is a neuron or a feature the better unit here?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from mi_core.attribution import logit_parts, neuron_parts
from mi_core.attribution.concentration import MOST, gathered, needed
from mi_core.attribution.feature_parts import feature_parts
from mi_core.errors import InputError
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import place, signed
from mi_core.result import Check, Reading, check_axes, same_length
from mi_core.saes import loading as saes
from mi_core.saes.features import check_is_read
from mi_core.saes.neuron_notes import neuron_notes
from mi_core.saes.notes import notes
from mi_core.saes.sae import Sae

LISTED = 10  # units of each kind, one by one
LONGEST = 1_000  # ranks of the curve
ALIKE = 0.1  # share by which two counts may differ and still be called alike


@dataclass(frozen=True)
class Units:
    """All units of one kind at one position, the strongest first."""

    kind: str
    """neuron or feature."""
    n: int
    """How many there are."""
    n_active: int
    """How many of them add anything."""
    n_most: int
    """How many of the strongest hold `concentration.MOST` of the effect, counted by size."""
    total: float
    """What all of them add, in logits."""
    names: tuple[str, ...]
    """[listed] The strongest."""
    contribution: Float[np.ndarray, " listed"]
    """[listed] What each adds, in logits."""
    labels: tuple[str, ...]
    """[listed] What each seems to fire for; empty where nobody has said."""
    things: Float[np.ndarray, " listed"]
    """[listed] How many unrelated things each fires for; NaN where that is not known."""
    curve: Float[np.ndarray, " rank"]
    """[rank] Share of the effect in the strongest, the two strongest, …"""

    def __post_init__(self) -> None:
        check_axes(self)
        same_length(self, "names", "contribution", "labels", "things")

    @property
    def mean_things(self) -> float:
        """How many things one of the listed fires for, on average; NaN where that is not known of any."""
        known = self.things[~np.isnan(self.things)]
        return float(known.mean()) if len(known) else float("nan")


@dataclass(frozen=True)
class NeuronsAndFeatures:
    """The same effect on one logit (difference), told by neurons and told by SAE features."""

    model: str
    """Id of the model."""
    sae: str
    """Name of the SAE: its hook, unless there are several there."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer, and the foil whose logit is subtracted."""
    pos: int
    """The position whose next-token logits are asked for, from 0."""
    layers: tuple[int, ...]
    """The layers whose neurons have written what the SAE reads."""
    neurons: Units
    features: Units
    bias: float
    """What the SAE's bias adds, in logits."""
    error: float
    """What the SAE does not explain adds, in logits."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits; share of the effect"
    """All units, in words."""

    @property
    def both(self) -> tuple[Units, Units]:
        """Features and neurons."""
        return self.features, self.neurons

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of a column that other results do not have."""
        return {"units": {"sum": "logits"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`units`: a row per kind. `strongest`: the first of each. `curve`: share of the effect by rank.

        `make_up_most`: how many of the strongest hold 80 % of the effect. `things`: mean of the listed.
        """
        units = [(one.kind, one.n, one.n_active, one.n_most, one.total, one.mean_things) for one in self.both]
        strongest = [
            (one.kind, rank + 1, *row)
            for one in self.both
            for rank, row in enumerate(zip(one.names, one.contribution, one.labels, one.things, strict=True))
        ]
        curve = [(one.kind, rank + 1, share) for one in self.both for rank, share in enumerate(one.curve.tolist())]
        return {
            "units": pd.DataFrame(units, columns=["kind", "units", "active", "make_up_most", "sum", "things"]),
            "strongest": pd.DataFrame(
                strongest, columns=["kind", "rank", "component", "contribution", "label", "things"]
            ),
            "curve": pd.DataFrame(curve, columns=["kind", "rank", "share_of_effect"]),
        }

    def reading(self) -> Reading:
        """Which unit needs fewer, and which fires for fewer things."""
        few, many = self.features.n_most, self.neurons.n_most
        what = f"of what they say of {self.target.label}"
        if not few or not many:
            kind = "neuron" if few else "feature"
            return Reading(f"No {kind} says anything of {self.target.label} here", (self._apart(),))
        counts = f"{_counted(few, 'feature')} or {_counted(many, 'neuron')} make up {MOST:.0%} {what}"
        if abs(few - many) <= ALIKE * max(few, many):
            title = f"Neither is the smaller unit here: {counts}"
        else:
            title = f"{'Features' if few < many else 'Neurons'} are the smaller unit here: {counts}"
        return Reading(title, (*self._meaning(), self._apart()))

    def _meaning(self) -> tuple[str, ...]:
        feature, neuron = self.features.mean_things, self.neurons.mean_things
        if np.isnan(feature + neuron):
            return ()
        return (
            f"In the sample text, the strongest features fire for {feature:.1f} unrelated things each on average, the "
            f"strongest neurons for {neuron:.1f}.",
        )

    def _apart(self) -> str:
        at = place(self.tokens, self.pos)
        return (
            f"At {at}, the features add {signed(self.features.total)}, the autoencoder's bias {signed(self.bias)} and "
            f"what it does not explain {signed(self.error)}; the neurons that wrote before it add "
            f"{signed(self.neurons.total)}, and the rest comes from attention and the embeddings."
        )


def neurons_and_features(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    sae: str | None = None,
    prepend_bos: bool | None = None,
) -> NeuronsAndFeatures:
    """Compare in how few neurons and in how few SAE features the direct effect on the answer lies.

    Both are ways to cut up the same residual stream where the SAE reads it: neurons by what each wrote into it,
    features by what the SAE finds in it. What each part adds to the answer through the frozen final norm is ranked by
    size; the fewer make up most of it, the smaller the explanation. Features also carry what attention wrote; neurons
    leave nothing unexplained, features have an error. MIB (Mueller et al. 2025) found SAE features no better than
    neurons at localising variables: look before choosing.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position whose next-token logits are asked for; None for the last.
        sae: Name of the SAE, as in `features`; None for the one nearest the end of the model.
        prepend_bos: None follows the model's own habit.

    Returns:
        Contributions in logits, before any soft cap.

    Raises:
        InputError: A bad prompt, target or position, no such SAE, or a model whose MLPs or logits cannot be taken
            apart.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    check_is_read(tokens, position)
    if reason := logit_parts.obstacle(model):
        raise InputError(reason, "model")
    opened = saes.load_sae(model, sae or _last(model.id))
    layers = _writers(model, opened)
    last = hooks.resid_post(model.n_layers - 1)
    acts = model.run(tokens, [*neuron_parts.sites(layers), opened.hook, last], logits=position)
    answer = resolve(model, target, foil, int(acts.logits[0].argmax()))
    reader = logit_parts.reading_direction(model, acts, answer, position)
    found = feature_parts(opened, acts[opened.hook][position][None], reader[None])
    parts = [neuron_parts.neuron_parts(model, acts, layer, position, reader) for layer in layers]
    if not all(part.explained for part in parts):
        raise InputError(f"The MLPs of {model.id} are no plain sums of neurons: look at its features alone.", "model")
    written = [part.contribution.float().numpy(force=True) for part in parts]
    whole = sum(float(acts[hooks.mlp_out(layer)][position] @ reader) for layer in layers)
    summed = sum(float(each.sum(dtype=np.float64)) for each in written) + sum(float(part.bias) for part in parts)
    return NeuronsAndFeatures(
        model=model.id,
        sae=opened.name,
        tokens=tokens,
        target=answer,
        pos=position,
        layers=tuple(layers),
        neurons=_neurons(model, layers, written),
        features=_features(opened, found.features[0].numpy(force=True)),
        bias=float(found.bias),
        error=float(found.error),
        checks=(
            Check("features, bias and error sum to what the stream says of the answer", found.missing(), 1e-3),
            Check("neurons and biases sum to what their MLPs add", abs(summed - whole), 1e-3),
        ),
    )


def _last(model_id: str) -> str | None:
    """The SAE nearest the end of the model, of those that can be read."""
    readable = [entry.name for entry in saes.available(model_id) if not entry.refused]
    return readable[-1] if readable else None


def _writers(model: Model, sae: Sae) -> list[int]:
    """The layers whose MLPs have written into what the SAE reads.

    Raises:
        InputError: There are none.
    """
    first = sae.layer if sae.site == hooks.mlp_out else 0
    end = 0 if sae.site == hooks.attn_out else sae.layer + (sae.site in (hooks.resid_post, hooks.mlp_out))
    found = [layer for layer in neuron_parts.layers(model) if first <= layer < end]
    if not found:
        raise InputError(
            "No neuron has written into what this autoencoder reads, so there is nothing to compare its features "
            "with: choose a later one.",
            "sae",
        )
    return found


def _neurons(model: Model, layers: list[int], written: list[np.ndarray]) -> Units:
    every = np.concatenate(written)
    best, where, numbers = neuron_parts.strongest(dict(zip(layers, written, strict=True)), LISTED)
    pairs = [(int(layer), int(number)) for layer, number in zip(where, numbers, strict=True)]
    known = [neuron_notes(model.id, layer).of(number) for layer, number in pairs]
    return _units("neuron", every, best, [f"L{layer}N{number}" for layer, number in pairs], known)


def _features(sae: Sae, every: np.ndarray) -> Units:
    best = np.argsort(-np.abs(every), kind="stable")[:LISTED]
    best = best[every[best] != 0]
    book = notes(sae.entry)
    return _units("feature", every, best, [f"#{i}" for i in best], [book.of(int(i)) for i in best])


def _units(kind: str, every: np.ndarray, best: np.ndarray, names: list[str], known: list) -> Units:
    active = int(np.count_nonzero(every))
    return Units(
        kind=kind,
        n=len(every),
        n_active=active,
        n_most=needed(every),
        total=float(every.sum(dtype=np.float64)),
        names=tuple(names),
        contribution=every[best],
        labels=tuple(note.label for note in known),
        things=np.array([note.n_things for note in known], dtype=float),
        curve=gathered(every)[: min(active, LONGEST)],
    )


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")
