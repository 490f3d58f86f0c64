"""Which features are active, sorted and narrowed down as one likes?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mi_core.attribution.feature_parts import FeatureParts, feature_parts
from mi_core.attribution.gradient import gradient
from mi_core.errors import InputError, choose, shortened
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, percent, quoted, signed
from mi_core.result import Check, Reading, check_axes, same_length, within
from mi_core.saes.features import POSITIONS_AT_ONCE, check_is_read, check_top_k, feature_name
from mi_core.saes.loading import load_sae
from mi_core.saes.notes import Notes, neuronpedia_url, notes
from mi_core.saes.sae import Sae

Over = Literal["token", "prompt"]
Sort = Literal["activation", "effect", "density"]
MOST_SILENT = 6  # named, of those whose label fits a search


@dataclass(frozen=True)
class FeatureList:
    """The active features that are wanted, in the order that is wanted, and how many are hidden."""

    model: str
    """Id of the model."""
    sae: str
    """Name of the SAE: its hook, unless there are several there."""
    tokens: Tokens
    """[pos] What was read."""
    target: Target
    """The answer whose logit (difference) effects are on."""
    pos: int
    """The position that is listed, or whose next-token logits are asked for, from 0."""
    over: str
    """``"token"`` or ``"prompt"``."""
    sort: str
    """``"activation"``, ``"effect"`` or ``"density"``."""
    max_density: float
    """Features that fire on a larger share of tokens are hidden."""
    search: str
    """What labels have to hold."""
    features: Int[np.ndarray, " feature"]
    """[feature] Those listed, in order."""
    labels: tuple[str, ...]
    """[feature] Empty where there is none."""
    activations: Float[np.ndarray, " feature"]
    """[feature] The largest on the tokens that are listed, in the SAE's units."""
    peak_pos: Int[np.ndarray, " feature"]
    """[feature] Where that is."""
    n_tokens: Int[np.ndarray, " feature"]
    """[feature] On how many of these tokens it is active."""
    densities: Float[np.ndarray, " feature"]
    """[feature] Share of the SAE's corpus on which each is active; NaN where that is not known."""
    effects: Float[np.ndarray, " feature"]
    """[feature] Gradient × activation towards the answer, in logits; NaN unless it is sorted by."""
    urls: tuple[str, ...]
    """[feature] Pages on neuronpedia.org; empty where there is none."""
    n_wanted: int
    """How many are wanted, listed or not."""
    hidden_dense: int
    """Active features that fire on too many tokens."""
    hidden_first: int
    """Features that are active on the first token only, which is left out."""
    hidden_search: int
    """Active features whose label does not hold the search."""
    density_known: bool
    """Whether the SAE says how often its features fire."""
    labelled: bool
    """Whether any of its features has a label."""
    silent: tuple[str, ...]
    """Features whose label holds the search, and that are not active here; the first few, by name."""
    n_silent: int
    """How many there are."""
    checks: tuple[Check, ...]
    """What must hold of these numbers."""
    units: str = "activation; logits (effect); share of tokens (density)"
    """All units, in words."""

    def __post_init__(self) -> None:
        check_axes(self)
        same_length(self, "features", "labels", "urls")
        within(self, 0, 1, "densities")

    @property
    def column_units(self) -> dict[str, dict[str, str]]:
        """Of the columns that other results do not have."""
        return {"features": {"effect": "logits", "n_tokens": "tokens"}}

    def tables(self) -> dict[str, pd.DataFrame]:
        """`features`: a row each. `hidden`: how many are not listed, and why."""
        columns = {
            "feature": self.features,
            "label": self.labels,
            "activation": self.activations,
            "pos": self.peak_pos,
            "token": np.asarray(self.tokens.texts, dtype=object)[self.peak_pos],
            "n_tokens": self.n_tokens,
            "density": self.densities,
            "effect": self.effects,
            "neuronpedia": self.urls,
        }
        hidden = {"dense": self.hidden_dense, "first token": self.hidden_first, "search": self.hidden_search}
        hidden["beyond the list"] = self.n_wanted - len(self.features)
        return {
            "features": pd.DataFrame(columns),
            "hidden": pd.DataFrame(hidden.items(), columns=["reason", "features"]),
        }

    def reading(self) -> Reading:
        """The first of the list, and what is hidden."""
        where = f"on {quoted(self.tokens.texts[self.pos])}" if self.over == "token" else "on this prompt"
        if not len(self.features):
            return Reading(f"No feature to list is active {where}", self.hidden())
        name = feature_name(int(self.features[0]), self.labels[0])
        title = {
            "activation": f"{name} is the strongest {where}: {self.activations[0]:.2f}",
            "density": f"{name} is the rarest {where}: it fires on {percent(self.densities[0])} of all tokens",
            "effect": f"{name} moves {self.target.label} most {where}: {signed(self.effects[0])} logits, estimated",
        }[self.sort]
        return Reading(title, self.hidden())

    def hidden(self) -> tuple[str, ...]:
        """What is active and not wanted, counted by its reason; and what is not known or not active."""
        reasons = {
            f"active on more than {percent(self.max_density)} of all tokens": self.hidden_dense,
            "active on the first token only": self.hidden_first,
            f"without “{shortened(self.search)}” in the label": self.hidden_search,
        }
        counted = {why: count for why, count in reasons.items() if count}
        n = sum(counted.values())
        why = [f"{count} {why}" for why, count in counted.items()] if len(counted) > 1 else list(counted)
        said = [f"{n} {'feature' if n == 1 else 'features'} hidden: {listed(why)}."] if n else []
        if self.search and not self.labelled:
            said.append("This autoencoder has no labels to search: numbers can be searched.")
        if self.max_density < 1 and not self.density_known:
            said.append("This autoencoder says nothing of how often its features fire, so none is hidden for that.")
        if self.n_silent:
            more = [f"{self.n_silent - len(self.silent)} more"] if self.n_silent > len(self.silent) else []
            said.append(f"With it in the label, but not active here: {listed([*self.silent, *more])}.")
        return tuple(said)


def feature_list(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    sae: str | None = None,
    over: Over = "token",
    sort: Sort = "activation",
    max_density: float = 1.0,
    first_token: bool = True,
    search: str = "",
    top_k: int = 10,
    prepend_bos: bool | None = None,
) -> FeatureList:
    """List the active features of an SAE on one token or over the prompt, sorted, and without those not wanted.

    Dense features fire on so many tokens that they tell little of one. The start token is never read: its activation
    is tens of times larger than any other, and in a prompt without one the first token mostly takes its place.

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer that effects are on; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position that is listed, and whose next-token logits effects are on; None for the last.
        sae: Name of the SAE, as in `features`; None for the model's only one, or the middle one.
        over: ``"token"`` lists what is active at `pos`, ``"prompt"`` what is active anywhere.
        sort: ``"activation"``: the strongest first; ``"effect"``: the largest gradient × activation, whatever its sign,
            at `pos` or at all positions up to it (Marks et al. 2024); ``"density"``: the rarest first.
        max_density: Features that fire on a larger share of the SAE's corpus are hidden, 0 to 1.
        first_token: False leaves the first token out over the prompt where the prompt has no start token.
        search: Only features whose label holds this, or whose number it is.
        top_k: How many to list.
        prepend_bos: None follows the model's own habit.

    Returns:
        Activations in the SAE's units, densities as shares, effects in logits.

    Raises:
        InputError: A bad prompt, target, position, sort, density or top_k, no such SAE, or a sort by densities that
            nobody knows.
    """
    choose(over, get_args(Over), "over")
    choose(sort, get_args(Sort), "sort", "order of features")
    if not 0 < max_density <= 1:
        raise InputError(f"max_density is {max_density:g}: choose a share above 0, up to 1.", "max_density")
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    opened = load_sae(model, sae)
    check_top_k(top_k, opened)
    check_is_read(tokens, position)
    book = notes(opened.entry)
    if sort == "density" and not book.tell_density:
        raise InputError(f"The SAE at {opened.hook} does not say how often its features fire: sort otherwise.", "sort")
    acts = model.run(tokens, [opened.hook], logits=position)
    answer = resolve(model, target, foil, int(acts.logits[0].argmax()))
    x, start = acts[opened.hook].float(), int(tokens.has_bos)
    first = start + int(over == "prompt" and not first_token and not start and len(tokens) > 1)
    rows = [position] if over == "token" else list(range(first, len(tokens)))
    found = _active(opened, x, rows)
    numbers = found.count.nonzero()[:, 0].tolist()
    fits = [_fits(book, number, search) for number in numbers]
    dense = [book.of(number).density > max_density for number in numbers]
    wanted = [number for number, hide, fit in zip(numbers, dense, fits, strict=True) if fit and not hide]
    effects, checks = np.full(opened.d_sae, np.nan, dtype=np.float32), []
    if sort == "effect":
        parts, *checks = _parts(model, tokens, position, opened, x, answer, start)
        kept = [row - start for row in rows if row <= position]
        effects = parts.features[kept].sum(0).numpy(force=True)
    densities = np.array([book.of(number).density for number in range(opened.d_sae)], dtype=float)
    peaks = found.peak.numpy(force=True)
    order = {"activation": -np.abs(peaks), "effect": -np.abs(effects), "density": densities}[sort]
    shown = np.array(sorted(wanted, key=lambda number: (np.isnan(order[number]), order[number]))[:top_k], dtype=int)
    only_first = (found.count == 0) & (_active(opened, x, list(range(start, first))).count > 0)
    silent = [number for number in sorted(set(book.features) - set(numbers)) if search and _fits(book, number, search)]
    return FeatureList(
        model=model.id,
        sae=opened.name,
        tokens=tokens,
        target=answer,
        pos=position,
        over=over,
        sort=sort,
        max_density=max_density,
        search=search,
        features=shown,
        labels=tuple(book.of(number).label for number in shown.tolist()),
        activations=peaks[shown],
        peak_pos=found.where.numpy(force=True)[shown],
        n_tokens=found.count.numpy(force=True)[shown],
        densities=densities[shown],
        effects=effects[shown],
        urls=tuple(neuronpedia_url(opened.entry, number) or "" for number in shown.tolist()),
        n_wanted=len(wanted),
        hidden_dense=sum(dense),
        hidden_first=int(only_first.sum()),
        hidden_search=sum(not fit and not hide for fit, hide in zip(fits, dense, strict=True)),
        density_known=book.tell_density,
        labelled=any(note.label for note in book.features.values()),
        silent=tuple(f"#{number} {book.of(number).label}" for number in silent[:MOST_SILENT]),
        n_silent=len(silent),
        checks=(_as_in_sae_lens(opened, x, found, shown.tolist()), *checks),
    )


@dataclass(frozen=True)
class _Active:
    peak: Float[Tensor, " d_sae"]
    where: Int[Tensor, " d_sae"]
    count: Int[Tensor, " d_sae"]


@torch.no_grad()
def _active(sae: Sae, x: Float[Tensor, "pos d_model"], rows: Sequence[int]) -> _Active:
    """Every feature's largest activation on these positions, where that is, and on how many it is active."""
    peak = x.new_zeros(sae.d_sae)
    where, count = (torch.zeros(sae.d_sae, dtype=torch.long, device=x.device) for _ in range(2))
    for start in range(0, len(rows), POSITIONS_AT_ONCE):
        some = torch.tensor(rows[start : start + POSITIONS_AT_ONCE], device=x.device)
        encoded = sae.encode(x[some]).float()
        best = encoded.abs().argmax(0)  # some SAEs fire in both directions
        values = encoded.gather(0, best[None])[0]
        higher = values.abs() > peak.abs()
        peak, where = values.where(higher, peak), some[best].where(higher, where)
        count += (encoded != 0).sum(0)
    return _Active(peak, where, count)


@torch.no_grad()
def _as_in_sae_lens(sae: Sae, x: Float[Tensor, "pos d_model"], found: _Active, numbers: list[int]) -> Check:
    there = x[found.where[numbers]]
    theirs = sae.inner.encode(there - there.mean(-1, keepdim=True) if sae.centred else there)
    error = max((abs(float(theirs[row, one] - found.peak[one])) for row, one in enumerate(numbers)), default=0.0)
    return Check("activations equal sae_lens' encode of the same input", error, 1e-3)


def _fits(book: Notes, number: int, search: str) -> bool:
    """Whether a feature's label holds what is searched for, or its number is that."""
    asked = search.strip().casefold()
    return not asked or asked in book.of(number).label.casefold() or asked.lstrip("#") == str(number)


def _parts(
    model: Model,
    tokens: Tokens,
    pos: int,
    sae: Sae,
    x: Float[Tensor, "pos d_model"],
    answer: Target,
    first: int,
) -> tuple[FeatureParts, Check]:
    """Gradient × activation of all features at every position from `first` to `pos`."""
    asked = gradient(model, model.up_to(tokens.ids, pos), sae.hook, answer.of)[first:]
    parts = feature_parts(sae, x[first : pos + 1], asked)
    missing = parts.missing() / (1 + float(parts.whole.abs().sum()))
    return parts, Check("features, bias and error sum to gradient × stream, relative", missing, 1e-4)
