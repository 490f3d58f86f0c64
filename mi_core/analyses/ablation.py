"""What breaks when a part of the model is taken away?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from mi_core.ablation.direct_effect import direct_effects
from mi_core.ablation.plan import Plan, plan
from mi_core.analyses._index import settings_of
from mi_core.interventions import intervention
from mi_core.interventions.restart import Cell
from mi_core.interventions.sweep import sweep
from mi_core.metrics.metric import Metrics
from mi_core.metrics.target import Target
from mi_core.models.model import Model
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed, percent, place, quoted, signed
from mi_core.result import Check, Reading, whole_numbers
from mi_core.saes import loading as saes
from mi_core.saes.notes import notes

HEALED = 0.5  # of the direct effect: where the change is smaller than this share, the rest was made up for
WORTH_SAYING = 0.1  # logits


@dataclass(frozen=True)
class Ablation:
    """The target's logit (difference) at `pos` with each component knocked out.

    Component i is `components[i]` in block `component_layers[i]`; `component_numbers` says which head, neuron,
    feature or position it is (−1: a whole layer's). `value` is the logit without it, `change` that less `baseline`;
    `direct` is what it wrote towards the answer itself, less what its replacement writes: with nothing else reacting,
    the change would be −`direct` (NaN where that cannot be said). `kl` is KL(baseline ‖ without it) in bits. `also`
    are components knocked out in every run, the baseline's too; `plain` is the value with nothing knocked out. Of
    features, `peaks` are the largest activations on the prompt, and `left_out` counts active ones not measured.
    """

    model: str
    tokens: Tokens
    target: Target
    pos: int
    site: str
    mode: str
    at: str
    sae: str | None
    also: tuple[str, ...]
    components: tuple[str, ...]
    component_layers: tuple[int, ...]
    component_numbers: tuple[int, ...]
    labels: tuple[str, ...]
    peaks: tuple[float, ...]
    left_out: int
    value: Float[np.ndarray, " component"]
    change: Float[np.ndarray, " component"]
    direct: Float[np.ndarray, " component"]
    probability: Float[np.ndarray, " component"]
    kl: Float[np.ndarray, " component"]
    plain: float
    plain_probability: float
    baseline: float
    baseline_probability: float
    baseline_kl: float
    checks: tuple[Check, ...]
    units: str = "logits; probability; bits (KL)"

    @property
    def component_heads(self) -> tuple[int, ...]:
        """Which head each component is; −1 for all other kinds."""
        return self.component_numbers if self.site == "head" else (-1,) * len(self.components)

    @property
    def strongest(self) -> int:
        """Index of the component whose knockout changes the answer most."""
        return int(np.abs(self.change).argmax())

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
        if self.site == "neuron":
            return {"neuron": self.component_numbers}
        if self.site == "feature":
            return {"feature": self.component_numbers, "label": self.labels, "activation": self.peaks}
        return {"pos": self.component_numbers, "token": self.labels} if self.site == "position" else {}

    def said(self, index: int) -> str:
        """A component in a sentence: `L3H0`, `neuron 17 of layer 3`, `feature 115 (capitals)`."""
        return _said(self, index)

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
    site: Literal["head", "attn_out", "mlp_out", "neuron", "feature", "position"] = "head",
    mode: Literal["zero", "mean", "resample"] = "mean",
    reference: str = "",
    layer: int | None = None,
    head: int | None = None,
    neuron: int | None = None,
    feature: int | None = None,
    token: int | None = None,
    sae: str | None = None,
    also: tuple[str, ...] = (),
    at: Literal["all", "pos"] = "all",
    prepend_bos: bool | None = None,
    progress: Callable[..., None] | None = None,
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
            other features stay), or positions: the residual stream of one token before one layer.
        mode: What is put in its place: ``"zero"``; ``"mean"`` over the tokens of the reference prompts; or
            ``"resample"``, what the first of them has there, aligned at the end.
        reference: Prompts, one per line; a few everyday sentences where it is empty.
        layer: Only this layer; None for all. Neurons need one.
        head: Only this head; needs `layer`.
        neuron: Only this neuron; needs `layer`.
        feature: Only this feature, active or not.
        token: Only this position, for site position.
        sae: Hook name of the SAE whose features are meant; None for the model's only one, or the middle one.
        also: Components that are out in every run, such as ``("L3H0", "MLP 2")``: knock out what matters, and see
            what takes over. Neurons are ``L3N17``, positions ``L3P4``, features ``feature 115``.
        at: ``"all"`` positions, or only ``"pos"``.
        prepend_bos: None follows the model's own habit.
        progress: Called between chunks with (runs done, runs in all).

    Returns:
        Logits (after any soft cap), their change, probabilities of the answer, and KL divergences in bits.

    Raises:
        InputError: A bad prompt, target, position, place or component.
    """
    report = progress or _silent
    found = plan(
        model,
        prompt,
        target=target,
        foil=foil,
        pos=pos,
        site=site,
        mode=mode,
        reference=reference,
        layer=layer,
        head=head,
        neuron=neuron,
        feature=feature,
        token=token,
        sae=sae,
        also=also,
        at=at,
        prepend_bos=prepend_bos,
        between=lambda: report(0, 1),
    )
    read = Metrics(found.target, found.acts.logits[0].float())
    swept = sweep(model, found.ids, found.cells, read, report)
    value, probability, kl = swept.values.numpy(force=True).T
    both = torch.cat([found.plain.logits, found.acts.logits]).float()
    start = Metrics(found.target, found.plain.logits[0].float())(both).tolist()
    return Ablation(
        model=model.id,
        tokens=found.tokens,
        target=found.target,
        pos=found.pos,
        site=site,
        mode=mode,
        at=at,
        sae=found.chosen[0].sae,
        also=tuple(one.name for one in found.others),
        components=tuple(one.name for one in found.chosen),
        component_layers=tuple(one.layer for one in found.chosen),
        component_numbers=tuple(-1 if one.number is None else one.number for one in found.chosen),
        labels=_labels(model, found),
        peaks=found.peaks,
        left_out=found.left_out,
        value=value,
        change=value - np.float32(start[1][0]),
        direct=direct_effects(model, found.acts, found.source, found.chosen, found.knockout, found.target, found.pos),
        probability=probability,
        kl=kl,
        plain=start[0][0],
        plain_probability=start[0][1],
        baseline=start[1][0],
        baseline_probability=start[1][1],
        baseline_kl=start[1][2],
        checks=(_check(model, found), *swept.checks()),
    )


def planned(model: Model, prompt: str, **settings: Any) -> tuple[tuple[int, ...], tuple[Cell, ...]]:
    """The token ids and the runs that `ablation` would sweep over with these settings.

    Raises:
        InputError: As `ablation` does.
    """
    usual = {name: setting.default for name, setting in settings_of(ablation).items() if name != "prompt"}
    found = plan(model, prompt, **(usual | settings))
    return found.ids, found.cells


def _silent(done: int, total: int, partial: object = None) -> None:
    pass


def _labels(model: Model, found: Plan) -> tuple[str, ...]:
    """Of features what is known of them, of positions their token; empty for all other components."""
    first = found.chosen[0]
    if first.site == "position":
        return tuple(found.tokens.texts[one.number] for one in found.chosen)
    if first.site != "feature":
        return ("",) * len(found.chosen)
    book = notes(saes.pick(model.id, first.sae))
    return tuple(book.of(one.number).label for one in found.chosen)


def _check(model: Model, found: Plan) -> Check:
    own = found.knockout.itself(found.chosen, found.plain)
    again = intervention.run(model, found.tokens, own, logits=found.pos).logits
    return Check("ablating nothing changes nothing", float((again - found.plain.logits).abs().max()), 0.0)


def _said(found: Ablation, index: int) -> str:
    """A component in a sentence: `L3H0`, `neuron 17 of layer 3`, `feature 115 (capitals)`."""
    layer, number = found.component_layers[index], found.component_numbers[index]
    if found.site == "neuron":
        return f"neuron {number} of layer {layer}"
    if found.site == "feature":
        return f"feature {number}" + (f" ({found.labels[index]})" if found.labels[index] else "")
    if found.site == "position":
        return f"what {place(found.tokens, number)} holds before layer {layer}"
    return found.components[index]


def _read(found: Ablation) -> Reading:
    """The finding as a title, and what else the numbers show."""
    worst = int(found.change.argmin())
    what = f"the {found.target.quantity} of {found.target.label}"
    if found.change[worst] < 0:
        falls = "falls" if len(found.components) == 1 else "falls most"
        title = f"Without {_said(found, worst)}, {what} {falls}: {signed(found.change[worst])}"
    else:
        title = f"No knockout lowers {what}" if len(found.components) > 1 else f"{what} does not need it"
        title = _capital(title)
    if found.also:
        title = f"With {listed(list(found.also))} out already: {title[0].lower()}{title[1:]}"
    return Reading(title, (_start(found), *_other_way(found), *_repair(found), *_unmeasured(found)))


def _start(found: Ablation) -> str:
    at, value, given = place(found.tokens, found.pos), signed(found.baseline), percent(found.baseline_probability)
    answer = quoted(found.target.text)
    if found.also:
        return (
            f"With {listed(list(found.also))} out, the {found.target.quantity} after {at} is {value} instead of "
            f"{signed(found.plain)}, and {answer} gets {given} instead of {percent(found.plain_probability)}."
        )
    return f"With everything in place, the {found.target.quantity} after {at} is {value}; {answer} gets {given}."


def _other_way(found: Ablation) -> list[str]:
    best = int(found.change.argmax())
    if found.change[best] <= 0 or len(found.components) == 1:
        return []
    return [f"Without {_said(found, best)} it rises most: {signed(found.change[best])}."]


def _repair(found: Ablation) -> list[str]:
    """Whose absence later layers make up for; otherwise how much of the strongest knockout is a direct effect."""
    missing = np.abs(np.nan_to_num(found.change + found.direct))
    healed = (np.abs(found.direct) >= WORTH_SAYING) & (np.abs(found.change) < HEALED * np.abs(found.direct))
    if healed.any():
        index = int((missing * healed).argmax())
        return [
            f"{_capital(_said(found, index))} writes {signed(found.direct[index])} towards the answer itself, "
            f"yet without it the value moves only {signed(found.change[index])}: later layers make up for the rest "
            "(self-repair)."
        ]
    if missing[found.strongest] < WORTH_SAYING or found.site == "position":
        return []
    return [
        f"From what {_said(found, found.strongest)} writes towards the answer itself one would expect "
        f"{signed(-found.direct[found.strongest])}; the rest goes through later layers."
    ]


def _unmeasured(found: Ablation) -> list[str]:
    return [f"{found.left_out:,} weaker features were left out."] if found.left_out else []


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
