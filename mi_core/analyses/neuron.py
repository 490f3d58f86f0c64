"""What makes one neuron fire, and what does it say?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from mi_core.ablation.component import check_number
from mi_core.attribution import logit_parts
from mi_core.attribution.neuron_parts import neuron_parts, sites, written
from mi_core.directions.promotion import Promotion, promotion
from mi_core.errors import InputError
from mi_core.interventions.place import NEURON, Part
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, place, quoted, signed
from mi_core.result import Check, Reading, check_axes, within
from mi_core.saes.features import MAX_TOP_K, context_table, share
from mi_core.saes.neuron_notes import neuron_notes
from mi_core.saes.notes import Context


@dataclass(frozen=True)
class Neuron:
    """One MLP neuron: where it fires in the prompt, what it adds to the answer, and what is known of it."""

    model: str
    """Id of the model."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer, and the foil whose logit is subtracted."""
    pos: int
    """The position whose next-token logits are asked for, from 0."""
    layer: int
    """The layer, from 0."""
    neuron: int
    """Its number within the layer."""
    activations: Float[np.ndarray, " pos"]
    """[pos] What it passes on at each token, after activation function and gate."""
    of_one_unit: float
    """Logits that one unit of its activation adds to the answer at `pos`."""
    contribution: float
    """What it adds to the answer at `pos`, in logits."""
    label: str
    """What it seems to fire for; empty where nobody has said, or nothing fits."""
    nearest_label: str
    """The label that comes nearest, where none fits half of its activation; else empty."""
    label_rule: str
    """How labels were found, in a sentence."""
    confidence: float
    """0 to 1: how far the label can be trusted; NaN where that is not known."""
    density: float
    """Share of the sample's tokens on which it fires above a tenth of its largest; NaN where that is not known."""
    max_activation: float
    """Its largest activation in the sample; NaN where that is not known."""
    things: tuple[tuple[str, int], ...]
    """The concepts that tell the strongest peaks, each with how many peaks it tells; none where that is not known."""
    things_by_chance: float
    """How many it would take to tell as many random tokens; NaN where that is not known."""
    promotion: Promotion
    """[1] The tokens that its row of W_out speaks for and against."""
    contexts: tuple[Context, ...]
    """Where in the sample it fires most, best first."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "activation; logits; logits per unit (promoted)"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, pos=len(self.tokens))
        within(self, 0, 1, "confidence", "density")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`activations` over the prompt, `promoted` tokens, `answer`, `things` it fires for, `contexts`."""
        n = range(len(self.tokens))
        activations = {
            "pos": n,
            "token": np.asarray(self.tokens.texts, dtype=object),
            "activation": self.activations,
            "share_of_max": share(self.activations, self.max_activation),
        }
        answer = {"activation": self.activations[self.pos], "effect": self.of_one_unit}
        promoted = pd.DataFrame(self.promotion.columns([self.neuron])).rename(columns={"feature": "neuron"})
        return {
            "activations": pd.DataFrame(activations),
            "promoted": promoted,
            "answer": pd.DataFrame([answer | {"contribution": self.contribution}]),
            "things": pd.DataFrame(self.things, columns=["concept", "peaks"]),
            "contexts": context_table(self.contexts),
        }

    def reading(self) -> Reading:
        """Where it fires most, what it adds to the answer, and for how many things it fires."""
        peak = int(self.activations.argmax())
        value = float(self.activations[peak])
        name = f"Neuron {self.neuron} of layer {self.layer}"
        name = f"{name} ({self.label})" if self.label else name
        speaks = listed([quoted(text) for text in self.promotion.promoted[:3]])
        here = f"At {place(self.tokens, self.pos)} it adds {signed(self.contribution)} to {self.target.label}."
        says = f"Directly, its firing makes these tokens likelier: {speaks}."
        if value <= 0:
            return Reading(f"{name} fires on no token of this prompt", (here, says, *self._known()))
        title = f"{name} fires most on {quoted(self.tokens.texts[peak])}: {value:.2f}"
        return Reading(title, (here, says, *self._known()))

    def _known(self) -> list[str]:
        if not self.things:
            return []
        peaks = f"In the sample text, its {sum(n for _, n in self.things)} strongest peaks"
        chance = "" if np.isnan(self.things_by_chance) else f"; random tokens would be of {self.things_by_chance:.1f}"
        if len(self.things) == 1:
            return [f"{peaks} are of one thing: the token {_told(self.things[0][0])}{chance}."]
        told = listed([f"{_told(name)} ({n})" for name, n in self.things])
        return [f"{peaks} are of {len(self.things)} unrelated things: the token {told}{chance}."]


def _told(concept: str) -> str:
    """What a concept says of a token: `is a country`, `stands before a name`."""
    if not concept:
        return "is nothing that has a name here"
    return concept if concept.startswith("is ") else f"stands {concept}"


def neuron(
    model: Model,
    prompt: str,
    *,
    layer: int,
    neuron: int,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    top_k: int = 8,
    prepend_bos: bool | None = None,
) -> Neuron:
    """Follow one MLP neuron over the prompt, and show what it says and what is known of it.

    Its activation at every token, the tokens that its row of W_out promotes and suppresses (``W_out · W_U`` through
    the final norm's weight), what it adds to the answer, and the contexts of a text sample in which it fires most. A
    neuron often fires for several unrelated things (Elhage et al. 2022, "Toy Models of Superposition"): read them all
    before believing a label.

    Args:
        model: The model.
        prompt: Text to read.
        layer: The layer, from 0.
        neuron: Number of the neuron within the layer, from 0.
        target: The answer; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position whose next-token logits are asked for; None for the last.
        top_k: How many tokens to show on each side, and at most how many contexts.
        prepend_bos: None follows the model's own habit.

    Returns:
        Activations, and effects in logits (before the soft cap, where the model has one).

    Raises:
        InputError: A bad prompt, target, position or top_k, no such layer or neuron, or an MLP or logits that cannot
            be taken apart.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    if not 1 <= top_k <= MAX_TOP_K:
        raise InputError(f"top_k is {top_k}: choose a number from 1 to {MAX_TOP_K}.", "top_k")
    model.n_neurons(model.layer(layer))
    check_number(model, Part(NEURON, layer, (neuron,)), "neuron", len(tokens))
    if reason := logit_parts.obstacle(model):
        raise InputError(reason, "model")
    last = hooks.resid_post(model.n_layers - 1)
    acts = model.run(tokens, [*sites([layer]), last], logits=position)
    answer = resolve(model, target, foil, int(acts.logits[0].argmax()))
    reader = logit_parts.reading_direction(model, acts, answer, position)
    parts = neuron_parts(model, acts, layer, position, reader)
    if not parts.explained:
        raise InputError(f"MLP {layer} of {model.id} is no plain sum of its neurons: choose another layer.", "layer")
    writes = written(model, acts, layer, neuron, position)
    book = neuron_notes(model.id, layer)
    note, unit = book.of(neuron), float(parts.of_one_unit[neuron])
    return Neuron(
        model=model.id,
        tokens=tokens,
        target=answer,
        pos=position,
        layer=layer,
        neuron=neuron,
        activations=acts[hooks.post(layer)][:, neuron].float().numpy(force=True),
        of_one_unit=unit,
        contribution=float(parts.contribution[neuron]),
        label=note.label,
        nearest_label=note.nearest,
        label_rule=book.label_rule,
        confidence=note.confidence,
        density=note.density,
        max_activation=note.max_activation,
        things=note.things,
        things_by_chance=book.things_by_chance,
        promotion=promotion(model, writes[None], top_k),
        contexts=book.contexts.get(neuron, ())[:top_k],
        checks=(_check(writes, reader, unit),),
    )


def _check(writes: Float[Tensor, " d_model"], reader: Float[Tensor, " d_model"], unit: float) -> Check:
    """Its row read by the answer against the answer's direction taken back through all of W_out."""
    error = abs(float(writes @ reader) - unit) / (1 + abs(unit))
    return Check("its row of W_out, read by the answer, is its weight towards the answer, relative", error, 1e-4)
