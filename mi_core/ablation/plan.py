"""Which runs an ablation takes: the components, what is put in their place, and what every run has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from mi_core.ablation import feature_writes, knockout
from mi_core.ablation.component import Component, Feature, asked_kind, component, components, place_of
from mi_core.ablation.cut import CUTS, cuts
from mi_core.ablation.direct_effect import hooks_read
from mi_core.ablation.knockout import Knockout
from mi_core.errors import InputError
from mi_core.interventions.intervention import run_with
from mi_core.interventions.kind import FEATURE, Kind
from mi_core.interventions.restart import Run
from mi_core.metrics.target import Target, resolve
from mi_core.models.model import Activations, Model
from mi_core.models.progress import Progress, silent
from mi_core.models.tokens import Tokens
from mi_core.phrases import listed
from mi_core.saes.loading import load_sae


@dataclass(frozen=True)
class Question:
    """What is asked: the settings of `mi_core.analyses.ablation.ablation`, which says what they mean."""

    prompt: str
    target: str | None
    foil: str | None
    pos: int | None
    site: str
    mode: str
    reference: str
    set_to: float | None
    layer: int | None
    head: int | None
    neuron: int | None
    feature: int | None
    token: int | None
    query_pos: int | None
    key_pos: int | None
    sae: str | None
    also: tuple[str, ...]
    at: str
    prepend_bos: bool | None


@dataclass(frozen=True, eq=False)
class Plan:
    """The runs of one ablation: run i knocks out `components[i]`, and `others`, which are out in all of them."""

    tokens: Tokens
    pos: int
    """The position whose next token is asked for."""
    target: Target
    kind: Kind
    """What the components are."""
    plain: Activations
    """The run with nothing out."""
    acts: Activations
    """The run with `others` out."""
    source: Activations
    """The run that features are read in: that of `acts`, but for others of the same SAE."""
    components: Sequence[Component]
    others: Sequence[Component]
    peaks: tuple[float, ...]
    """[component] Of features, the largest activation on the prompt; empty for all other components."""
    left_out: int
    """Active features beyond the most that a sweep takes."""
    knockout: Knockout
    base: Run
    """What every run begins with: `others` out."""
    runs: tuple[Run, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The prompt, up to the position that is read."""
        return self.tokens.ids[: self.pos + 1]


def plan(model: Model, question: Question, progress: Progress = silent) -> Plan:
    """All that comes before the sweep; `progress` is called between runs, with no hook active.

    Raises:
        InputError: A bad prompt, target, position, place or component.
    """
    tokens = model.tokens(question.prompt, question.prepend_bos)
    pos = model.position(tokens, question.pos)
    model.up_to(tokens.ids, pos)
    asked = {name: getattr(question, name) for name in ("head", "neuron", "feature", "token")}
    kind, number = asked_kind(question.site, asked)
    first, end = _range(question.at, kind, pos)
    others = [component(model, name, "also", pos + 1, question.sae) for name in question.also]
    _check_positions(question, kind)
    if kind == FEATURE:
        swept = _features(model, question, tokens, pos, others)
    elif kind in CUTS:
        query = model.position(tokens, pos if question.query_pos is None else question.query_pos, "query_pos")
        out = cuts(model, kind, question.layer, question.head, query, question.key_pos, pos + 1)
        swept = _parts(model, out, tokens, pos, others)
    else:
        out = components(model, place_of(kind), question.layer, number, pos + 1)
        swept = _parts(model, out, tokens, pos, others)
    ready = knockout.prepare(
        model, tokens, swept.plain, [*swept.components, *others], question.mode, question.reference,
        set_to=question.set_to, prepend_bos=question.prepend_bos, between=partial(progress, 0, 1),
    )  # fmt: skip
    base = ready.together(others, first, end)
    acts = run_with(model, tokens, base, swept.names, logits=pos, query=pos) if others else swept.plain
    source, one = acts, swept.components[0]
    apart = [other for other in others if not _of_the_same_sae(other, one)]
    if isinstance(one, Feature) and len(apart) < len(others):
        source = run_with(model, tokens, ready.together(apart, first, end), [one.hook])
    return Plan(
        tokens=tokens,
        pos=pos,
        target=resolve(model, question.target, question.foil, int(swept.plain.logits[0].argmax())),
        kind=kind,
        plain=swept.plain,
        acts=acts,
        source=source,
        components=swept.components,
        others=others,
        peaks=swept.peaks,
        left_out=swept.left_out,
        knockout=ready,
        base=tuple(base),
        runs=tuple((*base, *one) for one in ready.each(swept.components, source, first, end)),
    )


@dataclass(frozen=True, eq=False)
class _Swept:
    """What is knocked out one by one."""

    plain: Activations
    """A run with nothing out that kept `names`."""
    names: set[str]
    components: Sequence[Component]
    peaks: tuple[float, ...] = ()
    left_out: int = 0


def _parts(model: Model, parts: Sequence[Component], tokens: Tokens, pos: int, others: Sequence[Component]) -> _Swept:
    names = hooks_read(model, [*parts, *others])
    return _Swept(model.run(tokens, names, logits=pos, query=pos), names, parts)


def _features(model: Model, question: Question, tokens: Tokens, pos: int, others: Sequence[Component]) -> _Swept:
    """Those active on the prompt, or the one asked for."""
    sae = load_sae(model, question.sae)
    names = hooks_read(model, others) | {sae.hook}
    plain = model.run(tokens, names, logits=pos, query=pos)
    only = None if question.feature is None else sae.feature(question.feature)
    strongest = feature_writes.active(sae, plain[sae.hook][int(tokens.has_bos) : pos + 1], only)
    if not strongest.features:
        raise InputError(f"No feature of the SAE at {sae.hook} is active here: choose another one.", "sae")
    return _Swept(plain, names, strongest.features, strongest.peaks, strongest.left_out)


def _of_the_same_sae(one: Component, other: Component) -> bool:
    return isinstance(one, Feature) and isinstance(other, Feature) and one.sae == other.sae


def _check_positions(question: Question, kind: Kind) -> None:
    for name in ("query_pos", "key_pos"):
        if getattr(question, name) is not None and kind not in CUTS:
            sites = listed([each.name for each in CUTS])
            raise InputError(f"{question.site} has no {name}: leave it out, or choose {sites} as site.", name)


def _range(at: str, kind: Kind, pos: int) -> tuple[int, int]:
    """First position that components are out at, and the one after the last."""
    first = {"all": 0, "pos": pos}.get(at)
    if first is None:
        raise InputError(f"“{str(at)[:40]}” is no choice of positions: use all or pos.", "at")
    if at == "pos" and ("pos" in kind.axes or kind in CUTS):
        raise InputError("A position, or what it reads, is out at its own place only: choose all.", "at")
    return first, pos + 1
