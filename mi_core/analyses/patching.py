"""Where in the model is the difference between two prompts?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from mi_core.ablation.kept_out import KeptOut
from mi_core.interventions.place import HEAD, RESID_PRE, Part, Place
from mi_core.interventions.restart import Run
from mi_core.metrics import metric as measures
from mi_core.metrics.agreement import agreement
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.patching.pair import PromptPair
from mi_core.patching.run import PatchRun, open_pair
from mi_core.patching.site import patch_place
from mi_core.phrases import listed, percent_of_gap, place
from mi_core.result import Check, Reading, same_length, whole_numbers, within

CONFIRMED = 10  # estimates that are run exactly
DISAGREEMENT = 0.1  # of the gap: an estimate that is further from the exact run is marked
WORTH_SAYING = 0.005  # of the gap: less is written as nothing
SHARE = 0.05  # of the gap: where no cell reaches it, the title says that none carries the difference


@dataclass(frozen=True)
class Patching:
    """The metric with one activation of one prompt's run put into the other's."""

    model: str
    tokens: Tokens
    corrupted_tokens: Tokens
    target: Target
    pos: int
    """The position that is read."""
    site: str
    """What is patched, as `mi_core.patching.site.PLACES` names it."""
    layers: tuple[int, ...]
    """[layer] Numbers of the layers that have what is patched."""
    n_heads: int
    """Of each layer; of keys and values a map has fewer, where several query heads share them."""
    direction: str
    metric: str
    quantity: str
    """What the metric is, in words; `units` says its unit."""
    estimated: bool
    """Whether `value` and `restored` come from one backward pass."""
    without: tuple[str, ...]
    """Components that are out in every run, both prompts' own too."""
    clean: float
    """The metric in the clean prompt's own run."""
    corrupted: float
    """The metric in the corrupted prompt's own run."""
    first_difference: int
    """The first position where the prompts differ: patches before it change nothing."""
    value: Float[np.ndarray, "layer ..."]
    """[layer, pos], [layer, head] (all positions at once) or [layer, head, pos] The metric with each patch."""
    restored: Float[np.ndarray, "layer ..."]
    """[as `value`] (value − corrupted) / (clean − corrupted): 1 is the clean run, 0 the corrupted one, in both
    directions."""
    exact: Float[np.ndarray, "layer ..."]
    """[as `value`] `restored` where a cell was run, NaN elsewhere."""
    correlation: float | None
    """Of estimates, Pearson's r between `restored` and `exact`; None where it says nothing."""
    checks: tuple[Check, ...]
    units: str
    disagreement: float = DISAGREEMENT
    """Of the gap: estimates further than this from the exact run are marked."""

    def __post_init__(self) -> None:
        same_length(self, "tokens", "corrupted_tokens")
        if not self.value.shape == self.restored.shape == self.exact.shape:
            raise ValueError(f"maps of {self.value.shape}, {self.restored.shape} and {self.exact.shape}")
        if self.value.ndim != 1 + len(self.place.kind.axes):
            raise ValueError(f"{self.site} is no map of {self.value.ndim} axes")
        if self.correlation is not None:
            within(self, -1.0, 1.0, "correlation")

    @property
    def place(self) -> Place:
        """What is patched."""
        return patch_place(self.site)

    @property
    def disagrees(self) -> Bool[np.ndarray, "layer ..."]:
        """Where an estimate is further than `disagreement` from the exact run."""
        return np.abs(self.exact - self.restored) > self.disagreement

    @property
    def best(self) -> Float[np.ndarray, "layer ..."]:
        """The share restored: as run where the cell was run, else as estimated."""
        return np.where(np.isnan(self.exact), self.restored, self.exact)

    def tables(self) -> dict[str, pd.DataFrame]:
        """`effects`: a row per patch; head, pos and token (of the clean prompt) are empty where a patch has none. Of
        estimates, `best` is `exact` where that is known.
        `prompts`: token by token."""
        axes = self.place.kind.axes
        at = dict(zip(("layer", *axes), (axis.ravel() for axis in np.indices(self.value.shape)), strict=True))
        none = np.full(self.value.size, -1)
        effects = {
            "site": self.site,
            "layer": np.asarray(self.layers)[at["layer"]],
            "head": whole_numbers(at.get("head", none)),
            "pos": whole_numbers(at.get("pos", none)),
            "token": np.asarray(self.tokens.texts, dtype=object)[at["pos"]] if "pos" in at else None,
            "value": self.value.ravel(),
            "restored": self.restored.ravel(),
        }
        if self.estimated:
            effects |= {"best": self.best.ravel(), "exact": self.exact.ravel(), "disagrees": self.disagrees.ravel()}
        prompts = PromptPair(self.tokens, self.corrupted_tokens).table()
        return {"effects": pd.DataFrame(effects), "prompts": prompts}

    @property
    def strongest(self) -> str:
        """The cell whose patch moves most, by its name."""
        effect = _effect(self)
        cell = tuple(int(i) for i in np.unravel_index(int(np.nanargmax(effect)), effect.shape))
        return Part(self.place, self.layers[cell[0]], cell[1:]).name

    def reading(self) -> Reading:
        """Where the difference between the prompts sits, layer by layer, or which cell carries most of it."""
        return _reading(self)


def patching(
    model: Model,
    prompt: str,
    *,
    corrupted: str,
    site: Literal["resid_pre", "attn_out", "mlp_out", "head", "head_pos", "q", "k", "v", "pattern"] = "resid_pre",
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    metric: Literal["logit_difference", "probability", "kl"] = "logit_difference",
    direction: Literal["denoise", "noise"] = "denoise",
    estimate: bool = False,
    without: tuple[str, ...] = (),
    mode: Literal["zero", "mean", "resample"] = "mean",
    reference: str = "",
    sae: str | None = None,
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Patching:
    """Put one activation of one prompt's run into another prompt's run, for every place in turn.

    If the clean activation at a place brings the clean answer back in the corrupted run, that place carried what the
    prompts differ in (causal tracing, Meng et al. 2022; interchange interventions, Geiger et al. 2021; Heimersheim and
    Nanda 2024, "How to use and interpret activation patching"). What both prompts share never shows.

    Args:
        model: The model.
        prompt: The clean prompt.
        corrupted: A prompt of as many tokens, alike but for what is asked about.
        site: ``"resid_pre"``, ``"attn_out"`` or ``"mlp_out"``, by layer and position; ``"head"``, a head's output `z`,
            or its queries, keys, values or attention pattern (``"q"``, ``"k"``, ``"v"``, ``"pattern"``), at all
            positions, by layer and head; ``"head_pos"``, a head's output by layer, head and position.
        target: The answer; None for the clean prompt's top guess.
        foil: What it is compared with; None for the corrupted prompt's top guess, if that is another.
        pos: Position whose next-token logits are read; None for the last.
        metric: What is measured: the answer's logit (difference), its probability, or the KL divergence of the run's
            guesses from the clean run's, in bits.
        direction: ``"denoise"`` puts clean activations into the corrupted run: what suffices. ``"noise"`` puts
            corrupted ones into the clean run: what is needed.
        estimate: Estimate all patches by one backward pass (attribution patching), and run the largest exactly.
        without: Components that are out in every run, both prompts' own too, such as ``("L3H0", "MLP 2")``: what
            carries the difference once these cannot. The answer is still what the whole model says.
        mode: What is put in their place, as in `ablation`.
        reference: Prompts for the mean or the sample, one per line; a few everyday sentences where it is empty.
        sae: Hook name of the SAE whose features are out; None for the model's only one, or the middle one.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Values in the metric's unit (logits after any soft cap), and shares of the gap between the two runs.

    Raises:
        InputError: A bad prompt, target or position; prompts of unequal length, or with nothing between them; an
            estimate of KL in the clean run, which has no slope there.
    """
    run = open_pair(
        model, prompt, corrupted=corrupted, site=site, target=target, foil=foil, pos=pos, metric_name=metric,
        direction=direction, prepend_bos=prepend_bos, kept_out=KeptOut(without, mode, reference, sae),
    )  # fmt: skip
    values, exact, checks = (_estimated if estimate else _all)(run, progress)
    restored, share = run.restored(values), run.restored(exact)
    clean, corrupt = run.ends()
    return Patching(
        model=model.id,
        tokens=run.prompts.clean,
        corrupted_tokens=run.prompts.corrupted,
        target=run.target,
        pos=run.pos,
        site=site,
        layers=run.layers,
        n_heads=model.n_heads,
        direction=direction,
        metric=metric,
        quantity=run.metric.quantity,
        estimated=estimate,
        without=run.without,
        clean=clean,
        corrupted=corrupt,
        first_difference=run.prompts.first_difference,
        value=values,
        restored=restored,
        exact=share,
        correlation=_correlation(restored, share) if estimate else None,
        checks=checks,
        units=f"{run.metric.unit}; share of the gap (restored)",
    )


def planned(
    model: Model,
    *,
    metric: str,
    estimate: bool,
    without: tuple[str, ...],
    mode: str,
    reference: str,
    sae: str | None,
    **pair: Any,
) -> tuple[tuple[int, ...], list[Run]]:
    """The token ids and the runs that `patching` sweeps over, all of its settings given.

    Raises:
        InputError: As `patching` does.
    """
    kept_out = KeptOut(without, mode, reference, sae)
    run = open_pair(model, metric_name=metric, kept_out=kept_out, **pair)
    cells = run.largest(run.estimated(), CONFIRMED) if estimate else run.cells()
    return run.ids, run.runs(cells)


Measured = tuple[np.ndarray, np.ndarray, tuple[Check, ...]]


def _all(run: PatchRun, progress: Progress) -> Measured:
    """Every cell's value, twice (all of them are exact), and the checks."""
    values, checks = run.exact(run.cells(), progress)
    values = np.where(np.isnan(values), np.float32(run.value(run.base)), values)
    return values, values, checks


def _estimated(run: PatchRun, progress: Progress) -> Measured:
    """Every cell's value estimated, the values of the largest `CONFIRMED` as run (NaN elsewhere), the checks."""
    change = run.estimated()
    exact, checks = run.exact(run.largest(change, CONFIRMED), progress)
    return change + np.float32(run.value(run.base)), exact, checks


def _correlation(estimated: np.ndarray, exact: np.ndarray) -> float | None:
    """Pearson's r over the cells that were run; None where it says nothing."""
    found = agreement(estimated, exact)
    return None if np.isnan(found) else found


def _reading(result: Patching) -> Reading:
    """Where the difference between the prompts sits, layer by layer, or which cell carries most of it."""
    title = _title(result)
    if result.without:
        title = f"With {listed(list(result.without))} out in both runs: {title}"
    return Reading(title, (_ends(result), _strongest(result), *_trust(result)))


def cell_words(result: Patching, cell: tuple[int, ...]) -> str:
    """A cell in running text: `L3H7`, `the keys of L3H1`, `MLP 2 at “·Texas” (position 4)`."""
    part = Part(result.place, result.layers[cell[0]], tuple(cell[1:]))
    words = part.kind.words
    if "kv_head" in part.place.site.axes and result.n_heads > result.value.shape[1]:
        words = words.replace(HEAD.kind.words, "key-value head {head} of layer {layer}")
    at = {axis: place(result.tokens, number) if axis == "pos" else number for axis, number in part.numbers.items()}
    return words.format(layer=part.layer, **at)


def _effect(result: Patching) -> Float[np.ndarray, "layer ..."]:
    """How far each patch moves the run it is put into towards the other, as a share of the gap."""
    return result.best if result.direction == "denoise" else 1 - result.best


def _title(result: Patching) -> str:
    effect, kind = _effect(result), result.place.kind
    if effect.max() < SHARE:
        nobody = f"No single {kind.noun}" if kind.verb == "carries" else f"The {kind.plural} of no single head"
        return f"{nobody} {kind.verb} the difference between the two prompts"
    if result.place == RESID_PRE:
        return "The difference sits " + ", then ".join(_trail(result.tokens, effect))
    cell = np.unravel_index(int(effect.argmax()), effect.shape)
    words, share = cell_words(result, tuple(int(i) for i in cell)), percent_of_gap(effect[cell])
    if result.place == HEAD:
        return f"{words} alone carries {share} of the difference, the most of all heads"
    return f"Of all {kind.plural}, {words} {kind.verb} the largest share of the difference: {share}"


def _trail(tokens: Tokens, effect: Float[np.ndarray, "layer pos"]) -> list[str]:
    stays = _stays(effect)
    where = [f"at {place(tokens, pos)} up to layer {layer}" for pos, layer in stays[:-1]]
    where.append(f"at {place(tokens, stays[-1][0])}")
    return [where[0], f"moves {len(where) - 2} times", where[-1]] if len(where) > 3 else where


def _stays(effect: Float[np.ndarray, "layer pos"]) -> list[tuple[int, int]]:
    """(position, last layer) of the strongest place of each layer, as long as it stays where it is."""
    strongest = [(int(row.argmax()), layer) for layer, row in enumerate(effect) if row.max() >= SHARE]
    groups = itertools.groupby(strongest, key=lambda item: item[0])
    return [(pos, list(group)[-1][1]) for pos, group in groups]


def _ends(result: Patching) -> str:
    clean, corrupted = (measures.said(result.metric, value) for value in (result.clean, result.corrupted))
    if result.metric == "kl":
        return (
            f"The exchanged prompt's guesses are {corrupted} (KL) away from your prompt's; 100% restored means "
            "that all of them are as in your prompt's own run."
        )
    if clean == corrupted:
        return f"The {result.quantity} is {clean} in both prompts: shares of so small a gap say little."
    return f"The {result.quantity} is {clean} in your prompt and {corrupted} in the exchanged one."


def _strongest(result: Patching) -> str:
    effect = _effect(result)
    cells = [np.unravel_index(index, effect.shape) for index in np.argsort(effect, axis=None)[::-1][:3]]
    does = "restore" if result.direction == "denoise" else "destroy"
    told = [cell for cell in cells if effect[cell] >= WORTH_SAYING]
    if not told:
        return f"No patch {does}s any of it."
    named = [f"{_short(result, tuple(map(int, cell)))} ({percent_of_gap(effect[cell])})" for cell in told]
    if len(named) == 1:
        return f"The patch that {does}s most: {named[0]}."
    return f"Patches that {does} most: {listed(named)}."


def _short(result: Patching, cell: tuple[int, ...]) -> str:
    part = Part(result.place, result.layers[cell[0]], cell[1:])
    if "head" in part.kind.axes:
        return part.name
    return part.kind.words.format(layer=part.layer, pos=f"position {part.number}")


def _trust(result: Patching) -> list[str]:
    if not result.estimated:
        return []
    agree = (
        "" if result.correlation is None else f"; there the correlation is {result.correlation:.2f}".replace("-", "−")
    )
    n, wrong = int(np.isfinite(result.exact).sum()), int(result.disagrees.sum())
    sentences = [f"These are estimates from one backward pass; the {n} largest were run exactly{agree}."]
    if wrong:
        sentences.append(
            f"{wrong} of them {'is' if wrong == 1 else 'are'} off by more than {percent_of_gap(result.disagreement)} "
            "of the gap, and marked."
        )
    return sentences
