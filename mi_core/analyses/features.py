"""Which concepts is the model holding here?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.directions.promotion import Promotion, promotion
from mi_core.metrics import distribution
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, quoted
from mi_core.result import Check, Reading, check_axes, within
from mi_core.saes import quality as sae_quality
from mi_core.saes.features import POSITIONS_AT_ONCE, check_top_k, feature_name, kept_positions, share
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import notes
from mi_core.saes.quality import Quality
from mi_core.saes.sae import Sae

PROMOTED = 8  # tokens shown on each side


@dataclass(frozen=True)
class Features:
    """The strongest SAE features at every position, by activation."""

    model: str
    """Id of the model."""
    sae: str
    """Name of the SAE: its hook, unless there are several there."""
    remarks: tuple[str, ...]
    """What a reader should know of the SAE before trusting it."""
    d_sae: int
    """How many features it has."""
    centred: bool
    """Whether it reads activations less their mean over d_model."""
    tokens: Tokens
    """[pos] What was read."""
    pos: int
    """The position that the reading speaks of, from 0."""
    skipped_pos: tuple[int, ...]
    """Positions that the SAE does not read."""
    feature_ids: Int[np.ndarray, "pos k"]
    """[pos, k] Feature numbers, the strongest first; −1 where fewer are active."""
    activations: Float[np.ndarray, "pos k"]
    """[pos, k] Activations, in the SAE's units; NaN where fewer are active."""
    labels: tuple[str, ...]
    """[pos · k] Labels, flattened; empty where there is none."""
    max_activations: Float[np.ndarray, "pos k"]
    """[pos, k] Each feature's largest activation in the SAE's corpus; NaN where that is not known."""
    densities: Float[np.ndarray, "pos k"]
    """[pos, k] Share of that corpus' tokens on which it is active; NaN where that is not known."""
    n_active: Int[np.ndarray, " pos"]
    """[pos] How many features are active."""
    promotion: Promotion
    """[feature active at `pos`] The tokens that each speaks for."""
    quality: Quality
    """How much the SAE leaves out on this prompt."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "activation; share of the largest known activation; bits per token (cross-entropy)"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self, pos=len(self.tokens))
        within(self, 0, 1, "densities")
        if len(self.labels) != self.feature_ids.size:
            raise ValueError("labels and features differ in number")

    def tables(self) -> dict[str, pd.DataFrame]:
        """`features`: the strongest per position. `promoted`: tokens they speak for, at `pos`. `quality`: the SAE."""
        pos, rank = (axis.ravel() for axis in np.indices(self.feature_ids.shape))
        ids, activation = self.feature_ids.ravel(), self.activations.ravel()
        features = pd.DataFrame(
            {
                "pos": pos,
                "token": np.asarray(self.tokens.texts, dtype=object)[pos],
                "rank": rank + 1,
                "feature": ids,
                "activation": activation,
                "share_of_max": share(activation, self.max_activations.ravel()),
                "density": self.densities.ravel(),
                "label": np.asarray(self.labels, dtype=object),
            }
        )
        here = self.feature_ids[self.pos]
        return {
            "features": features[ids >= 0].reset_index(drop=True),
            "promoted": pd.DataFrame(self.promotion.columns(here[here >= 0].tolist())),
            "quality": pd.DataFrame([self._quality_row()]),
        }

    def _quality_row(self) -> dict[str, float]:
        quality = self.quality
        return {
            "l0": quality.l0,
            "explained_variance": quality.explained_variance,
            "mean_squared_error": quality.mean_squared_error,
            "cross_entropy": quality.cross_entropy,
            "cross_entropy_spliced": quality.cross_entropy_spliced,
            "cross_entropy_ablated": quality.cross_entropy_ablated,
            "recovered": quality.recovered,
        }

    def reading(self) -> Reading:
        """The strongest feature at the chosen position, and how far the SAE can be trusted on this prompt."""
        token, trust = quoted(self.tokens.texts[self.pos]), " ".join((self._trust(), *self.remarks))
        if self.pos in self.skipped_pos:
            return Reading("The start token is not read for features: choose a later one", (trust,))
        if self.feature_ids[self.pos, 0] < 0:
            return Reading(f"No feature is active on {token}", (trust,))
        k = self.feature_ids.shape[1]
        name = feature_name(int(self.feature_ids[self.pos, 0]), self.labels[self.pos * k])
        speaks = listed([quoted(text) for text in self.promotion.promoted[:3]])
        return Reading(
            f"{name} is strongest on {token}",
            (
                f"{self.n_active[self.pos]} of {self.d_sae:,} features are active on this token{self._share()}.",
                f"Directly, the strongest one makes these tokens likelier: {speaks}.",
                trust,
            ),
        )

    def _share(self) -> str:
        of_max = float(share(self.activations[self.pos, 0], self.max_activations[self.pos, 0]))
        return "" if np.isnan(of_max) else f"; the strongest reaches {of_max:.0%} of the largest value seen"

    def _trust(self) -> str:
        variance = self.quality.explained_variance
        if np.isnan(variance):
            return f"On this prompt {self.quality.l0:.0f} features are active per token."
        if variance < 0:
            return (
                f"On this prompt {self.quality.l0:.0f} features are active per token, and what they rebuild is further "
                "from the activations than their mean is (explained variance below 0): do not trust this SAE here."
            )
        return (
            f"On this prompt {self.quality.l0:.0f} features are active per token, and together they explain "
            f"{variance:.0%} of what varies from token to token; the rest is not in any feature."
        )


def features(
    model: Model,
    prompt: str,
    *,
    sae: str | None = None,
    pos: int | None = None,
    top_k: int = 10,
    prepend_bos: bool | None = None,
) -> Features:
    """Read the residual stream through a sparse autoencoder (Bricken et al. 2023; Huben et al. 2024).

    ``encode(x)`` at the SAE's hook, for every position. An SAE trained on centred activations is given centred ones.
    The beginning-of-sequence token is not read: its activation is tens of times larger than any other, carries no
    content, and is left out of most SAEs' training. A feature that fires is a correlation: steering with it, or
    taking it out, shows whether the model uses it.

    Args:
        model: The model.
        prompt: Text to read.
        sae: Hook name of the SAE, or its folder's name, or hook#folder where there are several at a hook; None for the
            model's only one, or the middle one.
        pos: Position whose features the reading and the promoted tokens speak of; None for the last.
        top_k: How many features to keep per position, 1 to 100.
        prepend_bos: None follows the model's own habit.

    Returns:
        Activations in the SAE's units, promoted and suppressed tokens (``linear(W_dec) · W_U`` less its mean, the
        direct path in logits per unit before the final norm's scale), and the SAE's quality on this prompt.

    Raises:
        InputError: A bad prompt, position or top_k, no such SAE, or one that cannot be fetched.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    opened = load_sae(model, sae)
    check_top_k(top_k, opened)
    final = hooks.resid_post(model.n_layers - 1)
    acts = model.run(tokens, [opened.hook, final])
    kept = kept_positions(tokens)
    strongest = _encode(opened, acts[opened.hook].float(), kept, top_k)
    ids = strongest.ids.numpy(force=True)
    active = ids[position][ids[position] >= 0]
    quality, spliced = sae_quality.measure(
        model,
        tokens,
        opened.hook,
        acts[opened.hook].float(),
        strongest.reconstruction,
        acts[final],
        torch.tensor(kept, device=model.device),
        float(strongest.n_active[kept].double().mean()),
    )
    book = notes(opened.entry)
    known = [book.of(int(feature)) for feature in ids.ravel()]
    return Features(
        model=model.id,
        sae=opened.name,
        remarks=opened.remarks,
        d_sae=opened.d_sae,
        centred=opened.centred,
        tokens=tokens,
        pos=position,
        skipped_pos=tuple(np.flatnonzero(~np.asarray(kept)).tolist()),
        feature_ids=ids,
        activations=strongest.activations.numpy(force=True),
        labels=tuple(note.label for note in known),
        max_activations=np.array([note.max_activation for note in known]).reshape(ids.shape),
        densities=np.array([note.density for note in known]).reshape(ids.shape),
        n_active=strongest.n_active.numpy(force=True),
        promotion=promotion(model, opened.directions(active.tolist()), PROMOTED),
        quality=quality,
        checks=(*_checks(opened, acts[opened.hook].float(), strongest, kept), spliced),
    )


@dataclass(frozen=True)
class _Strongest:
    ids: Int[Tensor, "pos k"]
    activations: Float[Tensor, "pos k"]
    n_active: Int[Tensor, " pos"]
    reconstruction: Float[Tensor, "pos d_model"]


def _encode(sae: Sae, x: Float[Tensor, "pos d_model"], kept: list[bool], k: int) -> _Strongest:
    """The k strongest features of every kept position, a few positions at a time so that memory stays bounded."""
    ids = torch.full((len(x), k), -1, device=x.device)
    activations = torch.full((len(x), k), torch.nan, device=x.device)
    n_active = torch.zeros(len(x), dtype=torch.long, device=x.device)
    reconstruction = x.clone()
    for rows in torch.tensor(kept, device=x.device).nonzero()[:, 0].split(POSITIONS_AT_ONCE):
        encoded = sae.encode(x[rows])
        best = distribution.top_k(encoded.abs(), k)  # some SAEs fire in both directions
        values = encoded.gather(-1, best.ids)
        ids[rows] = best.ids.where(values != 0, -1)
        activations[rows] = values.where(values != 0, torch.nan)
        n_active[rows] = (encoded != 0).sum(-1)
        reconstruction[rows] = sae.decode(encoded, x[rows]).to(x.dtype)
    return _Strongest(ids, activations, n_active, reconstruction)


def _checks(sae: Sae, x: Float[Tensor, "pos d_model"], strongest: _Strongest, kept: list[bool]) -> tuple[Check, Check]:
    """What is kept against sae_lens on the same input, and decode(encode(x)) + error against x."""
    rows = torch.tensor(kept, device=x.device).nonzero()[:POSITIONS_AT_ONCE, 0]
    there = x[rows]
    theirs = sae.inner.encode(there - there.mean(-1, keepdim=True) if sae.centred else there)
    ours = strongest.activations[rows].nan_to_num(0.0)
    shown = theirs.gather(-1, strongest.ids[rows].clamp(min=0)).where(strongest.ids[rows] >= 0, 0.0)
    rebuilt = sae.decode(theirs, there) + (there - strongest.reconstruction[rows])
    relative = (rebuilt - there).norm(dim=-1) / there.norm(dim=-1)
    return (
        Check("activations equal sae_lens' encode of the same input", float((shown - ours).abs().max()), 1e-3),
        Check("decode(encode(x)) + error = x, relative", float(relative.max()), 1e-5),
    )
