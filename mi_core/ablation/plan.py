"""Which runs an ablation takes: the components, what is put in their place, and what every run has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mi_core.ablation import component, direct_effect, feature_writes, knockout
from mi_core.ablation.component import Component
from mi_core.ablation.knockout import Knockout
from mi_core.errors import InputError
from mi_core.interventions import intervention
from mi_core.interventions.intervention import Intervention
from mi_core.interventions.restart import Cell
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Activations, Model
from mi_core.models.tokens import Tokens
from mi_core.saes.loading import load_sae


@dataclass(frozen=True, eq=False)
class Plan:
    """The runs of one ablation: cell i knocks out `chosen[i]`, and `others`, which are out in all of them.

    `plain` is the run with nothing out, `acts` the one with `others` out. `peaks` are the largest activations of
    features on the prompt; empty for all other components. `left_out` counts active features beyond the most that a
    sweep takes.
    """

    tokens: Tokens
    pos: int
    target: Target
    plain: Activations
    acts: Activations
    chosen: tuple[Component, ...]
    others: tuple[Component, ...]
    peaks: tuple[float, ...]
    left_out: int
    knockout: Knockout
    source: Activations
    cells: tuple[Cell, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The prompt, up to the position that is read."""
        return self.tokens.ids[: self.pos + 1]


def plan(
    model: Model,
    prompt: str,
    *,
    target: str | None,
    foil: str | None,
    pos: int | None,
    site: str,
    mode: str,
    reference: str,
    layer: int | None,
    head: int | None,
    neuron: int | None,
    feature: int | None,
    token: int | None,
    sae: str | None,
    also: Sequence[str],
    at: str,
    prepend_bos: bool | None,
    between: Callable[[], None] | None = None,
) -> Plan:
    """All that comes before the sweep. Settings are those of the ablation; `between` is called between runs.

    Raises:
        InputError: A bad prompt, target, position, place or component.
    """
    tokens = model.tokens(prompt, prepend_bos)
    position = model.position(tokens, pos)
    number = component.check_site(site, {"head": head, "neuron": neuron, "feature": feature, "token": token})
    first, end = _range(at, site, position)
    others = tuple(component.find(model, name, "also", position + 1, sae) for name in also)
    chosen: Sequence[Component] = ()
    if site != "feature":
        chosen = component.components(model, site, layer, number, position + 1)
    opened = load_sae(model, sae) if site == "feature" else None
    names = direct_effect.sites(model, [*chosen, *others]) | ({opened.hook} if opened else set())
    plain = model.run(tokens, names, logits=position, query=position)
    peaks, left_out = (), 0
    if opened is not None:
        x = plain[opened.hook][int(tokens.has_bos) : position + 1]
        found = feature_writes.active(opened, x, None if feature is None else opened.feature(feature))
        if not found.ids:
            raise InputError(f"No feature of the SAE at {opened.hook} is active here: choose another one.", "sae")
        chosen, peaks, left_out = feature_writes.as_components(opened, found.ids), found.peaks, found.left_out
    ready = knockout.prepare(
        model, tokens, plain, [*chosen, *others], mode, reference, prepend_bos=prepend_bos, between=between
    )
    base = ready.together(others, first, end)
    acts = intervention.run(model, tokens, base, names, logits=position, query=position) if others else plain
    source = acts
    if opened is not None and any(one.sae == opened.hook for one in others):
        apart = ready.together([one for one in others if one.sae != opened.hook], first, end)
        source = intervention.run(model, tokens, apart, [opened.hook])
    return Plan(
        tokens=tokens,
        pos=position,
        target=resolve(model, target, foil, int(plain.logits[0].argmax())),
        plain=plain,
        acts=acts,
        chosen=tuple(chosen),
        others=others,
        peaks=tuple(peaks),
        left_out=left_out,
        knockout=ready,
        source=source,
        cells=_cells(base, ready.each(chosen, source, first, end)),
    )


def _cells(base: Sequence[Intervention], each: Sequence[Intervention]) -> tuple[Cell, ...]:
    return tuple((*base, one) for one in each)


def _range(at: str, site: str, pos: int) -> tuple[int, int]:
    """First position that components are out at, and the one after the last."""
    first = {"all": 0, "pos": pos}.get(at)
    if first is None:
        raise InputError(f"“{str(at)[:40]}” is no choice of positions: use all or pos.", "at")
    if site == "position" and at == "pos":
        raise InputError("A position is out at its own place only: choose all.", "at")
    return first, pos + 1
