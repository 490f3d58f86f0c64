"""What does one feature stand for, and where does it fire?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.directions.promotion import Promotion, promotion
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, quoted
from mi_core.result import Check, Reading, check_axes, within
from mi_core.saes.features import POSITIONS_AT_ONCE, check_top_k, context_table, feature_name, kept_positions, share
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import Context, contexts, neuronpedia_url, notes
from mi_core.saes.sae import Sae

NEAREST = 5


@dataclass(frozen=True)
class Feature:
    """One SAE feature: where it fires in the prompt, and what is known of it from the SAE's own corpus."""

    model: str
    """Id of the model."""
    sae: str
    """Name of the SAE: its hook, unless there are several there."""
    remarks: tuple[str, ...]
    """What a reader should know of the SAE before trusting it."""
    d_sae: int
    """How many features it has."""
    tokens: Tokens
    """[pos] What was read."""
    feature: int
    """Number of the feature, from 0."""
    skipped_pos: tuple[int, ...]
    """Positions that the SAE does not read."""
    activations: Float[np.ndarray, " pos"]
    """[pos] Activations, in the SAE's units; NaN at `skipped_pos`."""
    label: str
    """What it seems to stand for; empty where nobody has said, or nothing fits."""
    nearest_label: str
    """The label that comes nearest, where none fits half of its activation; else empty."""
    rule: str
    """The part of `label_rule` by which the label was found."""
    label_rule: str
    """How labels were found, in a sentence."""
    confidence: float
    """0 to 1: how far the label can be trusted; NaN where that is not known."""
    density: float
    """Share of the corpus' tokens on which it is active; NaN where that is not known."""
    max_activation: float
    """Its largest activation in the corpus; NaN where that is not known."""
    neuronpedia: str | None
    """Address of its page on neuronpedia.org, where it has one."""
    promotion: Promotion
    """[1] The tokens that it speaks for and against."""
    nearest_ids: Int[np.ndarray, " near"]
    """[near] The features whose decoder directions are most like its own, the nearest first."""
    nearest_cosines: Float[np.ndarray, " near"]
    """[near] Cosines between these directions and its own, −1 to 1."""
    nearest_labels: tuple[str, ...]
    """[near] Their labels."""
    contexts: tuple[Context, ...]
    """Where in the corpus it fires most, best first."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "activation; logits per unit (promoted); cosine"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, pos=len(self.tokens), near=len(self.nearest_labels))
        within(self, -1, 1, "nearest_cosines")
        within(self, 0, 1, "confidence", "density")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`activations` over the prompt, `promoted` tokens, `contexts` where it fires most, `nearest` features."""
        activations = {
            "pos": np.arange(len(self.tokens)),
            "token": np.asarray(self.tokens.texts, dtype=object),
            "activation": self.activations,
            "share_of_max": share(self.activations, self.max_activation),
        }
        nearest = {"feature": self.nearest_ids, "cosine": self.nearest_cosines, "label": self.nearest_labels}
        return {
            "activations": pd.DataFrame(activations),
            "promoted": pd.DataFrame(self.promotion.columns([self.feature])),
            "contexts": context_table(self.contexts),
            "nearest": pd.DataFrame(nearest),
        }

    def reading(self) -> Reading:
        """Where it fires in the prompt, what it says to the vocabulary, and how rare it is."""
        name = feature_name(self.feature, self.label)
        values = np.nan_to_num(self.activations)
        speaks = listed([quoted(text) for text in self.promotion.promoted[:3]])
        said = f"Directly, it makes these tokens likelier: {speaks}."
        if not values.any():
            return Reading(f"{name} is silent on this prompt", (said, *self._known(), *self.remarks))
        peak = int(np.abs(values).argmax())  # some SAEs fire in both directions
        token, count = quoted(self.tokens.texts[peak]), np.count_nonzero(values)
        fires = f"It is active on {count} of {len(values) - len(self.skipped_pos)} tokens, at most {values[peak]:.2f}."
        return Reading(f"{name} fires most on {token}", (fires, said, *self._known(), *self.remarks))

    def _known(self) -> tuple[str, ...]:
        if np.isnan(self.density):
            return ()
        if self.density == 0:
            return ("In the text it was described from, it never fired.",)
        return (f"In ordinary text for this model it fires on 1 token in {1 / self.density:,.0f}.",)


def feature(
    model: Model,
    prompt: str,
    *,
    feature: int,
    sae: str | None = None,
    top_k: int = 8,
    prepend_bos: bool | None = None,
) -> Feature:
    """Follow one SAE feature over the prompt, and show what it stands for.

    Its activation at every position (``encode(x)``, as in `features`), the contexts of the SAE's corpus in which it
    fires most, the tokens its decoder direction promotes and suppresses, and the features whose directions are most
    like its own. The label is a guess from these contexts: read them before believing it.

    Args:
        model: The model.
        prompt: Text to read.
        feature: Number of the feature, from 0.
        sae: Hook name of the SAE, or its folder's name, or hook#folder where there are several at a hook; None for the
            model's only one, or the middle one.
        top_k: How many tokens to show on each side, and at most how many contexts.
        prepend_bos: None follows the model's own habit.

    Returns:
        Activations in the SAE's units, NaN at the beginning-of-sequence token, which is not read.

    Raises:
        InputError: A bad prompt or top_k, no such feature or SAE, or one that cannot be fetched.
    """
    tokens = model.tokens(prompt, prepend_bos)
    opened = load_sae(model, sae)
    opened.feature(feature)
    check_top_k(top_k, opened)
    x = model.run(tokens, [opened.hook])[opened.hook].float()
    kept = kept_positions(tokens)
    activations = _over_prompt(opened, x, kept, feature)
    ids, cosines = _nearest(opened, feature)
    book = notes(opened.entry)
    note = book.of(feature)
    return Feature(
        model=model.id,
        sae=opened.name,
        remarks=opened.remarks,
        d_sae=opened.d_sae,
        tokens=tokens,
        feature=feature,
        skipped_pos=tuple(np.flatnonzero(~np.asarray(kept)).tolist()),
        activations=activations.numpy(force=True),
        label=note.label,
        nearest_label=note.nearest,
        rule=note.rule,
        label_rule=book.label_rule,
        confidence=note.confidence,
        density=note.density,
        max_activation=note.max_activation,
        neuronpedia=neuronpedia_url(opened.entry, feature),
        promotion=promotion(model, opened.directions([feature]), top_k),
        nearest_ids=ids.numpy(force=True),
        nearest_cosines=cosines.numpy(force=True),
        nearest_labels=tuple(book.of(int(other)).label for other in ids),
        contexts=contexts(opened.entry, feature)[:top_k],
        checks=(_peak_check(opened, x, activations, feature),),
    )


def _over_prompt(sae: Sae, x: Float[Tensor, "pos d_model"], kept: list[bool], feature: int) -> Float[Tensor, " pos"]:
    activations = torch.full((len(x),), torch.nan, device=x.device)
    for rows in torch.tensor(kept, device=x.device).nonzero()[:, 0].split(POSITIONS_AT_ONCE):
        activations[rows] = sae.encode(x[rows])[:, feature]
    return activations


def _nearest(sae: Sae, feature: int) -> tuple[Int[Tensor, " near"], Float[Tensor, " near"]]:
    """The features whose decoder rows have the largest cosine with this one's, itself left out."""
    rows = sae.W_dec
    cosines = (rows @ rows[feature]) / (rows.norm(dim=-1) * rows[feature].norm()).clamp(min=1e-12)
    cosines[feature] = -torch.inf
    best = cosines.topk(min(NEAREST, sae.d_sae - 1))
    return best.indices, best.values


def _peak_check(sae: Sae, x: Float[Tensor, "pos d_model"], activations: Float[Tensor, " pos"], feature: int) -> Check:
    """Taking the feature out of the code where it is strongest changes the reconstruction along its direction only."""
    there = x[int(activations.abs().nan_to_num(-1.0).argmax())][None]
    code = sae.encode(there)
    without = code.clone()
    without[:, feature] = 0.0
    written = (sae.decode(code, there) - sae.decode(without, there))[0]
    direction = sae.directions([feature])[0]
    unit = direction / direction.norm().clamp(min=1e-12)
    aside = (written - (written @ unit) * unit).norm() / there.norm()
    return Check("the feature writes along its direction and nowhere else, relative", float(aside), 1e-5)
