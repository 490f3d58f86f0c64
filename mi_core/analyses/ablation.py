"""What breaks when a part of the model is taken away?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from mi_core.ablation.component import KINDS, Component, Feature, setting_of
from mi_core.ablation.cut import CUTS, KEY, Cut
from mi_core.ablation.direct_effect import direct_effects
from mi_core.ablation.plan import Plan, Question
from mi_core.ablation.plan import plan as make_plan
from mi_core.ablation.replacement import without
from mi_core.interventions.intervention import run_with
from mi_core.interventions.kind import FEATURE, Kind
from mi_core.interventions.restart import Run
from mi_core.interventions.sweep import sweep
from mi_core.metrics.metric import Metrics
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import among, instead, listed, moves, percent, place, quoted, signed
from mi_core.result import Check, Reading, same_length, whole_numbers, within
from mi_core.saes import loading as saes
from mi_core.saes.notes import notes

HEALED = 0.5  # of the direct effect. A smaller change means that later layers made up for more than half (self-repair)
WORTH_SAYING = 0.1  # logits, about a tenth of the odds: smaller effects are left out of sentences


@dataclass(frozen=True)
class Ablation:
    """The target's logit (difference) at `pos` with each component knocked out."""

    model: str
    tokens: Tokens
    target: Target
    pos: int
    """The position whose next token is asked for."""
    site: str
    """What kind the components are, as `mi_core.ablation.component.KINDS` names it."""
    mode: str
    set_to: float | None
    """What mode ``"set"`` puts in place, in units of the component's activation; None for all other modes."""
    at: str
    sae: str | None
    """Hook of the SAE whose features they are; None for all other kinds."""
    also: tuple[str, ...]
    """Components knocked out in every run, the baseline's too."""
    components: tuple[str, ...]
    """[component] Names."""
    component_layers: tuple[int, ...]
    """[component] The block of each."""
    component_numbers: tuple[int, ...]
    """[component] Which head, neuron, feature or position, of site key the token that is read; −1: a whole layer's."""
    edges: tuple[tuple[int, int], ...]
    """[component] Of attention that is cut, which token reads which; none for all other kinds."""
    labels: tuple[str, ...]
    """[component] Of features what is known of them, of positions and of attention that is cut the token (that is
    read); empty for all other kinds."""
    peaks: tuple[float, ...]
    """[component] Of features the largest activation on the prompt, in the SAE's units; none for all other kinds."""
    left_out: int
    """Active features that were not measured."""
    value: Float[np.ndarray, " component"]
    """[component] The logit (difference) without it."""
    change: Float[np.ndarray, " component"]
    """[component] `value` less `baseline`, in logits."""
    direct: Float[np.ndarray, " component"]
    """[component] What it wrote towards the answer itself, less what its replacement writes, in logits: with nothing
    else reacting, the change would be −`direct`. NaN where that cannot be said."""
    probability: Float[np.ndarray, " component"]
    """[component] The answer's without it, 0 to 1."""
    kl: Float[np.ndarray, " component"]
    """[component] KL(baseline ‖ without it), in bits."""
    plain: float
    """The value with nothing knocked out."""
    plain_probability: float
    baseline: float
    """The value with `also` out, in logits; so the next two."""
    baseline_probability: float
    baseline_kl: float
    checks: tuple[Check, ...]
    units: str = "logits; probability; bits (KL)"

    def __post_init__(self) -> None:
        same_length(self, "components", "component_layers", "component_numbers", "labels", "value", "change", "direct")
        same_length(self, "components", "probability", "kl")
        within(self, 0.0, 1.0, "probability", "plain_probability", "baseline_probability")
        within(self, 0.0, np.inf, "kl", "baseline_kl")

    @property
    def kind(self) -> Kind:
        """What the components are."""
        return next(kind for kind in KINDS if kind.name == self.site)

    @property
    def component_heads(self) -> tuple[int, ...]:
        """Which head each component is; −1 for all other kinds."""
        return self.component_numbers if "head" in self.kind.axes else (-1,) * len(self.components)

    @property
    def strongest(self) -> int:
        """Index of the component whose knockout changes the answer most."""
        return int(np.abs(self.change).argmax())

    def settings_of(self, index: int) -> dict[str, int]:
        """The settings that narrow an ablation down to one component."""
        name = "key_pos" if self.kind == KEY else "head" if "head" in self.kind.axes else setting_of(self.kind)
        layer = {} if self.kind in (FEATURE, KEY) else {"layer": self.component_layers[index]}
        return layer | ({name: self.component_numbers[index]} if name else {})

    def tables(self) -> dict[str, pd.DataFrame]:
        """`effects`: a row per component; `foretold` is −`direct`. `baseline`: nothing out, and `also` out."""
        effects = {
            "component": self.components,
            "layer": whole_numbers(self.component_layers),
            "head": whole_numbers(self.component_heads),
            **self._which(),
            "value": self.value,
            "change": self.change,
            "direct": self.direct,
            "foretold": 0.0 - self.direct,
            "probability": self.probability,
            "probability_change": self.probability - np.float32(self.baseline_probability),
            "kl": self.kl,
        }
        rows = [("nothing", self.plain, self.plain_probability, 0.0)]
        if self.also:
            rows.append((" + ".join(self.also), self.baseline, self.baseline_probability, self.baseline_kl))
        baseline = pd.DataFrame(rows, columns=["without", "value", "probability", "kl"])
        return {"effects": pd.DataFrame(effects), "baseline": baseline}

    def _which(self) -> dict[str, Any]:
        """The columns that say which neuron, feature or position a component is."""
        if self.edges:
            query_pos, key_pos = zip(*self.edges, strict=True)
            return {"query_pos": query_pos, "key_pos": key_pos, "key_token": self.labels}
        numbers = {axis: self.component_numbers for axis in self.kind.axes if axis != "head"}
        if "feature" in numbers:
            return numbers | {"label": self.labels, "activation": self.peaks}
        return numbers | {"token": self.labels} if "pos" in numbers else numbers

    @property
    def state(self) -> str:
        """What `also` are, in a sentence: out, or set to a number."""
        return "out" if self.set_to is None else f"set to {self.set_to:g}"

    def said(self, index: int) -> str:
        """A component in a sentence: `L3H0`, `neuron 17 of layer 3`, `feature 115 (capitals)`."""
        if self.edges:
            reads, read = (place(self.tokens, pos) for pos in self.edges[index])
            where = self.components[index].partition("@")[0].replace("attention", "layer")
            where = "" if where == "layer" else f" in {where}"
            return f"attention from {reads} to {read}{where}"
        kind, number = self.kind, self.component_numbers[index]
        which = {axis: place(self.tokens, number) if axis == "pos" else number for axis in kind.axes}
        said = kind.words.format(layer=self.component_layers[index], **which)
        return f"{said} ({self.labels[index]})" if kind == FEATURE and self.labels[index] else said

    def reading(self) -> Reading:
        """Which knockout hurts most, and whether the direct effects foretold it."""
        return _read(self)


def ablation(
    model: Model,
    prompt: str,
    *,
    target: str | None = None,
    foil: str | None = None,
    pos: int | None = None,
    site: Literal["head", "attn_out", "mlp_out", "neuron", "feature", "position", "key", "edge_layer", "edge"] = "head",
    mode: Literal["zero", "mean", "resample", "set"] = "mean",
    reference: str = "",
    set_to: float | None = None,
    layer: int | None = None,
    head: int | None = None,
    neuron: int | None = None,
    feature: int | None = None,
    token: int | None = None,
    query_pos: int | None = None,
    key_pos: int | None = None,
    sae: str | None = None,
    also: tuple[str, ...] = (),
    at: Literal["all", "pos"] = "all",
    prepend_bos: bool | None = None,
    progress: Progress = silent,
) -> Ablation:
    """Knock components out, one per run, and measure what becomes of the answer.

    Unlike attribution this is causal: it counts whatever a component does, through later layers too. It does not show
    how: later layers may make up for a missing part (self-repair, McGrath et al. 2023, "The Hydra Effect"), so that a
    part that matters seems not to. Zero is far from what a component ever writes and breaks more than its
    information; a mean keeps what is the same in every prompt (Wang et al. 2022).

    Args:
        model: The model.
        prompt: Text to read.
        target: The answer; None for the model's top guess at `pos`.
        foil: A second token whose logit is subtracted, or None.
        pos: Position whose next-token logits are read; None for the last.
        site: What is knocked out: heads (their `z`), whole attention layers, MLPs, the neurons of one layer, the SAE
            features that are active on the prompt (their term is taken off the activation; the SAE's error and all
            other features stay), or positions: the residual stream of one token before one layer. Or attention from
            token `query_pos` is cut, to each token that it reads (``"key"``), or to token `key_pos` in each layer
            (``"edge_layer"``) or head (``"edge"``): the score is −∞ before the softmax, so that nothing is put in its
            place and the rest of the row grows (attention knockout, Geva et al. 2023, "Dissecting Recall").
        mode: What is put in its place: ``"zero"``; ``"mean"`` over the tokens of the reference prompts;
            ``"resample"``, what the first of them has there, aligned at the end; or, of features and neurons,
            ``"set"``: the number `set_to`.
        reference: Prompts, one per line; a few everyday sentences where it is empty.
        set_to: What mode ``"set"`` puts at every position, in units of the feature's or neuron's activation.
        layer: Only this layer; None for all. Neurons need one.
        head: Only this head; needs `layer`, but for site edge.
        neuron: Only this neuron; needs `layer`.
        feature: Only this feature, active or not.
        token: Only this position, for site position.
        query_pos: The token whose attention is cut; None for `pos`.
        key_pos: The token that is no longer read; None for each in turn, for site key.
        sae: Hook name of the SAE whose features are meant; None for the model's only one, or the middle one.
        also: Components that are out in every run, such as ``("L3H0", "MLP 2")``: knock out what matters, and see
            what takes over. Neurons are ``L3N17``, positions ``L3P4``, features ``feature 115``,
            and what token 8 reads of token 2 is ``attention@8→2``, ``attention 3@8→2`` or ``L3H0@8→2``.
        at: ``"all"`` positions, or only ``"pos"``.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Logits (after any soft cap), their change, probabilities of the answer, and KL divergences in bits.

    Raises:
        InputError: A bad prompt, target, position, place or component, or a value that cannot be set.
    """
    ask = Question(
        prompt=prompt,
        target=target,
        foil=foil,
        pos=pos,
        site=site,
        mode=mode,
        reference=reference,
        set_to=set_to,
        layer=layer,
        head=head,
        neuron=neuron,
        feature=feature,
        token=token,
        query_pos=query_pos,
        key_pos=key_pos,
        sae=sae,
        also=also,
        at=at,
        prepend_bos=prepend_bos,
    )
    plan = make_plan(model, ask, progress)
    read = Metrics(plan.target, plan.acts.logits[0].float())
    swept = sweep(model, plan.ids, plan.runs, read, progress)
    value, probability, kl = swept.values.numpy(force=True).T
    both = torch.cat([plan.plain.logits, plan.acts.logits]).float()
    start = Metrics(plan.target, plan.plain.logits[0].float())(both).tolist()
    components = plan.components
    return Ablation(
        model=model.id,
        tokens=plan.tokens,
        target=plan.target,
        pos=plan.pos,
        site=site,
        mode=mode,
        set_to=set_to,
        at=at,
        sae=_autoencoder(components[0]),
        also=tuple(one.name for one in plan.others),
        components=tuple(one.name for one in components),
        component_layers=tuple(one.layer for one in components),
        component_numbers=tuple(_number(plan.kind, one) for one in components),
        edges=tuple((one.query_pos, one.key_pos) for one in components if isinstance(one, Cut)),
        labels=_labels(model, plan),
        peaks=plan.peaks,
        left_out=plan.left_out,
        value=value,
        change=value - np.float32(start[1][0]),
        direct=direct_effects(model, plan.acts, plan.source, components, plan.knockout, plan.target, plan.pos),
        probability=probability,
        kl=kl,
        plain=start[0][0],
        plain_probability=start[0][1],
        baseline=start[1][0],
        baseline_probability=start[1][1],
        baseline_kl=start[1][2],
        checks=(_check(model, plan), *_row(model, plan), *swept.checks()),
    )


def planned(model: Model, **settings: Any) -> tuple[tuple[int, ...], Sequence[Run]]:
    """The token ids and the runs that `ablation` sweeps over, all of its settings given.

    Raises:
        InputError: As `ablation` does.
    """
    plan = make_plan(model, Question(**settings))
    return plan.ids, plan.runs


def _number(kind: Kind, component: Component) -> int:
    return component.key_pos if isinstance(component, Cut) and kind == KEY else component.number


def _autoencoder(component: Component) -> str | None:
    """Which SAE's feature a component is; None for all others."""
    return component.sae if isinstance(component, Feature) else None


def _labels(model: Model, plan: Plan) -> tuple[str, ...]:
    """Of features what is known of them, of positions their token; empty for all other components."""
    components = plan.components
    if (sae := _autoencoder(components[0])) is not None:
        book = notes(saes.pick(model.id, sae))
        return tuple(book.of(one.number).label for one in components)
    if "pos" in plan.kind.axes:
        return tuple(plan.tokens.texts[one.number] for one in components)
    if plan.kind in CUTS:
        return tuple(plan.tokens.texts[one.key_pos] for one in components if isinstance(one, Cut))
    return ("",) * len(components)


def _check(model: Model, plan: Plan) -> Check:
    own = plan.knockout.itself(plan.components, plan.plain)
    again = run_with(model, plan.tokens, own, logits=plan.pos).logits
    return Check("ablating nothing changes nothing", float((again - plan.plain.logits).abs().max()), 0.0)


def _row(model: Model, plan: Plan) -> list[Check]:
    """What is left of the rows that the first cut leaves; with a learned sink they do not add up to 1."""
    first = plan.components[0]
    if not isinstance(first, Cut):
        return []
    acts = run_with(model, plan.tokens, first.run(), first.hooks, query=first.query_pos)
    heads = slice(None) if first.head < 0 else first.head
    rows = torch.stack([acts[name][heads, 0] for name in first.hooks])
    error = float(rows[..., first.key_pos].abs().max())
    if not first.sinks:
        error = max(error, float((rows.sum(-1) - 1).abs().max()))
    return [Check("what is cut has no attention, and the rest of its row adds up to 1", error, 1e-5)]


def _read(result: Ablation) -> Reading:
    """The finding as a title, and what else the numbers show."""
    title = _of_many(result) if len(result.components) > 1 else _of_one(result)
    if result.also:
        title = (
            f"With {listed(list(result.also))} {result.state} already: {title[0].lower()}{title[1:]}{_together(result)}"
        )
    return Reading(title, (_start(result), *_other_way(result), *_repair(result), *_unmeasured(result)))


def _of_many(result: Ablation) -> str:
    """Which knockout hurts most, and among what: another page may name a part of another kind."""
    worst = int(result.change.argmin())
    all_of_them = among(result.kind.plural, () if result.kind in (FEATURE, KEY) else result.component_layers)
    if _is_nothing(np.abs(result.change).max()):
        return f"No knockout moves {_what(result)}, {all_of_them}"
    if _is_nothing(result.change[worst]) or result.change[worst] > 0:
        return f"No knockout lowers {_what(result)}, {all_of_them}"
    return f"{_without(result, worst)}, {_what(result)} falls most, {all_of_them}: {signed(result.change[worst])}"


def _of_one(result: Ablation) -> str:
    change = float(result.change[0])
    if _is_nothing(change):
        return f"{_without(result, 0)}, {_what(result)} stays as it is"
    return f"{_without(result, 0)}, {_what(result)} {'falls' if change < 0 else 'rises'}: {signed(change)}"


def _together(result: Ablation) -> str:
    """What one part and those that are out already do in all."""
    return f"; all together {signed(result.value[0] - result.plain)}" if len(result.components) == 1 else ""


def _without(result: Ablation, index: int) -> str:
    return _capital(without(result.said(index), result.set_to))


def _what(result: Ablation) -> str:
    return f"the {result.target.quantity} of {result.target.label}"


def _is_nothing(change: float) -> bool:
    """Whether a change is written as none."""
    return not moves(0.0, change, signed)


def _start(result: Ablation) -> str:
    at, value, given = place(result.tokens, result.pos), signed(result.baseline), percent(result.baseline_probability)
    answer = quoted(result.target.text)
    if result.also:
        return (
            f"With {listed(list(result.also))} {result.state}, the {result.target.quantity} after {at} is "
            f"{instead(result.plain, result.baseline, signed)}, and {answer} gets "
            f"{instead(result.plain_probability, result.baseline_probability, percent)}."
        )
    return f"With everything in place, the {result.target.quantity} after {at} is {value}; {answer} gets {given}."


def _other_way(result: Ablation) -> list[str]:
    best = int(result.change.argmax())
    if result.change[best] <= 0 or _is_nothing(result.change[best]) or len(result.components) == 1:
        return []
    return [f"{_without(result, best)} it rises most: {signed(result.change[best])}."]


def _repair(result: Ablation) -> list[str]:
    """Whose absence later layers make up for; otherwise how much of the strongest knockout is a direct effect."""
    missing = np.abs(np.nan_to_num(result.change + result.direct))
    healed = (np.abs(result.direct) >= WORTH_SAYING) & (np.abs(result.change) < HEALED * np.abs(result.direct))
    if healed.any():
        index = int((missing * healed).argmax())
        moved = f"{_moves_only(result.change[index])}: later layers make up for the rest (self-repair)."
        if result.set_to is not None:
            more = signed(-result.direct[index])
            return [
                f"{_without(result, index)}, it writes {more} more towards the answer itself, yet the value {moved}"
            ]
        wrote = f"{_capital(result.said(index))} writes {signed(result.direct[index])} towards the answer itself"
        return [f"{wrote}, yet without it the value {moved}"]
    if missing[result.strongest] < WORTH_SAYING or "pos" in result.kind.axes or result.edges:
        return []
    return [
        f"From what {result.said(result.strongest)} writes towards the answer itself one would expect "
        f"{signed(-result.direct[result.strongest])}; the rest goes through later layers."
    ]


def _moves_only(change: float) -> str:
    return "hardly moves" if _is_nothing(change) else f"moves only {signed(change)}"


def _unmeasured(result: Ablation) -> list[str]:
    return [f"{result.left_out:,} weaker features were left out."] if result.left_out else []


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
