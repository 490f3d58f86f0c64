"""Which features push the answer, measured three ways?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from mi_core.ablation.feature_writes import FeatureWrites
from mi_core.attribution import logit_parts
from mi_core.attribution.feature_parts import feature_parts
from mi_core.attribution.gradient import gradient
from mi_core.errors import InputError
from mi_core.interventions.sweep import sweep
from mi_core.metrics.metric import Metrics
from mi_core.metrics.target import Target, resolve
from mi_core.models import hooks
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import place, signed
from mi_core.result import Check, Reading, check_axes, same_length
from mi_core.saes.features import check_is_read, check_top_k
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import neuronpedia_url, notes


@dataclass(frozen=True)
class FeatureEffects:
    """What the features of one SAE do to one logit (difference), the strongest by gradient × activation."""

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
    features: Int[np.ndarray, " feature"]
    """[feature] Those active on the prompt, the strongest effect first."""
    labels: tuple[str, ...]
    """[feature] Empty where there is none."""
    densities: Float[np.ndarray, " feature"]
    """[feature] Share of the SAE's corpus on which each is active; NaN where that is not known."""
    urls: tuple[str, ...]
    """[feature] Pages on neuronpedia.org; empty where there is none."""
    peaks: Float[np.ndarray, " feature"]
    """[feature] The largest activation on the prompt."""
    direct: Float[np.ndarray, " feature"]
    """[feature] Activation at `pos` × its direction through the frozen norm, in logits; NaN where logits cannot be
    taken apart."""
    estimate: Float[np.ndarray, "feature pos"]
    """[feature, pos] Gradient × activation, in logits."""
    measured: Float[np.ndarray, " feature"]
    """[feature] The answer with everything in place, less the answer without the feature; in logits."""
    left_out: int
    """Active features that are not listed."""
    others: float
    """What these come to by gradient × activation."""
    bias: float
    """The same of the SAE's bias."""
    error: float
    """The same of what the SAE does not explain."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "logits"
    """Unit of every effect."""

    def __post_init__(self) -> None:
        check_axes(self)
        same_length(self, "features", "labels", "urls")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the columns that other results do not have."""
        columns = {"effects": ("direct", "estimate", "measured"), "positions": ("estimate",), "sums": ("sum",)}
        return {table: dict.fromkeys(names, self.units) for table, names in columns.items()}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`effects`: a row per feature. `positions`: its estimate at each token. `sums`: what the stream comes to."""
        effects = {
            "feature": self.features,
            "label": self.labels,
            "activation": self.peaks,
            "density": self.densities,
            "direct": self.direct,
            "estimate": self.estimate.sum(1),
            "measured": self.measured,
            "neuronpedia": self.urls,
        }
        row, pos = (axis.ravel() for axis in np.indices(self.estimate.shape))
        positions = {
            "feature": self.features[row],
            "pos": pos,
            "token": np.asarray(self.tokens.texts, dtype=object)[pos],
            "estimate": self.estimate.ravel(),
        }
        listed = float(self.estimate.sum(dtype=np.float64))
        parts = {"listed": listed, "left out": self.others, "bias": self.bias, "error": self.error}
        return {
            "effects": pd.DataFrame(effects),
            "positions": pd.DataFrame(positions),
            "sums": pd.DataFrame(parts.items(), columns=["part", "sum"]),
        }

    def reading(self) -> Reading:
        """The feature whose absence costs the answer most, and how much no feature explains."""
        best = int(np.abs(self.measured).argmax())
        value = float(self.measured[best])
        label = f" ({self.labels[best]})" if self.labels[best] else ""
        way = "helps" if value >= 0 else "hinders"
        title = f"Feature {self.features[best]}{label} {way} {self.target.label} most: {signed(value)} logits, measured"
        at = place(self.tokens, self.pos)
        estimated = float(self.estimate.sum(1)[best])
        sentences = [f"From its gradient at {at} one would expect {signed(estimated)}."]
        sentences.append(f"What the autoencoder does not explain comes to {signed(self.error)} in the same way.")
        return Reading(title, tuple(sentences))


def feature_effects(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    sae: str | None = None,
    top_k: int = 12,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> FeatureEffects:
    """Rank an SAE's features by what they do to the answer: directly, to first order, and measured.

    Direct: activation at the position × decoder direction through the frozen final norm, as if nothing came between.
    Gradient × activation, at every position, follows all paths along a straight line (Marks et al. 2024, "Sparse
    Feature Circuits"); its sum over features, bias and error is gradient × stream exactly. Measured: the feature's
    term is taken off the activation at every position, error and other features kept.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position whose next-token logits are asked for; None for the last.
        sae: Name of the SAE, as in `features`; None for the model's only one, or the middle one.
        top_k: How many to list and measure, the largest estimates first.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Effects in logits; `direct` before any soft cap, the others after it.

    Raises:
        InputError: A bad prompt, target, position or top_k, no such SAE, or no feature that is active.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    model.up_to(tokens.ids, position)
    opened = load_sae(model, sae)
    check_top_k(top_k, opened)
    ids, first = tokens.ids[: position + 1], int(tokens.has_bos)
    check_is_read(tokens, position)
    last = hooks.resid_post(model.n_layers - 1)
    acts = model.run(tokens, [opened.hook, last], logits=position)
    answer = resolve(model, target, foil, int(acts.logits[0].argmax()))
    x = acts[opened.hook][first : position + 1].float()
    asked = gradient(model, ids, opened.hook, answer.of)[first:]
    parts = feature_parts(opened, x, asked)
    effect = parts.features.sum(0)
    amounts = parts.amounts
    active = int((amounts != 0).any(0).sum())
    if not active:
        raise InputError(f"No feature of the SAE at {opened.hook} is active here: choose another one.", "sae")
    chosen = effect.abs().argsort(descending=True)[: min(top_k, active)].tolist()
    writes = FeatureWrites(opened, tuple(chosen))
    taken = amounts.new_zeros(len(ids), len(chosen))
    taken[first:] = amounts[:, chosen]
    runs = [(writes.taking(i, taken[:, i], first, len(ids)),) for i in range(len(chosen))]
    plain = acts.logits[0].float()
    swept = sweep(model, ids, runs, Metrics(answer, plain), progress)
    direct = np.full(len(chosen), np.nan, dtype=np.float32)
    if not logit_parts.obstacle(model):
        reader = logit_parts.reading_direction(model, acts, answer, position)
        direct = (taken[-1] * (writes.directions @ reader.float())).numpy(force=True)
    estimate = np.zeros((len(chosen), len(tokens)), dtype=np.float32)
    estimate[:, first : len(ids)] = parts.features[:, chosen].T.numpy(force=True)
    book = notes(opened.entry)
    peaks = amounts[:, chosen].gather(0, amounts[:, chosen].abs().argmax(0)[None])[0]
    return FeatureEffects(
        model=model.id,
        sae=opened.name,
        tokens=tokens,
        target=answer,
        pos=position,
        features=np.array(chosen),
        labels=tuple(book.of(number).label for number in chosen),
        densities=np.array([book.of(number).density for number in chosen], dtype=float),
        urls=tuple(neuronpedia_url(opened.entry, number) or "" for number in chosen),
        peaks=peaks.numpy(force=True),
        direct=direct,
        estimate=estimate,
        measured=float(answer.of(plain)) - swept.values[:, 0].float().numpy(force=True),
        left_out=active - len(chosen),
        others=float(effect.sum() - effect[chosen].sum()),
        bias=float(parts.bias.sum()),
        error=float(parts.error.sum()),
        checks=(
            Check(
                "features, bias and error sum to gradient × stream, relative",
                parts.missing() / (1 + float(parts.whole.abs().sum())),
                1e-4,
            ),
            *swept.checks(),
        ),
    )
